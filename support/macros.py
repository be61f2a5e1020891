"""Managing macros, and applying them to tickets.

Supervisors and operators manage the macros of all agents and of teams; every agent has macros of
their own.
"""

from collections.abc import Sequence

from tortoise.exceptions import IntegrityError

from auth.services import AuthServices
from models.action import Action, Transaction
from models.errors import CommonErrorCode, Forbidden, Refusal, Refusals
from models.idempotency import earlier_result, has_earlier_result, owner_of, store_result
from models.identity.user import Staff, User
from models.support.audit_actions import SupportAuditAction
from models.support.errors import SupportErrorCode
from models.support.macro import Macro, MacroUse, macro_scope
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActions
from models.translations import _
from models.viewer import Viewer
from support.ticket_actions import (
    ActionRefusal,
    Actor,
    apply_actions,
    find_refusals,
    lock_people,
)

_ARCHIVED = _("This macro has been archived.")


def require_team_choice(team_id: object, *, is_personal: bool) -> None:
    """Raise VALUE_INVALID for a macro that would belong both to its author and to a team."""
    if is_personal and team_id is not None:
        message = _("A team’s macro can’t be personal.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "teamId", message=message)


async def create_macro(
    action: Action,
    user: User,
    name: str,
    actions: TicketActions,
    key: str,
    *,
    is_personal: bool,
    team_id: int | None = None,
) -> Macro:
    """Create a macro of the user's own, of a team or of all agents. The same idempotency key
    returns the same macro. Raises Forbidden, NAME_TAKEN and IDEMPOTENCY_MISMATCH.
    """
    owner_id = user.pk if is_personal else None
    owner, arguments = owner_of(action), [owner_id, name, actions.to_json()]
    if team_id is not None:
        arguments.append(team_id)
    try:
        async with action.transaction() as tx:
            if earlier_id := await earlier_result(tx, owner, "macroCreate", key, arguments):
                return await Macro.get(pk=earlier_id, using_db=tx.db)
            _require_right(user, owner_id)
            macro = await Macro.create(
                using_db=tx.db,
                scope=macro_scope(owner_id, team_id),
                owner_id=owner_id,
                team_id=team_id,
                name=name,
                actions=actions.to_json(),
                created_at=action.at,
                updated_at=action.at,
            )
            await store_result(tx, owner, "macroCreate", key, macro.pk)
            _audit(tx, SupportAuditAction.MACRO_CREATE, macro)
    except IntegrityError:
        raise Refusal(SupportErrorCode.NAME_TAKEN, "input", "name") from None
    return macro


async def update_macro(
    action: Action, user: User, macro: Macro, name: str, actions: TicketActions
) -> Macro:
    """Replace the name and the actions of a macro. A repeat changes nothing. Raises Forbidden,
    NOT_ACTIVE for an archived one, and NAME_TAKEN.
    """
    _require_right(user, macro.owner_id)
    try:
        async with action.transaction() as tx:
            macro = await tx.lock(Macro, macro.pk)
            _require_active(macro)
            if (macro.name, macro.actions) == (name, actions.to_json()):
                return macro
            macro.name, macro.actions, macro.updated_at = name, actions.to_json(), action.at
            await macro.save(using_db=tx.db)
            _audit(tx, SupportAuditAction.MACRO_UPDATE, macro)
    except IntegrityError:
        raise Refusal(SupportErrorCode.NAME_TAKEN, "input", "name") from None
    return macro


async def archive_macro(action: Action, user: User, macro: Macro) -> Macro:
    """Archive a macro, so that its name can be used again. A repeat changes nothing. Raises
    Forbidden.
    """
    _require_right(user, macro.owner_id)
    async with action.transaction() as tx:
        macro = await tx.lock(Macro, macro.pk)
        if macro.archived_at is None:
            macro.archived_at, macro.scope = action.at, f"archived:{macro.pk}"
            await macro.save(using_db=tx.db, update_fields=["archived_at", "scope"])
            _audit(tx, SupportAuditAction.MACRO_ARCHIVE, macro)
    return macro


def _audit(tx: Transaction, audit_action: SupportAuditAction, macro: Macro) -> None:
    tx.audit(audit_action, macro, account_id=None, personal=macro.owner_id is not None)


def may_manage(user: User, owner_id: int | None) -> bool:
    """Whether someone may manage the macros of this owner, None for those of all agents or of a
    team.
    """
    if owner_id is not None:
        return owner_id == user.pk and user.staff in (Staff.AGENT, Staff.SUPERVISOR)
    return user.staff in (Staff.SUPERVISOR, Staff.OPERATOR)


def _require_right(user: User, owner_id: int | None) -> None:
    if not may_manage(user, owner_id):
        raise Forbidden


def _require_active(macro: Macro) -> None:
    if macro.archived_at is not None:
        raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "macroId", message=_ARCHIVED)


async def apply_macro(
    action: Action, auth: AuthServices, viewer: Viewer, macro: Macro, ticket: Ticket, key: str
) -> MacroUse:
    """Apply a macro to a ticket: all of its actions, as the viewer's, or none. The same idempotency
    key returns the same use.

    Raises NOT_ACTIVE for an archived macro, IDEMPOTENCY_MISMATCH, Forbidden for someone who no
    longer answers customers, Throttled, and a refusal for each action that isn't possible, all at
    once.
    """
    agent = viewer.user
    assert agent is not None, "only agents see macros"  # noqa: S101
    owner, arguments = owner_of(action), [macro.pk, ticket.pk]
    if macro.ticket_actions.has_reply and not await has_earlier_result(owner, "macroApply", key):
        await auth.count_message(agent, None)
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, "macroApply", key, arguments):
            return await MacroUse.get(pk=earlier_id, using_db=tx.db)
        macro = await Macro.get(pk=macro.pk, using_db=tx.db)
        _require_active(macro)
        actions = macro.ticket_actions
        people = await lock_people(tx, actions, agent)
        ticket = await tx.lock(Ticket, ticket.pk)
        use = await MacroUse.create(
            using_db=tx.db,
            macro_id=macro.pk,
            ticket_id=ticket.pk,
            user_id=agent.pk,
            kinds=actions.kinds,
            at=action.at,
        )
        actor = Actor(agent, {"macro": macro.pk}, f"macro:{use.pk}")
        if refusals := await find_refusals(tx, ticket, actions, actor, people):
            raise _distinct(refusals)
        tx.audit(
            SupportAuditAction.MACRO_APPLY,
            ticket,
            account_id=None,
            macro=macro.pk,
            actions=", ".join(actions.kinds),
        )
        result = await apply_actions(tx, ticket, actions, actor)
        use.message_id = result.message.pk if result.message else None
        use.note_id = result.note.pk if result.note else None
        await use.save(using_db=tx.db, update_fields=["message_id", "note_id"])
        await store_result(tx, owner, "macroApply", key, use.pk)
    return use


def _distinct(refusals: Sequence[ActionRefusal]) -> Refusals:
    """The refusals, each once: a closed ticket refuses several actions in the same words."""
    distinct = {(each.refusal.field, each.refusal.message): each.refusal for each in refusals}
    return Refusals([*distinct.values()])
