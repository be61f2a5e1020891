"""Checking and applying sets of actions on tickets: those of macros and of automations.

A set is applied completely or not at all. Everything that could refuse one of its actions is looked
up first, under the lock of the ticket, and nothing is written unless all of them are possible.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from models.accounts.account import Account
from models.action import Transaction
from models.billing.dispute import Dispute
from models.checks import Checks
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.event import INBOX, EventKind
from models.identity.user import User
from models.locale import Locale
from models.numbers import optional_number
from models.support.audit_actions import SupportAuditAction
from models.support.classification import Priority
from models.support.errors import SupportErrorCode
from models.support.legal_deadlines import LEGAL_DEADLINES
from models.support.message import Message
from models.support.note import Note
from models.support.tag import MAX_TAGS, TicketTag, clean_tags
from models.support.team import Team
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActionKind, TicketActions
from models.support.ticket_status import TicketStatus, require_transition
from models.text import BODY_LENGTH, message_text
from models.translations import Translatable, _
from support.assignment import assign_ticket, require_right_to_transfer, resolve_team
from support.canned_replies import VARIABLES, ReplyContext, clean_reply, fill_in
from support.classification import change_tags, set_category, set_priority
from support.snoozing import MAX_TIME
from support.teams import ANSWERING_ROLES
from support.tickets import open_dispute_refusal

MAX_SNOOZE_MINUTES = MAX_TIME.days * 24 * 60
AUTOMATION_VARIABLES = [name for name in VARIABLES if not name.startswith("agent.")]


class ActionRefusalReason(StrEnum):
    """Why an action wasn't possible."""

    TICKET_CLOSED = "TICKET_CLOSED"
    NOT_ASSIGNED = "NOT_ASSIGNED"
    TEAM_ARCHIVED = "TEAM_ARCHIVED"
    AGENT_LEFT = "AGENT_LEFT"
    NOT_IN_TEAM = "NOT_IN_TEAM"
    STATUS_IMPOSSIBLE = "STATUS_IMPOSSIBLE"
    LEGAL_REQUEST = "LEGAL_REQUEST"
    OPEN_DISPUTE = "OPEN_DISPUTE"
    CATEGORY_FIXED = "CATEGORY_FIXED"
    TOO_MANY_TAGS = "TOO_MANY_TAGS"
    TEXT_TOO_LONG = "TEXT_TOO_LONG"
    MESSAGE_LIMIT = "MESSAGE_LIMIT"
    CHAIN_LIMIT = "CHAIN_LIMIT"
    FAILED = "FAILED"


@dataclass(frozen=True)
class ActionRefusal:
    """An action that isn't possible, why, and the message about it."""

    kind: TicketActionKind
    reason: ActionRefusalReason
    refusal: Refusal


@dataclass(frozen=True)
class Actor:
    """Who applies actions. `user` is the author of what is written. `source` names the macro or
    the automation in those entries of the audit log that customers don't read.
    """

    user: User
    source: dict[str, Any]
    message_key: str
    is_automation: bool = False


@dataclass(frozen=True)
class Result:
    """The rows that a set of actions created."""

    message: Message | None = None
    note: Note | None = None


def check_actions(
    check: Checks, actions: TicketActions, *, is_automation: bool = False
) -> TicketActions:
    """The actions with their texts as they may be stored. Refuses blank and long texts, unknown
    variables, invalid tags, contradictory actions, and a set without any action, all at once.
    """
    variables: Collection[str] = AUTOMATION_VARIABLES if is_automation else VARIABLES
    checked = replace(
        actions,
        reply_fr=check(clean_reply, actions.reply_fr, "replyFr", variables),
        reply_en=check(clean_reply, actions.reply_en, "replyEn", variables),
        note=check(clean_reply, actions.note, "note", variables),
        add_tags=tuple(check(clean_tags, actions.add_tags, "addTags") or ()),
        remove_tags=tuple(check(clean_tags, actions.remove_tags, "removeTags") or ()),
    )
    texts = (actions.reply_fr, actions.reply_en, actions.note)
    if not actions.kinds and all(text is None for text in texts):
        message = _("Choose at least one action.")
        check.refuse(Refusal(CommonErrorCode.BLANK, "input", message=message))
    _refuse_contradictions(check, actions, is_automation=is_automation)
    if {*checked.add_tags} & {*checked.remove_tags}:
        message = _("A tag can’t be both added and removed.")
        check.refuse(_invalid("removeTags", message))
    if actions.category in LEGAL_DEADLINES:
        check.refuse(Refusal(SupportErrorCode.CATEGORY_FIXED, "input", "category"))
    return checked


