"""Matching lines of bank statements with what they pay, by the first of these rules that finds a
single answer:

1. An ISO 11649 reference of an invoice in the line: the line pays that invoice, and what is left
   over stays on the customer's balance. Several references must all belong to one customer.
2. The number of an invoice, which has no check digits: only when the amount is what is open on it.
3. The payer's IBAN, known from earlier payments of one customer: only when the amount is what is
   open on one of that customer's invoices, or on all of them together.

Everything else waits for a person, who matches it with invoices or with a customer's balance, or
sets it aside. So does money for invoices of which nothing is open, once their purchase has ended. A
reversed line takes its payment back, so that the invoices are open again.

A line becomes at most one payment: it is locked first, before the rows of the customer
(models/lock_order.py), and the payment's reference at the provider is the line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from billing import settlement
from billing.bank.reference import invoice_numbers_in, references_in
from models.accounts.account import Account, AccountStatus
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.bank import BankLine, BankLineMatch, BankLineProblem, BankLineStatus
from models.billing.errors import BillingErrorCode
from models.billing.invoice import DocumentType, Invoice
from models.billing.money import Money
from models.billing.payment import Payment, PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Receivable
from models.checks import Checks
from models.database.batches import keys_of
from models.errors import CommonErrorCode, Refusal, TransactionConflict
from models.idempotency import earlier_result, owner_of, store_result
from models.measurements import PAYMENTS
from models.translations import Translatable, _

TRANSFER = "transfer"  # the payment's method: there is no provider that would know a token
_OPEN_STATUSES = (BankLineStatus.NEW, BankLineStatus.UNMATCHED)
_SET_ASIDE = (BankLineStatus.DISMISSED, BankLineStatus.TO_RETURN)
_UNDOABLE = (BankLineStatus.MATCHED, *_SET_ASIDE, BankLineStatus.REVERSAL)
_LINE_EXCEEDED = _("The amounts exceed the line: at most %(maximum)s.")
# What is possible instead, where it isn't to undo the decision.
_REASONS = {
    BankLineStatus.NEW: _("This line hasn’t been matched yet."),
    BankLineStatus.REVERSED: _("This line was reversed by another one. Undo the reversal first."),
    BankLineStatus.OUTGOING: _("This money went out of the account. It can’t be matched."),
}

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class Match:
    """What a line pays: invoices of one customer in the order in which they are paid, each with the
    largest amount in cents that it takes.
    """

    account_id: int
    invoices: tuple[tuple[int, int | None], ...]
    rule: BankLineMatch


def provider_reference(line: BankLine) -> str:
    """The reference of the payment that a line becomes."""
    return f"bank-line-{line.pk}"


async def match_new_lines(action: Action) -> int:
    """Match the lines that haven't been tried yet, oldest first, each in a transaction of its own.
    Returns how many were matched or reversed.

    A line that fails is logged and tried again by the next run; the others aren't delayed.
    """
    matched_count = 0
    async for key in keys_of(BankLine.filter(status=BankLineStatus.NEW)):
        try:
            matched_count += await match_line(action, key)
        except Exception as error:
            log.warning("bank_line.unmatched", line=key, error=type(error).__name__)
    return matched_count


async def unmatched_count() -> int:
    """How many lines are waiting for a person."""
    return await BankLine.filter(status=BankLineStatus.UNMATCHED).count()


async def match_line(action: Action, line_id: int) -> bool:
    """Match one line by the rules, or leave it to a person. Returns whether it was matched or
    reversed. A line that was already decided doesn't change.
    """
    async with action.transaction() as tx:
        line = await BankLine.get(pk=line_id, using_db=tx.db)
        if line.is_reversal or line.amount_cents < 0:
            return await _match_reversal(tx, line)
        line = await tx.lock(BankLine, line_id)
        if line.status is not BankLineStatus.NEW:
            return False
        match = await _find_match(tx, line)
        if isinstance(match, Match):
            account_id = match.account_id
            await tx.lock(Account, account_id)
            # Before the lock another transaction may have paid what the rules saw open.
            match = await _find_match(tx, line)
            if isinstance(match, Match) and match.account_id != account_id:
                raise TransactionConflict("the line is of another customer now")
        if isinstance(match, BankLineProblem):
            line.status, line.problem = BankLineStatus.UNMATCHED, match
            await line.save(using_db=tx.db)
            return False
        await _store_payment(tx, line, match)
    return True


async def _find_match(tx: Transaction, line: BankLine) -> Match | BankLineProblem:
    if await _is_possible_duplicate(tx, line):
        return BankLineProblem.POSSIBLE_DUPLICATE
    texts = (line.structured_reference, line.end_to_end_id, line.text)
    references = references_in(*texts)
    if references:
        invoices = await _invoices(tx, "reference", references)
        if invoices:
            return await _match_invoices(tx, line, invoices, has_check_digits=True)
    problem = BankLineProblem.UNKNOWN_REFERENCE if references else BankLineProblem.NO_REFERENCE
    if numbers := await _invoices(tx, "number", invoice_numbers_in(*texts)):
        found = await _match_invoices(tx, line, numbers, has_check_digits=False)
        if isinstance(found, Match):
            return found
        problem = found
    return await _match_iban(tx, line) or problem


async def _is_possible_duplicate(tx: Transaction, line: BankLine) -> bool:
    """Whether a file in another format has a line with the same day and amount: it may be the same
    movement, which the two formats describe differently.
    """
    await line.fetch_related("statement", using_db=tx.db)
    return (
        await BankLine.filter(
            iban=line.iban, booked_on=line.booked_on, amount_cents=line.amount_cents
        )
        .exclude(statement__format=line.statement.format)
        .using_db(tx.db)
        .exists()
    )


async def _invoices(tx: Transaction, column: str, values: Sequence[str]) -> list[Invoice]:
    """The invoices (not credit notes) with these values, in the order of the values. For an invoice
    that was replaced, its corrective invoice is returned: the payer may have only the former.
    """
    if not values:
        return []
    rows = (
        await Invoice.filter(**{f"{column}__in": list(values)})
        .exclude(type=DocumentType.CREDIT_NOTE)
        .using_db(tx.db)
    )
    rows = sorted(rows, key=lambda invoice: values.index(getattr(invoice, column)))
    current = [await invoice.current(tx.db) for invoice in rows]
    return list({invoice.pk: invoice for invoice in current}.values())


async def _match_invoices(
    tx: Transaction, line: BankLine, invoices: Sequence[Invoice], *, has_check_digits: bool
) -> Match | BankLineProblem:
    accounts = {invoice.account_id for invoice in invoices}
    if len(accounts) > 1:
        return BankLineProblem.SEVERAL_CUSTOMERS
    (account_id,) = accounts
    if (await Account.get(pk=account_id, using_db=tx.db)).status is AccountStatus.ERASED:
        return BankLineProblem.ACCOUNT_ERASED
    keys = [invoice.pk for invoice in invoices]
    receivables = await Receivable.filter(invoice_id__in=keys).using_db(tx.db)
    open_cents = sum(receivable.open_cents for receivable in receivables)
    if not open_cents and await _have_ended(tx, invoices):
        return BankLineProblem.PURCHASE_ENDED
    is_exact = open_cents == line.amount_cents
    if not is_exact and not has_check_digits:
        return BankLineProblem.AMOUNT_DIFFERS
    rule = BankLineMatch.REFERENCE_AND_AMOUNT if is_exact else BankLineMatch.REFERENCE
    return Match(account_id, tuple((key, None) for key in keys), rule)


async def _have_ended(tx: Transaction, invoices: Sequence[Invoice]) -> bool:
    """Whether all purchases of these invoices have ended, so that there is nothing left to pay
    for.
    """
    purchases = Purchase.filter(pk__in=[invoice.purchase_id or 0 for invoice in invoices])
    statuses = {purchase.status for purchase in await purchases.using_db(tx.db)}
    return bool(statuses) and statuses <= {PurchaseStatus.CANCELED, PurchaseStatus.EXPIRED}


async def _match_iban(tx: Transaction, line: BankLine) -> Match | None:
    """Match by the payer's IBAN, if it has paid for one customer only."""
    if not line.counterparty_iban:
        return None
    earlier_lines = BankLine.filter(
        counterparty_iban=line.counterparty_iban, status=BankLineStatus.MATCHED
    )
    accounts = {earlier.account_id for earlier in await earlier_lines.using_db(tx.db)}
    account_id = accounts.pop() if len(accounts) == 1 else None
    if account_id is None:
        return None
    if (await Account.get(pk=account_id, using_db=tx.db)).status is AccountStatus.ERASED:
        return None
    receivables = (
        await Receivable.filter(account_id=account_id, open_cents__gt=0)
        .using_db(tx.db)
        .order_by("due_on", "invoice_id")
    )
    exact = [each for each in receivables if each.open_cents == line.amount_cents]
    if len(exact) != 1:
        exact = list(receivables)
    if not exact or sum(each.open_cents for each in exact) != line.amount_cents:
        return None
    invoices = tuple((each.invoice_id, None) for each in exact)
    return Match(account_id, invoices, BankLineMatch.IBAN_AND_AMOUNT)


