"""An email address is one identity in all its spellings."""

import unicodedata

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as some

from auth.email_address import clean_email
from models.errors import Refusal
from models.identity.email_address import normalized_email, smtp_address

SPELLINGS = {
    "zoe@exämple.fr": [
        "zoe@exämple.fr",
        "zoe@exa\u0308mple.fr",
        "ZOE@EXÄMPLE.FR",
        "zoe@EXA\u0308MPLE.FR",
        "zoe@xn--exmple-cua.fr",
        "Zoe@XN--EXMPLE-CUA.FR",
        " zoe@exämple。fr ",
        "zoe@exämple．fr",
        "zoe@exämple｡fr",
        "zoe＠exämple.fr",
        "zoe@ｅｘämple.fr",
    ],
    "info@straße.de": ["info@STRAẞE.de", "info@straße.de", "info@xn--strae-oqa.de"],
    "info@strasse.de": ["info@STRASSE.de"],
    "a@bücher.example": ["a@bu\u0308cher.example", "a@xn--bcher-kva.example", "A@BÜCHER.EXAMPLE"],
    "a@mail.bücher.example": ["a@MAIL.xn--bcher-kva.example", "a@mail．bücher.example"],
    "a@例え.jp": ["a@xn--r8jz45g.jp", "a@例え。jp"],
    "a@почта.рф": ["a@ПОЧТА.РФ", "a@xn--80a1acny.xn--p1ai"],
    "zoé@exämple.fr": ["zoe\u0301@exa\u0308mple.fr", "ZOÉ@xn--exmple-cua.fr"],
    "zoe@example.fr": [
        "Zoe@Example.FR",
        " zoe@example.fr\n",
        "zoe@ｅｘａｍｐｌｅ.fr",
        "zoe@example.fr.",
        "zoe@example.fr。",
    ],
}


@pytest.mark.parametrize(
    ("spelling", "address"),
    [(spelling, address) for address, spellings in SPELLINGS.items() for spelling in spellings],
)
def test_all_spellings_are_one_address(spelling: str, address: str) -> None:
    assert normalized_email(spelling) == clean_email(spelling) == address


domains = some.text(
    some.characters(categories=("Ll", "Lo", "Nd"), max_codepoint=0x2FFF), min_size=1, max_size=10
)


@given(some.text("abcxyz", min_size=1, max_size=5), domains)
def test_generated_domains_are_one_address(local_part: str, name: str) -> None:
    try:
        ascii_domain = idna.encode(f"{name}.example", uts46=True).decode()
    except UnicodeError:
        return
    address = normalized_email(f"{local_part}@{ascii_domain}")
    for form in ("NFC", "NFD"):
        assert (
            normalized_email(f"{local_part}@{unicodedata.normalize(form, name)}.example") == address
        )
    assert normalized_email(f"{local_part}@{ascii_domain.upper()}") == address
    assert smtp_address(address) == f"{local_part}@{ascii_domain}"


@given(some.text(max_size=80))
def test_normalizing_is_idempotent(text: str) -> None:
    assert normalized_email(normalized_email(text)) == normalized_email(text)


@pytest.mark.parametrize(
    "text",
    ["", "@", "zoe", "zoe@", "zoe@xn--", "zoe@xn--a-ecp.ru", "a@" + "ä" * 10_000, "a@b@ä.fr"],
)
def test_an_invalid_address_is_refused(text: str) -> None:
    assert isinstance(normalized_email(text), str)
    with pytest.raises(Refusal) as refused:
        clean_email(text)
    assert refused.value.code == "EMAIL_INVALID"


def test_addresses_for_servers_without_smtputf8() -> None:
    assert smtp_address("zoe@exämple.fr") == "zoe@xn--exmple-cua.fr"
    assert smtp_address("zoe@example.fr") == "zoe@example.fr"
    assert smtp_address("zoé@exämple.fr") == "zoé@exämple.fr"  # no server without it can take this
