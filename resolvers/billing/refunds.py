"""Refunds, and what operators do with those of transfers."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from auth.reauthentication import require_step_up
from billing.refunds import settle_transfer
from models.billing.bank import BankLine
from models.billing.refund import Refund, RefundStatus
from models.checks import Checks
from models.text import line
from resolvers.billing.credit_inputs import RefundMarkFailedInput, RefundMarkSentInput
from resolvers.billing.filters import RefundFilter
from resolvers.context import Context, Info
from resolvers.filters import accepted_values, filter_in
from resolvers.ids import load_visible
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

REFERENCE_LENGTH = 140
OLDEST_FIRST = Order("id")


def refunds(
    info: Info,
    filter: Annotated[
        RefundFilter | None,
        strawberry.argument(description="Conditions on the refunds to return."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The refunds that the viewer may see, oldest first."""
    viewer, conditions = info.context.viewer, filter or RefundFilter()
    rows = filter_in(Refund.visible_to(viewer), "status", accepted_values(conditions.status))
    return page(rows, OLDEST_FIRST, PageRequest(first, after, last, before), viewer)


async def mark_sent(info: Info, input: RefundMarkSentInput) -> Refund:
    """Record that the refund of a transfer was sent."""
    context, action = info.context, info.context.action()
    await require_step_up(action, context.session)
    with Checks() as check:
        refund = await check.wait(load_visible(Refund, input.refund_id, context.viewer, "refundId"))
        reference = check(line, input.reference, "reference", REFERENCE_LENGTH)
    return await settle_transfer(action, refund, RefundStatus.SUCCEEDED, reference)


async def mark_failed(info: Info, input: RefundMarkFailedInput) -> Refund:
    """Record that the refund of a transfer failed."""
    context, action = info.context, info.context.action()
    await require_step_up(action, context.session)
    refund = await load_visible(Refund, input.refund_id, context.viewer, "refundId")
    return await settle_transfer(action, refund, RefundStatus.FAILED)


def bank_lines_of(context: Context, parents: Sequence[Refund]) -> RowByForeignKey:
    """The bank line of the transfer that each refund pays back, if the viewer may see it."""
    return RowByForeignKey(parents, "bank_line_id", BankLine.visible_to(context.viewer))
