"""Managing automations, by supervisors and operators. Each change of what one does creates a
version.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tortoise.exceptions import IntegrityError

from models.action import Action, Transaction
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, owner_of, store_result
from models.numbers import number_in_range
from models.support.audit_actions import SupportAuditAction
from models.support.automation import (
    SLA_EVENTS,
    Automation,
    AutomationEvent,
    AutomationVersion,
    ConditionMatch,
)
from models.support.errors import SupportErrorCode
from models.support.ticket_actions import TicketActions
from models.translations import _

MAX_AUTOMATIONS = 50  # that aren't archived: each is tried with every event
MAX_DELAY_MINUTES = 365 * 24 * 60
_ARCHIVED = _("This automation has been archived.")


@dataclass(frozen=True)
class Definition:
    """The content of a version of an automation, checked."""

    event: AutomationEvent
    actions: TicketActions
    delay_minutes: int | None = None
    is_delay_business_time: bool = False
    match: ConditionMatch = ConditionMatch.ALL
    conditions: Mapping[str, Any] = field(default_factory=dict)
    exceptions: Mapping[str, Any] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """The columns of a version."""
        return {
            "event": self.event,
            "delay_minutes": self.delay_minutes,
            "is_delay_business_time": self.is_delay_business_time,
            "match": self.match,
            "conditions": dict(self.conditions),
            "exceptions": dict(self.exceptions),
            "actions": self.actions.to_json(),
        }


def check_delay(check: Checks, event: AutomationEvent, minutes: int | None) -> None:
    """Refuse a delay that is out of range, or for an event that is itself about time."""
    if minutes is None:
        return
    if event in SLA_EVENTS:
        message = _(
            "Automations act at once when a target is missed or about to be missed. Remove the "
            "delay."
        )
        check.refuse(
            Refusal(CommonErrorCode.VALUE_INVALID, "input", "delayMinutes", message=message)
        )
    else:
        check(number_in_range, minutes, 1, MAX_DELAY_MINUTES, "input", "delayMinutes")


async def create_automation(
    action: Action, name: str, definition: Definition, key: str, *, is_enabled: bool
) -> Automation:
    """Create an automation, which acts after all others. The same idempotency key returns the same
    one. Raises NAME_TAKEN, TOO_MANY and IDEMPOTENCY_MISMATCH.
    """
    owner, operation = owner_of(action), "automationCreate"
    arguments = [name, definition.columns(), is_enabled]
    try:
        async with action.transaction() as tx:
            if earlier_id := await earlier_result(tx, owner, operation, key, arguments):
                return await Automation.get(pk=earlier_id, using_db=tx.db)
            others = await tx.lock_rows(Automation.filter(archived_at=None))
            if len(others) >= MAX_AUTOMATIONS:
                raise Refusal(CommonErrorCode.TOO_MANY, "input", "name", limit=MAX_AUTOMATIONS)
            automation = await Automation.create(
                using_db=tx.db,
                name=name,
                unique_name=name.casefold(),
                position=max((each.position for each in others), default=0) + 1,
                enabled_at=action.at if is_enabled else None,
                created_at=action.at,
                updated_at=action.at,
            )
            await _add_version(tx, automation, definition)
            _audit(tx, SupportAuditAction.AUTOMATION_CREATE, automation)
            await store_result(tx, owner, operation, key, automation.pk)
    except IntegrityError:
        raise Refusal(SupportErrorCode.NAME_TAKEN, "input", "name") from None
    return automation


async def _add_version(tx: Transaction, automation: Automation, definition: Definition) -> None:
    await AutomationVersion.create(
        using_db=tx.db,
        automation_id=automation.pk,
        number=automation.version_number,
        author=tx.action.actor,
        created_at=tx.action.at,
        **definition.columns(),
    )


def _audit(tx: Transaction, audit_action: SupportAuditAction, automation: Automation) -> None:
    tx.audit(
        audit_action,
        automation,
        account_id=None,
        version=automation.version_number,
        enabled=automation.enabled_at is not None,
        position=automation.position,
    )


async def update_automation(
    action: Action, automation: Automation, name: str, definition: Definition
) -> Automation:
    """Replace the name and the definition of an automation. A repeat changes nothing. What it is
    already waiting for stays scheduled, if it still acts on the same events after the same delay.
    Raises NOT_ACTIVE and NAME_TAKEN.
    """
    try:
        async with action.transaction() as tx:
            automation = await _lock_active(tx, automation)
            version = await AutomationVersion.get(
                automation_id=automation.pk, number=automation.version_number, using_db=tx.db
            )
            columns = definition.columns()
            has_changed = any(getattr(version, key) != columns[key] for key in columns)
            if automation.name == name and not has_changed:
                return automation
            automation.name, automation.unique_name = name, name.casefold()
            automation.version_number += has_changed
            automation.updated_at = action.at
            await automation.save(using_db=tx.db)
            if has_changed:
                await _add_version(tx, automation, definition)
            _audit(tx, SupportAuditAction.AUTOMATION_UPDATE, automation)
    except IntegrityError:
        raise Refusal(SupportErrorCode.NAME_TAKEN, "input", "name") from None
    return automation


async def _lock_active(tx: Transaction, automation: Automation) -> Automation:
    automation = await tx.lock(Automation, automation.pk)
    if automation.archived_at is not None:
        raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "automationId", message=_ARCHIVED)
    return automation


async def set_enabled(action: Action, automation: Automation, *, is_enabled: bool) -> Automation:
    """Enable an automation, which then acts on events from now on, or disable it. A repeat changes
    nothing. Raises NOT_ACTIVE.
    """
    async with action.transaction() as tx:
        automation = await _lock_active(tx, automation)
        if is_enabled is (automation.enabled_at is not None):
            return automation
        automation.enabled_at = action.at if is_enabled else None
        automation.updated_at = action.at
        await automation.save(using_db=tx.db)
        _audit(tx, SupportAuditAction.AUTOMATION_SET_ENABLED, automation)
    return automation


def require_position(position: int) -> None:
    """Raise VALUE_INVALID for a position below 1."""
    if position < 1:
        message = _("The first position is 1.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "position", message=message)


async def move_automation(action: Action, automation: Automation, position: int) -> Automation:
    """Move an automation to a position, 1 for the first one, or to the end when there are fewer.
    A repeat changes nothing. Raises NOT_ACTIVE.
    """
    async with action.transaction() as tx:
        rows = await tx.lock_rows(Automation.filter(archived_at=None))
        rows.sort(key=lambda row: (row.position, row.pk))
        moved = next((row for row in rows if row.pk == automation.pk), None)
        if moved is None:
            raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "automationId", message=_ARCHIVED)
        before = [row.pk for row in rows]
        rows.remove(moved)
        rows.insert(position - 1, moved)
        if [row.pk for row in rows] == before:
            return moved
        for number, row in enumerate(rows, 1):
            row.position = number
        for row in sorted(rows, key=lambda row: int(row.pk)):
            await row.save(using_db=tx.db, update_fields=["position"])
        _audit(tx, SupportAuditAction.AUTOMATION_MOVE, moved)
    return moved


async def archive_automation(action: Action, automation: Automation) -> Automation:
    """Archive an automation: it doesn't act any more, and its name can be used again. A repeat
    changes nothing.
    """
    async with action.transaction() as tx:
        automation = await tx.lock(Automation, automation.pk)
        if automation.archived_at is None:
            automation.archived_at, automation.enabled_at = action.at, None
            automation.unique_name = f"archived:{automation.pk}"
            automation.updated_at = action.at
            await automation.save(using_db=tx.db)
            _audit(tx, SupportAuditAction.AUTOMATION_ARCHIVE, automation)
    return automation