def _refuse_contradictions(check: Checks, actions: TicketActions, *, is_automation: bool) -> None:
    if actions.assigns_actor and (actions.assignee_id or is_automation):
        message = _("Choose either an agent or whoever applies the macro.")
        if is_automation:
            message = _("No agent applies an automation. Choose an agent or a team.")
        check.refuse(_invalid("assignToViewer", message))
    if actions.status is TicketStatus.NEW:
        check.refuse(_invalid("status", _("A ticket can’t become new again.")))
    minutes = actions.snooze_minutes
    if minutes is not None and actions.finishes:
        message = _("A ticket that is solved or closed can’t be snoozed.")
        check.refuse(_invalid("snoozeMinutes", message))
    else:
        check(optional_number, minutes, 1, MAX_SNOOZE_MINUTES, "input", "snoozeMinutes")


def _invalid(field: str, message: Translatable | None = None) -> Refusal:
    return Refusal(CommonErrorCode.VALUE_INVALID, "input", field, message=message)


async def lock_people(tx: Transaction, actions: TicketActions, actor: User | None) -> list[User]:
    """Lock the people who get the ticket or answer it, before the ticket is locked, and return
    them. Raises Forbidden when the actor no longer answers customers.
    """
    keys = {key for key in (actions.assignee_id, actor and actor.pk) if key}
    people = await tx.lock_rows(User.filter(pk__in=keys)) if keys else []
    if actor and not any(user.pk == actor.pk and _answers(user) for user in people):
        raise Forbidden
    return people


def _answers(user: User) -> bool:
    return user.staff in ANSWERING_ROLES


async def find_refusals(
    tx: Transaction, ticket: Ticket, actions: TicketActions, actor: Actor, people: Sequence[User]
) -> list[ActionRefusal]:
    """The actions that aren't possible for a ticket, which the caller has locked after `people`."""
    refusals = [
        *_refuse_closed(ticket, actions),
        *await _refuse_assignment(tx, ticket, actions, actor, people),
        *await _refuse_status(tx, ticket, actions),
        *_refuse_category(ticket, actions),
    ]
    if actions.add_tags or actions.remove_tags:
        rows = TicketTag.filter(ticket_id=ticket.pk).using_db(tx.db)
        tags = {str(tag) for tag in await rows.values_list("tag", flat=True)}
        if len((tags | {*actions.add_tags}) - {*actions.remove_tags}) > MAX_TAGS:
            refusals.append(
                ActionRefusal(
                    TicketActionKind.TAGS,
                    ActionRefusalReason.TOO_MANY_TAGS,
                    Refusal(CommonErrorCode.TOO_MANY, "input", "macroId", limit=MAX_TAGS),
                )
            )
    return refusals + await _refuse_texts(tx, ticket, actions, actor)


_NEEDS_OPEN = (
    TicketActionKind.REPLY,
    TicketActionKind.ASSIGN,
    TicketActionKind.CATEGORY,
    TicketActionKind.SNOOZE,
)


def _refuse_closed(ticket: Ticket, actions: TicketActions) -> list[ActionRefusal]:
    if ticket.status is not TicketStatus.CLOSED:
        return []
    refusal = _transition_refusal(ticket.status, TicketStatus.OPEN)
    assert refusal, "nothing follows CLOSED"  # noqa: S101
    return [
        ActionRefusal(kind, ActionRefusalReason.TICKET_CLOSED, refusal)
        for kind in actions.kinds
        if kind in _NEEDS_OPEN
    ]


def _transition_refusal(before: TicketStatus, after: TicketStatus) -> Refusal | None:
    try:
        require_transition(before, after)
    except Refusal as refusal:
        return refusal
    return None


