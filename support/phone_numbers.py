"""Adding and removing the phone numbers of people and companies."""

from dataclasses import dataclass
from typing import Any

from models.accounts.account import Account, AccountMembers
from models.action import Action, Transaction
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.identity.user import User
from models.support.audit_actions import SupportAuditAction
from models.support.phone_number import PhoneNumber
from models.viewer import Viewer

MAX_NUMBERS = 5  # of one person or company


@dataclass(frozen=True)
class NumberOwner:
    """The owner of a number: a person or a company."""

    user: User | None = None
    account: Account | None = None

    @property
    def columns(self) -> dict[str, int | None]:
        """The columns that refer to the owner."""
        return {
            "user_id": self.user.pk if self.user else None,
            "account_id": self.account.pk if self.account else None,
        }


def require_right_to_change(viewer: Viewer, owner: NumberOwner) -> None:
    """Raise Forbidden unless the viewer may change the owner's numbers: agents change every number,
    people their own, owners and administrators their company's.
    """
    is_own = owner.user is not None and owner.user.pk == viewer.user_id
    is_own_company = (
        viewer.is_manager
        and viewer.account is not None
        and owner.account is not None
        and owner.account.pk == viewer.account.pk
    )
    if not (viewer.is_agent or is_own or is_own_company):
        raise Forbidden


async def add_number(action: Action, owner: NumberOwner, number: str) -> PhoneNumber:
    """Add a number, as `parse_phone_number` returns it. A repeat changes nothing. Raises
    TOO_MANY.
    """
    async with action.transaction() as tx:
        if owner.account:
            await AccountMembers.lock(tx, owner.account.pk)
        if owner.user:
            await tx.lock(User, owner.user.pk)
        return await store_number(tx, owner, number)


async def store_number(tx: Transaction, owner: NumberOwner, number: str) -> PhoneNumber:
    """Add a number in the caller's transaction, which has locked the owner."""
    numbers = await PhoneNumber.filter(**owner.columns).using_db(tx.db)
    for row in numbers:
        if row.number == number:
            return row
    if len(numbers) >= MAX_NUMBERS:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", "number", limit=MAX_NUMBERS)
    row = await PhoneNumber.create(
        using_db=tx.db, number=number, created_at=tx.action.at, **owner.columns
    )
    _record(tx, SupportAuditAction.PHONE_NUMBER_ADD, row)
    return row


async def remove_number(action: Action, row: PhoneNumber) -> None:
    """Remove a number."""
    async with action.transaction() as tx:
        if rows := await tx.lock_rows(PhoneNumber.filter(pk=row.pk)):
            await rows[0].delete(using_db=tx.db)
            _record(tx, SupportAuditAction.PHONE_NUMBER_REMOVE, rows[0])


def _record(tx: Transaction, audit_action: SupportAuditAction, row: PhoneNumber) -> None:
    details: dict[str, Any] = {"user": row.user_id} if row.user_id else {}
    tx.audit(audit_action, row, row.account_id or ..., **details)
