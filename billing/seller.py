"""The seller and its terms: dated configuration, read once from a TOML file."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

from stdnum.eu import at_02, vat
from stdnum.fr import siren, siret

from billing.bank.account import BankAccount
from billing.documents.checks import check_facts
from billing.documents.facts import Address, InvoiceFacts, Line, Note, Party
from billing.dunning_schedule import DunningSchedule
from models.billing.money import totals
from models.billing.tax import TaxOptions, UnverifiedBuyers
from models.countries import COUNTRY_CODES
from models.locale import Locale
from models.privacy.erasure import Retention
from models.privacy.incident_notice import DataProtectionContact

Versioned = TypeVar("Versioned", "Terms", Retention, DunningSchedule, TaxOptions)
_NOTES = ("PMD", "PMT", "AAB")


@dataclass(frozen=True)
class Terms:
    """The wording in force from a date on, by language."""

    since: date
    texts: dict[str, dict[str, str]]

    def notes(self, locale: Locale) -> tuple[Note, ...]:
        """The three notes on every invoice."""
        return tuple(Note(code=code, text=self.texts[locale.value][code]) for code in _NOTES)

    def paid_notice(self, locale: Locale, day: str) -> str:
        """The sentence for an invoice that is paid when issued."""
        return self.texts[locale.value]["paid"].format(day=day)

    def due_notice(self, locale: Locale) -> str:
        """The sentence for an invoice that is due when issued."""
        return self.texts[locale.value]["due"]


@dataclass(frozen=True)
class Seller:
    """The seller as printed on invoices, its terms, how customers contact support, the account for
    transfers, None when it doesn't accept any, and the SEPA creditor identifier, empty when it
    collects no direct debits under one of its own. `data_protection` is who answers questions about
    personal data, None when the file doesn't say it.
    """

    party: Party
    terms: tuple[Terms, ...]
    retention: tuple[Retention, ...]
    dunning: tuple[DunningSchedule, ...]
    support_email: str
    support_phone: str
    bank: BankAccount | None = None
    tax: tuple[TaxOptions, ...] = (TaxOptions(),)
    creditor_identifier: str = ""
    data_protection: DataProtectionContact | None = None

    def terms_on(self, day: date) -> Terms:
        """The terms in force on a date. Raises ValueError before the first."""
        return _valid_on(day, self.terms)

    def retention_on(self, day: date) -> Retention:
        """The retention periods in force on a date. Raises ValueError before the first."""
        return _valid_on(day, self.retention)

    def dunning_on(self, day: date) -> DunningSchedule:
        """The dunning schedule in force on a date. Raises ValueError before the first."""
        return _valid_on(day, self.dunning)

    def tax_options_on(self, day: date) -> TaxOptions:
        """What the seller chose about VAT, in force on a date. Raises ValueError before the
        first.
        """
        return _valid_on(day, self.tax)


def _valid_on(day: date, versions: Iterable[Versioned]) -> Versioned:
    return max(
        (version for version in versions if version.since <= day), key=lambda version: version.since
    )


def seller(path: Path) -> Seller:
    """Read the file. Raises KeyError, TypeError or ValueError when something is missing."""
    config = tomllib.loads(path.read_text(encoding="utf-8"))
    party = _party(config)
    terms = tuple(
        Terms(table["from"], {locale.value: table[locale.value] for locale in Locale})
        for table in config["terms"]
    )
    retention = tuple(map(_retention, config["retention"]))
    return Seller(
        party,
        terms,
        retention,
        tuple(map(_dunning, config["dunning"])),
        config["support"]["email"],
        config["support"]["phone"],
        _bank(config),
        tuple(map(_tax_options, config["vat"])) if "vat" in config else (TaxOptions(),),
        config.get("creditor_identifier", ""),
        DataProtectionContact(**config["data_protection"]) if "data_protection" in config else None,
    )


def _retention(table: dict[str, Any]) -> Retention:
    first, last = sorted(table.get("unused_warning_days", (30, 7)), reverse=True)
    return Retention(
        table["from"],
        timedelta(days=table["grace_days"]),
        table["invoice_years"],
        table.get("unused_years", 2),
        (timedelta(days=first), timedelta(days=last)),
    )


def _party(config: dict[str, Any]) -> Party:
    address = Address(
        lines=tuple(config["address_lines"]),
        postcode=config["postcode"],
        city=config["city"],
        country=config["country"],
    )
    if address.country not in COUNTRY_CODES:
        raise ValueError("country must be in the code list of EN 16931, such as FR")
    party_values = {
        name: config[name]
        for name in ("name", "siren", "siret", "vat_number", "legal", "email", "phone")
    }
    return Party(
        address=address,
        electronic_suffix=config.get("electronic_suffix", ""),
        **party_values,
    )


def _dunning(table: dict[str, Any]) -> DunningSchedule:
    return DunningSchedule.read(
        table["from"],
        table["reminder_days"],
        table["retry_days"],
        table["suspend_days"],
        table["cancel_days"],
    )


def _tax_options(table: dict[str, Any]) -> TaxOptions:
    return TaxOptions(
        table["from"],
        bool(table["exempt"]),
        UnverifiedBuyers(table["unverified_buyers"]),
        bool(table.get("on_debits", False)),
    )


def seller_errors(seller: Seller, on: date) -> list[str]:
    """The problems that would keep the seller from issuing invoices on a day, a sentence each."""
    starts = {
        "terms": [version.since for version in seller.terms],
        "retention": [version.since for version in seller.retention],
        "dunning": [version.since for version in seller.dunning],
        "vat": [version.since for version in seller.tax],
    }
    errors = [
        *_number_errors(seller.party),
        *_creditor_errors(seller.creditor_identifier),
        *(
            f"no [[{name}]] is in force on {on}, they must start on that day or before"
            for name, days in starts.items()
            if all(day > on for day in days)
        ),
        *(error for terms in seller.terms for error in _wording_errors(terms)),
        *(
            error
            for address in (
                seller.party.email,
                seller.support_email,
                *([seller.data_protection.email] if seller.data_protection else []),
            )
            for error in _email(address)
        ),
    ]
    return errors or _sample_errors(seller, on)


def _number_errors(party: Party) -> Iterator[str]:
    if not siren.is_valid(party.siren):
        yield "siren is not a valid number"
    if not siret.is_valid(party.siret):
        yield "siret is not a valid number"
    if party.vat_number and not vat.is_valid(party.vat_number):
        yield "vat_number is not valid; leave it empty when the seller has none"


def _creditor_errors(identifier: str) -> Iterator[str]:
    if identifier and not at_02.is_valid(identifier):
        yield "creditor_identifier is not a valid SEPA creditor identifier"


def _wording_errors(terms: Terms) -> Iterator[str]:
    """The texts that are missing, or that can't be completed with a date."""
    for language, texts in terms.texts.items():
        for name in (*_NOTES, "paid", "due"):
            if not str(texts.get(name, "")).strip():
                yield f"the terms from {terms.since} lack {name} in {language}"
        try:
            str(texts.get("paid", "")).format(day="")
        except (KeyError, IndexError, ValueError):
            yield f"paid in {language} may contain {{day}}, but no other braces"


def _email(address: str) -> Iterator[str]:
    if "@" not in address:
        yield f"{address!r} is not an email address"


def _sample_errors(seller: Seller, on: date) -> list[str]:
    """The errors of an invoice of this seller to itself, in any language."""
    lines = (Line(label="A", unit_price_cents=1, vat_basis_points=2000),)
    return sorted(
        {
            error
            for locale in Locale
            for error in check_facts(
                InvoiceFacts(
                    number="1",
                    issued_on=on,
                    due_on=on,
                    seller=seller.party,
                    buyer=seller.party,
                    lines=lines,
                    notes=seller.terms_on(on).notes(locale),
                    totals=totals(lines),
                )
            )
            if not error.startswith("buyer")
        }
    )


def _bank(config: dict[str, Any]) -> BankAccount | None:
    return BankAccount.from_config(config["bank"]) if "bank" in config else None