async def _store_payment(tx: Transaction, line: BankLine, match: Match) -> Payment:
    """Make a line the payment of a customer, and settle what it pays."""
    purchases = await settlement.lock_for_settlement(tx, match.account_id)
    first_invoice = await _single_invoice(tx, match)
    payment = await Payment.create(
        using_db=tx.db,
        account_id=match.account_id,
        purchase_id=first_invoice.purchase_id if first_invoice else None,
        invoice_id=first_invoice.pk if first_invoice else None,
        kind=PaymentKind.TRANSFER,
        status=PaymentStatus.SUCCEEDED,
        amount_cents=line.amount_cents,
        method=TRANSFER,
        provider_reference=await _next_reference(tx, line),
        created_at=tx.action.at,
        settled_at=tx.action.at,
    )
    line.status, line.problem, line.match = BankLineStatus.MATCHED, None, match.rule
    line.account_id, line.payment_id = match.account_id, payment.pk
    line.decider_id = tx.action.actor.pk if tx.action.actor else None
    line.decided_at = tx.action.at
    await line.save(using_db=tx.db)
    tx.audit(
        BillingAuditAction.BANK_LINE_MATCH,
        line,
        match=match.rule.value,
        amount_cents=line.amount_cents,
    )
    await settlement.apply_payment(tx, payment, match.invoices)
    await settlement.restore(tx, purchases)
    await settlement.announce(tx, payment)
    tx.count(PAYMENTS, TRANSFER, payment.status.value)
    return payment


