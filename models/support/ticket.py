"""Tickets, which are requests for help, and their messages. A live chat is a ticket whose channel
is CHAT.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import Account, AccountStatus
from models.action import Action, Transaction
from models.billing.periods import months_after
from models.clock import PARIS, local_date
from models.database.writing import find_one, insert
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.event import INBOX, EventKind, account_stream, last_sequence_of, ticket_stream
from models.identity.user import Staff, User
from models.support.audit_actions import SupportAuditAction
from models.support.errors import SupportErrorCode
from models.support.ticket_position import TicketPosition, mark_emailed, mark_read
from models.text import message_text, number_text, optional_message_text
from models.translations import _, _p

if TYPE_CHECKING:
    from models.viewer import Viewer

SUBJECT_LENGTH = 200


class Channel(StrEnum):
    """How a ticket reached the vendor."""

    CHAT = "CHAT"
    EMAIL = "EMAIL"
    PHONE = "PHONE"
    WEB = "WEB"


class Category(StrEnum):
    """What a ticket is about: the subjects that technical support covers."""

    USAGE = "USAGE"
    BUG = "BUG"
    CONFIGURATION = "CONFIGURATION"
    PERFORMANCE = "PERFORMANCE"
    OFFERS = "OFFERS"
    BILLING = "BILLING"
    ACCOUNT = "ACCOUNT"
    SECURITY = "SECURITY"


class TicketKind(StrEnum):
    """What a ticket requests, if that takes more than an answer."""

    GENERAL = "GENERAL"
    ACCOUNT_DEACTIVATION = "ACCOUNT_DEACTIVATION"
    ACCOUNT_REACTIVATION = "ACCOUNT_REACTIVATION"
    ACCOUNT_DELETION = "ACCOUNT_DELETION"


def _within_a_month(at: datetime) -> datetime:
    """The start of the same day of the next month, in Paris."""
    return datetime.combine(months_after(local_date(at), 1), time(), PARIS).astimezone(UTC)


def _within_72_hours(at: datetime) -> datetime:
    return at + timedelta(hours=72)


# The legal requests, each with the deadline that follows from when it was made. A kind or
# category listed here gets a deadline that never changes, appears in `legalRequests`, and can be
# closed only by those whose request it is, or by staff with a reason.
LEGAL_DEADLINES: dict[TicketKind | Category, Callable[[datetime], datetime]] = {
    TicketKind.ACCOUNT_DEACTIVATION: _within_a_month,  # GDPR, Articles 12(3) and 18
    TicketKind.ACCOUNT_REACTIVATION: _within_a_month,  # GDPR, Articles 12(3) and 15
    TicketKind.ACCOUNT_DELETION: _within_a_month,  # GDPR, Articles 12(3) and 17
    Category.SECURITY: _within_72_hours,  # it may report a breach: GDPR, Article 33(1)
}


def legal_deadline(kind: TicketKind, category: Category, at: datetime) -> datetime | None:
    """When a request made at this time has to be answered at the latest, None when the law sets no
    deadline.
    """
    deadlines = [LEGAL_DEADLINES[key](at) for key in (kind, category) if key in LEGAL_DEADLINES]
    return min(deadlines, default=None)


# How long before the deadline the operators are reminded of a request that nobody has answered yet.
DEADLINE_REMINDERS = (timedelta(days=7), timedelta(days=1))


def next_deadline_reminder(deadline_at: datetime, after: datetime) -> datetime | None:
    """When the operators are reminded of a deadline next, None when there is no more reminder."""
    times = [deadline_at - time_left for time_left in DEADLINE_REMINDERS]
    return min((time for time in times if time > after), default=None)


class TicketStatus(StrEnum):
    """The status of a ticket."""

    NEW = "NEW"
    OPEN = "OPEN"
    PENDING = "PENDING"
    ON_HOLD = "ON_HOLD"
    SOLVED = "SOLVED"
    CLOSED = "CLOSED"


_STATUSES_AFTER_OPEN = {
    TicketStatus.PENDING,
    TicketStatus.ON_HOLD,
    TicketStatus.SOLVED,
    TicketStatus.CLOSED,
}
FINISHED_STATUSES = (TicketStatus.SOLVED, TicketStatus.CLOSED)
STATUSES_REOPENED_BY_CUSTOMERS = (TicketStatus.PENDING, TicketStatus.SOLVED)  # by a reply
TRANSITIONS: dict[TicketStatus, set[TicketStatus]] = {
    TicketStatus.NEW: {TicketStatus.OPEN} | _STATUSES_AFTER_OPEN,
    TicketStatus.OPEN: _STATUSES_AFTER_OPEN,
    TicketStatus.PENDING: {TicketStatus.OPEN} | _STATUSES_AFTER_OPEN - {TicketStatus.PENDING},
    TicketStatus.ON_HOLD: {TicketStatus.OPEN} | _STATUSES_AFTER_OPEN - {TicketStatus.ON_HOLD},
    TicketStatus.SOLVED: {TicketStatus.OPEN, TicketStatus.CLOSED},
    TicketStatus.CLOSED: set(),
}


_LABELS = {
    TicketStatus.NEW: _p("ticket status", "new"),
    TicketStatus.OPEN: _p("ticket status", "open"),
    TicketStatus.PENDING: _p("ticket status", "pending a reply from the customer"),
    TicketStatus.ON_HOLD: _p("ticket status", "on hold for a third party"),
    TicketStatus.SOLVED: _p("ticket status", "solved"),
    TicketStatus.CLOSED: _p("ticket status", "closed"),
}


class Ticket(Model):
    """An account's request for help, through any channel.

    deadline_at is set when the ticket is opened and never changes. It is null unless the ticket is
    a legal request (LEGAL_DEADLINES).
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "models.Account", related_name="tickets"
    )
    requester: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="requested_tickets"
    )
    assignee: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name="assigned_tickets", on_delete=fields.SET_NULL
    )
    follows: fields.ForeignKeyNullableRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", null=True, related_name="follow_ups", db_index=True
    )
    subject = fields.CharField(max_length=SUBJECT_LENGTH)
    channel = fields.CharEnumField(Channel, max_length=8)
    category = fields.CharEnumField(Category, max_length=16)
    kind = fields.CharEnumField(
        TicketKind, max_length=24, default=TicketKind.GENERAL, db_default=TicketKind.GENERAL
    )
    status = fields.CharEnumField(TicketStatus, max_length=8, default=TicketStatus.NEW)
    created_at: datetime = fields.DatetimeField()
    opened_on: date = fields.DateField(db_index=True)
    updated_at: datetime = fields.DatetimeField(db_index=True)
    deadline_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    deadline_reminder_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    reply_awaited_since = fields.DatetimeField(null=True)
    # since when a reply of staff waits to be sent by email, to those who haven't read it by then
    reply_email_pending_since: datetime | None = fields.DatetimeField(null=True, db_index=True)
    first_response_at = fields.DatetimeField(null=True)
    first_response_seconds = fields.IntField(null=True)
    solved_at = fields.DatetimeField(null=True)
    closed_at = fields.DatetimeField(null=True)

    account_id: int
    requester_id: int
    assignee_id: int | None
    follows_id: int | None
    messages: fields.ReverseRelation["Message"]

    class Meta:
        table = "ticket"
        indexes = (
            ("account_id", "updated_at"),
            ("status", "updated_at"),
            ("assignee_id", "updated_at"),
        )

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Ticket"]:
        """Agents see all tickets, operators the legal requests, members the tickets of
        their account.
        """
        if viewer.is_agent:
            return QuerySet(cls)
        if viewer.staff is Staff.OPERATOR:
            return cls.filter(deadline_at__isnull=False)
        return cls.filter(account_id=viewer.account.pk) if viewer.account else cls.filter(id=None)

    @classmethod
    def with_numbers(cls, *numbers: str) -> Q:
        """The condition that a ticket has one of these numbers: its id, and a creation time in the
        number's year.
        """
        return (
            Q(*(_number_condition(number) for number in numbers), join_type=Q.OR)
            if numbers
            else Q(id=None)
        )

    @property
    def number(self) -> str:
        """The number shown to people, such as CAM-2026-000123."""
        return f"CAM-{self.created_at.astimezone(PARIS).year}-{self.pk:06d}"

    @classmethod
    async def open(
        cls, tx: Transaction, account: Account, requester: User, **values: Any
    ) -> "Ticket":
        """Open a ticket for an account, in the caller's transaction. A follow-up of a legal
        request keeps its deadline.
        """
        follows, category = values.get("follows"), values["category"]
        deadline_at = (follows.deadline_at if follows else None) or legal_deadline(
            values.get("kind", TicketKind.GENERAL), category, tx.action.at
        )
        ticket = await cls.create(
            using_db=tx.db,
            account=account,
            requester=requester,
            deadline_at=deadline_at,
            deadline_reminder_at=deadline_at and next_deadline_reminder(deadline_at, tx.action.at),
            created_at=tx.action.at,
            updated_at=tx.action.at,
            opened_on=tx.action.day,
            **values,
        )
        await ticket._append_event(tx, EventKind.TICKET_OPENED, status=ticket.status.value)
        return ticket

    async def reply(
        self,
        action: Action,
        author: User,
        body: str,
        client_message_id: str,
        file_ids: tuple[int, ...] = (),
    ) -> "Message":
        """Append a message. A repeated `client_message_id` of the same author returns the first
        one's message.

        A customer's reply reopens what was pending or solved; after CLOSED it opens a follow-up and
        lands there. Raises BLANK, TOO_LONG, FILE_REFUSED, TRANSITION_ILLEGAL, and
        IDEMPOTENCY_MISMATCH for a repeated id with another text or other files.
        """
        from models.support.file import (  # the file refers to the message
            attach_to_message,
            lock_files,
        )

        text = optional_message_text(body) if file_ids else message_text(body)
        async with action.transaction() as tx:
            ticket = await tx.lock(Ticket, self.pk)
            if sent_message := await ticket.find_sent(
                author, text, client_message_id, file_ids, tx.db
            ):
                return sent_message
            follow_up = None
            if ticket.status is TicketStatus.CLOSED:
                follow_up = await ticket._lock_open_follow_up(tx)
            await lock_files(tx, file_ids)
            if ticket.status is TicketStatus.CLOSED:  # opening a ticket locks streams
                ticket = follow_up or await ticket._open_follow_up(tx, author)
            message = await ticket.post(tx, author, text, client_message_id, origin=self.pk)
            await attach_to_message(tx, ticket.account_id, message, author, file_ids)
        return message

    async def find_sent(
        self,
        author: User,
        text: str,
        client_message_id: str,
        file_ids: tuple[int, ...] = (),
        db: BaseDBAsyncClient | None = None,
    ) -> "Message | None":
        """The message that this author already sent to this ticket with this id, or None. Raises
        IDEMPOTENCY_MISMATCH when it has another text or other files.
        """
        from models.support.file import File  # the file refers to the message

        message = await find_one(
            Message,
            db,
            origin_id=self.pk,
            author_id=author.pk,
            client_message_id=client_message_id,
        )
        if message is None:
            return None
        files = await File.filter(message_id=message.pk).using_db(db)
        if message.body != text or {file.pk for file in files} != set(file_ids):
            raise Refusal(CommonErrorCode.IDEMPOTENCY_MISMATCH, "input", "clientMessageId")
        return message

    async def _lock_open_follow_up(self, tx: Transaction) -> "Ticket | None":
        """The open follow-up, locked. One that is closed while this waits for the lock is none."""
        open_follow_ups = Ticket.filter(follows_id=self.pk).exclude(status=TicketStatus.CLOSED)
        follow_ups = await tx.lock_rows(open_follow_ups)
        return follow_ups[-1] if follow_ups else None

    async def _open_follow_up(self, tx: Transaction, author: User) -> "Ticket":
        account = await Account.get(pk=self.account_id, using_db=tx.db)
        if account.status is AccountStatus.ERASED:  # there is no one left to write to
            message = _(
                "This company’s account has been deleted, so nobody can reply to this ticket."
            )
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "ticketId", message=message)
        requester = (
            author if author.staff is None else await User.get(pk=self.requester_id, using_db=tx.db)
        )
        return await Ticket.open(
            tx,
            account,
            requester,
            subject=self.subject,
            channel=self.channel,
            category=self.category,
            follows=self,
        )

    async def post(
        self,
        tx: Transaction,
        author: User,
        text: str,
        client_message_id: str,
        origin: int | None = None,
    ) -> "Message":
        """Append a message to this ticket, which the caller has locked, and update its response
        times.
        """
        sequence = await tx.next_sequence(ticket_stream(self.pk))
        values = {
            "ticket_id": self.pk,
            "author_id": author.pk,
            "origin_id": origin or self.pk,
            "sequence": sequence,
            "body": text,
            "from_staff": author.staff is not None,
            "client_message_id": client_message_id,
            "at": tx.action.at,
        }
        message = await insert(Message, values, db=tx.db)
        await tx.append(
            ticket_stream(self.pk),
            EventKind.MESSAGE_POSTED,
            sequence,
            ticket_id=self.pk,
            message_id=message.pk,
        )
        await mark_read(self.pk, author.pk, sequence, tx.db)
        if message.from_staff:
            await self._record_staff_reply(tx, message)
        else:
            await self._record_customer_message(tx)
        return message

    async def _record_staff_reply(self, tx: Transaction, message: "Message") -> None:
        if self.first_response_at is None:
            self.first_response_at = tx.action.at
            self.first_response_seconds = round((tx.action.at - self.created_at).total_seconds())
        self.reply_awaited_since = None
        self.reply_email_pending_since = self.reply_email_pending_since or tx.action.at
        self.updated_at = tx.action.at
        columns = [
            "first_response_at",
            "first_response_seconds",
            "reply_awaited_since",
            "reply_email_pending_since",
            "updated_at",
        ]
        await self.save(using_db=tx.db, update_fields=columns)
        await tx.append(
            account_stream(self.account_id),
            EventKind.MESSAGE_POSTED,
            ticket_id=self.pk,
            message_id=message.pk,
        )

    async def _record_customer_message(self, tx: Transaction) -> None:
        was_reply_awaited = self.reply_awaited_since is not None
        self.reply_awaited_since = self.reply_awaited_since or tx.action.at
        self.updated_at = tx.action.at
        if self.status in STATUSES_REOPENED_BY_CUSTOMERS:
            await self._set_status(tx, TicketStatus.OPEN)
            return
        await self.save(using_db=tx.db, update_fields=["reply_awaited_since", "updated_at"])
        if not was_reply_awaited:
            await tx.append(
                INBOX, EventKind.REPLY_AWAITED, ticket_id=self.pk, status=self.status.value
            )

    async def record_emailed(
        self, tx: Transaction, message: "Message", user_ids: Iterable[int]
    ) -> None:
        """Record that these people were sent the latest message by another email, so that the one
        about replies doesn't repeat it. Nothing is recorded for those who have earlier replies
        still to be sent: these come in one email with the message.
        """
        replies = Message.filter(ticket_id=self.pk, from_staff=True, sequence__lt=message.sequence)
        earlier_reply = await replies.using_db(tx.db).order_by("-sequence").first()
        for user_id in sorted(user_ids):  # so that two transactions never deadlock
            if earlier_reply:
                position = await find_one(TicketPosition, tx.db, ticket_id=self.pk, user_id=user_id)
                if position is None or position.reached_sequence < earlier_reply.sequence:
                    continue
            await mark_emailed(self.pk, user_id, message.sequence, tx.db)

    async def mark_read(self, user: User, sequence: int) -> None:
        """Record that a person has read the ticket up to this sequence. A repeat, or a sequence
        before the one they have read up to, changes nothing. Raises VALUE_INVALID for one that the
        ticket doesn't have.
        """
        if not 0 <= sequence <= await last_sequence_of(ticket_stream(self.pk)):
            raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "sequence")
        await mark_read(self.pk, user.pk, sequence)

    async def claim(self, action: Action, agent: User) -> "Ticket":
        """Assign the ticket to the agent. Of two concurrent claims, one fails with ALREADY_CLAIMED.
        A repeat changes nothing.

        The agent's row is locked before the ticket's. So either the job that follows a dismissal
        finds the claimed ticket and unassigns it, or the claim finds that the agent was dismissed.

        Raises ALREADY_CLAIMED, TRANSITION_ILLEGAL, Forbidden.
        """
        async with action.transaction() as tx:
            role = (await tx.lock(User, agent.pk)).staff
            if role is None or not role.answers_customers:
                raise Forbidden
            ticket = await tx.lock(Ticket, self.pk)
            if ticket.assignee_id == agent.pk:
                return ticket
            if ticket.assignee_id is not None:
                other = await User.get(pk=ticket.assignee_id, using_db=tx.db)
                raise Refusal(
                    SupportErrorCode.ALREADY_CLAIMED, "input", "ticketId", agent=other.name
                )
            ticket._require_transition(TicketStatus.OPEN)
            ticket.assignee_id = agent.pk
            ticket.updated_at = action.at
            await ticket.save(using_db=tx.db, update_fields=["assignee_id", "updated_at"])
            await ticket._append_event(tx, EventKind.TICKET_ASSIGNED)
            tx.audit(SupportAuditAction.TICKET_CLAIM, ticket)
            if ticket.status is TicketStatus.NEW:
                await ticket._set_status(tx, TicketStatus.OPEN)
        return ticket

    async def mark_solved(self, tx: Transaction) -> None:
        """Set the status to SOLVED if it can still become that: what the ticket requested is
        done.
        """
        ticket = await tx.lock(Ticket, self.pk)
        if TicketStatus.SOLVED in TRANSITIONS[ticket.status]:
            await ticket._set_status(tx, TicketStatus.SOLVED)

    async def release(self, action: Action, agent: User) -> "Ticket":
        """Return the ticket to the inbox, where any agent can claim it. A repeat changes nothing.
        Raises NOT_ASSIGNED.
        """
        async with action.transaction() as tx:
            ticket = await tx.lock(Ticket, self.pk)
            if ticket.assignee_id not in (None, agent.pk):
                raise Refusal(SupportErrorCode.NOT_ASSIGNED, "input", "ticketId")
            if ticket.assignee_id is not None:
                await ticket.unassign(tx)
                tx.audit(SupportAuditAction.TICKET_RELEASE, ticket)
        return ticket

    async def unassign(self, tx: Transaction) -> None:
        """Remove the assignee of the ticket, which the caller has locked."""
        self.assignee_id, self.updated_at = None, tx.action.at
        await self.save(using_db=tx.db, update_fields=["assignee_id", "updated_at"])
        await self._append_event(tx, EventKind.TICKET_ASSIGNED)

    @property
    def is_finished(self) -> bool:
        """Whether the request was answered or closed."""
        return self.status in FINISHED_STATUSES

    async def transition_to(self, action: Action, status: TicketStatus) -> "Ticket":
        """Change the status. A repeat changes nothing. Raises TRANSITION_ILLEGAL, with the statuses
        that are possible. For legal requests use support.tickets.change_status.
        """
        async with action.transaction() as tx:
            ticket = await tx.lock(Ticket, self.pk)
            if ticket.status is not status:
                await ticket.apply_transition(tx, status)
        return ticket

    async def apply_transition(
        self, tx: Transaction, status: TicketStatus, reason: "Message | None" = None
    ) -> None:
        """Change the status of this ticket, which the caller has locked. `reason` is the message
        that explains it. Raises TRANSITION_ILLEGAL, with the statuses that are possible.
        """
        self._require_transition(status)
        details: dict[str, Any] = {"before": self.status.value, "status": status.value}
        if reason:
            details["message"] = reason.pk
        tx.audit(SupportAuditAction.TICKET_MOVE, self, **details)
        await self._set_status(tx, status)

    def _require_transition(self, status: TicketStatus) -> None:
        if status is not self.status and status not in TRANSITIONS[self.status]:
            raise self._transition_refusal()

    def _transition_refusal(self) -> Refusal:
        """The refusal of a status, with those that are possible. Only staff can get it: a customer
        can close any open ticket.
        """
        allowed_labels = [
            _LABELS[status] for status in TicketStatus if status in TRANSITIONS[self.status]
        ]
        message = _("This ticket is %(status)s. It can only become %(legal)s.")
        if not allowed_labels:
            message = _(
                "This ticket is closed and can’t be changed. A reply opens a follow-up ticket."
            )
        return Refusal(
            CommonErrorCode.TRANSITION_ILLEGAL,
            "input",
            "ticketId",
            message=message,
            status=_LABELS[self.status],
            legal=allowed_labels,
        )

    async def _set_status(self, tx: Transaction, status: TicketStatus) -> None:
        self.status = status
        self.updated_at = tx.action.at
        self.solved_at = tx.action.at if status is TicketStatus.SOLVED else self.solved_at
        self.closed_at = tx.action.at if status is TicketStatus.CLOSED else self.closed_at
        if status in FINISHED_STATUSES:
            self.reply_awaited_since = None
        await self.save(
            using_db=tx.db,
            update_fields=["status", "updated_at", "solved_at", "closed_at", "reply_awaited_since"],
        )
        await self._append_event(tx, EventKind.STATUS_CHANGED, status=status.value)

    async def _append_event(self, tx: Transaction, kind: EventKind, **values: Any) -> None:
        for stream in (ticket_stream(self.pk), account_stream(self.account_id), INBOX):
            await tx.append(stream, kind, ticket_id=self.pk, **values)


