"""Deactivation, reactivation and deletion of a company's account."""

from accounts import lifecycle
from models.accounts.account import Account
from models.support.ticket import Ticket, TicketKind
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
    """Ask for the company's rest."""
    return await _request(info, info.context.account.pk, TicketKind.ACCOUNT_DEACTIVATION, input)


async def request_deletion(info: Info, input: AccountRequestDeletionInput) -> Ticket:
    """Ask for the end of the company one acts for, or of one that rests."""
    current = info.context.viewer.account
    account_id = key_of(Account, input.account_id) if input.account_id else current.pk if current else None
    return await _request(info, account_id, TicketKind.ACCOUNT_DELETION, input)


async def request_reactivation(info: Info, input: AccountRequestReactivationInput) -> bool:
    """Ask to have a company back, from outside of it: its ticket is seen by agents, the answer comes by email."""
    await _request(info, key_of(Account, input.account_id), TicketKind.ACCOUNT_REACTIVATION, input)
    return True


async def _request(
    info: Info, account_id: int | None, kind: TicketKind,
    input: AccountRequestInput | AccountRequestReactivationInput | AccountRequestDeletionInput,
) -> Ticket:  # fmt: skip
    context, key = info.context, input.idempotency_key
    auth = context.services.auth
    return await lifecycle.request(context.action(), auth, context.session, account_id, kind, input.message, key)


async def deactivate(info: Info, input: AccountDeactivateInput) -> Account:
    """Let a company rest."""
    context = info.context
    return await lifecycle.deactivate(context.action(), context.session, key_of(Account, input.account_id))


async def reactivate(info: Info, input: AccountReactivateInput) -> Account:
    """Have a company back."""
    context = info.context
    return await lifecycle.reactivate(context.action(), context.session, key_of(Account, input.account_id))


async def decline_reactivation(info: Info, input: AccountDeclineReactivationInput) -> Account:
    """Answer by email."""
    context = info.context
    return await lifecycle.decline_reactivation(
        context.action(), context.session, key_of(Account, input.account_id), input.reason
    )


async def schedule_deletion(info: Info, input: AccountScheduleDeletionInput) -> Account:
    """Have a company deleted after the grace."""
    context, action = info.context, info.context.action()
    grace = context.services.seller.retention_on(action.day).grace
    return await lifecycle.schedule_deletion(
        action, context.session, key_of(Account, input.account_id), key_of(Ticket, input.ticket_id),
        grace,
    )  # fmt: skip