async def _single_invoice(tx: Transaction, match: Match) -> Invoice | None:
    """The invoice that the payment is for, if it is for exactly one."""
    if len(match.invoices) != 1:
        return None
    return await Invoice.get(pk=match.invoices[0][0], using_db=tx.db)


async def _next_reference(tx: Transaction, line: BankLine) -> str:
    """The reference of the payment. A line whose match was undone becomes a new payment the next
    time.
    """
    first = provider_reference(line)
    count = await Payment.filter(provider_reference__startswith=f"{first}-").using_db(tx.db).count()
    is_first = not await Payment.filter(provider_reference=first).using_db(tx.db).exists()
    return first if is_first else f"{first}-{count + 2}"


async def _match_reversal(tx: Transaction, line: BankLine) -> bool:
    original = await _find_original(tx, line)
    lines = await _lock_lines(tx, line.pk, *([original.pk] if original else []))
    line = lines[line.pk]
    if line.status is not BankLineStatus.NEW:
        return False
    if original is None or await _was_refunded(tx, original):
        line.status, line.problem = BankLineStatus.UNMATCHED, BankLineProblem.ORIGINAL_NOT_FOUND
        await line.save(using_db=tx.db)
        return False
    await _reverse(tx, line, lines[original.pk])
    return True


async def _was_refunded(tx: Transaction, line: BankLine) -> bool:
    """Whether a part of the payment that a line became has already been refunded."""
    payment = await Payment.get_or_none(pk=line.payment_id or 0, using_db=tx.db)
    return payment is not None and payment.refunded_cents > 0


def _decided(line: BankLine, field: str) -> Refusal:
    return Refusal(
        BillingErrorCode.BANK_LINE_DECIDED, "input", field, message=_REASONS.get(line.status)
    )


async def _lock_lines(tx: Transaction, *keys: int) -> dict[int, BankLine]:
    return {line.pk: line for line in await tx.lock_rows(BankLine.filter(pk__in=keys))}


