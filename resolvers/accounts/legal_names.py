"""Changes of a company's legal name."""

from collections.abc import Sequence
from typing import Annotated

import strawberry
from tortoise.queryset import QuerySet

from accounts import legal_names
from engine import Deferred
from models.accounts.account import Account
from models.accounts.legal_name import LegalNameChange
from models.identity.user import User
from models.support.file import File
from resolvers.accounts.filters import LegalNameChangeFilter, LegalNameChangeOrder
from resolvers.accounts.inputs import (
    AccountRequestLegalNameInput,
    LegalNameChangeAddEvidenceInput,
    LegalNameChangeCancelInput,
    LegalNameChangeDecideInput,
)
from resolvers.context import Context, Info
from resolvers.filters import accepted_values, filter_in, order_or_default
from resolvers.ids import key_of
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
from resolvers.rows import RowByForeignKey, RowsByParent

NEWEST_FIRST = Order("updated_at", descending=True)


OLDEST_FIRST = Order("updated_at")


async def request_legal_name(info: Info, input: AccountRequestLegalNameInput) -> LegalNameChange:
    """Request a change of legal name."""
    context = info.context
    return await legal_names.request(
        context.action(),
        context.services.auth,
        context.services.registry,
        context.session,
        context.account,
        legal_name=input.legal_name,
        claimed_siren=input.siren,
        file_ids=_files(input.file_ids),
        key=input.idempotency_key,
    )


def _files(ids: Sequence[strawberry.ID]) -> list[int | None]:
    return [key_of(File, global_id) for global_id in ids]


async def add_evidence(info: Info, input: LegalNameChangeAddEvidenceInput) -> LegalNameChange:
    """Add evidence to a change."""
    context = info.context
    key = key_of(LegalNameChange, input.change_id)
    return await legal_names.add_evidence(
        context.action(), context.session, context.account, key, _files(input.file_ids)
    )


async def cancel_legal_name(info: Info, input: LegalNameChangeCancelInput) -> LegalNameChange:
    """Cancel a change."""
    context = info.context
    return await legal_names.cancel(
        context.action(), context.session, context.account, key_of(LegalNameChange, input.change_id)
    )


async def decide_legal_name(info: Info, input: LegalNameChangeDecideInput) -> LegalNameChange:
    """Decide on a change, as an agent."""
    context, change_id = info.context, key_of(LegalNameChange, input.change_id)
    return await legal_names.decide(
        context.action(),
        context.session,
        change_id,
        input.decision,
        input.reason,
        input.idempotency_key,
    )


def legal_name_changes(
    info: Info,
    filter: Annotated[
        LegalNameChangeFilter | None,
        strawberry.argument(description="Conditions on the changes to return."),
    ] = None,
    order_by: Annotated[
        LegalNameChangeOrder | None,
        strawberry.argument(
            description="The order of the list. Defaults to longest waiting first."
        ),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The changes of legal name of every company, for agents."""
    viewer = info.context.viewer
    rows = filter_in(
        LegalNameChange.visible_to(viewer),
        "status",
        accepted_values(filter.status if filter else None),
    )
    return page(
        rows,
        order_or_default(order_by, OLDEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


def account_legal_name_changes(
    context: Context, parents: Sequence[Account], page_request: PageRequest
) -> Deferred:
    """One page of each company's changes of legal name."""
    return pages_of(
        parents, LegalNameChange, "account_id", NEWEST_FIRST, page_request, context.viewer
    )


def requesters(context: Context, parents: Sequence[LegalNameChange]) -> RowByForeignKey:
    """The user who requested each change."""
    return RowByForeignKey(parents, "requester_id", QuerySet(User))


def deciders(context: Context, parents: Sequence[LegalNameChange]) -> RowByForeignKey:
    """The agent who decided on each change, None when none has."""
    return RowByForeignKey(parents, "decider_id", QuerySet(User))


def evidence(context: Context, parents: Sequence[LegalNameChange]) -> RowsByParent:
    """The evidence of each change."""
    return RowsByParent(parents, QuerySet(File), "legal_name_change_id", "id")
