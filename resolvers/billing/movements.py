"""A customer's movements of money: the ledger as the customer reads it."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from billing.movements import MovementKind, amounts_and_balances, balances_of
from engine import Deferred
from models.accounts.account import Account, AccountStatus
from models.billing.invoice import Invoice
from models.billing.ledger import LedgerEntry
from models.billing.money import Money
from models.billing.payment import Payment
from resolvers.billing.filters import MoneyMovementFilter, MoneyMovementOrder
from resolvers.billing.kept_invoices import recorded
from resolvers.context import Context, Info
from resolvers.filters import accepted_values, filter_in, filter_range, order_or_default
from resolvers.ids import key_argument
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
    pages_of,
)
from resolvers.rows import RowByForeignKey

NEWEST_FIRST = Order("id", descending=True)
LATEST_DAY_FIRST = Order("day", descending=True)


def money_movements(
    info: Info,
    filter: Annotated[
        MoneyMovementFilter | None,
        strawberry.argument(description="Conditions on the movements to return."),
    ] = None,
    order_by: Annotated[
        MoneyMovementOrder | None,
        strawberry.argument(description="The order of the list. Defaults to most recent first."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The movements that the viewer may see."""
    viewer, conditions = info.context.viewer, filter or MoneyMovementFilter()
    rows = LedgerEntry.visible_to(viewer)
    if (accounts := accepted_values(conditions.account_id)) is not None:
        keys = [key_argument(Account, account_id, "accountId") for account_id in accounts]
        rows = filter_in(rows, "account_id", keys)
    if (kinds := accepted_values(conditions.kind)) is not None:
        rows = filter_in(rows, "label_key", [kind.value for kind in kinds])
    if conditions.is_open is not None:
        rows = rows.filter(
            **{f"invoice__receivable__open_cents__{'gt' if conditions.is_open else 'lte'}": 0}
        )
    rows = filter_range(rows, "day", conditions.day)
    return page(
        rows,
        # By number, all newer movements would be read before those of the days.
        order_or_default(order_by, LATEST_DAY_FIRST if conditions.day else NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


def account_movements(
    context: Context, parents: Sequence[Account], page_request: PageRequest
) -> Deferred:
    """One page of each company's movements."""
    return pages_of(parents, LedgerEntry, "account_id", NEWEST_FIRST, page_request, context.viewer)


async def amounts(context: Context, parents: Sequence[LedgerEntry]) -> list[Money]:
    """What each movement adds to what the company owes."""
    values = await amounts_and_balances([each.pk for each in parents])
    return [Money(values[each.pk][0]) for each in parents]


async def balances(context: Context, parents: Sequence[LedgerEntry]) -> list[Money]:
    """What the company owes after each movement."""
    values = await amounts_and_balances([each.pk for each in parents])
    return [Money(values[each.pk][1]) for each in parents]


async def account_balances(context: Context, parents: Sequence[Account]) -> list[Money | None]:
    """What each company owes now, negative when it has paid in advance. None for viewers who can't
    see its invoices, and for an erased company.
    """
    viewer = context.viewer
    keys = [
        each.pk
        for each in parents
        if each.status is not AccountStatus.ERASED
        and (viewer.is_agent or each.pk == viewer.billing_account_id)
    ]
    values = await balances_of(keys)
    return [Money(values.get(each.pk, 0)) if each.pk in keys else None for each in parents]


def movement_kind(root: LedgerEntry) -> MovementKind:
    """The kind of a movement."""
    return MovementKind(root.label_key)


def invoice_of(context: Context, parents: Sequence[LedgerEntry]) -> Deferred:
    """The invoice or credit note of each movement, if the viewer may see it."""
    return recorded(
        context, RowByForeignKey(parents, "invoice_id", Invoice.visible_to(context.viewer))
    )


def payment_of(context: Context, parents: Sequence[LedgerEntry]) -> RowByForeignKey:
    """The payment of each movement, if the viewer may see it."""
    return RowByForeignKey(parents, "payment_id", Payment.visible_to(context.viewer))