async def _refuse_assignment(
    tx: Transaction, ticket: Ticket, actions: TicketActions, actor: Actor, people: Sequence[User]
) -> list[ActionRefusal]:
    if not actions.assigns:
        return []

    def refuse(reason: ActionRefusalReason, refusal: Refusal) -> list[ActionRefusal]:
        return [ActionRefusal(TicketActionKind.ASSIGN, reason, refusal)]

    refusals: list[ActionRefusal] = []
    if not actor.is_automation:
        try:
            await require_right_to_transfer(tx, ticket, actor.user)
        except Refusal as refusal:
            refusals += refuse(ActionRefusalReason.NOT_ASSIGNED, refusal)
    if actions.team_id:
        teams = Team.filter(pk=actions.team_id, archived_at=None).using_db(tx.db)
        if not await teams.exists():
            message = _("The team of this macro has been archived.")
            refusals += refuse(ActionRefusalReason.TEAM_ARCHIVED, _missing(message))
    agent_id = _agent_id(actions, actor)
    if agent_id and not any(user.pk == agent_id and _answers(user) for user in people):
        message = _("The agent of this macro no longer answers customers.")
        return refusals + refuse(ActionRefusalReason.AGENT_LEFT, _missing(message))
    try:
        await resolve_team(tx, ticket, agent_id, actions.team_id)
    except Refusal as refusal:
        refusal.field = ("input", "macroId")
        refusals += refuse(ActionRefusalReason.NOT_IN_TEAM, refusal)
    return refusals


def _missing(message: Translatable) -> Refusal:
    return Refusal(CommonErrorCode.NOT_FOUND, "input", "macroId", message=message)


def _agent_id(actions: TicketActions, actor: Actor) -> int | None:
    return actor.user.pk if actions.assigns_actor else actions.assignee_id


async def _refuse_status(
    tx: Transaction, ticket: Ticket, actions: TicketActions
) -> list[ActionRefusal]:
    """Why the status can't be changed: a legal request is closed by those whose request it is, or
    by a person with a reason, and a dispute has to be decided first.
    """
    if actions.status is None or actions.status is ticket.status:
        return []
    refusals = []
    if refusal := _transition_refusal(ticket.status, actions.status):
        reason = ActionRefusalReason.STATUS_IMPOSSIBLE
        refusals.append(ActionRefusal(TicketActionKind.STATUS, reason, refusal))
    if not actions.finishes:
        return refusals
    if ticket.deadline_at is not None:
        message = _("This is a legal request. Close it on its own, with a reason.")
        refusals.append(
            ActionRefusal(
                TicketActionKind.STATUS,
                ActionRefusalReason.LEGAL_REQUEST,
                Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "ticketId", message=message),
            )
        )
    if await Dispute.is_open_in(tx, ticket.pk):
        refusals.append(
            ActionRefusal(
                TicketActionKind.STATUS, ActionRefusalReason.OPEN_DISPUTE, open_dispute_refusal()
            )
        )
    return refusals


def _refuse_category(ticket: Ticket, actions: TicketActions) -> list[ActionRefusal]:
    if actions.category in (None, ticket.category) or not ticket.deadline_at:
        return []
    refusal = Refusal(SupportErrorCode.CATEGORY_FIXED, "input", "ticketId")
    return [ActionRefusal(TicketActionKind.CATEGORY, ActionRefusalReason.CATEGORY_FIXED, refusal)]


async def _refuse_texts(
    tx: Transaction, ticket: Ticket, actions: TicketActions, actor: Actor
) -> list[ActionRefusal]:
    texts = {TicketActionKind.REPLY: await _reply_text(tx, ticket, actions, actor)}
    texts[TicketActionKind.NOTE] = await _note_text(tx, ticket, actions, actor)
    return [
        ActionRefusal(
            kind,
            ActionRefusalReason.TEXT_TOO_LONG,
            Refusal(CommonErrorCode.TOO_LONG, "input", "macroId", length=BODY_LENGTH),
        )
        for kind, text in texts.items()
        if text and len(text) > BODY_LENGTH
    ]


async def _reply_text(
    tx: Transaction, ticket: Ticket, actions: TicketActions, actor: Actor
) -> str | None:
    """The reply in the customer's language, or else in the only one that it has."""
    if not actions.has_reply:
        return None
    context = await _context(tx, ticket, actor)
    bodies = {Locale.FR: actions.reply_fr, Locale.EN: actions.reply_en}
    return fill_in(bodies[context.customer.locale] or next(filter(None, bodies.values())), context)


