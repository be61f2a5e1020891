"""Invoices whose ten years are over (Code de commerce, Article L123-22): a run that an operator has
confirmed removes what they, billing profiles and bank lines say about customers.

The rows stay, with their numbers, dates and amounts, so the proof of the numbering and the ledger
stay true. The database refuses any other change of an invoice. It allows this one only for an
invoice that has a tombstone, and a tombstone only for an invoice that was issued more than ten
years ago by the database's own clock. The tombstone has the hashes of what was removed: whoever
kept a copy can prove that it is the original.

An operator sees beforehand how many rows a run would change, and confirms exactly these by their
digest. A job then changes a batch in each transaction, so a process that is killed leaves nothing
half done, and two that run at once change nothing twice.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import orjson
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model

from auth import reauthentication
from billing.documents.facts import Address, InvoiceFacts, Party, to_json_value
from models.action import Action, Transaction
from models.billing.bank import BankLine
from models.billing.billing_profile import BillingProfile
from models.billing.delivery import InvoiceDelivery, PlatformStatus
from models.billing.invoice import Invoice, InvoiceDocument
from models.billing.tax_rule import Treatment
from models.checks import Checks
from models.clock import PARIS, local_date
from models.database.sql import dialect, execute
from models.database.workload import Workload, workload
from models.due_rows import handle_each
from models.errors import Refusal
from models.idempotency import earlier_result, owner_of, store_result
from models.identity.session import Session
from models.privacy.audit_actions import PrivacyAuditAction
from models.privacy.buyer_erasure import REASON_LENGTH, BuyerErasure, InvoiceTombstone
from models.privacy.erasure import ERASED, Retention
from models.privacy.errors import PrivacyErrorCode
from models.text import client_key, line

BATCH_SIZE = 100
_NOBODY = Party(name=ERASED, siren="", address=Address(lines=(ERASED,), postcode="", city=""))
_PROFILE: dict[str, Any] = {
    "legal_name": ERASED,
    "siren": None,
    "siret": None,
    "registration_number": None,
    "vat_number": None,
    "vat_proof": None,
    "street": ERASED,
    "postal_code": "",
    "city": "",
    "billing_street": None,
    "billing_postal_code": None,
    "billing_city": None,
    "billing_country": None,
    "order_number": None,
}
_BANK_LINE: dict[str, Any] = {
    "bank_reference": "",
    "end_to_end_id": "",
    "structured_reference": "",
    "text": ERASED,
    "counterparty_name": "",
    "counterparty_iban": "",
}
_PAYMENT = {"card_last4": "", "account_last4": "", "mandate_reference": ""}
_UNPAID = "SELECT invoice_id FROM receivable WHERE open_cents > 0"

# The conditions of the rows that a run changes, each `?` being the first day whose documents are
# kept. What is still to be paid, matched or sent back stays as it is.
OLD_ROWS = {
    "invoice": "issued_on < ? AND id NOT IN (SELECT invoice_id FROM invoice_tombstone)"  # noqa: S608 - of constants
    f" AND id NOT IN ({_UNPAID})",
    "invoice_document": "invoice_id IN"  # noqa: S608 - of constants
    f" (SELECT id FROM invoice WHERE issued_on < ? AND id NOT IN ({_UNPAID}))",
    "billing_profile": f"legal_name <> '{ERASED}'"  # noqa: S608 - of constants
    " AND id IN (SELECT billing_profile_id FROM invoice WHERE issued_on < ?)"
    " AND id NOT IN (SELECT billing_profile_id FROM invoice WHERE issued_on >= ?)"
    f" AND id NOT IN (SELECT billing_profile_id FROM invoice WHERE id IN ({_UNPAID}))"
    " AND id NOT IN"
    " (SELECT billing_profile_id FROM purchase WHERE billing_profile_id IS NOT NULL)",
    "bank_line": f"booked_on < ? AND text <> '{ERASED}'"
    " AND status NOT IN ('NEW', 'UNMATCHED', 'TO_RETURN')",
}


@dataclass(frozen=True)
class BuyerErasurePlan:
    """What a run would change now: rows up to a day, how many of each table, and a digest, by
    which an operator confirms exactly these rows.
    """

    until: date
    counts: dict[str, int]
    digest: str


def kept_since(at: datetime, retention: Retention) -> datetime:
    """The beginning of the first year whose invoices have to be kept: the years of the law count
    from the end of the financial year.
    """
    return datetime(local_date(at).year - retention.invoice_years, 1, 1, tzinfo=PARIS)


async def plan(at: datetime, retention: Retention) -> BuyerErasurePlan:
    """What a run would change at a time. Changes nothing."""
    until = kept_since(at, retention).date() - timedelta(days=1)
    with workload(Workload.REPORTS):
        keys = {table: await _old_keys(table, until) for table in OLD_ROWS}
    digest = hashlib.sha256(orjson.dumps([until, keys])).hexdigest()
    return BuyerErasurePlan(until, {table: len(rows) for table, rows in keys.items()}, digest)


async def _old_keys(
    table: str, until: date, limit: int | None = None, db: BaseDBAsyncClient | None = None
) -> list[int]:
    """The keys of a table's rows that a run changes, in ascending order."""
    condition, since = OLD_ROWS[table], until + timedelta(days=1)
    key = "invoice_id" if table == "invoice_document" else "id"
    rows = await execute(
        f'SELECT {key} AS id FROM "{table}" WHERE {condition} ORDER BY {key}'  # noqa: S608 - of constants
        f"{f' LIMIT {limit}' if limit else ''}",
        *[since if dialect(db) == "postgres" else since.isoformat()] * condition.count("?"),
        db=db,
    )
    return [int(row["id"]) for row in rows]