async def _find_original(tx: Transaction, line: BankLine) -> BankLine | None:
    """The one line that a reversal takes back: of the opposite amount, with the same identifier,
    set by the payer or the bank, or else with the same payer and the same reference.
    """
    candidates = (
        await BankLine.filter(
            iban=line.iban,
            amount_cents=-line.amount_cents,
            is_reversal=False,
            status__in=[*_OPEN_STATUSES, BankLineStatus.MATCHED],
        )
        .using_db(tx.db)
        .order_by("id")
    )
    for name in ("end_to_end_id", "bank_reference"):
        value = getattr(line, name)
        same = [each for each in candidates if value and getattr(each, name) == value]
        if len(same) == 1:
            return same[0]
    same = [
        each
        for each in candidates
        if line.counterparty_iban
        and each.counterparty_iban == line.counterparty_iban
        and _references(each) == _references(line)
    ]
    return same[0] if len(same) == 1 else None


def _references(line: BankLine) -> set[str]:
    return set(references_in(line.structured_reference, line.end_to_end_id, line.text))


async def _reverse(tx: Transaction, line: BankLine, original: BankLine) -> None:
    """Take a line back, and the payment that it had become: its invoices are open again. Both lines
    are locked.
    """
    if original.status not in (*_OPEN_STATUSES, BankLineStatus.MATCHED):
        raise _decided(original, "originalId")
    payment_id = original.payment_id if original.status is BankLineStatus.MATCHED else None
    original.status = BankLineStatus.REVERSED
    await original.save(using_db=tx.db)
    line.status, line.problem = BankLineStatus.REVERSAL, None
    line.original_id, line.account_id = original.pk, original.account_id
    line.decider_id = tx.action.actor.pk if tx.action.actor else None
    line.decided_at = tx.action.at
    await line.save(using_db=tx.db)
    tx.audit(BillingAuditAction.BANK_LINE_REVERSE, line, original=original.pk)
    if payment_id is not None:
        await _reverse_payment(tx, payment_id)


async def _reverse_payment(tx: Transaction, payment_id: int) -> None:
    payment = await Payment.get(pk=payment_id, using_db=tx.db)
    await tx.lock(Account, payment.account_id)
    payment = await tx.lock(Payment, payment_id)
    if payment.refunded_cents:
        message = _("A part of this payment was refunded. Mark the refund as failed first.")
        raise Refusal(BillingErrorCode.BANK_LINE_DECIDED, "input", "lineId", message=message)
    await settlement.reverse_payment(tx, payment, payment.amount_cents)


async def match_by_hand(
    action: Action,
    line_id: int,
    account_id: int | None,
    invoices: Sequence[tuple[int, int | None]],
    key: str | None = None,
) -> BankLine:
    """Match an unmatched line with invoices of one customer, each with the amount in cents that it
    takes, by default all that is open. What is left over stays on the customer's balance. Without
    invoices, all of it does, and `account_id` names the customer.

    Raises BANK_LINE_DECIDED, BANK_MATCH_TOO_LARGE, BANK_MATCH_OTHER_CUSTOMER, NOT_FOUND,
    VALUE_INVALID for an invoice that is named twice, and IDEMPOTENCY_MISMATCH.
    """
    arguments = [line_id, account_id, [list(each) for each in invoices]]
    owner = owner_of(action)
    async with action.transaction() as tx:
        if await earlier_result(tx, owner, "bankLineMatch", key, arguments):
            return await BankLine.get(pk=line_id, using_db=tx.db)
        line = await tx.lock(BankLine, line_id)
        if line.status not in _OPEN_STATUSES:
            raise _decided(line, "lineId")
        if line.amount_cents <= 0:
            raise Refusal(
                BillingErrorCode.BANK_LINE_DECIDED,
                "input",
                "lineId",
                message=_("This line reverses an earlier one. Match it with that line instead."),
            )
        account_id = await _require_matchable(tx, line, account_id, invoices)
        await _store_payment(tx, line, Match(account_id, tuple(invoices), BankLineMatch.MANUAL))
        await store_result(tx, owner, "bankLineMatch", key, line.pk)
    return line


