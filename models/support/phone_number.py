"""Phone numbers of customers, by which callers are found.

Numbers are stored as E.164 writes them, such as +33142685300. A caller's number proves nothing:
anybody can enter one, and systems let callers choose the one they show. It only suggests who may be
calling.
"""

from datetime import datetime
from typing import TYPE_CHECKING

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat
from tortoise import fields
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import Account
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.translations import _

if TYPE_CHECKING:
    from models.viewer import Viewer

HOME_REGION = "FR"  # of numbers without a country code
MAX_INPUT_LENGTH = 60
NUMBER_LENGTH = 16  # the sign and at most 15 digits


class PhoneNumber(Model):
    """The phone number of a person or of a company: either `user` or `account` is set."""

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False
    )
    account: fields.ForeignKeyNullableRelation[Account] = fields.ForeignKeyField(
        "models.Account", null=True, related_name=False
    )
    number = fields.CharField(max_length=NUMBER_LENGTH, db_index=True)
    created_at: datetime = fields.DatetimeField()

    user_id: int | None
    account_id: int | None

    class Meta:
        table = "phone_number"
        unique_together = (("user", "number"), ("account", "number"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["PhoneNumber"]:
        """Agents see all numbers, members their own and those of their company."""
        if viewer.is_agent:
            return QuerySet(cls)
        own = Q(user_id=viewer.user_id or 0)
        return cls.filter(own | Q(account_id=viewer.account.pk) if viewer.account else own)


def parse_phone_number(text: str, *field: str) -> str:
    """The number in E.164, from any way of writing it. A number without a country code is French.
    Raises VALUE_INVALID for a number that nobody can have.
    """
    number = _parse(text)
    if number is None or not phonenumbers.is_valid_number(number):
        message = _(
            "Enter a phone number such as 01 42 68 53 00 or, outside of France, with its country "
            "code: +32 2 555 12 12."
        )
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", *field, message=message)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def caller_number(text: str | None) -> str | None:
    """The number in E.164 as a telephone system reports it, None when it is withheld or isn't a
    number of the public network, such as that of an extension.
    """
    number = _parse(text or "")
    if number is None or not phonenumbers.is_possible_number(number):
        return None
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return e164 if len(e164) <= NUMBER_LENGTH else None  # some countries allow more digits


def display_number(number: str) -> str:
    """A number in E.164 as people write it in its country, with the country code."""
    parsed = phonenumbers.parse(number)
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)


def _parse(text: str) -> phonenumbers.PhoneNumber | None:
    if len(text) > MAX_INPUT_LENGTH:
        return None
    try:
        return phonenumbers.parse(text, HOME_REGION)
    except NumberParseException:
        return None
