"""What people agreed to beyond what their contract needs: an append-only ledger of consents given
and withdrawn, one purpose at a time (GDPR, Articles 6(1)(a) and 7).

Nobody has agreed to anything before an entry says so. The latest entry for a person and a purpose
is what applies. Entries are never changed or deleted: the database refuses both. An erasure
withdraws what a person had agreed to, and the entries stay as proof, but no longer name anybody.
"""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.action import Transaction
from models.content.policy import Policy, PolicyKind
from models.identity.user import User
from models.privacy.audit_actions import PrivacyAuditAction
from models.translations import _p

if TYPE_CHECKING:
    from models.viewer import Viewer


class ConsentPurpose(StrEnum):
    """What somebody can agree to. The privacy policy and the library name these purposes."""

    NEWSLETTER = "NEWSLETTER"
    OFFERS = "OFFERS"
    INVITATIONS = "INVITATIONS"
    SURVEYS = "SURVEYS"


PURPOSE_LABELS = {
    ConsentPurpose.NEWSLETTER: _p("purpose of consent", "Newsletter"),
    ConsentPurpose.OFFERS: _p("purpose of consent", "Our offers"),
    ConsentPurpose.INVITATIONS: _p("purpose of consent", "Invitations to events"),
    ConsentPurpose.SURVEYS: _p("purpose of consent", "Surveys"),
}


class ConsentChannel(StrEnum):
    """Where a consent was given or withdrawn."""

    WEB = "WEB"
    APP = "APP"
    EMAIL_LINK = "EMAIL_LINK"
    ERASURE = "ERASURE"
    OBJECTION = "OBJECTION"


_BY_THE_PERSON = (ConsentChannel.WEB, ConsentChannel.APP, ConsentChannel.EMAIL_LINK)


class ConsentChange(Model):
    """An entry of the ledger: a person gave or withdrew their consent to a purpose. `policy` is the
    privacy policy that was in force, null when there was none.
    """

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False, on_delete=fields.RESTRICT
    )
    purpose = fields.CharEnumField(ConsentPurpose, max_length=11)
    given = fields.BooleanField()
    policy: fields.ForeignKeyNullableRelation[Policy] = fields.ForeignKeyField(
        "models.Policy", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    at: datetime = fields.DatetimeField()
    # As the table was created: SQLite would lose the triggers if it were altered for a new channel.
    channel = fields.CharEnumField(
        ConsentChannel,
        max_length=10,
        description="WEB: WEB\nAPP: APP\nEMAIL_LINK: EMAIL_LINK\nERASURE: ERASURE",
    )

    user_id: int
    policy_id: int | None

    class Meta:
        table = "consent_change"
        indexes = (("user_id", "purpose", "id"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["ConsentChange"]:
        """Users see their own entries only."""
        return cls.filter(user_id=viewer.user_id) if viewer.user else cls.filter(id=None)

    @classmethod
    async def last_entry(
        cls, user_id: int, purpose: ConsentPurpose, db: BaseDBAsyncClient | None = None
    ) -> "ConsentChange | None":
        """The entry that applies, None when the person has never given this consent."""
        entries = cls.filter(user_id=user_id, purpose=purpose).order_by("-id")
        return await (entries.using_db(db) if db else entries).first()

    @classmethod
    async def is_given(
        cls, user_id: int, purpose: ConsentPurpose, db: BaseDBAsyncClient | None = None
    ) -> bool:
        """Whether the person agrees to this purpose now."""
        entry = await cls.last_entry(user_id, purpose, db)
        return entry is not None and entry.given

    @classmethod
    async def record(
        cls,
        tx: Transaction,
        user: User,
        purpose: ConsentPurpose,
        *,
        given: bool,
        channel: ConsentChannel,
    ) -> bool:
        """Record that a person, whose row is locked, gives or withdraws their consent. A repeat
        records nothing. Returns whether something was recorded.
        """
        if await cls.is_given(user.pk, purpose, tx.db) is given:
            return False
        policy = (await Policy.in_force(tx.action.day, tx.db)).get(PolicyKind.PRIVACY)
        entry = await cls.create(
            using_db=tx.db,
            user_id=user.pk,
            purpose=purpose,
            given=given,
            policy_id=policy.pk if policy else None,
            at=tx.action.at,
            channel=channel,
        )
        action = PrivacyAuditAction.CONSENT_GIVE if given else PrivacyAuditAction.CONSENT_WITHDRAW
        details: dict[str, Any] = {"purpose": purpose.value, "channel": channel.value}
        tx.audit(action, entry, actor=user if channel in _BY_THE_PERSON else None, **details)
        return True

    @classmethod
    async def withdraw_all(cls, tx: Transaction, user: User, channel: ConsentChannel) -> int:
        """Withdraw what a person agreed to who is erased or has objected. Returns how many consents
        that were.
        """
        return sum(
            [
                await cls.record(tx, user, purpose, given=False, channel=channel)
                for purpose in ConsentPurpose
            ]
        )