_NUMBER = re.compile(r"(?:CAM-?)?([2-8]\d{3})-(\d{1,18})|CAM([2-8]\d{3})(\d{6,18})", re.ASCII)


def _number_condition(text: str) -> Q:
    """The condition for a number as people type it: in any case, without its letters or zeros, with
    spaces or other dashes.
    """
    match = _NUMBER.fullmatch(number_text(text))
    if match is None:
        return Q(id=None)
    year, ticket_id = (int(group) for group in match.groups() if group)
    begin, end = (datetime(year + years, 1, 1, tzinfo=PARIS).astimezone(UTC) for years in (0, 1))
    return Q(id=ticket_id, created_at__gte=begin, created_at__lt=end)


class Message(Model):
    """A message in a ticket. `sequence` is its number in the ticket's stream, `origin` the ticket
    that it was sent to.
    """

    id = fields.BigIntField(primary_key=True)
    ticket: fields.ForeignKeyRelation[Ticket] = fields.ForeignKeyField(
        "models.Ticket", related_name="messages"
    )
    origin: fields.ForeignKeyRelation[Ticket] = fields.ForeignKeyField(
        "models.Ticket", related_name=False
    )
    author: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    sequence = fields.BigIntField()
    body = fields.TextField()
    from_staff = fields.BooleanField()
    client_message_id = fields.CharField(max_length=64)
    at: datetime = fields.DatetimeField()

    ticket_id: int
    origin_id: int
    author_id: int

    class Meta:
        table = "message"
        unique_together = (("origin", "author", "client_message_id"), ("ticket", "sequence"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Message"]:
        """Agents see all messages, members those in their account's tickets."""
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(ticket__account_id=viewer.account.pk)
            if viewer.account
            else cls.filter(id=None)
        )


def visible_status(status: TicketStatus, viewer: "Viewer") -> TicketStatus:
    """The status that a viewer sees. Only agents see that a ticket is on hold for a third party:
    customers see OPEN.
    """
    return TicketStatus.OPEN if status is TicketStatus.ON_HOLD and not viewer.is_agent else status
