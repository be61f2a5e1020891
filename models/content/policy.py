"""The versions of the terms and the privacy policy, and who accepted which version when.

Rows of both tables are immutable: nothing here changes them, and the database refuses changes as
well (migration 0010).
"""

from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.fields.base import OnDelete
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.locale import Locale

if TYPE_CHECKING:
    from models.identity.user import User
    from models.viewer import Viewer


class PolicyKind(StrEnum):
    """The kind of a policy."""

    PRIVACY = "PRIVACY"
    TERMS = "TERMS"


class AcceptanceChannel(StrEnum):
    """Where a policy was accepted."""

    SIGN_UP = "SIGN_UP"
    INVITATION = "INVITATION"
    SETTINGS = "SETTINGS"


class Policy(Model):
    """One version of a policy, in every language, in force from a day in Europe/Paris until the
    next version takes effect.

    The texts are Markdown whose first line is the title, `# ...`. sha256 is the hash of the French
    text followed by the English one.
    """

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharEnumField(PolicyKind, max_length=7)
    version = fields.CharField(max_length=20)
    effective_on: date = fields.DateField()
    text_fr = fields.TextField()
    text_en = fields.TextField()
    sha256 = fields.CharField(max_length=64)
    installed_at: datetime = fields.DatetimeField()

    class Meta:
        table = "policy"
        unique_together = (("kind", "version"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Policy"]:
        """Policies are public, including those that take effect on a later day."""
        return QuerySet(cls)

    @classmethod
    def in_force_by(cls, day: date) -> QuerySet["Policy"]:
        """The versions that are in force on this day or were before."""
        return cls.filter(effective_on__lte=day)

    @classmethod
    async def in_force(
        cls, day: date, db: BaseDBAsyncClient | None = None
    ) -> dict[PolicyKind, "Policy"]:
        """Return the version of each kind that is in force on this day, without its texts. Kinds
        without one are left out.
        """
        policies = (
            cls.in_force_by(day)
            .order_by("effective_on", "id")
            .only("id", "kind", "version", "effective_on")
        )
        return {policy.kind: policy for policy in await (policies.using_db(db) if db else policies)}

    @classmethod
    async def next_versions(cls, day: date) -> dict[PolicyKind, int]:
        """Return the id of the version of each kind that takes effect next after this day. Kinds
        without one are left out.
        """
        policies = (
            await cls.filter(effective_on__gt=day).order_by("-effective_on").only("id", "kind")
        )
        return {policy.kind: policy.pk for policy in policies}

    def text(self, locale: Locale) -> str:
        """The whole text in one language, in Markdown."""
        return self.text_fr if locale is Locale.FR else self.text_en

    def title(self, locale: Locale) -> str:
        """The title in one language."""
        return self.text(locale).partition("\n")[0].removeprefix("#").strip()


def content_sha256(text_fr: str, text_en: str) -> str:
    """Return the SHA-256 of both texts, as `cat <version>.fr.md <version>.en.md | sha256sum` prints
    it.
    """
    return sha256(f"{text_fr}{text_en}".encode()).hexdigest()


class PolicyAcceptance(Model):
    """A user's acceptance of one version: when, in which language it was read, and where. Rows are
    never changed.

    They contain no network address. The audit log records that, and its entries expire.
    """

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name="policy_acceptances"
    )
    policy: fields.ForeignKeyRelation[Policy] = fields.ForeignKeyField(
        "models.Policy", related_name="acceptances", on_delete=OnDelete.RESTRICT
    )
    accepted_at: datetime = fields.DatetimeField()
    locale = fields.CharEnumField(Locale, max_length=2)
    channel = fields.CharEnumField(AcceptanceChannel, max_length=10)

    user_id: int
    policy_id: int

    class Meta:
        table = "policy_acceptance"
        unique_together = (("user", "policy"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["PolicyAcceptance"]:
        """Users see their own acceptances only."""
        return cls.filter(user_id=viewer.user_id) if viewer.user else cls.filter(id=None)
