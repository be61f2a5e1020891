"""The seller and its terms: dated configuration, read once from a TOML file."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

from billing.documents.facts import Address, Note, Party
from billing.dunning_schedule import DunningSchedule
from models.countries import COUNTRY_CODES
from models.locale import Locale
from models.privacy.erasure import Retention

Versioned = TypeVar("Versioned", "Terms", Retention, DunningSchedule)
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


@dataclass(frozen=True)
class Seller:
    """The seller as printed on invoices, its terms, and how customers contact support."""

    party: Party
    terms: tuple[Terms, ...]
    retention: tuple[Retention, ...]
    dunning: tuple[DunningSchedule, ...]
    support_email: str
    support_phone: str

    def terms_on(self, day: date) -> Terms:
        """The terms in force on a date. Raises ValueError before the first."""
        return _valid_on(day, self.terms)

    def retention_on(self, day: date) -> Retention:
        """The retention periods in force on a date. Raises ValueError before the first."""
        return _valid_on(day, self.retention)

    def dunning_on(self, day: date) -> DunningSchedule:
        """The dunning schedule in force on a date. Raises ValueError before the first."""
        return _valid_on(day, self.dunning)


def _valid_on(day: date, versions: Iterable[Versioned]) -> Versioned:
    return max(
        (version for version in versions if version.since <= day), key=lambda version: version.since
    )


def seller(path: Path) -> Seller:
    """Read the file. Raises KeyError or ValueError when something is missing."""
    config = tomllib.loads(path.read_text(encoding="utf-8"))
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
    terms = tuple(
        Terms(table["from"], {locale.value: table[locale.value] for locale in Locale})
        for table in config["terms"]
    )
    retention = tuple(
        Retention(table["from"], timedelta(days=table["grace_days"]), table["invoice_years"])
        for table in config["retention"]
    )
    dunning = tuple(
        DunningSchedule.read(
            table["from"],
            table["reminder_days"],
            table["retry_days"],
            table["suspend_days"],
            table["cancel_days"],
        )
        for table in config["dunning"]
    )
    return Seller(
        Party(address=address, **party_values),
        terms,
        retention,
        dunning,
        config["support"]["email"],
        config["support"]["phone"],
    )
