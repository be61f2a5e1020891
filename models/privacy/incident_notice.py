"""Notices of breaches: the notification of the authority (GDPR, Article 33(3)) and the message to
the people concerned (Article 34(2)), from the first draft to what was sent.

Each text is kept in versions that are never changed, so that the register shows what was said when
(Article 33(5)).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import Staff
from models.locale import Locale
from models.privacy.incident import Incident, IncidentAudience

if TYPE_CHECKING:
    from models.identity.user import User
    from models.viewer import Viewer

SUBJECT_LENGTH = 150
CONTACT_LENGTH = 200
# In a text that still has to be completed before the message can be sent.
GAP_MARK = "[…]"


class IncidentNoticeStatus(StrEnum):
    """The status of a notice."""

    DRAFT = "DRAFT"
    CONFIRMING = "CONFIRMING"
    SENDING = "SENDING"
    SENT = "SENT"


class NoticeStage(StrEnum):
    """Whether a notification says everything (GDPR, Article 33(4))."""

    COMPLETE = "COMPLETE"
    INITIAL = "INITIAL"
    COMPLEMENTARY = "COMPLEMENTARY"


class BreachNature(StrEnum):
    """What was lost in a breach (GDPR, Article 4(12); EDPB Guidelines 9/2022)."""

    CONFIDENTIALITY = "CONFIDENTIALITY"
    INTEGRITY = "INTEGRITY"
    AVAILABILITY = "AVAILABILITY"


class BreachOrigin(StrEnum):
    """How a breach happened: the choices of the CNIL's form, of which several may apply, as in the
    notifications that it publishes (data.gouv.fr, “Notifications à la CNIL de violations de
    données à caractère personnel”).
    """

    LOST_DEVICE = "LOST_DEVICE"
    LOST_PAPER = "LOST_PAPER"
    LOST_MAIL = "LOST_MAIL"
    HACKING = "HACKING"
    DISCARDED_PAPER = "DISCARDED_PAPER"
    DISCARDED_DEVICE = "DISCARDED_DEVICE"
    PUBLICATION = "PUBLICATION"
    WRONG_ACCESS = "WRONG_ACCESS"
    WRONG_RECIPIENT = "WRONG_RECIPIENT"
    VERBAL_DISCLOSURE = "VERBAL_DISCLOSURE"
    OTHER = "OTHER"


class BreachCause(StrEnum):
    """Who caused a breach, and whether on purpose. As for origins, several may apply."""

    INTERNAL_ACCIDENTAL = "INTERNAL_ACCIDENTAL"
    INTERNAL_MALICIOUS = "INTERNAL_MALICIOUS"
    EXTERNAL_ACCIDENTAL = "EXTERNAL_ACCIDENTAL"
    EXTERNAL_MALICIOUS = "EXTERNAL_MALICIOUS"
    OTHER = "OTHER"
    UNKNOWN = "UNKNOWN"


# The choices of which several may apply, by the names of their fields.
CHOICES: dict[str, type[StrEnum]] = {
    "natures": BreachNature,
    "origins": BreachOrigin,
    "causes": BreachCause,
}


class BreachGravity(StrEnum):
    """How grave the consequences can be for the people concerned."""

    NEGLIGIBLE = "NEGLIGIBLE"
    LIMITED = "LIMITED"
    SIGNIFICANT = "SIGNIFICANT"
    MAXIMAL = "MAXIMAL"


@dataclass(frozen=True)
class DataProtectionContact:
    """Who answers questions about a breach: the data protection officer or another contact (GDPR,
    Article 33(3)(b)).
    """

    name: str
    role: str = ""
    email: str = ""
    phone: str = ""

    @property
    def line(self) -> str:
        """The contact on one line, without the role."""
        return ", ".join(each for each in (self.name, self.email, self.phone) if each)


@dataclass(frozen=True)
class _Content:
    """What a version of a notice says, stored as JSON."""

    def to_json(self) -> dict[str, Any]:
        """The values by name. Times are in ISO 8601."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The values that `to_json` gave. Those that didn't exist yet have their defaults."""
        names = {field.name for field in dataclass_fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in names})


