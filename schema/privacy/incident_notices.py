"""Notices of breaches: drafts of what the authority and the people concerned are told."""

from datetime import datetime

import strawberry

import models.privacy.incident_notice
from models.privacy.incident import IncidentAudience
from models.privacy.incident_notice import (
    BreachCause,
    BreachGravity,
    BreachNature,
    BreachOrigin,
    IncidentNoticeStatus,
    NoticeStage,
)
from resolvers.privacy import incident_notices as notice_resolvers
from schema.fields import edge, field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(
    description="What a notification tells the authority: the answers to the questions of the form "
    "of the CNIL (GDPR, Article 33(3)). Texts are empty and other values null while they aren't "
    "known."
)
class AuthorityNoticeContent:
    earlier_reference: str = field("The authority's number of the initial notification.")
    contact_name: str = field("The name of the data protection officer or another contact.")
    contact_role: str = field("The role of the contact.")
    contact_email: str = field("The email address of the contact.")
    contact_phone: str = field("The phone number of the contact.")
    started_at: datetime | None = field("When the breach began.")
    ended_at: datetime | None = field("When the breach ended.")
    discovered_at: datetime | None = field("When the vendor became aware of the breach.")
    delay_reason: str = field("Why the authority is notified after 72 hours.", cost=3)
    natures: list[BreachNature] = field("What was lost.")
    origins: list[BreachOrigin] = field("How the breach happened.")
    causes: list[BreachCause] = field("Who caused the breach, and whether on purpose.")
    circumstances: str = field("What happened, and how it was discovered.", cost=3)
    people_categories: str = field("The categories of people concerned.", cost=3)
    people_count: int | None = field("The approximate number of people concerned.")
    data_categories: str = field("The categories of data concerned.", cost=3)
    record_count: int | None = field("The approximate number of records concerned.")
    prior_measures: str = field(
        "The security measures that were in place before the breach.", cost=3
    )
    consequences: str = field("The likely consequences.", cost=3)
    gravity: BreachGravity | None = field(
        "How grave the consequences can be for the people concerned."
    )
    measures: str = field("The measures taken or proposed.", cost=3)
    people_informed: str = field(
        "Whether, when and how the people concerned are informed, or why they aren't.", cost=3
    )
    processors: str = field("Processors and other organizations involved.", cost=3)
    other_countries: str = field("The people concerned in other countries.", cost=3)


@strawberry.type(
    description="A message to the people concerned by a breach (GDPR, Article 34), in both "
    "languages."
)
class PeopleNoticeContent:
    subject_fr: str = field("The subject in French.")
    body_fr: str = field("The text in French, which follows the greeting.", cost=5)
    subject_en: str = field("The subject in English.")
    body_en: str = field("The text in English, which follows the greeting.", cost=5)


@strawberry.type(description="A version of a notice. Versions are never changed or deleted.")
@backed_by(models.privacy.incident_notice.IncidentNoticeVersion)
class IncidentNoticeVersion:
    number: int = field("The number of the version, from 1.")
    at: datetime = field("When it was written.")
    author: User | None = edge(
        notice_resolvers.authors, needs=("author_id",), description="The operator who wrote it."
    )
    authority: AuthorityNoticeContent | None = field(
        "What the authority is told. Null for a message to people.",
        notice_resolvers.authority_content,
        needs=("content",),
        cost=5,
    )
    message: PeopleNoticeContent | None = field(
        "What the people concerned are told. Null for a notification of the authority.",
        notice_resolvers.people_content,
        needs=("content",),
        cost=5,
    )


@strawberry.type(
    description="A notice of a breach: the notification of the authority (GDPR, Article 33) or the "
    "message to the people concerned (Article 34)."
)
@backed_by(models.privacy.incident_notice.IncidentNotice)
class IncidentNotice(Node):
    number: int = field("The position among the notices of its incident, from 1.")
    audience: IncidentAudience = field("Who gets the notice.")
    stage: NoticeStage | None = field(
        "Whether the notification says everything. Null for a message to people."
    )
    status: IncidentNoticeStatus = field("The current status.")
    version: int = field("The number of the latest version.")
    created_at: datetime = field("When the notice was begun.")
    requested_at: datetime | None = field("When an operator asked for the message to be sent.")
    requester: User | None = edge(
        notice_resolvers.requesters,
        needs=("requester_id",),
        description="The operator who asked for the message to be sent.",
    )
    confirmer: User | None = edge(
        notice_resolvers.confirmers,
        needs=("confirmer_id",),
        description="The operator who confirmed that the message is sent.",
    )
    is_for_everybody: bool = field("Whether all customers get the message.", name="forEverybody")
    recipient_count: int = field(
        "The number of people who will get the message by email. Once it is confirmed: the number "
        "of emails so far."
    )
    unreachable_count: int = field(
        "The number of chosen people without a verified address. Tell them by other means."
    )
    sent_at: datetime | None = field("When it was sent. Null until then.")
    reference: str = field("The authority's reference of the notification. Empty without one.")
    versions: list[IncidentNoticeVersion] = edge(
        notice_resolvers.versions, cost=20, description="The versions, oldest first."
    )


@strawberry.type(description="The result of a change to a notice.")
class IncidentNoticePayload:
    notice: IncidentNotice | None = field("The notice after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of requesting a notice as a file.")
class IncidentNoticeExportPayload:
    url: str | None = field("The link to download the file, valid for five minutes.")
    user_errors: list[UserError] = errors()
