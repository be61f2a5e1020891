"""A company's trade name, address, SIRET and VAT number. Changes of the legal name are in
accounts/legal_names.py.

Issued invoices don't change: each stores its own copy of the buyer.
"""

from dataclasses import dataclass
from types import EllipsisType

from accounts.members import actor_membership
from auth import sessions
from models.accounts.account import (
    Account,
    AccountMembers,
    Membership,
    parse_siret,
    parse_vat_number,
)
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.errors import AccountsErrorCode
from models.action import Action, Transaction
from models.audit_action import AuditAction
from models.checks import Checks
from models.errors import Forbidden, Refusal
from models.identity.session import Session
from models.identity.user import User


@dataclass(frozen=True)
class Address:
    """A postal address; `country` is a two-letter code (ISO 3166-1 alpha-2)."""

    street: str
    postal_code: str
    city: str
    country: str


async def require_manager(tx: Transaction, session: Session, account_id: int) -> User:
    """Lock the company and the actor's membership, and return the actor if they may manage the
    company. Raises Forbidden.
    """
    members = await AccountMembers.lock(tx, account_id)
    if not actor_membership(members, tx.action).role.manages_members:
        raise Forbidden
    return await sessions.lock_user(tx, session)


async def invalidate_members(tx: Transaction, account_id: int) -> None:
    """Invalidate what is cached about the company and its members."""
    for membership in await Membership.filter(account_id=account_id).using_db(tx.db):
        tx.streams[sessions.user_key(membership.user_id)] = None


async def change_trade_name(
    action: Action, session: Session, account: Account, trade_name: str | None
) -> Account:
    """Set the trade name; None removes it. Raises Forbidden."""
    return await _update(
        action,
        session,
        account,
        AccountsAuditAction.ACCOUNT_CHANGE_TRADE_NAME,
        trade_name=trade_name,
    )


async def change_address(
    action: Action, session: Session, account: Account, address: Address
) -> Account:
    """Set the address. Raises Forbidden."""
    return await _update(
        action, session, account, AccountsAuditAction.ACCOUNT_CHANGE_ADDRESS, **vars(address)
    )


async def change_identifiers(
    action: Action,
    session: Session,
    account: Account,
    siret: str | EllipsisType | None = ...,
    vat_number: str | EllipsisType | None = ...,
) -> Account:
    """Set the SIRET (None when unknown) and the VAT number (None for the one derived from the
    SIREN), where given.

    Raises SIRET_INVALID, VAT_NUMBER_INVALID, SIREN_MISMATCH for numbers of another legal entity,
    and Forbidden.
    """
    numbers: dict[str, str | None] = {}
    with Checks() as check:
        if siret is not ...:
            numbers["nic"] = check(_nic, siret, account.siren)
        if vat_number is not ...:
            numbers["vat_key"] = check(_vat_key, vat_number, account.siren)
    return await _update(
        action, session, account, AccountsAuditAction.ACCOUNT_CHANGE_IDENTIFIERS, **numbers
    )


def _nic(siret: str | None, siren: str) -> str | None:
    """The five digits that identify an establishment (NIC)."""
    if siret is None:
        return None
    digits = parse_siret(siret)
    _require_siren(digits[:9], siren, "siret")
    return digits[9:]


def _vat_key(vat_number: str | None, siren: str) -> str | None:
    """The two check characters before the SIREN."""
    if vat_number is None:
        return None
    number = parse_vat_number(vat_number)
    _require_siren(number[2:], siren, "vatNumber")
    return number[:2]


def _require_siren(actual: str, expected: str, field: str) -> None:
    if actual != expected:
        raise Refusal(AccountsErrorCode.SIREN_MISMATCH, "input", field)


async def _update(
    action: Action,
    session: Session,
    account: Account,
    audit_action: AuditAction,
    **columns: str | None,
) -> Account:
    async with action.transaction() as tx:
        await require_manager(tx, session, account.pk)
        current = await Account.get(pk=account.pk, using_db=tx.db)
        changes = {
            name: value for name, value in columns.items() if getattr(current, name) != value
        }
        if changes:
            await current.update_from_dict(changes).save(using_db=tx.db, update_fields=[*changes])
            tx.audit(audit_action, current, changed=", ".join(sorted(changes)))
            await invalidate_members(tx, account.pk)
        return await Account.get(pk=account.pk, using_db=tx.db)
