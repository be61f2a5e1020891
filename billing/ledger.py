"""Posting to the ledger: a sale debits the customer (411) and credits the revenue (706) and the VAT
collected (44571); money received debits the bank (512) and credits the customer.

A customer's balance is the sum of the lines of 411: positive when the customer owes money. Each
journal has its own numbers without gaps (art. A47 A-1 LPF). Journals are taken in the order sales,
bank, general, after the number of an invoice (models/lock_order.py).
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from models.action import Transaction
from models.billing.invoice import DocumentType, Invoice, next_position
from models.billing.ledger import Journal, LedgerEntry, LedgerLine
from models.billing.money import Totals
from models.billing.payment import Payment
from models.billing.refund import Refund
from models.clock import local_date
from models.database.writing import insert, insert_all

CUSTOMERS = "411000"
REVENUE = "706000"
VAT_COLLECTED = "445710"
BANK = "512000"


class Posting(NamedTuple):
    """One line to post: a positive amount in cents is a debit, a negative one a credit."""

    code: str
    cents: int


async def post(
    tx: Transaction,
    journal: Journal,
    postings: Iterable[Posting],
    *,
    label_key: str,
    piece: str,
    account_id: int,
    **references: Any,
) -> LedgerEntry:
    """Post a balanced entry. `references` are the keys of what it is about: `invoice_id`,
    `payment_id` or `refund_id`. Raises ValueError when it doesn't balance.
    """
    lines = [posting for posting in postings if posting.cents]
    if sum(posting.cents for posting in lines):
        raise ValueError(f"{piece}: the entry doesn't balance")
    number, at = await next_position(tx, journal.value)
    values = {
        "journal": journal.value,
        "number": number,
        "day": local_date(at),
        "at": at,
        "account_id": account_id,
        "label_key": label_key,
        "piece": piece,
    }
    entry = await insert(LedgerEntry, values | references, db=tx.db)
    rows = [
        {
            "entry_id": entry.pk,
            "position": position,
            "code": posting.code,
            "account_id": account_id if posting.code == CUSTOMERS else None,
            "debit_cents": max(posting.cents, 0),
            "credit_cents": max(-posting.cents, 0),
        }
        for position, posting in enumerate(lines, 1)
    ]
    await insert_all(LedgerLine, rows, db=tx.db)
    return entry


async def post_invoice(tx: Transaction, invoice: Invoice) -> LedgerEntry:
    """Post an invoice or a credit note to the journal of sales."""
    is_credit = invoice.type is DocumentType.CREDIT_NOTE
    sign = -1 if is_credit else 1
    return await post(
        tx,
        Journal.SALES,
        (
            Posting(CUSTOMERS, sign * invoice.gross_cents),
            Posting(REVENUE, -sign * invoice.net_cents),
            Posting(VAT_COLLECTED, -sign * invoice.vat_cents),
        ),
        label_key="credit_note" if is_credit else "invoice",
        piece=invoice.number,
        account_id=invoice.account_id,
        invoice_id=invoice.pk,
    )


async def post_replacement(
    tx: Transaction, invoice: Invoice, corrective: Invoice, left: Totals
) -> LedgerEntry:
    """Reverse what credit notes have left of an invoice that a corrective one replaces."""
    return await post(
        tx,
        Journal.SALES,
        (
            Posting(CUSTOMERS, -left.gross_cents),
            Posting(REVENUE, left.net_cents),
            Posting(VAT_COLLECTED, left.vat_cents),
        ),
        label_key="invoice_replaced",
        piece=corrective.number,
        account_id=invoice.account_id,
        invoice_id=corrective.pk,
    )


async def post_payment(
    tx: Transaction, payment: Payment, cents: int | None = None, label_key: str = "payment"
) -> LedgerEntry:
    """Post money received to the journal of the bank: the amount of the payment unless another one
    is given, which is negative when the payment is reversed.
    """
    amount = payment.amount_cents if cents is None else cents
    return await post(
        tx,
        Journal.BANK,
        (Posting(BANK, amount), Posting(CUSTOMERS, -amount)),
        label_key=label_key,
        piece=payment.provider_reference or f"payment-{payment.pk}",
        account_id=payment.account_id,
        payment_id=payment.pk,
    )


async def post_refund(tx: Transaction, refund: Refund, *, has_failed: bool = False) -> LedgerEntry:
    """Post a refund to the journal of the bank, or the return of one."""
    cents = -refund.amount_cents if has_failed else refund.amount_cents
    return await post(
        tx,
        Journal.BANK,
        (Posting(CUSTOMERS, cents), Posting(BANK, -cents)),
        label_key="refund_failed" if has_failed else "refund",
        piece=refund.provider_reference or f"refund-{refund.pk}",
        account_id=refund.account_id,
        refund_id=refund.pk,
    )
