"""Opening tickets: the ticket, its first message and the idempotency key, in one transaction."""

from models.accounts.account import Account
from models.action import Action
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, store_result
from models.identity.user import User
from models.support.ticket import SUBJECT_LENGTH, Category, Channel, Ticket
from models.text import client_key, message_text
from models.translations import _

_OPERATION = "ticketOpen"
_CUSTOMER_CHANNELS = (Channel.CHAT, Channel.WEB)


async def open_ticket(
    action: Action,
    account: Account,
    requester: User,
    *,
    channel: Channel,
    category: Category,
    subject: str,
    body: str,
    key: str,
) -> Ticket:
    """Open a ticket of a company with its first message. The same idempotency key returns the same
    ticket.

    Raises VALUE_INVALID for a channel that customers can't choose, BLANK and TOO_LONG for the
    texts, and IDEMPOTENCY_MISMATCH when the key was used with other arguments.
    """
    with Checks() as check:
        subject = check(message_text, " ".join(subject.split()), "subject", SUBJECT_LENGTH)
        body = check(message_text, body)
        check(_require_channel, channel)
        key = check(client_key, key)
    owner = f"user:{requester.pk}"
    arguments = [account.pk, subject, body, channel.value, category.value]
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, _OPERATION, key, arguments):
            return await Ticket.get(pk=earlier_id, using_db=tx.db)
        ticket = await Ticket.open(
            tx, account, requester, subject=subject, channel=channel, category=category
        )
        await ticket.post(tx, requester, body, f"open:{key}"[:64])
        await store_result(tx, owner, _OPERATION, key, ticket.pk)
    return ticket


def _require_channel(channel: Channel) -> None:
    if channel not in _CUSTOMER_CHANNELS:
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            "input",
            "channel",
            message=_("Open a ticket by chat or from the website."),
        )
