"""Billing profiles: versions of a company's identity and addresses, which never change."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import AccountStatus
from models.accounts.vat_number import VatCheck
from models.billing.territory import SIREN_COUNTRY_CODES, Territory, territory_of

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.action import Transaction
    from models.viewer import Viewer

ADDRESS_COLUMNS = ("street", "postal_code", "city", "country")


class BillingProfile(Model):
    """One version of what an account's invoices say about the buyer. A change inserts a new
    version, so issued invoices keep theirs.

    The registered address is printed on every invoice, and the billing address as well when it
    differs; otherwise its columns are null. A VAT number counts and is printed only when
    `vat_checked_at` is set; `vat_proof` is the consultation number of the check.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="billing_profiles", on_delete=fields.RESTRICT
    )
    version = fields.IntField()
    created_at: datetime = fields.DatetimeField()
    legal_name = fields.CharField(max_length=200)
    siren = fields.CharField(max_length=9, null=True)
    siret = fields.CharField(max_length=14, null=True)
    registration_number = fields.CharField(max_length=50, null=True)
    vat_number = fields.CharField(max_length=20, null=True)
    vat_checked_at: datetime | None = fields.DatetimeField(null=True)
    vat_proof = fields.CharField(max_length=60, null=True)
    territory = fields.CharEnumField(
        Territory,
        max_length=20,
        default=Territory.METROPOLITAN_FRANCE,
        description="territory of VAT",
    )
    street = fields.CharField(max_length=200)
    postal_code = fields.CharField(max_length=12)
    city = fields.CharField(max_length=100)
    country = fields.CharField(max_length=2)
    billing_street = fields.CharField(max_length=200, null=True)
    billing_postal_code = fields.CharField(max_length=12, null=True)
    billing_city = fields.CharField(max_length=100, null=True)
    billing_country = fields.CharField(max_length=2, null=True)
    order_number = fields.CharField(max_length=50, null=True)

    account_id: int

    class Meta:
        table = "billing_profile"
        unique_together = (("account", "version"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["BillingProfile"]:
        """Agents see all profiles except those of erased accounts, buyers those of their
        account.
        """
        if viewer.is_agent:
            return cls.filter(account__status__not=AccountStatus.ERASED)
        return (
            cls.filter(account_id=viewer.account.pk)
            if viewer.account and viewer.is_buyer
            else cls.filter(id=None)
        )

    @property
    def billing_address(self) -> dict[str, str]:
        """The address to which invoices are sent: the billing address if there is one, otherwise
        the registered one.
        """
        prefix = "billing_" if self.billing_city else ""
        return {name: getattr(self, prefix + name) for name in ADDRESS_COLUMNS}

    @classmethod
    async def store(
        cls,
        tx: "Transaction",
        account: "Account",
        billing_address: dict[str, str] | None,
        order_number: str | None,
    ) -> "BillingProfile":
        """The profile of a locked account with its current identity, this billing address (the
        registered one when omitted) and order number. Inserts a new version unless an identical one
        exists.
        """
        check = await VatCheck.confirmed(account, tx.db)
        values = _profile_values(account, check, billing_address, order_number)
        profiles = cls.filter(account_id=account.pk).using_db(tx.db).order_by("-version")
        last_version = 0
        for profile in await profiles:
            last_version = last_version or profile.version
            if all(getattr(profile, name) == value for name, value in values.items()):
                return profile
        return await cls.create(
            using_db=tx.db,
            account=account,
            version=last_version + 1,
            created_at=tx.action.at,
            **values,
        )

    async def renewed(self, tx: "Transaction", account: "Account") -> "BillingProfile":
        """The profile with the current identity of its locked account, and with the same billing
        address and order number.
        """
        return await self.store(tx, account, self._other_address(account), self.order_number)

    async def as_of(self, account: "Account", db: BaseDBAsyncClient | None) -> "BillingProfile":
        """Like `renewed`, but the profile isn't stored: for a preview."""
        check = await VatCheck.confirmed(account, db)
        address = self._other_address(account)
        values = _profile_values(account, check, address, self.order_number)
        if all(getattr(self, name) == value for name, value in values.items()):
            return self
        return BillingProfile(account=account, version=0, **values)

    def _other_address(self, account: "Account") -> dict[str, str] | None:
        is_other = self.billing_city is not None or not account.city
        return self.billing_address if is_other else None


def _profile_values(
    account: "Account",
    check: VatCheck | None,
    billing_address: dict[str, str] | None,
    order_number: str | None,
) -> dict[str, Any]:
    """The columns of a profile. An account without a registered address has only the billing
    address.
    """
    registered = {name: getattr(account, name) for name in ADDRESS_COLUMNS}
    if not account.city:
        registered = billing_address or registered
    other = billing_address if billing_address and billing_address != registered else {}
    return {
        "legal_name": account.legal_name,
        "siren": account.siren,
        "siret": account.siret,
        "registration_number": account.registration_number,
        "vat_number": account.vat_number,
        "vat_checked_at": check.checked_at if check else None,
        "vat_proof": check.consultation_number if check else None,
        "territory": _territory(account, registered),
        **registered,
        **{f"billing_{name}": other.get(name) for name in ADDRESS_COLUMNS},
        "order_number": order_number,
    }


def _territory(account: "Account", address: dict[str, str]) -> Territory:
    """The territory of the registered address. When there is none, the billing address stands for
    it, but can't move the company to another country.
    """
    territory = territory_of(address["country"], address["postal_code"])
    home = territory_of(account.country, "")
    is_home = address["country"] == account.country or (
        {address["country"], account.country} <= SIREN_COUNTRY_CODES
    )
    return territory if is_home else home
