"""Addresses outside a company that receive its invoices by email, such as its accountant's."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.locale import Locale

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.identity.user import User
    from models.viewer import Viewer


class InvoiceRecipientStatus(StrEnum):
    """Whether a recipient receives invoices."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    REFUSED = "REFUSED"


class InvoiceRecipient(Model):
    """An address that a member added, which receives invoices once its owner has confirmed.

    A recipient who has refused stays listed, so that the address isn't asked again.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="invoice_recipients"
    )
    email = fields.CharField(max_length=254)
    locale = fields.CharEnumField(Locale, max_length=2)
    adder: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    created_at: datetime = fields.DatetimeField()
    confirmed_at: datetime | None = fields.DatetimeField(null=True)
    refused_at: datetime | None = fields.DatetimeField(null=True)

    account_id: int
    adder_id: int | None

    class Meta:
        table = "invoice_recipient"
        unique_together = (("account", "email"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["InvoiceRecipient"]:
        """Agents see all recipients, members who can buy those of their account."""
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(account_id=viewer.account.pk)
            if viewer.account and viewer.is_buyer
            else cls.filter(id=None)
        )

    @property
    def status(self) -> InvoiceRecipientStatus:
        """Whether the recipient has confirmed or refused."""
        if self.refused_at:
            return InvoiceRecipientStatus.REFUSED
        return (
            InvoiceRecipientStatus.CONFIRMED
            if self.confirmed_at
            else InvoiceRecipientStatus.PENDING
        )
