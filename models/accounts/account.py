"""Accounts, which are companies that are customers, and their members."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import stdnum.fr.siren
import stdnum.fr.siret
from stdnum.exceptions import ValidationError
from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.errors import AccountsErrorCode
from models.accounts.legal_name import RegistryVerdict
from models.database.searchable import Searchable
from models.errors import Refusal
from models.identity.user import Staff
from models.text import search_text
from models.translations import Translatable, _p

if TYPE_CHECKING:
    from models.action import Transaction
    from models.identity.user import User
    from models.viewer import Viewer


class Role(StrEnum):
    """What a member may do in an account."""

    OWNER = "OWNER"
    ADMIN = "ADMIN"
    BILLING = "BILLING"
    MEMBER = "MEMBER"

    @property
    def manages_members(self) -> bool:
        """Whether the role allows inviting, changing and removing members."""
        return self in (Role.OWNER, Role.ADMIN)

    @property
    def manages_billing(self) -> bool:
        """Whether the role allows buying for the account and managing its invoices."""
        return self in (Role.OWNER, Role.ADMIN, Role.BILLING)

    @property
    def label(self) -> Translatable:
        """The name of the role for people."""
        return _ROLE_LABELS[self]

    def may_grant(self, other: "Role") -> bool:
        """Whether the role allows granting and revoking the other one. Administrators may do so
        with every role but the owner's.
        """
        return self is Role.OWNER or (self is Role.ADMIN and other is not Role.OWNER)


_ROLE_LABELS = {
    Role.OWNER: _p("role", "owner"),
    Role.ADMIN: _p("role", "administrator"),
    Role.BILLING: _p("role", "billing manager"),
    Role.MEMBER: _p("role", "member"),
}


class AccountStatus(StrEnum):
    """Whether an account can be used."""

    ACTIVE = "ACTIVE"
    DEACTIVATED = "DEACTIVATED"
    CLOSING = "CLOSING"
    ERASED = "ERASED"


class Organization(StrEnum):
    """The kind of a legal entity, which determines how it is identified."""

    COMPANY = "COMPANY"
    ASSOCIATION = "ASSOCIATION"


class Account(Searchable):
    """A company or an association that is a customer.

    A company in France is identified by its SIREN. Others have registration_number, the number in
    the register of their country, or the RNA of a French association, which may have neither.
    vat_number is null unless one was entered; models/accounts/vat_number.py tells whether it was
    confirmed.

    registry_verdict is the registry's answer about the SIREN and the legal name, null until it has
    answered. registry_due_at is when the registry is queried next, null for never.

    search_text holds the names and the SIREN for searches. Saving the row updates it; an UPDATE of
    the names doesn't.
    """

    searched_columns = frozenset({"legal_name", "trade_name", "siren", "registration_number"})

    id = fields.BigIntField(primary_key=True)
    legal_name = fields.CharField(max_length=200)
    trade_name = fields.CharField(max_length=200, null=True)
    organization = fields.CharEnumField(
        Organization,
        max_length=12,
        default=Organization.COMPANY,
        db_default=Organization.COMPANY,
        description="kind of legal entity",
    )
    siren = fields.CharField(max_length=9, null=True, db_index=True)
    registration_number = fields.CharField(max_length=50, null=True)
    street = fields.CharField(max_length=200, default="")
    postal_code = fields.CharField(max_length=12, default="")
    city = fields.CharField(max_length=100, default="")
    country = fields.CharField(max_length=2, default="FR")
    nic = fields.CharField(max_length=5, null=True)
    vat_number = fields.CharField(max_length=20, null=True)
    status = fields.CharEnumField(
        AccountStatus, max_length=12, default=AccountStatus.ACTIVE, db_default=AccountStatus.ACTIVE
    )
    erases_at: datetime | None = fields.DatetimeField(null=True)
    registry_verdict: Any = fields.CharEnumField(RegistryVerdict, max_length=12, null=True)
    registry_due_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    created_at = fields.DatetimeField()
    unused_warned_at: datetime | None = fields.DatetimeField(null=True)
    unused_reminded_at: datetime | None = fields.DatetimeField(null=True)
    search_text: str | None = fields.TextField(null=True)

    class Meta:
        table = "account"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Account"]:
        """Agents see all accounts, members and keys their own."""
        return QuerySet(cls) if viewer.is_agent else cls.filter(id=viewer.account_id)

    def build_search_text(self) -> str:
        """Return the names and the numbers in registers, normalized for searches."""
        texts = (self.legal_name, self.trade_name, self.siren, self.registration_number)
        return search_text(*filter(None, texts))

    @property
    def siret(self) -> str | None:
        """The SIRET of the company's main establishment, which consists of the SIREN and the five
        digits of the NIC. None when it isn't known.
        """
        return f"{self.siren}{self.nic}" if self.siren and self.nic else None


class Membership(Model):
    """A user's membership in an account, with a role."""

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name="memberships"
    )
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "models.Account", related_name="memberships", db_index=True
    )
    role = fields.CharEnumField(Role, max_length=8)
    created_at: datetime = fields.DatetimeField()

    user_id: int
    account_id: int

    class Meta:
        table = "membership"
        unique_together = (("user", "account"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Membership"]:
        """Agents and operators see every membership, members their company's."""
        if viewer.is_agent or viewer.staff is Staff.OPERATOR:
            return QuerySet(cls)
        return cls.filter(account_id=viewer.account.pk) if viewer.account else cls.filter(id=None)

    @property
    def joined_at(self) -> datetime:
        """When the person joined the company."""
        return self.created_at


class AccountMembers:
    """An account and its memberships, locked until the transaction ends."""

    def __init__(self, account: Account | None, memberships: dict[int, Membership]) -> None:
        self.account = account
        self._memberships = memberships

    @classmethod
    async def lock(cls, tx: "Transaction", account_id: int) -> "AccountMembers":
        """Lock an account and return its members. Without such an account, `account` is None and
        there are no members.
        """
        account = next(iter(await tx.lock_rows(Account.filter(pk=account_id))), None)
        return cls(
            account,
            {
                membership.user_id: membership
                for membership in await Membership.filter(account_id=account_id).using_db(tx.db)
            },
        )

    @property
    def is_active(self) -> bool:
        """Whether members may act for the account."""
        return self.account is not None and self.account.status is AccountStatus.ACTIVE

    @property
    def user_ids(self) -> Collection[int]:
        """The ids of the members."""
        return self._memberships.keys()

    def membership(self, user_id: int | None) -> Membership | None:
        """A user's membership, or None."""
        return self._memberships.get(user_id) if user_id else None

    @property
    def owners(self) -> set[int]:
        """The ids of the owners."""
        return {
            membership.user_id
            for membership in self._memberships.values()
            if membership.role is Role.OWNER
        }

    def is_last_owner(self, membership: Membership) -> bool:
        """Whether the account would have no owner without this membership."""
        return self.owners == {membership.user_id}


_NUMBER_LENGTH = 100  # characters: digits and separators
_DASHES = dict.fromkeys(map(ord, "-‐‑‒–—−"))
_UNISSUED_PREFIX = "0000"  # how no SIREN begins: the lowest in the Sirene register is 000 199 968


def _without_dashes(text: str) -> str:
    """Return a number without its dashes; python-stdnum removes spaces and dots. Empty for a text
    that is too long for a number.
    """
    return text.translate(_DASHES) if len(text) <= _NUMBER_LENGTH else ""


def parse_siren(text: str) -> str:
    """Return the nine digits of a SIREN, which may contain spaces, dots and dashes. Verifies the
    Luhn checksum, and that INSEE can have issued it; raises SIREN_INVALID.
    """
    try:
        siren = str(stdnum.fr.siren.validate(_without_dashes(text)))
    except ValidationError:
        siren = ""
    if not siren or siren.startswith(_UNISSUED_PREFIX):
        raise Refusal(AccountsErrorCode.SIREN_INVALID, "input", "siren")
    return siren


def parse_siret(text: str) -> str:
    """Return the fourteen digits of a SIRET: a SIREN and the number of an establishment (NIC),
    which begins at 00001. python-stdnum knows the different checksum of La Poste. Raises
    SIRET_INVALID.
    """
    try:
        siret = str(stdnum.fr.siret.validate(_without_dashes(text)))
    except ValidationError:
        siret = ""
    if not siret or siret.startswith(_UNISSUED_PREFIX) or siret.endswith("00000"):
        raise Refusal(AccountsErrorCode.SIRET_INVALID, "input", "siret")
    return siret
