"""Tickets, which are requests for help. A live chat is a ticket whose channel is CHAT."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.expressions import Q, Subquery
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import Account, AccountStatus
from models.action import Action, Transaction
from models.database.writing import find_one, insert
from models.errors import CommonErrorCode, Refusal, TransactionConflict
from models.event import (
    INBOX,
    EventKind,
    account_stream,
    agent_stream,
    last_sequence_of,
    positions_stream,
    ticket_stream,
)
from models.identity.user import Staff, User
from models.numbers import number_in_range
from models.support.agents import lock_agent
from models.support.audit_actions import SupportAuditAction
from models.support.chat_agents import is_answered_live
from models.support.classification import Category, Channel, Priority, TicketKind
from models.support.draft import Draft
from models.support.file import attach_to_message, lock_files
from models.support.legal_deadlines import legal_deadline, next_deadline_reminder
from models.support.live_chat import follow_assignment, follow_finish, start_chat
from models.support.merge import merge_targets
from models.support.message import Message, require_seen
from models.support.rating import follow_status as plan_rating
from models.support.sla_clock import (
    follow_status,
    follow_team,
    start_clocks,
    start_response,
)
from models.support.sla_policy import SlaMeasure
from models.support.team import Team
from models.support.ticket_number import ticket_number
from models.support.ticket_position import (
    Position,
    TicketPosition,
    mark_assigned,
    mark_emailed,
    mark_read,
)
from models.support.ticket_status import (
    FINISHED_STATUSES,
    STATUSES_REOPENED_BY_CUSTOMERS,
    TRANSITIONS,
    TicketStatus,
    require_transition,
)
from models.text import message_text, optional_message_text
from models.translations import _

if TYPE_CHECKING:
    from models.viewer import Viewer

SUBJECT_LENGTH = 200


class Ticket(Model):
    """An account's request for help, through any channel.

    deadline_at is set when the ticket is opened and never changes. It is null unless the ticket is
    a legal request (LEGAL_DEADLINES). answered_at is when a reply last ended a wait of the
    customer.
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
    split_from: fields.ForeignKeyNullableRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", null=True, related_name=False
    )
    subject = fields.CharField(max_length=SUBJECT_LENGTH)
    channel = fields.CharEnumField(Channel, max_length=8)
    category = fields.CharEnumField(Category, max_length=16)
    kind = fields.CharEnumField(
        TicketKind, max_length=24, default=TicketKind.GENERAL, db_default=TicketKind.GENERAL
    )
    status = fields.CharEnumField(TicketStatus, max_length=8, default=TicketStatus.NEW)
    priority = fields.CharEnumField(
        Priority,
        max_length=8,
        default=Priority.NORMAL,
        db_default=Priority.NORMAL,
        description="priority",
    )
    team: fields.ForeignKeyNullableRelation[Team] = fields.ForeignKeyField(
        "models.Team", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    created_at: datetime = fields.DatetimeField()
    opened_on: date = fields.DateField(db_index=True)
    updated_at: datetime = fields.DatetimeField(db_index=True)
    deadline_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    deadline_reminder_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    snoozed_until: datetime | None = fields.DatetimeField(null=True, db_index=True)
    reply_awaited_since = fields.DatetimeField(null=True)
    answered_at: datetime | None = fields.DatetimeField(null=True)
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
    split_from_id: int | None
    team_id: int | None
    messages: fields.ReverseRelation[Message]

    class Meta:
        table = "ticket"
        indexes = (
            ("account_id", "updated_at"),
            ("category", "updated_at"),
            ("priority", "updated_at"),
            ("status", "updated_at"),
            ("assignee_id", "updated_at"),
            ("team_id", "updated_at"),
            ("assignee_id", "status"),
            ("team_id", "status"),
        )

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Ticket"]:
        """Agents see all tickets, operators the legal requests, members and keys with READ_SUPPORT
        the tickets of their account.
        """
        if viewer.is_agent:
            return QuerySet(cls)
        if viewer.staff is Staff.OPERATOR:
            return cls.filter(deadline_at__isnull=False)
        account_id = viewer.support_account_id
        return cls.filter(id=None) if account_id is None else cls.filter(account_id=account_id)

    @classmethod
    def followed_by(cls, viewer: "Viewer") -> QuerySet["Ticket"]:
        """The tickets whose events are delivered to the viewer: those that they see, except those
        that were transferred away from them. Supervisors watch all of them.
        """
        tickets = cls.visible_to(viewer)
        if not viewer.is_agent or viewer.staff is Staff.SUPERVISOR:
            return tickets
        lost_tickets = TicketPosition.filter(
            user_id=viewer.user_id, transferred_at__not_isnull=True
        )
        return tickets.filter(~Q(id__in=Subquery(lost_tickets.values("ticket_id"))))

    @property
    def number(self) -> str:
        """The number shown to people, such as CAM-2026-000123."""
        return ticket_number(self.pk, self.created_at)

    @classmethod
    async def open(
        cls,
        tx: Transaction,
        account: Account,
        requester: User,
        *,
        is_live: bool | None = True,
        **values: Any,
    ) -> "Ticket":
        """Open a ticket for an account, in the caller's transaction. It goes to the team of its
        category. A follow-up of a legal request keeps its deadline. A chat waits in the queue if
        `is_live`, or, when that is None, if somebody answers chats now.
        """
        follows, category = values.get("follows"), values["category"]
        deadline_at = (follows.deadline_at if follows else None) or legal_deadline(
            values.get("kind", TicketKind.GENERAL), category, tx.action.at
        )
        ticket = await cls.create(
            using_db=tx.db,
            team=await Team.for_category(category, tx.db),
            account=account,
            requester=requester,
            deadline_at=deadline_at,
            deadline_reminder_at=deadline_at and next_deadline_reminder(deadline_at, tx.action.at),
            created_at=tx.action.at,
            updated_at=tx.action.at,
            opened_on=tx.action.day,
            **values,
        )
        tx.start_stream(ticket_stream(ticket.pk))
        if ticket.channel is Channel.CHAT:
            if is_live is None:
                is_live = await is_answered_live(category, ticket.team_id, tx.action.at, tx.db)
            await start_chat(tx, ticket, is_live=is_live)
        await start_clocks(tx, ticket, SlaMeasure.FIRST_RESPONSE, SlaMeasure.RESOLUTION)
        await ticket.append_event(tx, EventKind.TICKET_OPENED, status=ticket.status.value)
        return ticket

    async def reply(
        self,
        action: Action,
        author: User,
        body: str,
        client_message_id: str,
        file_ids: tuple[int, ...] = (),
        *,
        is_email: bool = False,
        seen_sequence: int | None = None,
    ) -> Message:
        """Append a message. A repeated `client_message_id` of the same author returns the first
        one's message.

        A customer's reply reopens what was pending or solved; after CLOSED it is posted in a new
        follow-up. The follow-up of a chat is a live chat, unless the reply is an email. An agent
        who answers a ticket without an assignee becomes its assignee, and a new ticket becomes
        open. Raises BLANK, TOO_LONG, FILE_REFUSED, TRANSITION_ILLEGAL, Forbidden for someone who no
        longer answers customers, IDEMPOTENCY_MISMATCH for a repeated id with another text or other
        files, and AnsweredMeanwhile when another agent has answered after the message with
        `seen_sequence`.
        """
        async with action.transaction() as tx:
            return await self.post_reply(
                tx,
                author,
                body,
                client_message_id,
                file_ids,
                is_email=is_email,
                seen_sequence=seen_sequence,
            )

    async def post_reply(
        self,
        tx: Transaction,
        author: User,
        body: str,
        client_message_id: str,
        file_ids: tuple[int, ...] = (),
        *,
        is_email: bool = False,
        seen_sequence: int | None = None,
    ) -> Message:
        """Do what `reply` does, in the caller's transaction."""
        text = optional_message_text(body) if file_ids else message_text(body)
        if author.staff:
            await lock_agent(tx, author.pk)
        ticket = await self.lock_with_target(tx)
        if sent_message := await Message.find_sent(
            self.pk, author, text, client_message_id, file_ids, tx.db
        ):
            return sent_message
        if author.staff and seen_sequence is not None:
            await require_seen(tx, self.pk, author, seen_sequence)
        return await self.append_reply(
            tx, ticket, author, text, client_message_id, file_ids, is_email=is_email
        )

    async def append_reply(
        self,
        tx: Transaction,
        ticket: "Ticket",
        author: User,
        text: str,
        client_message_id: str,
        file_ids: tuple[int, ...] = (),
        *,
        is_email: bool = False,
        is_scheduled: bool = False,
    ) -> Message:
        """Append a message that was sent to this ticket, as `reply` does, to the ticket that
        `lock_with_target` has returned. If it `is_scheduled`, its author may have written something
        else since: their draft stays, and what they haven't read stays unread.
        """
        follow_up = None
        if ticket.status is TicketStatus.CLOSED:
            follow_up = await ticket._lock_open_follow_up(tx)
        await lock_files(tx, file_ids)
        if ticket.status is TicketStatus.CLOSED:  # opening a ticket locks streams
            is_live = False if author.staff or is_email else None
            ticket = follow_up or await ticket._open_follow_up(tx, author, is_live=is_live)
        message = await ticket.post(
            tx,
            author,
            text,
            client_message_id,
            origin=self.pk,
            is_read=not is_scheduled,
            is_final=is_email,
        )
        await attach_to_message(tx, ticket.account_id, message, author, file_ids)
        if author.staff and ticket.status is not TicketStatus.CLOSED:
            await ticket.take_up(tx, author, keeps_draft=is_scheduled)
        if author.staff and ticket.pk != self.pk and not is_scheduled:
            # a draft in a ticket that was merged
            await Draft.filter(ticket_id=self.pk, user_id=author.pk).using_db(tx.db).delete()
        return message

    async def lock_with_target(self, tx: Transaction) -> "Ticket":
        """Lock this ticket and, if it was merged, the one in which what is written to it is posted.
        Returns the latter, else this ticket. Raises TransactionConflict when it is being merged
        right now.
        """
        targets = await merge_targets(self.pk, tx.db)
        if not targets:
            ticket = await tx.lock(Ticket, self.pk)
            if ticket.status is not TicketStatus.CLOSED:
                return ticket
        else:  # in the order of their keys, together with what the target's follow-up may be
            related = Ticket.filter(Q(pk__in=[self.pk, *targets]) | Q(follows_id=targets[-1]))
            rows = {row.pk: row for row in await tx.lock_rows(related)}
            ticket = rows[targets[-1]]
        if await merge_targets(self.pk, tx.db) != targets:
            raise TransactionConflict("merged")
        return ticket

    async def take_up(
        self,
        tx: Transaction,
        agent: User,
        *,
        keeps_draft: bool = False,
        assigns: bool = True,
        opens: bool = True,
    ) -> None:
        """Update the ticket, which the caller has locked, after an agent has answered it: it is
        assigned to them unless somebody has it, and is no longer new. The caller may decide
        otherwise about both.
        """
        if not keeps_draft:
            await Draft.filter(ticket_id=self.pk, user_id=agent.pk).using_db(tx.db).delete()
        if assigns and self.assignee_id is None:
            await self.assign(tx, agent.pk, self.team_id)
        if opens and self.status is TicketStatus.NEW:
            await self.set_status(tx, TicketStatus.OPEN)

    async def lock_or_open_follow_up(self, tx: Transaction, author: User) -> "Ticket":
        """The open follow-up of this ticket, which is closed, locked, or a new one. Raises
        TRANSITION_ILLEGAL when its account was deleted.
        """
        follow_up = await self._lock_open_follow_up(tx)
        return follow_up or await self._open_follow_up(tx, author, is_live=False)

    async def _lock_open_follow_up(self, tx: Transaction) -> "Ticket | None":
        """The open follow-up, locked. A follow-up that is closed while this waits for the lock
        doesn't count.
        """
        open_follow_ups = Ticket.filter(follows_id=self.pk).exclude(status=TicketStatus.CLOSED)
        follow_ups = await tx.lock_rows(open_follow_ups)
        return follow_ups[-1] if follow_ups else None

    async def _open_follow_up(
        self, tx: Transaction, author: User, *, is_live: bool | None
    ) -> "Ticket":
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
            is_live=is_live,
        )

    async def post(
        self,
        tx: Transaction,
        author: User,
        text: str,
        client_message_id: str,
        origin: int | None = None,
        *,
        is_reply: bool = True,
        is_read: bool = True,
        replied_at: datetime | None = None,
        is_final: bool = False,
        is_automatic: bool = False,
    ) -> Message:
        """Append a message to this ticket, which the caller has locked, and update its response
        times. With `is_reply` False, the author may not have read the ticket, and a message of
        staff leaves the customer waiting. With `is_read` False, the author of a reply hasn't read
        what was written before it. `replied_at` is when the customer was answered, if that was
        before the message is posted. The author can't change a message that `is_final`. One that
        `is_automatic` counts as from staff, whoever its author is.
        """
        sequence = await tx.next_sequence(ticket_stream(self.pk))
        values = {
            "ticket_id": self.pk,
            "author_id": author.pk,
            "origin_id": origin or self.pk,
            "sequence": sequence,
            "body": text,
            "from_staff": is_automatic or author.staff is not None,
            "client_message_id": client_message_id,
            "at": tx.action.at,
            "is_final": is_final,
            "edited_at": None,
            "deleted_at": None,
        }
        message = await insert(Message, values, db=tx.db)
        await tx.append(
            ticket_stream(self.pk),
            EventKind.MESSAGE_POSTED,
            sequence,
            ticket_id=self.pk,
            message_id=message.pk,
        )
        if is_reply and is_read:
            await mark_read(Position(self.pk, author.pk, message.from_staff, sequence), tx.db)
        if not message.from_staff:
            await self._record_customer_message(tx)
        elif is_reply:
            await self._record_staff_reply(tx, message, replied_at or tx.action.at)
        return message

    async def post_automatic(
        self, tx: Transaction, author: User, text: str, client_message_id: str
    ) -> Message:
        """Append a message that no person wrote to this ticket, which the caller has locked. Like a
        reply it is sent by email, but the customer goes on waiting for one.
        """
        message = await self.post(
            tx, author, text, client_message_id, is_reply=False, is_final=True, is_automatic=True
        )
        self.reply_email_pending_since = self.reply_email_pending_since or tx.action.at
        self.updated_at = tx.action.at
        await self.save(using_db=tx.db, update_fields=["reply_email_pending_since", "updated_at"])
        await self._tell_account(tx, message)
        return message

    async def _record_staff_reply(self, tx: Transaction, message: Message, at: datetime) -> None:
        if self.first_response_at is None or self.reply_awaited_since is not None:
            self.answered_at = at
        if self.first_response_at is None:
            self.first_response_at = at
            self.first_response_seconds = round((at - self.created_at).total_seconds())
        self.reply_awaited_since = None
        self.reply_email_pending_since = self.reply_email_pending_since or tx.action.at
        self.updated_at = tx.action.at
        columns = [
            "answered_at",
            "first_response_at",
            "first_response_seconds",
            "reply_awaited_since",
            "reply_email_pending_since",
            "updated_at",
        ]
        await self.save(using_db=tx.db, update_fields=columns)
        await self._tell_account(tx, message)

    async def _tell_account(self, tx: Transaction, message: Message) -> None:
        await tx.append(
            account_stream(self.account_id),
            EventKind.MESSAGE_POSTED,
            ticket_id=self.pk,
            message_id=message.pk,
        )

    async def _record_customer_message(self, tx: Transaction) -> None:
        is_reopened = self.status in STATUSES_REOPENED_BY_CUSTOMERS
        if self.snoozed_until and is_reopened:
            self.snoozed_until = None  # the change of status tells the inbox, after the account
        elif self.snoozed_until:
            await self.set_snoozed(tx, None)
        was_reply_awaited = self.reply_awaited_since is not None
        if not was_reply_awaited:
            await start_response(tx, self)
        self.reply_awaited_since = self.reply_awaited_since or tx.action.at
        self.updated_at = tx.action.at
        if is_reopened:
            await self.set_status(tx, TicketStatus.OPEN)
            return
        await self.save(using_db=tx.db, update_fields=["reply_awaited_since", "updated_at"])
        if not was_reply_awaited:
            await tx.append(
                INBOX, EventKind.REPLY_AWAITED, ticket_id=self.pk, status=self.status.value
            )

    async def continue_wait(self, tx: Transaction, since: datetime) -> None:
        """Let the customer of this ticket, which the caller has locked, wait for a reply, as they
        have done in another ticket since this time.
        """
        if self.reply_awaited_since is None:
            await start_response(tx, self, since)
        self.reply_awaited_since = min(since, self.reply_awaited_since or since)
        await self.save(using_db=tx.db, update_fields=["reply_awaited_since"])
        if self.status in STATUSES_REOPENED_BY_CUSTOMERS:
            await self.set_status(tx, TicketStatus.OPEN)

    async def record_emailed(
        self, tx: Transaction, message: Message, user_ids: Iterable[int]
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

    async def mark_read(self, action: Action, user: User, sequence: int) -> None:
        """Record that a person has read the ticket up to this sequence. A repeat, or a sequence
        that they have already read past, changes nothing. Raises VALUE_INVALID for one that the
        ticket doesn't have.
        """
        last = await last_sequence_of(ticket_stream(self.pk))
        number_in_range(sequence, 0, last, "input", "sequence")
        known = await find_one(TicketPosition, ticket_id=self.pk, user_id=user.pk)
        if known and known.read_sequence >= sequence:
            return
        position = Position(self.pk, user.pk, user.staff is not None, sequence)
        async with action.transaction() as tx:
            if await mark_read(position, tx.db):
                tx.advance(positions_stream(self.pk))

    async def mark_solved(self, tx: Transaction) -> None:
        """Set the status to SOLVED, if that is still possible, because what the ticket requested is
        done.
        """
        ticket = await tx.lock(Ticket, self.pk)
        if TicketStatus.SOLVED in TRANSITIONS[ticket.status]:
            await ticket.set_status(tx, TicketStatus.SOLVED)

    async def assign(
        self,
        tx: Transaction,
        agent_id: int | None,
        team_id: int | None,
        *,
        is_told: bool = False,
    ) -> None:
        """Assign the ticket, which the caller has locked, to a person, a team, both or nobody. The
        caller has locked the person, who gets an event of their own if `is_told`.
        """
        former_team_id = self.team_id
        self.assignee_id, self.team_id, self.updated_at = agent_id, team_id, tx.action.at
        await self.save(using_db=tx.db, update_fields=["assignee_id", "team_id", "updated_at"])
        if team_id != former_team_id:
            await follow_team(tx, self, former_team_id)
        if agent_id:
            await mark_assigned(self.pk, agent_id, tx.db)
        is_waiting_again = await follow_assignment(tx, self)
        agent_ids = [agent_id] if agent_id and is_told else []
        await self.append_event(tx, EventKind.TICKET_ASSIGNED, agent_ids)
        if is_waiting_again:
            await self.append_event(tx, EventKind.CHAT_QUEUED)

    async def unassign(self, tx: Transaction) -> None:
        """Remove the assignee of the ticket, which the caller has locked."""
        await self.assign(tx, None, self.team_id)

    async def set_snoozed(self, tx: Transaction, until: datetime | None) -> None:
        """Snooze this ticket, which the caller has locked, or wake it. Customers don't notice."""
        self.snoozed_until = until
        await self.save(using_db=tx.db, update_fields=["snoozed_until"])
        await tx.append(INBOX, EventKind.TICKET_UPDATED, ticket_id=self.pk)

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
        self, tx: Transaction, status: TicketStatus, reason: Message | None = None
    ) -> None:
        """Change the status of this ticket, which the caller has locked. `reason` is the message
        that explains it. Raises TRANSITION_ILLEGAL, with the statuses that are possible.
        """
        require_transition(self.status, status)
        details: dict[str, Any] = {"before": self.status.value, "status": status.value}
        if reason:
            details["message"] = reason.pk
        tx.audit(SupportAuditAction.TICKET_MOVE, self, **details)
        await self.set_status(tx, status)

    async def set_status(self, tx: Transaction, status: TicketStatus) -> None:
        before, self.status = self.status, status
        self.updated_at = tx.action.at
        self.solved_at = tx.action.at if status is TicketStatus.SOLVED else self.solved_at
        self.closed_at = tx.action.at if status is TicketStatus.CLOSED else self.closed_at
        was_reply_awaited = self.reply_awaited_since is not None
        if status in FINISHED_STATUSES:
            self.reply_awaited_since = self.snoozed_until = None
        await self.save(
            using_db=tx.db,
            update_fields=[
                "status",
                "updated_at",
                "solved_at",
                "closed_at",
                "snoozed_until",
                "reply_awaited_since",
            ],
        )
        await follow_finish(tx, self)
        await follow_status(tx, self, was_reply_awaited=was_reply_awaited)
        await plan_rating(tx, self, before)
        await self.append_event(tx, EventKind.STATUS_CHANGED, status=status.value)

    async def append_event(
        self, tx: Transaction, kind: EventKind, agent_ids: Iterable[int] = (), **values: Any
    ) -> None:
        """Append an event for everybody whom the ticket concerns, and for these agents in their own
        streams.
        """
        streams = (
            ticket_stream(self.pk),
            account_stream(self.account_id),
            *map(agent_stream, sorted(agent_ids)),
            INBOX,
        )
        for stream in streams:
            await tx.append(stream, kind, ticket_id=self.pk, **values)
