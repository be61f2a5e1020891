"""The data of a run: the same rows each time, copied into our own migrated tables.

The data is consistent: invoices are numbered without gaps, the last sequence of each stream is that
of its last event, and totals are the sums of their lines.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import asyncpg
import orjson
from stdnum.luhn import calc_check_digit

from auth.sessions import token_hash
from models.billing.invoice import Series, invoice_number
from models.billing.money import vat_amount
from models.clock import local_date
from models.event import INBOX, account_stream, ticket_stream
from models.support.search_entry import indexed_stems

START = datetime(2025, 1, 6, 8, tzinfo=UTC)
END_OF_SESSIONS = datetime(2100, 1, 1, tzinfo=UTC)
TOKEN = "cam_at_only-for-benchmarks-on-this-machine"  # noqa: S105 - only valid in a database that is deleted after the run
AGENTS = 5
INVOICES_PER_PURCHASE = 10
MESSAGES_PER_TICKET = 5
VAT_RATE = 2_000
CHANNELS = ("CHAT", "WEB", "EMAIL", "PHONE")
STATUSES = ("OPEN", "PENDING", "SOLVED")


@dataclass(frozen=True)
class Sizes:
    """The numbers of rows. Keys start at 1."""

    accounts: int = 1_000
    offers: int = 20
    purchases: int = 2_000
    tickets: int = 10_000

    @property
    def agent(self) -> int:
        """The key of the agent to whom TOKEN belongs, after those of the companies' owners."""
        return self.accounts + 1


FULL = Sizes()
TINY = Sizes(accounts=20, offers=3, purchases=40, tickets=120)


