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
    raw = (RAW % (b"fournil-test.fr", b"genuine")).replace(b"Question", b"Autre question")
    genuine = dkim.sign(raw, b"s1", b"fournil-test.fr", PEM) + raw
    assert (await desk.receive(genuine)).reason is IncomingEmailReason.NEW_TICKET
