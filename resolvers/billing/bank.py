"""Bank statements: importing them, and the queue of lines that a person matches."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from auth.reauthentication import require_step_up
from billing.bank import matching
from billing.bank.importing import decode_file, import_statement
from billing.bank.statement import clean_iban
from models.accounts.account import Account
from models.billing.bank import BankLine, BankLineStatus, BankStatement
from models.billing.invoice import Invoice
from models.billing.payment import Payment
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.text import client_key, line
from resolvers.billing.filters import BankLineFilter, BankLineOrder
from resolvers.billing.inputs import (
    BankLineDismissInput,
    BankLineMatchInput,
    BankLineMatchReversalInput,
    BankLineUndoInput,
    BankStatementImportInput,
)
from resolvers.context import Context, Info
from resolvers.filters import accepted_values, filter_in, filter_range, order_or_default
from resolvers.ids import key_argument, key_of, load_visible
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
)
from resolvers.rows import RowByForeignKey

NAME_LENGTH = 200
MAX_INVOICES = 100
OLDEST_FIRST = Order("booked_on")
NEWEST_FIRST = Order("id", descending=True)


def bank_lines(
    info: Info,
    filter: Annotated[
        BankLineFilter | None,
        strawberry.argument(description="Conditions on the lines to return."),
    ] = None,
    order_by: Annotated[
        BankLineOrder | None,
        strawberry.argument(description="The order of the list. Defaults to oldest first."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The lines that the viewer may see."""
    viewer, conditions = info.context.viewer, filter or BankLineFilter()
    rows = filter_in(BankLine.visible_to(viewer), "status", accepted_values(conditions.status))
    if (accounts := accepted_values(conditions.account_id)) is not None:
        keys = [key_argument(Account, account_id, "accountId") for account_id in accounts]
        rows = filter_in(rows, "account_id", keys)
    rows = filter_range(rows, "booked_on", conditions.booked_on)
    return page(
        rows,
        order_or_default(order_by, OLDEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


def bank_statements(
    info: Info,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The imported statements, most recent first."""
    viewer = info.context.viewer
    return page(
        BankStatement.visible_to(viewer),
        NEWEST_FIRST,
        PageRequest(first, after, last, before),
        viewer,
    )


async def import_file(info: Info, input: BankStatementImportInput) -> dict[str, Any]:
    """Import a statement, and match its lines."""
    context, action = info.context, info.context.action()
    await require_step_up(action, context.session)
    with Checks() as check:
        name = check(line, input.file_name, "fileName", NAME_LENGTH)
        content = check(decode_file, input.content)
        iban = check(_iban, input.iban) if input.iban is not None else None
        key = check(client_key, input.idempotency_key)
    imported = await import_statement(
        action, context.services.seller.bank, name=name, content=content, iban=iban, key=key
    )
    await matching.match_new_lines(action)
    return {"statement": imported.statement, "is_repeated": imported.is_repeated}


def _iban(text: str) -> str:
    if not (iban := clean_iban(text)):
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "iban")
    return iban


async def match(info: Info, input: BankLineMatchInput) -> BankLine:
    """Match a line by hand."""
    context, action = info.context, info.context.action()
    viewer = context.viewer
    await require_step_up(action, context.session)
    with Checks() as check:
        bank_line = await check.wait(load_visible(BankLine, input.line_id, viewer, "lineId"))
        account = None
        if input.account_id is not None:
            account = await check.wait(_account(input.account_id))
        if len(input.invoices) > MAX_INVOICES:
            code = CommonErrorCode.TOO_MANY
            check.refuse(Refusal(code, "input", "invoices", limit=MAX_INVOICES))
        keys = [
            await check.wait(_invoice_key(each.invoice_id, index))
            for index, each in enumerate(input.invoices[:MAX_INVOICES])
        ]
        key = check(client_key, input.idempotency_key)
    amounts = [each.amount_cents for each in input.invoices]
    return await matching.match_by_hand(
        action,
        bank_line.pk,
        account.pk if account else None,
        list(zip(keys, amounts, strict=True)),
        key,
    )


async def _account(account_id: strawberry.ID) -> Account:
    key = key_of(Account, account_id)
    account = await Account.get_or_none(pk=key) if key else None
    if account is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "accountId")
    return account


async def _invoice_key(invoice_id: strawberry.ID, index: int) -> int:
    key = key_of(Invoice, invoice_id)
    if key is None or not await Invoice.filter(pk=key).exists():
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "invoices", str(index), "invoiceId")
    return key


async def match_reversal(info: Info, input: BankLineMatchReversalInput) -> BankLine:
    """Record which line a reversal takes back."""
    context, action = info.context, info.context.action()
    await require_step_up(action, context.session)
    with Checks() as check:
        bank_line = await check.wait(
            load_visible(BankLine, input.line_id, context.viewer, "lineId")
        )
        original = await check.wait(
            load_visible(BankLine, input.original_id, context.viewer, "originalId")
        )
    return await matching.match_reversal_by_hand(action, bank_line.pk, original.pk)


async def dismiss(info: Info, input: BankLineDismissInput) -> BankLine:
    """Set a line aside."""
    context, action = info.context, info.context.action()
    await require_step_up(action, context.session)
    bank_line = await load_visible(BankLine, input.line_id, context.viewer, "lineId")
    return await matching.dismiss(action, bank_line.pk, BankLineStatus(input.reason.value))


async def undo(info: Info, input: BankLineUndoInput) -> BankLine:
    """Undo the decision about a line."""
    context, action = info.context, info.context.action()
    await require_step_up(action, context.session)
    bank_line = await load_visible(BankLine, input.line_id, context.viewer, "lineId")
    return await matching.undo(action, bank_line.pk)


def statement_of(context: Context, parents: Sequence[BankLine]) -> RowByForeignKey:
    """The statement that each line was first imported with."""
    return RowByForeignKey(parents, "statement_id", QuerySet(BankStatement))


def payment_of(context: Context, parents: Sequence[BankLine]) -> RowByForeignKey:
    """The payment that each line became."""
    return RowByForeignKey(parents, "payment_id", QuerySet(Payment))


def original_of(context: Context, parents: Sequence[BankLine]) -> RowByForeignKey:
    """The line that each reversal took back."""
    return RowByForeignKey(parents, "original_id", QuerySet(BankLine))


def deciders(context: Context, parents: Sequence[BankLine]) -> RowByForeignKey:
    """The person who decided about each line."""
    return RowByForeignKey(parents, "decider_id", QuerySet(User))


def importers(context: Context, parents: Sequence[BankStatement]) -> RowByForeignKey:
    """The person who imported each statement."""
    return RowByForeignKey(parents, "importer_id", QuerySet(User))