async def fill(url: str, sizes: Sizes) -> None:
    """Fill an empty, migrated database."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            for table, rows in _tables(sizes).items():
                columns = list(rows[0])
                await connection.copy_records_to_table(
                    table, columns=columns, records=[list(row.values()) for row in rows]
                )
                if "id" in columns:
                    await connection.execute(
                        "SELECT setval(pg_get_serial_sequence($1, 'id'), $2)",
                        f'"{table}"',
                        len(rows),
                    )
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")  # otherwise it would happen during the first rounds
    finally:
        await connection.close()


Rows = list[dict[str, Any]]


def _tables(sizes: Sizes) -> dict[str, Rows]:
    tickets = list(_tickets(sizes))
    messages = list(_messages(sizes, tickets))
    invoices = list(_invoices(sizes))
    accounts = list(_accounts(sizes))
    return {
        "user": list(_users(sizes)),
        "account": accounts,
        "billing_profile": [_billing_profile(account) for account in accounts],
        "membership": [
            {"id": n, "user_id": n, "account_id": n, "role": "OWNER", "created_at": START}
            for n in _keys(sizes.accounts)
        ],
        "session": [_session(sizes)],
        "offer": list(_offers(sizes)),
        "price": list(_prices(sizes)),
        "purchase": list(_purchases(sizes)),
        "payment": [_payment(invoice) for invoice in invoices],
        "invoice": invoices,
        "invoice_line": list(_lines(invoices)),
        "invoice_document": [_document(invoice) for invoice in invoices],
        "billing_period": [_billing_period(invoice) for invoice in invoices],
        "receivable": [_receivable(invoice) for invoice in invoices],
        "allocation": [_allocation(invoice) for invoice in invoices],
        "counter": [
            {
                "series": Series.INVOICE.value,
                "last_position": len(invoices),
                "last_issued_at": invoices[-1]["issued_at"],
            }
        ],
        "ticket": tickets,
        "message": messages,
        "event": list(_events(sizes, tickets, messages)),
        "stream": list(_streams(sizes)),
        "search_entry": list(_search_entries(tickets, messages)),
    }


def _keys(maximum: int) -> range:
    return range(1, maximum + 1)


def _users(sizes: Sizes) -> Iterator[dict[str, Any]]:
    for n in _keys(sizes.accounts + AGENTS):
        agent = n > sizes.accounts
        yield {
            "id": n,
            "email": f"person{n}@example.fr",
            "name": f"{'Agent' if agent else 'Client'} {n}",
            "locale": "fr",
            "staff": "AGENT" if agent else None,
            "password_hash": "!",
            "email_verified_at": START,
            "second_factor_at": START if agent else None,
            "created_at": START,
        }


def _accounts(sizes: Sizes) -> Iterator[dict[str, Any]]:
    for n in _keys(sizes.accounts):
        digits = f"{40_000_000 + n}"
        yield {
            "id": n,
            "legal_name": f"Établissements Durand n° {n} SARL",
            "organization": "COMPANY",
            "siren": digits + calc_check_digit(digits),
            "street": f"{n} rue de la Paix",
            "postal_code": "75002",
            "city": "Paris",
            "country": "FR",
            "created_at": START,
        }


def _session(sizes: Sizes) -> dict[str, Any]:
    return {
        "id": 1,
        "user_id": sizes.agent,
        "access_hash": token_hash(TOKEN),
        "access_expires_at": END_OF_SESSIONS,
        "expires_at": END_OF_SESSIONS,
        "second_factor": True,
        "created_at": START,
    }


def _offers(sizes: Sizes) -> Iterator[dict[str, Any]]:
    for n in _keys(sizes.offers):
        texts = {
            locale: _offer_texts(n, word) for locale, word in (("fr", "Offre"), ("en", "Offer"))
        }
        segment = "TPE" if n % 2 else "PME"
        yield {
            "id": n,
            "slug": f"offre-{n:02}",
            "segment": segment,
            "position": n,
            "status": "ON_SALE",
            "texts": orjson.dumps(texts).decode(),
        }


def _offer_texts(n: int, word: str) -> dict[str, Any]:
    return {
        "name": f"{word} Essentiel {n}",
        "description": " ".join(
            [f"{word} {n} : facturation, support à l'écran et chat en direct, sans engagement."] * 3
        ),
        "features": [f"Fonction {k}" for k in range(5)],
        "advantages": [f"Avantage {k}" for k in range(3)],
    }


def _prices(sizes: Sizes) -> Iterator[dict[str, Any]]:
    for n in _keys(2 * sizes.offers):
        yield {
            "id": n,
            "offer_id": (n + 1) // 2,
            "interval": "MONTH" if n % 2 else "YEAR",
            "net_cents": 1_900 + 100 * n,
            "vat_rate": VAT_RATE,
            "currency": "EUR",
            "tax_category": "STANDARD",
            "trial_days": 0,
            "trial_requires_payment_method": True,
            "is_public": True,
            "valid_from": START,
        }


def _purchases(sizes: Sizes) -> Iterator[dict[str, Any]]:
    for n in _keys(sizes.purchases):
        at, account = START + timedelta(minutes=n), 1 + (n - 1) % sizes.accounts
        yield {
            "id": n,
            "account_id": account,
            "buyer_id": account,
            "price_id": 1 + n % (2 * sizes.offers),
            "billing_profile_id": account,
            "quantity": 1,
            "cancel_at_period_end": False,
            "status": "ACTIVE",
            "anchor": local_date(at),
            "created_at": at,
            "activated_at": at,
        }


def _invoices(sizes: Sizes) -> Iterator[dict[str, Any]]:
    position = count(1)
    for period in range(INVOICES_PER_PURCHASE):
        for purchase in _keys(sizes.purchases):
            yield _invoice(sizes, next(position), purchase, period)


def _invoice(sizes: Sizes, n: int, purchase: int, period: int) -> dict[str, Any]:
    at = START + timedelta(days=30 * period, minutes=purchase)
    day = local_date(at)
    printed_number = invoice_number(Series.INVOICE, day, n)
    net = sum(quantity * price for quantity, price in _quantities_and_prices(n))
    vat = vat_amount(net, VAT_RATE)
    return {
        "id": n,
        "series": "FA",
        "position": n,
        "number": printed_number,
        "account_id": 1 + (purchase - 1) % sizes.accounts,
        "billing_profile_id": 1 + (purchase - 1) % sizes.accounts,
        "purchase_id": purchase,
        "type": 380,
        "currency": "EUR",
        "treatment": "standard",
        "locale": "fr",
        "issued_at": at,
        "issued_on": day,
        "due_on": day,
        "net_cents": net,
        "vat_cents": vat,
        "gross_cents": net + vat,
        "facts": "{}",
    }


def _billing_profile(account: dict[str, Any]) -> dict[str, Any]:
    copied = ("legal_name", "siren", "street", "postal_code", "city", "country", "created_at")
    return {
        "id": account["id"],
        "account_id": account["id"],
        "version": 1,
        "territory": "METROPOLITAN_FRANCE",
        **{name: account[name] for name in copied},
    }


def _document(invoice: dict[str, Any]) -> dict[str, Any]:
    return {
        "invoice_id": invoice["id"],
        "pdf": b"%PDF",
        "sha256": hashlib.sha256(invoice["number"].encode()).hexdigest(),
        "created_at": invoice["issued_at"],
    }


def _billing_period(invoice: dict[str, Any]) -> dict[str, Any]:
    index = _period_index(invoice)
    return {
        "id": invoice["id"],
        "purchase_id": invoice["purchase_id"],
        "index": index,
        "starts_on": invoice["issued_on"],
        "ends_on": invoice["issued_on"] + timedelta(days=30),
        "invoice_id": invoice["id"],
        "created_at": invoice["issued_at"],
    }


def _period_index(invoice: dict[str, Any]) -> int:
    at = invoice["issued_at"] - timedelta(minutes=invoice["purchase_id"])
    index: int = (at - START).days // 30
    return index


def _receivable(invoice: dict[str, Any]) -> dict[str, Any]:
    return {
        "invoice_id": invoice["id"],
        "account_id": invoice["account_id"],
        "due_on": invoice["due_on"],
        "gross_cents": invoice["gross_cents"],
        "open_cents": 0,
        "credited_cents": 0,
        "settled_at": invoice["issued_at"],
    }


def _allocation(invoice: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": invoice["id"],
        "account_id": invoice["account_id"],
        "invoice_id": invoice["id"],
        "payment_id": invoice["id"],
        "amount_cents": invoice["gross_cents"],
        "created_at": invoice["issued_at"],
    }


def _quantities_and_prices(invoice: int) -> list[tuple[int, int]]:
    """The quantity and the net unit price of each line of an invoice."""
    return [(position, 990 + 10 * ((invoice + position) % 100)) for position in (1, 2, 3)]


def _lines(invoices: Rows) -> Iterator[dict[str, Any]]:
    key = count(1)
    for invoice in invoices:
        for position, (quantity, price) in enumerate(_quantities_and_prices(invoice["id"]), 1):
            yield {
                "id": next(key),
                "invoice_id": invoice["id"],
                "position": position,
                "quantity": quantity,
                "label": f"Abonnement Essentiel, poste {position}, du mois "
                f"{_period_index(invoice) + 1}",
                "unit": "C62",
                "unit_net_cents": price,
                "net_cents": quantity * price,
                "vat_rate": VAT_RATE,
                "tax_category": "STANDARD",
                "treatment": "standard",
            }


def _payment(invoice: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": invoice["id"],
        "account_id": invoice["account_id"],
        "purchase_id": invoice["purchase_id"],
        "status": "SUCCEEDED",
        "amount_cents": invoice["gross_cents"],
        "method": "pm_sandbox_success",
        "kind": "CARD",
        "provider": "sandbox",
        "is_off_session": False,
        "refunded_cents": 0,
        "attempt": 1,
        "brand": "visa",
        "last_four": "4242",
        "created_at": invoice["issued_at"],
        "settled_at": invoice["issued_at"],
    }


def _tickets(sizes: Sizes) -> Iterator[dict[str, Any]]:
    for n in _keys(sizes.tickets):
        at, account = START + timedelta(minutes=10 * n), 1 + (n - 1) % sizes.accounts
        yield {
            "id": n,
            "account_id": account,
            "requester_id": account,
            "assignee_id": sizes.agent + n % AGENTS,
            "subject": f"Question n° {n} sur ma facture",
            "channel": CHANNELS[n % 4],
            "category": "BILLING",
            "status": STATUSES[n % 3],
            "priority": "NORMAL",
            "created_at": at,
            "opened_on": local_date(at),
            "updated_at": at + timedelta(minutes=4),
            "reply_awaited_since": at + timedelta(minutes=4),
            "first_response_at": at + timedelta(minutes=1),
            "first_response_seconds": 60,
        }


def _messages(sizes: Sizes, tickets: Rows) -> Iterator[dict[str, Any]]:
    """Messages of customer and agent in turn. They follow the opening, the first event of a
    ticket's stream.
    """
    key = count(1)
    for ticket in tickets:
        for index in range(MESSAGES_PER_TICKET):
            staff = index % 2 == 1
            yield {
                "id": next(key),
                "ticket_id": ticket["id"],
                "origin_id": ticket["id"],
                "sequence": 2 + index,
                "author_id": sizes.agent if staff else ticket["requester_id"],
                "from_staff": staff,
                "body": f"Message {index + 1} : je ne comprends pas la facture {ticket['id']}, "
                f"pouvez-vous m'aider ?",
                "client_message_id": f"seed-{index}",
                "at": ticket["created_at"] + timedelta(minutes=index),
            }


def _events(sizes: Sizes, tickets: Rows, messages: Rows) -> Iterator[dict[str, Any]]:
    key = count(1)
    for n, ticket in enumerate(tickets, 1):
        sequences = {
            ticket_stream(n): 1,
            account_stream(ticket["account_id"]): 1 + (n - 1) // sizes.accounts,
            INBOX: n,
        }
        for stream, sequence in sequences.items():
            yield {
                "id": next(key),
                "stream": stream,
                "sequence": sequence,
                "kind": "TICKET_OPENED",
                "at": ticket["created_at"],
                "status": "NEW",
                "actor_id": ticket["requester_id"],
                "ticket_id": n,
                "message_id": None,
            }
    for message in messages:
        yield {
            "id": next(key),
            "stream": ticket_stream(message["ticket_id"]),
            "sequence": message["sequence"],
            "kind": "MESSAGE_POSTED",
            "at": message["at"],
            "status": None,
            "actor_id": message["author_id"],
            "ticket_id": message["ticket_id"],
            "message_id": message["id"],
        }


def _streams(sizes: Sizes) -> Iterator[dict[str, Any]]:
    yield {"key": INBOX, "last_sequence": sizes.tickets}
    for n in _keys(sizes.tickets):
        yield {"key": ticket_stream(n), "last_sequence": 1 + MESSAGES_PER_TICKET}
    for n in _keys(min(sizes.accounts, sizes.tickets)):
        yield {
            "key": account_stream(n),
            "last_sequence": len(range(n, sizes.tickets + 1, sizes.accounts)),
        }


def _search_entries(tickets: Rows, messages: Rows) -> Iterator[dict[str, Any]]:
    """The full-text index, complete, so that the job that fills it has nothing to do during the
    rounds.
    """
    texts = [(ticket["id"], None, ticket["subject"]) for ticket in tickets]
    texts += [(message["ticket_id"], message["id"], message["body"]) for message in messages]
    for key, (ticket, message, text) in enumerate(texts, 1):
        yield {
            "id": key,
            "ticket_id": ticket,
            "message_id": message,
            "internal": False,
            "stems": indexed_stems(text),
        }