@dataclass(frozen=True)
class AuthorityContent(_Content):
    """What the form of the CNIL asks for (GDPR, Article 33(3)). Texts are empty and other values
    null while they aren't known. `people_informed` is whether, when and how the people concerned
    are told, and `delay_reason` why the authority is told after 72 hours.
    """

    earlier_reference: str = ""
    contact_name: str = ""
    contact_role: str = ""
    contact_email: str = ""
    contact_phone: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    discovered_at: datetime | None = None
    delay_reason: str = ""
    natures: tuple[BreachNature, ...] = ()
    origins: tuple[BreachOrigin, ...] = ()
    causes: tuple[BreachCause, ...] = ()
    circumstances: str = ""
    people_categories: str = ""
    people_count: int | None = None
    data_categories: str = ""
    record_count: int | None = None
    prior_measures: str = ""
    consequences: str = ""
    gravity: BreachGravity | None = None
    measures: str = ""
    people_informed: str = ""
    processors: str = ""
    other_countries: str = ""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The values, with enums and times in their types."""
        kinds: dict[str, Any] = {
            "gravity": BreachGravity,
            "started_at": datetime.fromisoformat,
            "ended_at": datetime.fromisoformat,
            "discovered_at": datetime.fromisoformat,
        }
        values = {
            name: kinds[name](value) if name in kinds and value is not None else value
            for name, value in content.items()
        }
        choices = {
            name: tuple(kind(each) for each in content.get(name, ()))
            for name, kind in CHOICES.items()
        }
        return super().from_json(values | choices)


@dataclass(frozen=True)
class PeopleContent(_Content):
    """The message to the people concerned (GDPR, Article 34(2)), in both languages."""

    subject_fr: str = ""
    body_fr: str = ""
    subject_en: str = ""
    body_en: str = ""

    def subject(self, locale: Locale) -> str:
        """The subject in one language."""
        return self.subject_fr if locale is Locale.FR else self.subject_en

    def body(self, locale: Locale) -> str:
        """The text in one language: paragraphs with an empty line between them."""
        return self.body_fr if locale is Locale.FR else self.body_en


class IncidentNotice(Model):
    """A notice of a breach to the authority or to the people concerned. `version` is the latest
    one. `stage` is null for a message to people.

    Its message is sent to everybody, or to `user_ids` and the members of `account_ids`: one
    operator asks for it (`requester`, `requested_at`), another one confirms it (`confirmer`), and a
    job stores the emails in the order of the recipients' keys. Recipients up to `last_user_id` are
    done, and the notice is SENT when nobody is left. `unreachable_count` is how many people have no
    verified address, so that they have to be told otherwise.
    """

    id = fields.BigIntField(primary_key=True)
    incident: fields.ForeignKeyRelation[Incident] = fields.ForeignKeyField(
        "models.Incident", related_name=False, on_delete=fields.RESTRICT
    )
    audience = fields.CharEnumField(IncidentAudience, max_length=9)
    stage: Any = fields.CharEnumField(NoticeStage, max_length=13, null=True)
    number = fields.IntField()
    version = fields.IntField(default=1)
    status = fields.CharEnumField(
        IncidentNoticeStatus, max_length=10, default=IncidentNoticeStatus.DRAFT, db_index=True
    )
    created_at: datetime = fields.DatetimeField()
    requester: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    requested_at: datetime | None = fields.DatetimeField(null=True)
    confirmer: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    is_for_everybody = fields.BooleanField(default=False)
    account_ids: list[int] = fields.JSONField(default=list)
    user_ids: list[int] = fields.JSONField(default=list)
    last_user_id = fields.BigIntField(default=0)
    recipient_count = fields.IntField(default=0)
    unreachable_count = fields.IntField(default=0)
    sent_at: datetime | None = fields.DatetimeField(null=True)
    reference = fields.CharField(max_length=100, default="")

    incident_id: int
    requester_id: int | None
    confirmer_id: int | None

    class Meta:
        table = "incident_notice"
        unique_together = (("incident", "number"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["IncidentNotice"]:
        """Operators see all notices."""
        return QuerySet(cls) if viewer.staff is Staff.OPERATOR else cls.filter(id=None)


class IncidentNoticeVersion(Model):
    """A version of a notice, which is never changed. `content` is an AuthorityContent or a
    PeopleContent.
    """

    id = fields.BigIntField(primary_key=True)
    notice: fields.ForeignKeyRelation[IncidentNotice] = fields.ForeignKeyField(
        "models.IncidentNotice", related_name="versions", on_delete=fields.RESTRICT
    )
    number = fields.IntField()
    at: datetime = fields.DatetimeField()
    author: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name=False, on_delete=fields.RESTRICT
    )
    content: dict[str, Any] = fields.JSONField()

    notice_id: int
    author_id: int

    class Meta:
        table = "incident_notice_version"
        unique_together = (("notice", "number"),)

    @property
    def parsed_content(self) -> AuthorityContent | PeopleContent:
        """What the version says."""
        if "subject_fr" in self.content:
            return PeopleContent.from_json(self.content)
        return AuthorityContent.from_json(self.content)
