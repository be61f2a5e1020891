"""A company's trade name, address, SIRET and VAT number. Changes of the legal name are in
accounts/legal_names.py.

Issued invoices don't change: each stores its own copy of the buyer.
"""

from dataclasses import dataclass
from types import EllipsisType

from accounts.members import actor_membership
from accounts.vat_numbers import store_vat_number
from auth import sessions
from models.accounts.account import (
    Account,
    AccountMembers,
    Membership,
    parse_siret,
)
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.errors import AccountsErrorCode
from models.accounts.vat_number import parse_vat_number
from models.action import Action, Transaction
from models.audit_action import AuditAction
from models.billing.territory import SIREN_COUNTRY_CODES
from models.checks import Checks
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.identity.session import Session
from models.identity.user import User
from models.translations import _


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
    """Set the registered address, on which the VAT of the company's purchases depends. Raises
    VALUE_INVALID for an address outside of France of a company with a SIREN, and Forbidden.
    """
    if account.siren and address.country not in SIREN_COUNTRY_CODES:
        message = _("A company with a SIREN is registered in France. Enter that address.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "address", "country", message=message)
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
    """Set the SIRET (None when unknown) and the VAT number (None for none), where given. A new VAT
    number is pending until the tax authorities confirm it.

    Raises SIRET_INVALID, VAT_NUMBER_INVALID, SIREN_MISMATCH for numbers of another legal entity,
    and Forbidden.
    """
    numbers: dict[str, str | None] = {}
    with Checks() as check:
        if siret is not ...:
            numbers["nic"] = check(_nic, siret, account.siren)
        if vat_number is not ...:
            numbers["vat_number"] = (
                None
                if vat_number is None
                else check(parse_vat_number, vat_number, account.country, account.siren)
            )
    return await _update(
        action, session, account, AccountsAuditAction.ACCOUNT_CHANGE_IDENTIFIERS, **numbers
    )


def _nic(siret: str | None, siren: str | None) -> str | None:
    """The five digits that identify an establishment (NIC)."""
    if siret is None:
        return None
    digits = parse_siret(siret)
    if digits[:9] != siren:
        raise Refusal(AccountsErrorCode.SIREN_MISMATCH, "input", "siret")
    return digits[9:]


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
            if "vat_number" in changes:
                await store_vat_number(tx, current)
            tx.audit(audit_action, current, changed=", ".join(sorted(changes)))
            await invalidate_members(tx, account.pk)
        return await Account.get(pk=account.pk, using_db=tx.db)
