"""Finds the ticket that an email answers, and the company of its sender.

An email belongs to the ticket of the email that it answers: by In-Reply-To, then by References from
the nearest to the furthest, then by the signed address that it was sent to. The subject never
counts, because anyone can write a number into it. The sender must be a member of the ticket's
company: for anybody else the next rule is tried, and if none applies, the email is a new request.
"""

import re
from collections.abc import AsyncIterator
from operator import itemgetter

from mail.reply_address import ReplyAddresses
from models.accounts.account import AccountStatus, Membership
from models.action import Transaction
from models.identity.user import User
from models.operations.email import Email
from models.support.incoming_email import MESSAGE_ID_LENGTH, IncomingEmail
from models.support.ticket import Ticket
from support.incoming.parsing import ParsedEmail

_MAX_IDS = 50
_OWN_KEY = re.compile(r"email-[0-9a-f.]{8,58}", re.ASCII)


def own_key(message_id: str) -> str | None:
    """The key in a Message-ID that looks like one of ours, else None. The domain isn't checked,
    because some servers change it and the key can't be guessed.
    """
    local_part = message_id.partition("@")[0].lower()
    return local_part if _OWN_KEY.fullmatch(local_part) else None


async def find_sender(address: str) -> User | None:
    """The person with this confirmed address."""
    return await User.filter(email=address, email_verified_at__not_isnull=True).first()


async def company_ids(user: User) -> list[int]:
    """The companies that a customer belongs to and that aren't erased."""
    memberships = Membership.filter(user_id=user.pk).exclude(account__status=AccountStatus.ERASED)
    return [int(str(key)) for key in await memberships.values_list("account_id", flat=True)]


async def find_ticket(
    email: ParsedEmail, addresses: ReplyAddresses, company_ids: list[int]
) -> Ticket | None:
    """The ticket of one of these companies that an email answers."""
    async for ticket_id in _candidates(email, addresses):
        ticket = await Ticket.filter(pk=ticket_id, account_id__in=company_ids).first()
        if ticket:
            return ticket
    return None


async def _candidates(email: ParsedEmail, addresses: ReplyAddresses) -> AsyncIterator[int]:
    for message_id in [*dict.fromkeys(email.referenced_ids())][:_MAX_IDS]:
        async for ticket_id in _tickets_of(message_id):
            yield ticket_id
    for address in email.recipients:
        signed_id = addresses.ticket_id(address)
        if signed_id is not None:
            yield signed_id


async def _tickets_of(message_id: str) -> AsyncIterator[int]:
    """The tickets of emails with this Message-ID, which we sent or received."""
    if key := own_key(message_id):
        for email in await Email.filter(message_key=key, ticket_id__not_isnull=True):
            yield email.ticket_id or 0
    received = IncomingEmail.filter(message_id=message_id[:MESSAGE_ID_LENGTH])
    for incoming in await received.filter(posted_message_id__not_isnull=True).select_related(
        "posted_message"
    ):
        yield incoming.posted_message.ticket_id


async def thread_of(tx: Transaction, ticket_id: int, user_id: int) -> list[str]:
    """The Message-IDs of the emails that a person sent and got in a ticket, oldest first, our own
    IDs as their keys alone: at most the first and the last nine.
    """
    sent = Email.filter(ticket_id=ticket_id, user_id=user_id, message_key__not_isnull=True)
    received = IncomingEmail.filter(
        user_id=user_id, posted_message__ticket_id=ticket_id, message_id__not_isnull=True
    )
    sent_emails = await sent.using_db(tx.db).order_by("id")
    received_emails = await received.using_db(tx.db).order_by("id")
    dated = [(email.created_at, str(email.message_key)) for email in sent_emails]
    dated += [(email.received_at, str(email.message_id)) for email in received_emails]
    ids = [key for _, key in sorted(dated, key=itemgetter(0))]
    return ids if len(ids) <= 10 else [ids[0], *ids[-9:]]
