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

from mail.transport import Refused, Server, transport
from tests.mail.post_office import PostOffice, authenticate, certificate


@pytest.fixture
def note() -> EmailMessage:
    made = EmailMessage(policy=policy.SMTP)
    made["From"], made["To"], made["Subject"] = "CAMCHA <bonjour@camcha.example>", "zoe@example.fr", "Été"
    made["Message-ID"] = "<email-7.abc@camcha.example>"
    made.set_content("Voilà")
    return made


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    """A server without TLS."""
    async with PostOffice().open() as office:
        yield office


def plain(office: PostOffice) -> str:
    return f"smtp://127.0.0.1:{office.port}?starttls=never"


def files(folder: Path) -> dict[str, bytes]:
    """What lies anywhere under a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def refusal(url: str, note: EmailMessage) -> Refused:
    with pytest.raises(Refused) as refused:
        await transport(url).send(note)
    return refused.value


async def test_a_folder_gets_a_file_that_mail_readers_open(tmp_path: Path, note: EmailMessage) -> None:
    link = await transport(f"file://{tmp_path}/out%20box").send(note)
    assert link.startswith("file:///")
    assert unquote(urlsplit(link).path) == f"{tmp_path}/out box/email-7.abc.eml"
    assert message_from_bytes(files(tmp_path)["out box/email-7.abc.eml"], policy=policy.default)["Subject"] == "Été"


async def test_only_the_servers_own_user_reads_emails(tmp_path: Path, note: EmailMessage) -> None:
    await transport(f"file://{tmp_path}").send(note)
    assert [stat.S_IMODE(os.stat(entry).st_mode) for entry in os.scandir(tmp_path)] == [0o600]


async def test_a_message_sent_twice_is_one_file_and_leaves_nothing_behind(tmp_path: Path, note: EmailMessage) -> None:
    folder = transport(f"file://{tmp_path}")
    await folder.send(note)
    await folder.send(note)
    assert list(files(tmp_path)) == ["email-7.abc.eml"]


async def test_a_relative_folder_is_kept_when_the_process_moves(
    tmp_path: Path, note: EmailMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = transport("file:var/mail")
    monkeypatch.chdir("/")
    await folder.send(note)
    assert list(files(tmp_path)) == ["var/mail/email-7.abc.eml"]


@pytest.mark.parametrize("name", ["<../../evil@x>", "<a/b@x>", "<.hidden@x>", "none"])
async def test_no_message_id_leads_out_of_the_folder(tmp_path: Path, note: EmailMessage, name: str) -> None:
    note.replace_header("Message-ID", name)
    assert (await refusal(f"file://{tmp_path}/a/b/mail", note)).final
    assert files(tmp_path) == {}


async def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path, note: EmailMessage) -> None:
    (tmp_path / "taken").write_text("a file, no folder")
    assert not (await refusal(f"file://{tmp_path}/taken", note)).final


async def test_a_server_gets_the_message(office: PostOffice, note: EmailMessage) -> None:
    assert await transport(plain(office)).send(note) == f"smtp://127.0.0.1:{office.port}"
    address, made = office.taken[0]
    assert (address, made["Subject"], made.get_content()) == ("zoe@example.fr", "Été", "Voilà\r\n")


@pytest.mark.parametrize(("answer", "final"), [("550 no such user", True), ("451 come back later", False)])
async def test_a_refused_recipient(office: PostOffice, note: EmailMessage, answer: str, final: bool) -> None:
    office.recipients["zoe@example.fr"] = answer
    refused = await refusal(plain(office), note)
    assert refused.final is final
    assert refused.reason == f"SMTPRecipientRefused {answer[:3]}"


@pytest.mark.parametrize(("answer", "final"), [("554 too odd", True), ("452 disk full", False)])
async def test_refused_content(office: PostOffice, note: EmailMessage, answer: str, final: bool) -> None:
    office.content = answer
    assert (await refusal(plain(office), note)).final is final


@pytest.mark.parametrize("answer", ["421 closing", "451 later", "550 not from you"])
async def test_a_refused_sender_is_not_the_emails_fault(office: PostOffice, note: EmailMessage, answer: str) -> None:
    office.sender = answer
    assert not (await refusal(plain(office), note)).final


async def test_nobody_listening_is_tried_again(note: EmailMessage) -> None:
    async with PostOffice().open() as office:
        closed = plain(office)
    assert not (await refusal(closed, note)).final


async def test_login_after_starttls(tmp_path: Path, note: EmailMessage) -> None:
    ca_file, context = certificate(tmp_path)
    async with PostOffice().open(
        tls_context=context, require_starttls=True, authenticator=authenticate, auth_required=True
    ) as office:
        at = f"127.0.0.1:{office.port}?ca_file={ca_file}"
        await transport(f"smtp://mailer:p%40ss%3Aword@{at}").send(note)
        wrong = await refusal(f"smtp://mailer:wrong@{at}", note)
        distrusted = await refusal(f"smtp://mailer:p%40ss%3Aword@127.0.0.1:{office.port}", note)
    assert office.addresses == ["zoe@example.fr"]
    assert (wrong.final, distrusted.final) == (False, False)


async def test_login_over_implicit_tls(tmp_path: Path, note: EmailMessage) -> None:
    ca_file, context = certificate(tmp_path)
    office = PostOffice()
    async with office.open(ssl=context, auth_require_tls=False, authenticator=authenticate):
        at = f"127.0.0.1:{office.port}"
        assert await transport(f"smtps://mailer:p%40ss%3Aword@{at}?ca_file={ca_file}").send(note) == f"smtps://{at}"
        wrong = await refusal(f"smtps://mailer:wrong@{at}?ca_file={ca_file}", note)
        distrusted = await refusal(f"smtps://mailer:p%40ss%3Aword@{at}", note)
        misnamed = await refusal(f"smtps://mailer:p%40ss%3Aword@localhost:{office.port}?ca_file={ca_file}", note)
    assert office.addresses == ["zoe@example.fr"]
    assert [refused.final for refused in (wrong, distrusted, misnamed)] == [False] * 3


async def test_a_server_that_wants_no_login_is_not_trusted_with_mail_that_has_one(
    office: PostOffice, note: EmailMessage
) -> None:
    url = f"smtp://mailer:secret@127.0.0.1:{office.port}?starttls=never"
    assert not (await refusal(url, note)).final
    assert office.taken == []


async def test_no_password_leaves_unencrypted(office: PostOffice, note: EmailMessage) -> None:
    assert not (await refusal(f"smtp://mailer:secret@127.0.0.1:{office.port}", note)).final
    assert office.taken == []


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "begins with"),
        ("var/mail", "begins with"),
        ("http://mail.example", "not with 'http'"),
        ("file:", "file:///absolute"),
        ("file://var/mail", "'var' reads as a host"),
        ("file:mail?x=1", "nothing behind it"),
        ("smtp:///x", "host:port"),
        ("smtp://mail.example/inbox", "host:port"),
        ("smtp://u:hush@mail.example:99999", "port"),
        ("smtp://u:hush@mail.example:x", "port"),
        ("smtp://u:hush@mail.example?tls=yes", "no option tls"),
        ("smtp://u:hush@mail.example?starttls=yes", "one of required"),
        ("smtps://mail.example?starttls=required", "smtps needs none"),
        ("smtp://mail.example?ca_file=/nowhere.pem", "ca_file"),
        ("smtp://mailer@mail.example", "both"),
    ],
)
def test_bad_urls_are_named_without_their_password(url: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        transport(url)
    assert "hush" not in str(refused.value)


def test_safe_defaults() -> None:
    submission, implicit = transport("smtp://mail.example"), transport("smtps://mail.example")
    assert isinstance(submission, Server)
    assert isinstance(implicit, Server)
    assert (submission.port, submission.tls, submission.starttls) == (587, False, True)
    assert (implicit.port, implicit.tls, implicit.starttls) == (465, True, False)
    assert submission.context.verify_mode is ssl.CERT_REQUIRED
