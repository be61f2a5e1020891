"""Users: customers and the vendor's staff."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.database.searchable import Searchable
from models.locale import Locale
from models.text import search_text
from models.translations import _, text

if TYPE_CHECKING:
    from models.accounts.account import Membership
    from models.viewer import Viewer


# The author of what automations write (support/automation_runs.py).
AUTOMATION_EMAIL = "automation@invalid"
_AUTOMATION_NAME = _("Automation")


class Staff(StrEnum):
    """A role of the vendor's staff."""

    AGENT = "AGENT"
    SUPERVISOR = "SUPERVISOR"
    ANALYST = "ANALYST"
    OPERATOR = "OPERATOR"

    @property
    def answers_customers(self) -> bool:
        """Whether people with this role answer customers."""
        return self in (Staff.AGENT, Staff.SUPERVISOR)


class User(Searchable):
    """A person who can sign in. Secrets are stored hashed (password, recovery codes) or encrypted
    (seeds of authenticators).

    second_factor_at is when signing in began to require a second factor, authenticators_changed_at
    when an authenticator was last added or removed. search_text holds the name and the
    email address for searches. Saving the row updates it; an UPDATE of either has to set it as
    well.

    erased_at is when nothing was left that names the person. restricted_at is since when the
    processing of their data is restricted (GDPR, Article 18), restricted_until when that ends, null
    while it isn't planned. objected_at is when they objected to what rests on our legitimate
    interest (Article 21). See privacy/person_rights.py.

    unused_warned_at and unused_reminded_at are when a person who belongs to no company was told
    that they will be erased because they don't use their account (privacy/unused_accounts.py).
    """

    searched_columns = frozenset({"name", "email"})

    id = fields.BigIntField(primary_key=True)
    email = fields.CharField(max_length=254, unique=True)
    name = fields.CharField(max_length=100)
    locale = fields.CharEnumField(Locale, max_length=2, default=Locale.FR)
    staff = fields.CharEnumField(Staff, max_length=10, null=True)
    password_hash = fields.CharField(max_length=200)
    email_verified_at = fields.DatetimeField(null=True)
    second_factor_at = fields.DatetimeField(null=True)
    authenticators_changed_at = fields.DatetimeField(null=True)
    created_at: datetime = fields.DatetimeField()
    erased_at: datetime | None = fields.DatetimeField(null=True)
    restricted_at: datetime | None = fields.DatetimeField(null=True)
    restricted_until: datetime | None = fields.DatetimeField(null=True)
    objected_at: datetime | None = fields.DatetimeField(null=True)
    unused_warned_at: datetime | None = fields.DatetimeField(null=True)
    unused_reminded_at: datetime | None = fields.DatetimeField(null=True)
    search_text: str | None = fields.TextField(null=True)

    memberships: fields.ReverseRelation["Membership"]

    class Meta:
        table = "user"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["User"]:
        """Agents and operators see every person. Members see the users of their company. Other
        staff see only themselves.
        """
        if viewer.is_agent or viewer.staff is Staff.OPERATOR:
            return QuerySet(cls)
        if viewer.account:
            return cls.filter(
                Q(id=viewer.user_id) | Q(memberships__account_id=viewer.account.pk)
            ).distinct()
        return cls.filter(id=viewer.user_id)

    def build_search_text(self) -> str:
        """Return the name and the email address, normalized for searches."""
        return person_search_text(self.name, self.email)

    def name_in(self, locale: Locale) -> str:
        """The name that readers of this language see: a person's own, and a translated one of the
        author of what automations write.
        """
        return text(_AUTOMATION_NAME, locale) if self.email == AUTOMATION_EMAIL else self.name

    @property
    def second_factor(self) -> bool:
        """Whether signing in requires a one-time code or a passkey besides the password."""
        return self.second_factor_at is not None


class RecoveryCode(Model):
    """A single-use code that replaces a lost authenticator, stored as a SHA-256 of 120 random
    bits.
    """

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="recovery_codes"
    )
    code_hash = fields.CharField(max_length=64)
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "recovery_code"
        unique_together = (("user", "code_hash"),)


def person_search_text(name: str, email: str) -> str:
    """Return a name and an email address normalized for searches."""
    return search_text(name, email)
