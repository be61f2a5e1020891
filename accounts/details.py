"""What a company says of itself: its trade name, address, SIRET and VAT number (its legal name: accounts/legal_names.py).

Bills that were issued keep what they say: they hold their buyer themselves.
"""

from dataclasses import dataclass
from types import EllipsisType

import stdnum.fr.siret
import stdnum.fr.tva
from stdnum.exceptions import ValidationError

from accounts.members import acting
from auth import sessions
from models.accounts.account import Account, Membership, People
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.errors import AccountsErrorCode
from models.action import Action, Transaction
from models.audit_action import AuditAction
from models.errors import Forbidden, Refusal
from models.identity.session import Session
from models.identity.user import User


@dataclass(frozen=True)
class Address:
    """Where a company is; country is two letters (ISO 3166-1 alpha-2)."""

    street: str
    postal_code: str
    city: str
    country: str


async def managing(tx: Transaction, session: Session, account_id: int) -> User:
    """Whoever acts, if they look after the company as it stands, which is locked, as they are. Raises Forbidden."""
    people = await People.locked(tx, account_id)
    if not acting(people, tx.action).role.manages:
        raise Forbidden
    return await sessions.holder(tx, session)


async def touch(tx: Transaction, account_id: int) -> None:
    """What is known of the company and kept with its people is stale."""
    for place in await Membership.filter(account_id=account_id).using_db(tx.db):
        tx.touched[sessions.person(place.user_id)] = None


async def change_trade_name(action: Action, session: Session, account: Account, trade_name: str | None) -> Account:
    """Set how the company calls itself, None for by its legal name. Raises Forbidden."""
    return await _changed(action, session, account, AccountsAuditAction.ACCOUNT_CHANGE_TRADE_NAME, trade_name=trade_name)


async def change_address(action: Action, session: Session, account: Account, address: Address) -> Account:
    """Set where the company is. Raises Forbidden."""
    return await _changed(action, session, account, AccountsAuditAction.ACCOUNT_CHANGE_ADDRESS, **vars(address))


async def change_identifiers(
    action: Action, session: Session, account: Account,
    siret: str | EllipsisType | None = ..., vat_number: str | EllipsisType | None = ...,
) -> Account:  # fmt: skip
    """Set the company's SIRET, None for unknown, and its VAT number, None for the one made from its SIREN, as far as told.

    Raises SIRET_INVALID, VAT_NUMBER_INVALID, SIREN_OTHER for numbers of another legal entity; Forbidden.
    """
    numbers: dict[str, str | None] = {}
    if siret is not ...:
        numbers["nic"] = _nic(siret, account.siren)
    if vat_number is not ...:
        numbers["vat_key"] = _vat_key(vat_number, account.siren)
    return await _changed(action, session, account, AccountsAuditAction.ACCOUNT_CHANGE_IDENTIFIERS, **numbers)


def _nic(siret: str | None, siren: str) -> str | None:
    """The five digits that tell a company's establishments apart (python-stdnum knows La Poste's other checksum)."""
    if siret is None:
        return None
    try:
        digits = str(stdnum.fr.siret.validate(siret))
    except ValidationError:
        raise Refusal(AccountsErrorCode.SIRET_INVALID, "input", "siret") from None
    return _of(digits[:9], siren, digits[9:], "siret")


def _vat_key(vat_number: str | None, siren: str) -> str | None:
    """The two characters before the SIREN (CGI, art. 286 ter)."""
    if vat_number is None:
        return None
    try:
        number = str(stdnum.fr.tva.validate(vat_number))
    except ValidationError:
        raise Refusal(AccountsErrorCode.VAT_NUMBER_INVALID, "input", "vatNumber") from None
    return _of(number[2:], siren, number[:2], "vatNumber")


def _of(found: str, siren: str, told: str, field: str) -> str:
    if found != siren:
        raise Refusal(AccountsErrorCode.SIREN_OTHER, "input", field)
    return told


async def _changed(
    action: Action, session: Session, account: Account, audit_action: AuditAction, **columns: str | None
) -> Account:
    async with action.transaction() as tx:
        await managing(tx, session, account.pk)
        before = await Account.get(pk=account.pk, using_db=tx.db)
        changes = {name: value for name, value in columns.items() if getattr(before, name) != value}
        if changes:
            await before.update_from_dict(changes).save(using_db=tx.db, update_fields=[*changes])
            tx.audit(audit_action, before, changed=", ".join(sorted(changes)))
            await touch(tx, account.pk)
        return await Account.get(pk=account.pk, using_db=tx.db)