async def start(
    action: Action, session: Session, retention: Retention, digest: str, reason: str, key: str
) -> BuyerErasure:
    """Store a run, which the job then carries out. A repeat of the key returns the run.

    Raises BLANK, TOO_LONG, PLAN_CHANGED when the digest isn't the one of the rows that a run would
    change now, NOTHING_TO_ERASE, STEP_UP_REQUIRED and IDEMPOTENCY_MISMATCH.
    """
    with Checks() as check:
        reason = check(line, reason, "reason", REASON_LENGTH)
        key = check(client_key, key)
    await reauthentication.require_step_up(action, session)
    assert action.actor, "an operator"  # noqa: S101
    owner, arguments = owner_of(action), [digest, reason]
    planned = await plan(action.at, retention)
    async with action.transaction() as tx:
        if earlier := await earlier_result(tx, owner, "buyerErasureStart", key, arguments):
            return await BuyerErasure.get(pk=earlier, using_db=tx.db)
        if digest != planned.digest:
            raise Refusal(PrivacyErrorCode.PLAN_CHANGED, "input", "digest")
        if not any(planned.counts.values()):
            raise Refusal(PrivacyErrorCode.NOTHING_TO_ERASE, "input", "digest")
        run = await BuyerErasure.create(
            using_db=tx.db,
            operator_id=action.actor.pk,
            reason=reason,
            until=planned.until,
            created_at=action.at,
            planned_counts=planned.counts,
        )
        await store_result(tx, owner, "buyerErasureStart", key, run.pk)
        details: dict[str, Any] = {"until": planned.until.isoformat(), "digest": digest}
        tx.audit(PrivacyAuditAction.BUYER_ERASURE_START, run, **details | planned.counts)
    return run


async def erase_buyers(action: Action) -> int:
    """Change a batch of the rows of each run that isn't finished. Returns for how many runs."""
    unfinished = BuyerErasure.filter(finished_at=None)
    return await handle_each(unfinished, partial(_erase_batch, action), "buyer_erasure.failed")


