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
from models.support.file import File, attach_to_macro, copy_to_message
from models.support.macro import Macro, MacroUse, macro_scope
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActions
from models.translations import _
from models.viewer import Viewer
from support.ticket_actions import Actor, apply_actions, find_refusals, lock_people

_ARCHIVED = _("This macro has been archived.")


def require_team_choice(team_id: object, *, is_personal: bool) -> None:
    """Raise VALUE_INVALID for a macro that would belong both to its author and to a team."""
    if is_personal and team_id is not None:
        message = _("A team’s macro can’t be personal.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "teamId", message=message)


def require_reply(actions: TicketActions, file_ids: Sequence[int]) -> None:
    """Raise VALUE_INVALID for files without a message to which they would be attached."""
    if file_ids and not actions.has_reply:
        message = _("Files are attached to the message. Add a message to the macro.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "fileIds", message=message)


async def create_macro(
    action: Action,
    user: User,
    name: str,
    actions: TicketActions,
    key: str,
    *,
    is_personal: bool,
    team_id: int | None = None,
    file_ids: tuple[int, ...] = (),
) -> Macro:
    """Create a macro of the user's own, of a team or of all agents, with files that the user
    uploaded. The same idempotency key returns the same macro. Raises Forbidden, NAME_TAKEN,
    FILE_REFUSED and IDEMPOTENCY_MISMATCH.
    """
    owner_id = user.pk if is_personal else None
    owner, arguments = owner_of(action), [owner_id, name, actions.to_json()]
    if team_id is not None:
        arguments.append(team_id)
    if file_ids:
        arguments.append([*file_ids])
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
            if file_ids:
                await attach_to_macro(tx, macro, user, file_ids)
            await store_result(tx, owner, "macroCreate", key, macro.pk)
            _audit(tx, SupportAuditAction.MACRO_CREATE, macro)
    except IntegrityError:
        raise Refusal(SupportErrorCode.NAME_TAKEN, "input", "name") from None
    return macro


async def update_macro(
    action: Action,
    user: User,
    macro: Macro,
    name: str,
    actions: TicketActions,
    file_ids: tuple[int, ...] | None = None,
) -> Macro:
    """Replace the name, the actions and, unless they are None, the files of a macro. A repeat
    changes nothing. Raises Forbidden, NOT_ACTIVE for an archived one, NAME_TAKEN, FILE_REFUSED, and
    VALUE_INVALID for files without a message.
    """
    _require_right(user, macro.owner_id)
    try:
        async with action.transaction() as tx:
            macro = await tx.lock(Macro, macro.pk)
            _require_active(macro)
            has_changed = (macro.name, macro.actions) != (name, actions.to_json())
            if file_ids is None:
                files = File.filter(macro_id=macro.pk).using_db(tx.db)
                require_reply(actions, [file.pk for file in await files])
            elif await attach_to_macro(tx, macro, user, file_ids):
                has_changed = True
            if not has_changed:
                return macro
            macro.name, macro.actions, macro.updated_at = name, actions.to_json(), action.at
            await macro.save(using_db=tx.db)
            _audit(tx, SupportAuditAction.MACRO_UPDATE, macro)
    except IntegrityError:
        raise Refusal(SupportErrorCode.NAME_TAKEN, "input", "name") from None
    return macro


async def archive_macro(action: Action, user: User, macro: Macro) -> Macro:
    """Archive a macro, so that its name can be used again, and delete its files as abandoned: it is
    never applied again. A repeat changes nothing. Raises Forbidden.
    """
    _require_right(user, macro.owner_id)
    async with action.transaction() as tx:
        macro = await tx.lock(Macro, macro.pk)
        if macro.archived_at is None:
            macro.archived_at, macro.scope = action.at, f"archived:{macro.pk}"
            await macro.save(using_db=tx.db, update_fields=["archived_at", "scope"])
            await attach_to_macro(tx, macro, user, ())
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
        files = await tx.lock_rows(File.filter(macro_id=macro.pk, abandoned_at=None))
        use = await MacroUse.create(
            using_db=tx.db,
            macro_id=macro.pk,
            ticket_id=ticket.pk,
            user_id=agent.pk,
            kinds=actions.kinds,
            at=action.at,
        )
        actor = Actor(agent, {"macro": macro.pk}, f"macro:{use.pk}")
        refused = await find_refusals(tx, ticket, actions, actor, people)
        if refusals := [*_refuse_infected(files), *(each.refusal for each in refused)]:
            raise _distinct(refusals)
        tx.audit(
            SupportAuditAction.MACRO_APPLY,
            ticket,
            account_id=None,
            macro=macro.pk,
            actions=", ".join(actions.kinds),
        )
        result = await apply_actions(tx, ticket, actions, actor)
        if result.message:
            await copy_to_message(tx, files, result.message, agent, ticket.account_id)
        use.message_id = result.message.pk if result.message else None
        use.note_id = result.note.pk if result.note else None
        await use.save(using_db=tx.db, update_fields=["message_id", "note_id"])
        await store_result(tx, owner, "macroApply", key, use.pk)
    return use


def _refuse_infected(files: Sequence[File]) -> list[Refusal]:
    if not any(file.infected_at for file in files):
        return []
    message = _("A virus was found in a file of this macro. Remove it from the macro.")
    return [Refusal(SupportErrorCode.FILE_REFUSED, "input", "macroId", message=message)]


def _distinct(refusals: Sequence[Refusal]) -> Refusals:
    """The refusals, each once: a closed ticket refuses several actions in the same words."""
    return Refusals([*{(each.field, each.message): each for each in refusals}.values()])