async def _require_matchable(
    tx: Transaction,
    line: BankLine,
    account_id: int | None,
    invoices: Sequence[tuple[int, int | None]],
) -> int:
    """The customer of the invoices, after checking what each may take."""
    rows = {
        invoice.pk: invoice
        for invoice in await Invoice.filter(pk__in=[key for key, _ in invoices])
        .exclude(type=DocumentType.CREDIT_NOTE)
        .using_db(tx.db)
    }
    accounts = {row.account_id for row in rows.values()}
    if account_id is not None:
        accounts.add(account_id)
    if len(accounts) > 1:
        raise Refusal(BillingErrorCode.BANK_MATCH_OTHER_CUSTOMER, "input", "invoices")
    if not accounts:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "accountId")
    (account_id,) = accounts
    await tx.lock(Account, account_id)
    receivables = {
        each.invoice_id: each.open_cents
        for each in await Receivable.filter(invoice_id__in=list(rows)).using_db(tx.db)
    }
    keys = [key for key, _ in invoices]
    with Checks() as check:
        for index, (key, cents) in enumerate(invoices):
            path = ("input", "invoices", str(index))
            if key in keys[:index]:
                check.refuse(Refusal(CommonErrorCode.VALUE_INVALID, *path, "invoiceId"))
            elif key not in rows:
                check.refuse(Refusal(CommonErrorCode.NOT_FOUND, *path, "invoiceId"))
            elif cents is not None and not 0 < cents <= receivables.get(key, 0):
                check.refuse(_too_large(receivables.get(key, 0), *path, "amountCents"))
        if sum(cents or 0 for _, cents in invoices) > line.amount_cents:
            check.refuse(_too_large(line.amount_cents, "input", "invoices", message=_LINE_EXCEEDED))
    return account_id


def _too_large(cents: int, *path: str, message: Translatable | None = None) -> Refusal:
    """The refusal of an amount that is more than this, or isn't positive."""
    code = BillingErrorCode.BANK_MATCH_TOO_LARGE
    return Refusal(code, *path, message=message, maximum=Money(cents))


async def match_reversal_by_hand(action: Action, line_id: int, original_id: int) -> BankLine:
    """Record which line an unmatched reversal takes back. A repeat changes nothing. Raises
    BANK_LINE_DECIDED, and VALUE_INVALID when the amounts aren't opposite.
    """
    async with action.transaction() as tx:
        lines = await _lock_lines(tx, line_id, original_id)
        line, original = lines[line_id], lines[original_id]
        if line.original_id == original.pk:
            return line
        if line.status not in _OPEN_STATUSES:
            raise _decided(line, "lineId")
        if line.amount_cents >= 0 or original.amount_cents != -line.amount_cents:
            raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "originalId")
        await _reverse(tx, line, original)
    return line


async def dismiss(action: Action, line_id: int, status: BankLineStatus) -> BankLine:
    """Set an unmatched line aside: as DISMISSED when it isn't a customer's payment, as TO_RETURN
    when it is to be sent back. A repeat changes nothing. Raises BANK_LINE_DECIDED.
    """
    async with action.transaction() as tx:
        line = await tx.lock(BankLine, line_id)
        if line.status is status:
            return line
        if line.status not in (*_OPEN_STATUSES, *_SET_ASIDE):
            raise _decided(line, "lineId")
        line.status = status
        line.decider_id = action.actor.pk if action.actor else None
        line.decided_at = action.at
        await line.save(using_db=tx.db)
        tx.audit(BillingAuditAction.BANK_LINE_DISMISS, line, status=status.value)
    return line


async def undo(action: Action, line_id: int) -> BankLine:
    """Undo a mistaken match, whose payment is reversed, or a dismissal: the line waits for a person
    again. When a reversal is undone, the line that it took back waits for a person as well. The
    payment that this line had become stays reversed: matching the line again creates another
    payment. A repeat changes nothing. Raises BANK_LINE_DECIDED.
    """
    async with action.transaction() as tx:
        original_id = (await BankLine.get(pk=line_id, using_db=tx.db)).original_id
        lines = await _lock_lines(tx, line_id, *([original_id] if original_id else []))
        line = lines[line_id]
        if line.status is BankLineStatus.UNMATCHED:
            return line
        if line.status not in _UNDOABLE:
            raise _decided(line, "lineId")
        if line.original_id != original_id:
            raise TransactionConflict("the line was matched with another one")
        payment_id = line.payment_id
        tx.audit(BillingAuditAction.BANK_LINE_UNDO, line, status=line.status.value)
        for each in lines.values():
            each.status, each.problem = BankLineStatus.UNMATCHED, BankLineProblem.UNDONE
            each.match = each.account_id = each.payment_id = each.original_id = None
            each.decider_id = action.actor.pk if action.actor else None
            each.decided_at = action.at
            await each.save(using_db=tx.db)
        if payment_id is not None:
            await _reverse_payment(tx, payment_id)
    return line