async def _erase_batch(action: Action, key: int) -> bool:
    async with action.transaction() as tx:
        run = await tx.lock(BuyerErasure, key)
        if run.finished_at:
            return False
        counts = await _erase_rows(tx, run)
        for table, count in counts.items():
            run.removed_counts = {
                **run.removed_counts,
                table: run.removed_counts.get(table, 0) + count,
            }
        if not any(counts.values()):
            run.finished_at = action.at
            details: dict[str, Any] = {"until": run.until.isoformat(), **run.removed_counts}
            tx.audit(PrivacyAuditAction.BUYER_ERASURE_FINISH, run, **details)
        await run.save(using_db=tx.db, update_fields=["removed_counts", "finished_at"])
    return True


async def _erase_rows(tx: Transaction, run: BuyerErasure) -> dict[str, int]:
    """Change a batch of each table's rows. Returns how many."""
    return {
        "bank_line": await _overwrite(tx, run, BankLine, _BANK_LINE),
        "billing_profile": await _overwrite(tx, run, BillingProfile, _PROFILE),
        **await _erase_invoices(tx, run),
    }


async def _overwrite(
    tx: Transaction, run: BuyerErasure, model: type[Model], values: Mapping[str, Any]
) -> int:
    keys = await _old_keys(model._meta.db_table, run.until, BATCH_SIZE, tx.db)
    return await model.filter(pk__in=keys).using_db(tx.db).update(**values) if keys else 0


async def _erase_invoices(tx: Transaction, run: BuyerErasure) -> dict[str, int]:
    """Remove the buyers from a batch of invoices, with their structured files and their PDFs."""
    keys = await _old_keys("invoice", run.until, BATCH_SIZE, tx.db)
    if not keys:
        return {"invoice": 0, "invoice_document": 0}
    invoices = await Invoice.filter(pk__in=keys).using_db(tx.db).order_by("id")
    documents = InvoiceDocument.filter(invoice_id__in=keys).using_db(tx.db)
    pdf_hashes = dict(await documents.values_list("invoice_id", "sha256"))
    await InvoiceTombstone.bulk_create(
        [
            InvoiceTombstone(
                invoice_id=invoice.pk,
                run_id=run.pk,
                facts_sha256=facts_hash(invoice.facts),
                xml_sha256=hashlib.sha256(invoice.xml).hexdigest() if invoice.xml else None,
                pdf_sha256=pdf_hashes.get(invoice.pk),
                erased_at=tx.action.at,
            )
            for invoice in invoices
        ],
        using_db=tx.db,
    )
    for invoice in invoices:
        values: dict[str, Any] = {"facts": without_buyer(invoice.facts), "xml": None}
        await Invoice.filter(pk=invoice.pk).using_db(tx.db).update(**values)
    await documents.delete()
    await InvoiceDelivery.filter(invoice_id__in=keys).using_db(tx.db).update(reason=None)
    statuses = PlatformStatus.filter(delivery__invoice_id__in=keys, reason__not_isnull=True)
    status_keys = [
        int(str(key)) for key in await statuses.using_db(tx.db).values_list("id", flat=True)
    ]
    if status_keys:
        await PlatformStatus.filter(pk__in=status_keys).using_db(tx.db).update(reason=None)
    return {"invoice": len(keys), "invoice_document": len(pdf_hashes)}


def facts_hash(facts: Mapping[str, Any]) -> str:
    """The SHA-256 of an invoice's content: compact JSON in UTF-8 with sorted keys."""
    return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def without_buyer(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The content of an invoice without its buyer, how they paid, and what somebody wrote: the
    reason of a credit note is a note without a code. The buyer's country stays, because the VAT
    depends on it. Everything else stays as it was stored.
    """
    issued = InvoiceFacts.from_json(facts)
    # Reverse charge requires a number.
    vat_number = ERASED if issued.treatment is Treatment.REVERSE_CHARGE else ""
    address = replace(_NOBODY.address, country=issued.buyer.address.country)
    buyer = replace(_NOBODY, address=address, vat_number=vat_number)
    payment = facts.get("payment") and {**facts["payment"], **_PAYMENT}
    return {
        **facts,
        "buyer": to_json_value(buyer),
        "notes": [note for note in facts["notes"] if note["code"]],
        "order_number": "",
        "payment": payment,
    }
