"""Deactivation, reactivation and deletion of a company's account."""

from accounts import lifecycle
from models.accounts.account import Account
from models.support.classification import TicketKind
from models.support.ticket import Ticket
from resolvers.accounts.inputs import (
    AccountDeactivateInput,
    AccountDeclineReactivationInput,
    AccountReactivateInput,
    AccountRequestDeletionInput,
    AccountRequestInput,
    AccountRequestReactivationInput,
    AccountScheduleDeletionInput,
)
from resolvers.context import Info
from resolvers.ids import key_of


async def request_deactivation(info: Info, input: AccountRequestInput) -> Ticket:
    """Request the deactivation of the company's account."""
    return await _request(info, info.context.account.pk, TicketKind.ACCOUNT_DEACTIVATION, input)


async def request_deletion(info: Info, input: AccountRequestDeletionInput) -> Ticket:
    """Request the deletion of the current company's account, or of a deactivated one."""
    current = info.context.viewer.account
    account_id = (
        key_of(Account, input.account_id) if input.account_id else current.pk if current else None
    )
    return await _request(info, account_id, TicketKind.ACCOUNT_DELETION, input)


async def request_reactivation(info: Info, input: AccountRequestReactivationInput) -> bool:
    """Request the reactivation of a company that the viewer isn't acting for: only agents see its
    ticket, and the answer comes by email.
    """
    await _request(info, key_of(Account, input.account_id), TicketKind.ACCOUNT_REACTIVATION, input)
    return True


async def _request(
    info: Info,
    account_id: int | None,
    kind: TicketKind,
    input: AccountRequestInput | AccountRequestReactivationInput | AccountRequestDeletionInput,
) -> Ticket:
    context, key = info.context, input.idempotency_key
    auth = context.services.auth
    return await lifecycle.request(
        context.action(), auth, context.session, account_id, kind, input.message, key
    )


async def deactivate(info: Info, input: AccountDeactivateInput) -> Account:
    """Deactivate an account."""
    context = info.context
    return await lifecycle.deactivate(
        context.action(),
        context.session,
        key_of(Account, input.account_id),
        input.reason,
        input.message,
    )


async def reactivate(info: Info, input: AccountReactivateInput) -> Account:
    """Reactivate an account."""
    context = info.context
    return await lifecycle.reactivate(
        context.action(), context.session, key_of(Account, input.account_id)
    )


async def decline_reactivation(info: Info, input: AccountDeclineReactivationInput) -> Account:
    """Decline a request for reactivation by email."""
    context = info.context
    return await lifecycle.decline_reactivation(
        context.action(),
        context.session,
        key_of(Account, input.account_id),
        input.reason,
        input.idempotency_key,
    )


async def schedule_deletion(info: Info, input: AccountScheduleDeletionInput) -> Account:
    """Schedule the deletion of an account."""
    context, action = info.context, info.context.action()
    grace_period = context.services.seller.retention_on(action.day).grace_period
    return await lifecycle.schedule_deletion(
        action,
        context.session,
        key_of(Account, input.account_id),
        key_of(Ticket, input.ticket_id),
        grace_period,
    )
