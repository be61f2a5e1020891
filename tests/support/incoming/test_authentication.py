"""Who really sent an email: DKIM and DMARC, checked with a real DNS server."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace

import dkim
import dns.resolver
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from models.identity.user import User
from models.support.incoming_email import IncomingEmailReason
from support.incoming.authentication import Authenticator, is_forged, is_proven
from support.incoming.parsing import ParsedEmail
from tests.support.incoming.conftest import MailDesk
from tests.support.incoming.dns_server import dns_server

RAW = (
    b"From: Paul <paul@%s>\r\nTo: support@camcha.example\r\nSubject: Question\r\n"
    b"Message-ID: <%s-1@x>\r\n\r\nBonjour.\r\n"
)
KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
RECORDS = {
    "s1._domainkey.fournil-test.fr": f"v=DKIM1; k=rsa; p={PUBLIC}",
    "s1._domainkey.mailer-test.fr": f"v=DKIM1; k=rsa; p={PUBLIC}",
    "_dmarc.fournil-test.fr": "v=DMARC1; p=reject; sp=none",
    "_dmarc.strict-test.fr": "v=DMARC1; p=quarantine; adkim=s",
    "s1._domainkey.mail.strict-test.fr": f"v=DKIM1; k=rsa; p={PUBLIC}",
    "s1._domainkey.other.example": f"v=DKIM1; k=rsa; p={PUBLIC}",
    "_dmarc.broken-test.fr": "v=DMARC1; p",
}


def email(domain: str, signed_by: str | None = None) -> bytes:
    raw = RAW % (domain.encode(), domain.encode())
    if signed_by:
        raw = dkim.sign(raw, b"s1", signed_by.encode(), PEM) + raw
    return raw


@pytest.fixture
async def resolver() -> AsyncIterator[dns.resolver.Resolver]:
    async with dns_server(RECORDS) as resolver:
        yield resolver


@pytest.mark.parametrize(
    ("domain", "signed_by", "dkim_result", "dmarc_result", "forged", "is_proof"),
    [
        ("fournil-test.fr", "fournil-test.fr", "pass", "pass", False, True),
        ("fournil-test.fr", None, "none", "fail", True, False),
        ("fournil-test.fr", "mailer-test.fr", "pass", "fail", True, False),
        ("sub.fournil-test.fr", None, "none", "fail", False, False),  # whose own policy is none
        # Strict: a subdomain doesn't count. Whoever may sign for it can answer for the address.
        ("strict-test.fr", "mail.strict-test.fr", "pass", "fail", True, True),
        ("broken-test.fr", None, "none", "permerror", False, False),
        ("unknown-test.fr", "mailer-test.fr", "pass", "none", False, False),
        ("unlisted.example", "other.example", "pass", "none", False, False),
    ],
)
async def test_dmarc_tells_who_sent_an_email(
    resolver: dns.resolver.Resolver,
    domain: str,
    signed_by: str | None,
    dkim_result: str,
    dmarc_result: str,
    forged: bool,
    is_proof: bool,
) -> None:
    parsed = ParsedEmail(email(domain, signed_by))
    results = await Authenticator(None, resolver).results(parsed)
    assert (results["dkim"], results["dmarc"]) == (dkim_result, dmarc_result)
    assert is_forged(results) is forged
    assert is_proven(results) is is_proof


async def test_a_changed_email_is_not_proven(resolver: dns.resolver.Resolver) -> None:
    raw = email("fournil-test.fr", "fournil-test.fr").replace(b"Bonjour", b"Bonsoir")
    assert is_forged(await Authenticator(None, resolver).results(ParsedEmail(raw)))


PASSED = (
    b"Authentication-Results: mx.camcha.example; spf=pass smtp.mailfrom=%s;\r\n"
    b" dkim=pass header.d=%s; dmarc=pass (p=REJECT dis=NONE) header.from=%s\r\n"
)
GENUINE = PASSED.replace(b"%s", b"fournil-test.fr")
OF_EVE = PASSED.replace(b"%s", b"evil.example")
FAILED = b"Authentication-Results: mx.camcha.example; %s dmarc=fail (p=REJECT) header.from=x.fr\r\n"
PAUL, EVE = b"From: Paul <paul@fournil-test.fr>\r\n", b"From: eve@evil.example\r\n"
REST = b"To: a@camcha.example\r\nSubject: Question\r\nMessage-ID: <a@x>\r\n\r\nBonjour.\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        OF_EVE + PAUL + EVE + REST,
        OF_EVE + EVE + PAUL + REST,
        GENUINE + PAUL + PAUL + REST,
        OF_EVE + b"FROM: paul@fournil-test.fr\r\n" + EVE + REST,
        # A line that ends with a carriage return alone is a header for some programs only.
        OF_EVE + b"X: a\r" + PAUL[:-2] + b"\r" + EVE + REST,
        OF_EVE + b"X: a\r" + PAUL[:-2] + b"\r\r" + EVE + REST,
        OF_EVE + PAUL + b"\r\r\n" + EVE + REST,
        # For some programs, the headers end with a line that is none.
        OF_EVE + PAUL + b"From : eve@evil.example\r\n" + REST,
        OF_EVE + b": a\r\n" + PAUL + REST,
        OF_EVE + b"From: eve@evil.example, paul@fournil-test.fr\r\n" + REST,
        OF_EVE + b"Sender: eve@evil.example\r\n" + REST,
        # Our server has read another sender than we do.
        OF_EVE + PAUL + REST,
        *(
            GENUINE + PAUL + b"%s: x\r\n%s: y\r\n" % (name, name) + REST
            for name in (b"Cc", b"Date", b"Sender", b"Reply-To", b"References", b"In-Reply-To")
        ),
        *(
            GENUINE + PAUL + b"%s: <b@x>\r\n" % name + REST
            for name in (b"To", b"SUBJECT", b"Message-Id")
        ),
        GENUINE + PAUL + b"Content-Type: text/plain\r\nContent-Type: text/html\r\n" + REST,
    ],
)
async def test_p5_1_headers_that_can_be_read_in_two_ways_prove_no_sender(raw: bytes) -> None:
    results = await Authenticator("mx.camcha.example").results(ParsedEmail(raw))
    assert is_forged(results)
    assert not is_proven(results)


@pytest.mark.parametrize(
    "raw",
    [
        GENUINE + PAUL + REST,
        GENUINE + PAUL + b"Subject:  Question\r\n" + REST,  # a copy that a server has folded
        GENUINE + PAUL + b"Received: a\r\nReceived: b\r\n" + REST,
        GENUINE.replace(b"from=", b"from=paul@") + PAUL + REST,
        GENUINE + PAUL.replace(b"fournil-", b"mail.fournil-") + REST,  # aligned
    ],
)
async def test_headers_that_occur_as_often_as_they_may_prove_the_sender(raw: bytes) -> None:
    results = await Authenticator("mx.camcha.example").results(ParsedEmail(raw))
    assert results == {"spf": "pass", "dkim": "pass", "dmarc": "pass", "policy": "reject"}


@pytest.mark.parametrize(
    "stated",
    [
        b"spf=pass smtp.mailfrom=p=none@evil.example;",
        b'spf=pass smtp.mailfrom="a; dmarc=pass (p=NONE"@evil.example;',
        b"spf=pass (domain of a;dmarc=pass;p=none@evil.example allows it);",
        b"spf=pass (a (nested; dmarc=pass) \\); dmarc=pass) smtp.mailfrom=evil.example;",
        b'spf=pass reason="dmarc=pass; p=none";',
        b"dkim=pass header.i=@p=none; dkim=fail;",
    ],
)
async def test_what_the_sender_wrote_into_the_results_of_our_server_counts_for_nothing(
    stated: bytes,
) -> None:
    raw = FAILED % stated + b"From: paul@x.fr\r\n" + REST
    results = await Authenticator("mx.camcha.example").results(ParsedEmail(raw))
    assert (results["dmarc"], results["policy"]) == ("fail", "reject")


def test_an_address_in_a_comment_or_between_quotes_is_not_the_senders() -> None:
    for value in (
        b"eve@evil.example (<paul@x.fr>)",
        b"eve@evil.example (a (b) <paul@x.fr>)",
        b"eve@evil.example (\\) <paul@x.fr>)",
        b'"<paul@x.fr>" <eve@evil.example>',
        b'"a\\" <paul@x.fr>" <eve@evil.example>',
        b'(" ) <eve@evil.example>',
        b'"(" <eve@evil.example>',
        b"Eve :( <eve@evil.example>",
    ):
        (sender,) = ParsedEmail(b"From: " + value + b"\r\n" + REST).senders
        assert sender.address == "eve@evil.example"


async def test_without_an_answer_of_dns_nothing_is_known() -> None:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], 1
    parsed = ParsedEmail(email("fournil-test.fr", "fournil-test.fr"))
    results = await Authenticator(None, resolver).results(parsed)
    assert results == {"dkim": "temperror", "dmarc": "temperror"}
    assert not is_forged(results)


async def test_p5_1_a_forged_sender_posts_nothing_and_gets_no_answer(
    desk: MailDesk, resolver: dns.resolver.Resolver
) -> None:
    desk.services = replace(desk.services, authenticator=Authenticator(None, resolver))
    await User.filter(pk=desk.paul.pk).update(email="paul@fournil-test.fr")
    forged = await desk.receive(email("fournil-test.fr"))
    assert (forged.reason, forged.answered_at) == (IncomingEmailReason.NOT_AUTHENTICATED, None)
    email_again = email("fournil-test.fr", "fournil-test.fr").replace(b"-1@x", b"-2@x")
    changed = await desk.receive(email_again)
    assert changed.reason is IncomingEmailReason.NOT_AUTHENTICATED
    # Signed by another person of the same provider, and by Paul's with one header more.
    eve = (RAW % (b"fournil-test.fr", b"eve")).replace(b"paul@", b"eve@")
    signed = dkim.sign(eve, b"s1", b"fournil-test.fr", PEM) + eve
    for addition in (b"X: a\rFrom: paul@fournil-test.fr\r\r", b"From: paul@fournil-test.fr\r\n"):
        received = await desk.receive(addition + signed)
        assert received.sender == "paul@fournil-test.fr"
        assert received.reason is IncomingEmailReason.NOT_AUTHENTICATED
    raw = RAW % (b"fournil-test.fr", b"subject")
    signed = dkim.sign(raw, b"s1", b"fournil-test.fr", PEM) + raw
    received = await desk.receive(b"Subject: Je resilie\r\n" + signed)
    assert received.reason is IncomingEmailReason.NOT_AUTHENTICATED
    raw = (RAW % (b"fournil-test.fr", b"genuine")).replace(b"Question", b"Autre question")
    genuine = dkim.sign(raw, b"s1", b"fournil-test.fr", PEM) + raw
    assert (await desk.receive(genuine)).reason is IncomingEmailReason.NEW_TICKET