async def _note_text(
    tx: Transaction, ticket: Ticket, actions: TicketActions, actor: Actor
) -> str | None:
    return fill_in(actions.note, await _context(tx, ticket, actor)) if actions.note else None


async def _context(tx: Transaction, ticket: Ticket, actor: Actor) -> ReplyContext:
    customer = await User.get(pk=ticket.requester_id, using_db=tx.db)
    company = await Account.get(pk=ticket.account_id, using_db=tx.db)
    return ReplyContext(ticket, customer, company, actor.user)


async def apply_actions(
    tx: Transaction, ticket: Ticket, actions: TicketActions, actor: Actor
) -> Result:
    """Apply actions, none of which `find_refusals` has found impossible, to a ticket that the
    caller has locked. What is already as requested isn't changed.

    Only the inbox is told of priority, tags, notes and snoozing, so they come last: it is locked
    after the streams of customers.
    """
    message = await _reply(tx, ticket, actions, actor)
    await _assign(tx, ticket, actions, actor)
    await _set_status(tx, ticket, actions)
    if actions.category not in (None, ticket.category):
        await set_category(tx, ticket, actions.category)
    await _classify(tx, ticket, actions, actor)
    note = await _add_note(tx, ticket, actions, actor)
    if actions.snooze_time:
        await ticket.set_snoozed(tx, tx.action.at + actions.snooze_time)
    return Result(message, note)


async def _reply(
    tx: Transaction, ticket: Ticket, actions: TicketActions, actor: Actor
) -> Message | None:
    filled_text = await _reply_text(tx, ticket, actions, actor)
    if filled_text is None:
        return None
    text = message_text(filled_text)
    if actor.is_automation:
        return await ticket.post_automatic(tx, actor.user, text, actor.message_key)
    message = await ticket.post(tx, actor.user, text, actor.message_key)
    await ticket.take_up(
        tx,
        actor.user,
        keeps_draft=True,  # which is another text
        assigns=not actions.assigns,
        opens=actions.status is None,
    )
    return message


async def _assign(tx: Transaction, ticket: Ticket, actions: TicketActions, actor: Actor) -> None:
    if not actions.assigns:
        return
    agent_id = _agent_id(actions, actor)
    team_id = await resolve_team(tx, ticket, agent_id, actions.team_id)
    if (ticket.assignee_id, ticket.team_id) == (agent_id, team_id):
        return
    tx.audit(
        SupportAuditAction.TICKET_TRANSFER,
        ticket,
        before=ticket.assignee_id,
        agent=agent_id,
        team=team_id,
    )
    is_told = actor.is_automation or agent_id != actor.user.pk
    await assign_ticket(tx, ticket, agent_id, team_id, is_told=is_told)


async def _set_status(tx: Transaction, ticket: Ticket, actions: TicketActions) -> None:
    status = actions.status
    if status is None or status is ticket.status:
        return
    tx.audit(
        SupportAuditAction.TICKET_MOVE,
        ticket,
        before=ticket.status.value,
        status=status.value,
    )
    await ticket.set_status(tx, status)


async def _classify(tx: Transaction, ticket: Ticket, actions: TicketActions, actor: Actor) -> None:
    has_changed = await change_tags(tx, ticket, actions.add_tags, actions.remove_tags)
    priority: Priority | None = actions.priority
    if priority is not None and priority is not ticket.priority:
        has_changed = True
        await set_priority(tx, ticket, priority)
    if has_changed:
        tx.audit(
            SupportAuditAction.TICKET_CLASSIFY,
            ticket,
            account_id=None,
            priority=ticket.priority.value,
            **actor.source,
        )
        await tx.append(INBOX, EventKind.TICKET_UPDATED, ticket_id=ticket.pk)


async def _add_note(
    tx: Transaction, ticket: Ticket, actions: TicketActions, actor: Actor
) -> Note | None:
    filled_text = await _note_text(tx, ticket, actions, actor)
    if filled_text is None:
        return None
    note = await Note.create(
        using_db=tx.db,
        ticket_id=ticket.pk,
        author_id=actor.user.pk,
        body=message_text(filled_text),
        at=tx.action.at,
    )
    await tx.append(INBOX, EventKind.NOTE_ADDED, ticket_id=ticket.pk)
    return note
