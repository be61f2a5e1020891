"""Transports: folders and real SMTP servers, encrypted and not."""

import os
import ssl
import stat
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from mail.transport import DeliveryError, SmtpTransport, transport_from_url
from tests.mail.smtp_server import SmtpServer, authenticate, certificate


@pytest.fixture
def email_message() -> EmailMessage:
    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["To"], message["Subject"] = (
        "CAMCHA <bonjour@camcha.example>",
        "zoe@example.fr",
        "Été",
    )
    message["Message-ID"] = "<email-7.abc@camcha.example>"
    message.set_content("Voilà")
    return message


@pytest.fixture
async def server() -> AsyncIterator[SmtpServer]:
    """A server without TLS."""
    async with SmtpServer().open() as server:
        yield server


def plain_url(server: SmtpServer) -> str:
    return f"smtp://127.0.0.1:{server.port}?starttls=never"


def read_files(folder: Path) -> dict[str, bytes]:
    """The files anywhere under a folder, by their path relative to it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


async def delivery_error(url: str, email_message: EmailMessage) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        await transport_from_url(url).send(email_message)
    return raised.value


async def test_a_folder_gets_a_file_that_mail_readers_open(
    tmp_path: Path, email_message: EmailMessage
) -> None:
    link = await transport_from_url(f"file://{tmp_path}/out%20box").send(email_message)
    assert link.startswith("file:///")
    assert unquote(urlsplit(link).path) == f"{tmp_path}/out box/email-7.abc.eml"
    assert (
        message_from_bytes(read_files(tmp_path)["out box/email-7.abc.eml"], policy=policy.default)[
            "Subject"
        ]
        == "Été"
    )


async def test_files_are_readable_by_the_servers_user_only(
    tmp_path: Path, email_message: EmailMessage
) -> None:
    await transport_from_url(f"file://{tmp_path}").send(email_message)
    assert [stat.S_IMODE(os.stat(entry).st_mode) for entry in os.scandir(tmp_path)] == [0o600]


async def test_a_message_sent_twice_is_one_file(
    tmp_path: Path, email_message: EmailMessage
) -> None:
    folder = transport_from_url(f"file://{tmp_path}")
    await folder.send(email_message)
    await folder.send(email_message)
    assert list(read_files(tmp_path)) == ["email-7.abc.eml"]


async def test_a_relative_folder_stays_when_the_working_directory_changes(
    tmp_path: Path, email_message: EmailMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = transport_from_url("file:var/mail")
    monkeypatch.chdir("/")
    await folder.send(email_message)
    assert list(read_files(tmp_path)) == ["var/mail/email-7.abc.eml"]


@pytest.mark.parametrize("name", ["<../../evil@x>", "<a/b@x>", "<.hidden@x>", "none"])
async def test_no_message_id_escapes_the_folder(
    tmp_path: Path, email_message: EmailMessage, name: str
) -> None:
    email_message.replace_header("Message-ID", name)
    assert (await delivery_error(f"file://{tmp_path}/a/b/mail", email_message)).permanent
    assert read_files(tmp_path) == {}


async def test_a_folder_that_cannot_be_written_is_retried(
    tmp_path: Path, email_message: EmailMessage
) -> None:
    (tmp_path / "taken").write_text("a file, no folder")
    assert not (await delivery_error(f"file://{tmp_path}/taken", email_message)).permanent


async def test_a_server_gets_the_message(server: SmtpServer, email_message: EmailMessage) -> None:
    assert (
        await transport_from_url(plain_url(server)).send(email_message)
        == f"smtp://127.0.0.1:{server.port}"
    )
    address, message = server.received[0]
    assert (address, message["Subject"], message.get_content()) == (
        "zoe@example.fr",
        "Été",
        "Voilà\r\n",
    )


@pytest.mark.parametrize(
    ("reply", "permanent"), [("550 no such user", True), ("451 come back later", False)]
)
async def test_a_rejected_recipient_is_reported(
    server: SmtpServer, email_message: EmailMessage, reply: str, permanent: bool
) -> None:
    server.rejected_recipients["zoe@example.fr"] = reply
    error = await delivery_error(plain_url(server), email_message)
    assert error.permanent is permanent
    assert error.reason == f"SMTPRecipientRefused {reply[:3]}"


@pytest.mark.parametrize(("reply", "permanent"), [("554 too odd", True), ("452 disk full", False)])
async def test_rejected_content_is_reported(
    server: SmtpServer, email_message: EmailMessage, reply: str, permanent: bool
) -> None:
    server.content_rejection = reply
    assert (await delivery_error(plain_url(server), email_message)).permanent is permanent


@pytest.mark.parametrize("reply", ["421 closing", "451 later", "550 not from you"])
async def test_a_rejected_sender_is_retried(
    server: SmtpServer, email_message: EmailMessage, reply: str
) -> None:
    server.sender_rejection = reply
    assert not (await delivery_error(plain_url(server), email_message)).permanent


async def test_a_server_that_is_down_is_retried(email_message: EmailMessage) -> None:
    async with SmtpServer().open() as server:
        url = plain_url(server)
    assert not (await delivery_error(url, email_message)).permanent


async def test_login_after_starttls(tmp_path: Path, email_message: EmailMessage) -> None:
    ca_file, context = certificate(tmp_path)
    async with SmtpServer().open(
        tls_context=context, require_starttls=True, authenticator=authenticate, auth_required=True
    ) as server:
        address = f"127.0.0.1:{server.port}?ca_file={ca_file}"
        await transport_from_url(f"smtp://mailer:p%40ss%3Aword@{address}").send(email_message)
        wrong_password = await delivery_error(f"smtp://mailer:wrong@{address}", email_message)
        untrusted_certificate = await delivery_error(
            f"smtp://mailer:p%40ss%3Aword@127.0.0.1:{server.port}", email_message
        )
    assert server.addresses == ["zoe@example.fr"]
    assert (wrong_password.permanent, untrusted_certificate.permanent) == (False, False)


async def test_login_over_implicit_tls(tmp_path: Path, email_message: EmailMessage) -> None:
    ca_file, context = certificate(tmp_path)
    server = SmtpServer()
    async with server.open(ssl=context, auth_require_tls=False, authenticator=authenticate):
        address = f"127.0.0.1:{server.port}"
        assert (
            await transport_from_url(
                f"smtps://mailer:p%40ss%3Aword@{address}?ca_file={ca_file}"
            ).send(email_message)
            == f"smtps://{address}"
        )
        wrong_password = await delivery_error(
            f"smtps://mailer:wrong@{address}?ca_file={ca_file}", email_message
        )
        untrusted_certificate = await delivery_error(
            f"smtps://mailer:p%40ss%3Aword@{address}", email_message
        )
        wrong_host_name = await delivery_error(
            f"smtps://mailer:p%40ss%3Aword@localhost:{server.port}?ca_file={ca_file}", email_message
        )
    assert server.addresses == ["zoe@example.fr"]
    assert [
        error.permanent for error in (wrong_password, untrusted_certificate, wrong_host_name)
    ] == [False] * 3


async def test_nothing_is_sent_to_a_server_without_the_login_that_is_configured(
    server: SmtpServer, email_message: EmailMessage
) -> None:
    url = f"smtp://mailer:secret@127.0.0.1:{server.port}?starttls=never"
    assert not (await delivery_error(url, email_message)).permanent
    assert server.received == []


async def test_a_password_is_never_sent_unencrypted(
    server: SmtpServer, email_message: EmailMessage
) -> None:
    assert not (
        await delivery_error(f"smtp://mailer:secret@127.0.0.1:{server.port}", email_message)
    ).permanent
    assert server.received == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "begins with"),
        ("var/mail", "begins with"),
        ("http://mail.example", "not with 'http'"),
        ("file:", "file:///absolute"),
        ("file://var/mail", "'var' reads as a host"),
        ("file:mail?x=1", "without a query"),
        ("smtp:///x", "host:port"),
        ("smtp://mail.example/inbox", "host:port"),
        ("smtp://u:hush@mail.example:99999", "port"),
        ("smtp://u:hush@mail.example:x", "port"),
        ("smtp://u:hush@mail.example?tls=yes", "no option tls"),
        ("smtp://u:hush@mail.example?starttls=yes", "one of required"),
        ("smtps://mail.example?starttls=required", "smtps takes none"),
        ("smtp://mail.example?ca_file=/nowhere.pem", "ca_file"),
        ("smtp://mailer@mail.example", "both"),
    ],
)
def test_messages_about_invalid_urls_never_contain_the_password(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        transport_from_url(url)
    assert "hush" not in str(raised.value)


def test_smtp_urls_have_secure_defaults() -> None:
    submission, implicit = (
        transport_from_url("smtp://mail.example"),
        transport_from_url("smtps://mail.example"),
    )
    assert isinstance(submission, SmtpTransport)
    assert isinstance(implicit, SmtpTransport)
    assert (submission.port, submission.tls, submission.starttls) == (587, False, True)
    assert (implicit.port, implicit.tls, implicit.starttls) == (465, True, False)
    assert submission.context.verify_mode is ssl.CERT_REQUIRED


async def test_a_connection_that_the_server_has_closed_is_replaced(
    email_message: EmailMessage,
) -> None:
    server = SmtpServer()
    async with server.open():
        transport = transport_from_url(plain_url(server))
        await transport.send(email_message)
        await transport.send(email_message)
        assert (len(server.received), server.connections) == (2, 1)
        assert isinstance(transport, SmtpTransport)
        for client in transport.idle:  # as a server does after some messages or seconds
            client.transport.close()  # type: ignore[union-attr] # it is connected
        await transport.send(email_message)
        assert (len(server.received), server.connections) == (3, 2)
        await transport.close()
        assert transport.idle == []
