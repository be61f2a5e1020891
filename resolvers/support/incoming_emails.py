"""Received emails: what became of them, for agents and operators, and the emails that became
messages.
"""

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Annotated

import strawberry
from tortoise.queryset import QuerySet

from models.accounts.account import Account
from models.checks import Checks
from models.identity.user import User
from models.support.incoming_email import IncomingEmail
from models.support.message import Message
from models.support.ticket import Ticket
from resolvers.context import Context, Info
from resolvers.filters import accepted_values, filter_in, filter_range, order_or_default
from resolvers.ids import encode, load_visible
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
from resolvers.rows import FirstRowByParent, RowByForeignKey
from resolvers.support.filters import IncomingEmailFilter, IncomingEmailOrder
from resolvers.support.inputs import (
    IncomingEmailDismissInput,
    IncomingEmailLinkInput,
    IncomingEmailRetryInput,
)
from support.incoming.linking import link_email

NEWEST_FIRST = Order("id", descending=True)
_PICTURE = re.compile(r'src="cid:file-(\d+)"')


def incoming_emails(
    info: Info,
    filter: Annotated[
        IncomingEmailFilter | None,
        strawberry.argument(description="Conditions on the emails to return."),
    ] = None,
    order_by: Annotated[
        IncomingEmailOrder | None,
        strawberry.argument(description="The order of the list. Defaults to most recent first."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The received emails that the viewer may see, most recent first."""
    viewer = info.context.viewer
    rows = IncomingEmail.visible_to(viewer)
    if filter:
        rows = filter_in(rows, "status", accepted_values(filter.status))
        rows = filter_in(rows, "reason", accepted_values(filter.reason))
        rows = filter_range(rows, "received_at", filter.received_at)
    return page(
        rows,
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


async def link(info: Info, input: IncomingEmailLinkInput) -> IncomingEmail:
    """Have an email posted in the name of a customer."""
    viewer = info.context.viewer
    with Checks() as check:
        email = await check.wait(
            load_visible(IncomingEmail, input.incoming_email_id, viewer, "incomingEmailId")
        )
        account = await check.wait(load_visible(Account, input.account_id, viewer, "accountId"))
        requester = await check.wait(load_visible(User, input.requester_id, viewer, "requesterId"))
        ticket = None
        if input.ticket_id is not None:
            ticket = await check.wait(load_visible(Ticket, input.ticket_id, viewer, "ticketId"))
    return await link_email(info.context.action(), email, account, requester, ticket)


async def dismiss(info: Info, input: IncomingEmailDismissInput) -> IncomingEmail:
    """Ignore an email that belongs to no ticket."""
    viewer = info.context.viewer
    email = await load_visible(IncomingEmail, input.incoming_email_id, viewer, "incomingEmailId")
    return await email.dismiss(info.context.action())


async def retry(info: Info, input: IncomingEmailRetryInput) -> IncomingEmail:
    """Have an email read again."""
    viewer = info.context.viewer
    email = await load_visible(IncomingEmail, input.incoming_email_id, viewer, "incomingEmailId")
    return await email.retry(info.context.action())


def authentication(root: IncomingEmail) -> SimpleNamespace:
    """The results of SPF, DKIM and DMARC, as far as they are known."""
    names = ("spf", "dkim", "dmarc", "policy")
    return SimpleNamespace(**{name: root.authentication.get(name) for name in names})


def refused_files(root: IncomingEmail) -> list[SimpleNamespace]:
    """The attachments that weren't accepted."""
    return [SimpleNamespace(**file) for file in root.refused_files]


def text(root: IncomingEmail, info: Info) -> str | None:
    """The whole text, None for viewers who don't read messages."""
    return root.text if info.context.viewer.is_agent else None


def senders(context: Context, parents: Sequence[IncomingEmail]) -> list[str]:
    """The sender's address of each email, masked for viewers who don't read messages."""
    return [email.sender if context.viewer.is_agent else _masked(email.sender) for email in parents]


def subjects(context: Context, parents: Sequence[IncomingEmail]) -> list[str | None]:
    """The subject of each email, None for viewers who don't read messages."""
    return [email.subject if context.viewer.is_agent else None for email in parents]


def sender_names(context: Context, parents: Sequence[IncomingEmail]) -> list[str | None]:
    """The name that each sender uses, None for viewers who don't read messages."""
    return [email.sender_name if context.viewer.is_agent else None for email in parents]


def _masked(address: str) -> str:
    name, at, host = address.rpartition("@")
    return f"{name[:1]}***{at}{host}"


def html(root: IncomingEmail) -> str | None:
    """The sanitized HTML, with the global IDs of the pictures that it shows."""
    if not root.html:
        return None
    return _PICTURE.sub(lambda match: f'src="cid:{encode("File", int(match[1]))}"', root.html)


def users(context: Context, parents: Sequence[IncomingEmail]) -> RowByForeignKey:
    """The customer who sent each email."""
    return RowByForeignKey(parents, "user_id", User.visible_to(context.viewer))


def messages(context: Context, parents: Sequence[IncomingEmail]) -> RowByForeignKey:
    """The message that each email became, None for viewers who don't read messages."""
    return RowByForeignKey(parents, "posted_message_id", Message.visible_to(context.viewer))


def emails_of(context: Context, parents: Sequence[Message]) -> FirstRowByParent:
    """The email that each message was received as, None for other messages."""
    return FirstRowByParent(parents, QuerySet(IncomingEmail), "posted_message_id", "id")
