"""Writing canned replies, and filling in their variables for a ticket.

People manage their own replies and those of their teams. Supervisors manage those of all teams, and
those that belong to no team, which all agents use.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from tortoise.exceptions import IntegrityError

from models.accounts.account import Account
from models.action import Action, Transaction
from models.checks import Checks
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.idempotency import earlier_result, store_result
from models.identity.user import Staff, User
from models.locale import Locale
from models.support.audit_actions import SupportAuditAction
from models.support.canned_reply import CannedReply, scope_of
from models.support.errors import SupportErrorCode
from models.support.team import Team, TeamMember
from models.support.ticket import Ticket
from models.text import clean_line, line, message_text, search_text
from models.viewer import Viewer

SHORTCUT_LENGTH, NAME_LENGTH = 40, 100
_SHORTCUT = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
# What looks like a variable: other texts in braces stay as they are.
_VARIABLE = re.compile(r"\{ *([A-Za-z_]+(?:\.[A-Za-z_]+)*) *\}")


@dataclass(frozen=True)
class ReplyContext:
    """The values for the variables: a ticket, its requester and company, and the agent who answers
    it.
    """

    ticket: Ticket
    customer: User
    company: Account
    agent: User


VARIABLES: dict[str, Callable[[ReplyContext], str]] = {
    "customer.name": lambda context: context.customer.name,
    "company.name": lambda context: context.company.trade_name or context.company.legal_name,
    "ticket.number": lambda context: context.ticket.number,
    "ticket.subject": lambda context: context.ticket.subject,
    "agent.name": lambda context: context.agent.name,
}


@dataclass(frozen=True)
class ReplyTexts:
    """The fields of a canned reply, checked."""

    shortcut: str
    name: str
    body_fr: str | None
    body_en: str | None


def check_texts(
    check: Checks, shortcut: str, name: str, body_fr: str | None, body_en: str | None
) -> ReplyTexts:
    """The fields of a canned reply as they may be stored. Refuses an invalid shortcut, blank and
    long texts, a reply without any text, and all unknown variables at once.
    """
    texts = ReplyTexts(
        check(_clean_shortcut, shortcut),
        check(line, name, "name", NAME_LENGTH),
        check(clean_reply, body_fr, "bodyFr"),
        check(clean_reply, body_en, "bodyEn"),
    )
    if body_fr is None and body_en is None:
        check.refuse(Refusal(CommonErrorCode.BLANK, "input", "bodyFr"))
    return texts


def _clean_shortcut(text: str) -> str:
    shortcut = clean_line(text[: 10 * SHORTCUT_LENGTH]).lower().removeprefix("/")
    if not shortcut:
        raise Refusal(CommonErrorCode.BLANK, "input", "shortcut")
    if len(shortcut) > SHORTCUT_LENGTH:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", "shortcut", length=SHORTCUT_LENGTH)
    if not _SHORTCUT.fullmatch(shortcut):
        raise Refusal(SupportErrorCode.SHORTCUT_INVALID, "input", "shortcut")
    return shortcut


def clean_reply(
    body: str | None, field: str, variables: Collection[str] = VARIABLES.keys()
) -> str | None:
    """A text with variables as it may be stored. Raises BLANK, TOO_LONG, and VARIABLE_UNKNOWN for
    those that aren't among `variables`.
    """
    if body is None:
        return None
    text = message_text(body, field)
    names = dict.fromkeys(match[1] for match in _VARIABLE.finditer(text))
    if unknown_names := [name for name in names if name not in variables]:
        raise Refusal(
            SupportErrorCode.VARIABLE_UNKNOWN,
            "input",
            field,
            names=", ".join(f"{{{name}}}" for name in unknown_names),
            variables=", ".join(f"{{{name}}}" for name in variables),
        )
    return text


async def create_reply(
    action: Action,
    user: User,
    texts: ReplyTexts,
    *,
    team: Team | None,
    is_personal: bool,
    key: str,
) -> CannedReply:
    """Create a canned reply for its author alone, for a team, or for all agents. The same
    idempotency key returns the same reply.

    Raises Forbidden for those who don't manage the replies of the team, NAME_TAKEN for the
    shortcut, and IDEMPOTENCY_MISMATCH.
    """
    owner_id, team_id = (user.pk, None) if is_personal else (None, team.pk if team else None)
    owner, scope = f"user:{user.pk}", scope_of(owner_id, team_id)
    arguments = [scope, texts.shortcut, texts.name, texts.body_fr, texts.body_en]
    try:
        async with action.transaction() as tx:
            if earlier_id := await earlier_result(tx, owner, "cannedReplyCreate", key, arguments):
                return await CannedReply.get(pk=earlier_id, using_db=tx.db)
            await _require_right(user, owner_id, team_id)
            reply = await CannedReply.create(
                using_db=tx.db,
                scope=scope,
                owner_id=owner_id,
                team_id=team_id,
                shortcut=texts.shortcut,
                name=texts.name,
                body_fr=texts.body_fr,
                body_en=texts.body_en,
                search_text=search_text(texts.shortcut, texts.name),
                updated_at=action.at,
            )
            await store_result(tx, owner, "cannedReplyCreate", key, reply.pk)
            _audit(tx, SupportAuditAction.CANNED_REPLY_CREATE, reply)
    except IntegrityError as error:
        raise Refusal(SupportErrorCode.NAME_TAKEN, "input", "shortcut") from error
    return reply


async def update_reply(
    action: Action, user: User, reply: CannedReply, texts: ReplyTexts
) -> CannedReply:
    """Replace the texts of a canned reply. A repeat changes nothing. Raises Forbidden, and
    NAME_TAKEN for the shortcut.
    """
    await _require_right(user, reply.owner_id, reply.team_id)
    try:
        async with action.transaction() as tx:
            reply = await tx.lock(CannedReply, reply.pk)
            values = (reply.shortcut, reply.name, reply.body_fr, reply.body_en)
            if values == (texts.shortcut, texts.name, texts.body_fr, texts.body_en):
                return reply
            reply.shortcut, reply.name = texts.shortcut, texts.name
            reply.body_fr, reply.body_en = texts.body_fr, texts.body_en
            reply.search_text = search_text(texts.shortcut, texts.name)
            reply.updated_at = action.at
            await reply.save(using_db=tx.db)
            _audit(tx, SupportAuditAction.CANNED_REPLY_UPDATE, reply)
    except IntegrityError as error:
        raise Refusal(SupportErrorCode.NAME_TAKEN, "input", "shortcut") from error
    return reply


async def delete_reply(action: Action, user: User, reply: CannedReply) -> None:
    """Delete a canned reply. Messages that were written with it stay. Raises Forbidden."""
    await _require_right(user, reply.owner_id, reply.team_id)
    async with action.transaction() as tx:
        _audit(tx, SupportAuditAction.CANNED_REPLY_DELETE, reply)
        await CannedReply.filter(pk=reply.pk).using_db(tx.db).delete()


def _audit(tx: Transaction, audit_action: SupportAuditAction, reply: CannedReply) -> None:
    tx.audit(audit_action, reply, scope=reply.scope)


async def _require_right(user: User, owner_id: int | None, team_id: int | None) -> None:
    if owner_id is not None:
        is_allowed = owner_id == user.pk
    elif user.staff is Staff.SUPERVISOR:
        is_allowed = True
    else:
        memberships = TeamMember.filter(team_id=team_id, user_id=user.pk)
        is_allowed = team_id is not None and await memberships.exists()
    if not is_allowed:
        raise Forbidden


async def can_manage(viewer: Viewer, replies: list[CannedReply]) -> list[bool]:
    """Whether the viewer may change each reply."""
    memberships = await TeamMember.filter(user_id=viewer.user_id)
    team_ids = {membership.team_id for membership in memberships}
    return [
        reply.owner_id == viewer.user_id
        or (
            reply.owner_id is None
            and (viewer.staff is Staff.SUPERVISOR or reply.team_id in team_ids)
        )
        for reply in replies
    ]


async def render_reply(
    reply: CannedReply, ticket: Ticket, agent: User, locale: Locale | None
) -> tuple[str, Locale]:
    """The text of a reply for a ticket, with its variables filled in, and its language: the
    requested one, or else the customer's, or else the only one that the reply has.
    """
    customer = await User.get(pk=ticket.requester_id)
    context = ReplyContext(ticket, customer, await Account.get(pk=ticket.account_id), agent)
    bodies = {Locale.FR: reply.body_fr, Locale.EN: reply.body_en}
    wanted = locale or customer.locale
    chosen = wanted if bodies[wanted] else next(each for each, body in bodies.items() if body)
    return fill_in(bodies[chosen] or "", context), chosen


def fill_in(body: str, context: ReplyContext) -> str:
    """A text with its variables filled in."""
    # In one pass: what a name contains is text, never a variable.
    return _VARIABLE.sub(
        lambda match: VARIABLES[match[1]](context) if match[1] in VARIABLES else match[0], body
    )
