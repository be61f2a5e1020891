"""Inputs of the privacy mutations."""

from datetime import datetime

import strawberry

from models.privacy.consent import ConsentChannel, ConsentPurpose
from models.privacy.data_request import DataRequestDecision, DataRequestKind
from models.privacy.incident import IncidentAudience, IncidentSeverity, IncidentStatus
from models.privacy.incident_notice import (
    BreachCause,
    BreachGravity,
    BreachNature,
    BreachOrigin,
    NoticeStage,
)
from privacy.notice_documents import NoticeFormat
from resolvers.arguments import IDEMPOTENCY_KEY

_INCIDENT_ID = "The ID of the incident."
_NOTICE_ID = "The ID of the notice."
_VERSION = "The number of the version that was read. It must be the latest one."


@strawberry.input(description="A consent to give or to withdraw.")
class ConsentUpdateInput:
    purpose: ConsentPurpose = strawberry.field(description="The purpose of the consent.")
    given: bool = strawberry.field(description="Whether the viewer agrees.")
    channel: ConsentChannel = strawberry.field(
        description="Where the viewer was asked: WEB or APP."
    )


@strawberry.input(description="A request of the viewer about their personal data.")
class DataRequestMakeInput:
    kind: DataRequestKind = strawberry.field(description="The right that the viewer uses.")
    details: str = strawberry.field(
        description="What the viewer asks for (at most 8,000 characters)."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(
    description=("A data request that somebody made by other means, such as a letter or a call.")
)
class DataRequestRecordInput:
    user_id: strawberry.ID = strawberry.field(description="The ID of the person.")
    kind: DataRequestKind = strawberry.field(description="The right that the person uses.")
    details: str = strawberry.field(
        description="What the person asks for (at most 8,000 characters)."
    )
    received_at: datetime = strawberry.field(
        description=(
            "When the request was received, on or after 25 May 2018. The deadline counts from then."
        )
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The data request whose deadline to extend.")
class DataRequestExtendInput:
    data_request_id: strawberry.ID = strawberry.field(description="The ID of the request.")
    reason: str = strawberry.field(
        description="Why it takes more time, as the person reads it (at most 8,000 characters)."
    )


@strawberry.input(description="The data request to carry out.")
class DataRequestCarryOutInput:
    data_request_id: strawberry.ID = strawberry.field(description="The ID of the request.")
    answer: str = strawberry.field(
        description="What was done, as the person reads it (at most 8,000 characters)."
    )


@strawberry.input(description="The data request whose restriction ends.")
class RestrictionLiftInput:
    data_request_id: strawberry.ID = strawberry.field(
        description="The ID of the request for which the data was restricted."
    )
    reason: str = strawberry.field(
        description="Why it ends, as the person reads it (at most 8,000 characters)."
    )


@strawberry.input(description="The decision of a data request.")
class DataRequestDecideInput:
    data_request_id: strawberry.ID = strawberry.field(description="The ID of the request.")
    decision: DataRequestDecision = strawberry.field(description="What was decided.")
    answer: str = strawberry.field(
        description="What was decided and done, as the person reads it (at most 8,000 characters)."
    )


@strawberry.input(
    description="The confirmation that the buyers are removed from invoices after ten years."
)
class BuyerErasureStartInput:
    digest: str = strawberry.field(
        description="The `digest` of `buyerErasurePreview`: exactly the rows that it counted are "
        "meant."
    )
    reason: str = strawberry.field(
        description="Why, for the register and for auditors (at most 500 characters)."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A mailing: what it says in both languages, and what it is about.")
class MailingSendInput:
    purpose: ConsentPurpose = strawberry.field(
        description="What the recipients must have consented to."
    )
    subject_fr: str = strawberry.field(
        description="The subject in French (at most 150 characters)."
    )
    subject_en: str = strawberry.field(
        description="The subject in English (at most 150 characters)."
    )
    body_fr: str = strawberry.field(
        description="The text in French, which follows the greeting: paragraphs with an empty "
        "line between them (at most 8,000 characters)."
    )
    body_en: str = strawberry.field(
        description="The text in English, which follows the greeting: paragraphs with an empty "
        "line between them (at most 8,000 characters)."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A mailing to preview before it is sent.")
class MailingPreviewInput:
    purpose: ConsentPurpose = strawberry.field(
        description="What the recipients must have consented to."
    )
    subject_fr: str = strawberry.field(
        description="The subject in French (at most 150 characters)."
    )
    subject_en: str = strawberry.field(
        description="The subject in English (at most 150 characters)."
    )
    body_fr: str = strawberry.field(
        description="The text in French, as for `mailingSend` (at most 8,000 characters)."
    )
    body_en: str = strawberry.field(
        description="The text in English, as for `mailingSend` (at most 8,000 characters)."
    )


@strawberry.input(description="The mailing to stop.")
class MailingStopInput:
    mailing_id: strawberry.ID = strawberry.field(description="The ID of the mailing.")


@strawberry.input(description="A suspected breach of personal data.")
class BreachReportInput:
    description: str = strawberry.field(
        description="What happened, in as much detail as possible (at most 8,000 characters)."
    )
    noticed_at: datetime | None = strawberry.field(
        default=None, description="When the reporter noticed it."
    )
    name: str | None = strawberry.field(
        default=None,
        description="The name of a reporter who isn't signed in (at most 100 characters).",
    )
    email: str | None = strawberry.field(
        default=None,
        description="The email address of a reporter who isn't signed in. It gets a confirmation.",
    )
    ticket_id: strawberry.ID | None = strawberry.field(
        default=None, description="For staff: the ID of the ticket in which it was reported."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(
    description="New values of the register. Values that are omitted stay as they are."
)
class IncidentUpdateInput:
    incident_id: strawberry.ID = strawberry.field(description=_INCIDENT_ID)
    aware_at: datetime | None = strawberry.field(
        default=None,
        description="When the vendor became aware of the breach. The deadline is 72 hours later.",
    )
    severity: IncidentSeverity | None = strawberry.field(
        default=None, description="The risk to the people whose data it concerns."
    )
    data_categories: str | None = strawberry.field(
        default=None,
        description="The categories of people and data concerned (at most 4,000 characters).",
    )
    people_count: int | None = strawberry.field(
        default=None, description="The approximate number of people concerned."
    )
    record_count: int | None = strawberry.field(
        default=None, description="The approximate number of records concerned."
    )
    consequences: str | None = strawberry.field(
        default=None,
        description="The likely consequences of the breach (at most 4,000 characters).",
    )
    measures: str | None = strawberry.field(
        default=None,
        description="The measures taken or proposed (at most 4,000 characters).",
    )


@strawberry.input(description="The incident and its new status.")
class IncidentMoveInput:
    incident_id: strawberry.ID = strawberry.field(description=_INCIDENT_ID)
    status: IncidentStatus = strawberry.field(
        description="The new status. It must be reachable from the current one."
    )
    reason: str = strawberry.field(
        description="The reason, for the register (at most 4,000 characters)."
    )


@strawberry.input(description="A note for the register.")
class IncidentNoteInput:
    incident_id: strawberry.ID = strawberry.field(description=_INCIDENT_ID)
    text: str = strawberry.field(description="The note (at most 8,000 characters).")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A decision whether a breach has to be notified.")
class IncidentDecideInput:
    incident_id: strawberry.ID = strawberry.field(description=_INCIDENT_ID)
    audience: IncidentAudience = strawberry.field(description="Who may have to be notified.")
    required: bool = strawberry.field(description="Whether they have to be notified.")
    reason: str = strawberry.field(
        description="The reason, for the register (at most 4,000 characters)."
    )


@strawberry.input(description="A notification of a breach that was made.")
class IncidentRecordNotificationInput:
    incident_id: strawberry.ID = strawberry.field(description=_INCIDENT_ID)
    audience: IncidentAudience = strawberry.field(description="Who was notified.")
    notified_at: datetime = strawberry.field(description="When they were notified.")
    reference: str | None = strawberry.field(
        default=None,
        description="The authority's reference of the notification (at most 100 characters).",
    )
    delay_reason: str | None = strawberry.field(
        default=None,
        description="The reasons for the delay (at most 4,000 characters). Required when the "
        "authority was notified after the deadline.",
    )


@strawberry.input(description="The notice to begin.")
class IncidentNoticeDraftInput:
    incident_id: strawberry.ID = strawberry.field(description=_INCIDENT_ID)
    audience: IncidentAudience = strawberry.field(description="Who gets the notice.")
    stage: NoticeStage | None = strawberry.field(
        default=None,
        description="For a notification of the authority: whether it says everything. Defaults to "
        "COMPLETE for the first one, and to COMPLEMENTARY after that.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(
    description="New values of a notification of the authority. Values that are omitted stay as "
    "they are. Texts are in French, because the authority reads them."
)
class IncidentAuthorityNoticeEditInput:
    notice_id: strawberry.ID = strawberry.field(description=_NOTICE_ID)
    version: int = strawberry.field(description=_VERSION)
    earlier_reference: str | None = strawberry.field(
        default=None,
        description="The authority's number of the initial notification (at most 100 characters).",
    )
    contact_name: str | None = strawberry.field(
        default=None,
        description="The name of the data protection officer or another contact (at most 200 "
        "characters).",
    )
    contact_role: str | None = strawberry.field(
        default=None, description="The role of the contact (at most 200 characters)."
    )
    contact_email: str | None = strawberry.field(
        default=None, description="The email address of the contact (at most 200 characters)."
    )
    contact_phone: str | None = strawberry.field(
        default=None, description="The phone number of the contact (at most 200 characters)."
    )
    started_at: datetime | None = strawberry.field(
        default=None, description="When the breach began."
    )
    ended_at: datetime | None = strawberry.field(default=None, description="When the breach ended.")
    discovered_at: datetime | None = strawberry.field(
        default=None, description="When the vendor became aware of the breach."
    )
    delay_reason: str | None = strawberry.field(
        default=None,
        description="Why the authority is notified after 72 hours (at most 4,000 characters).",
    )
    natures: list[BreachNature] | None = strawberry.field(
        default=None, description="What was lost."
    )
    origins: list[BreachOrigin] | None = strawberry.field(
        default=None, description="How the breach happened."
    )
    causes: list[BreachCause] | None = strawberry.field(
        default=None, description="Who caused the breach, and whether on purpose."
    )
    circumstances: str | None = strawberry.field(
        default=None,
        description="What happened, and how it was discovered (at most 4,000 characters).",
    )
    people_categories: str | None = strawberry.field(
        default=None, description="The categories of people concerned (at most 4,000 characters)."
    )
    people_count: int | None = strawberry.field(
        default=None, description="The approximate number of people concerned."
    )
    data_categories: str | None = strawberry.field(
        default=None, description="The categories of data concerned (at most 4,000 characters)."
    )
    record_count: int | None = strawberry.field(
        default=None, description="The approximate number of records concerned."
    )
    prior_measures: str | None = strawberry.field(
        default=None,
        description="The security measures that were in place before the breach (at most 4,000 "
        "characters).",
    )
    consequences: str | None = strawberry.field(
        default=None, description="The likely consequences (at most 4,000 characters)."
    )
    gravity: BreachGravity | None = strawberry.field(
        default=None, description="How grave the consequences can be for the people concerned."
    )
    measures: str | None = strawberry.field(
        default=None, description="The measures taken or proposed (at most 4,000 characters)."
    )
    people_informed: str | None = strawberry.field(
        default=None,
        description="Whether, when and how the people concerned are informed, or why they aren't "
        "(at most 4,000 characters).",
    )
    processors: str | None = strawberry.field(
        default=None,
        description="Processors and other organizations involved (at most 4,000 characters).",
    )
    other_countries: str | None = strawberry.field(
        default=None,
        description="The people concerned in other countries (at most 4,000 characters).",
    )


@strawberry.input(
    description="New texts of a message to the people concerned. Texts that are omitted stay as "
    "they are. Write in plain language. Paragraphs have an empty line between them, and the first "
    "line of a paragraph with several lines is its heading."
)
class IncidentPeopleNoticeEditInput:
    notice_id: strawberry.ID = strawberry.field(description=_NOTICE_ID)
    version: int = strawberry.field(description=_VERSION)
    subject_fr: str | None = strawberry.field(
        default=None, description="The subject in French (at most 150 characters)."
    )
    body_fr: str | None = strawberry.field(
        default=None,
        description="The text in French, which follows the greeting (at most 8,000 characters).",
    )
    subject_en: str | None = strawberry.field(
        default=None, description="The subject in English (at most 150 characters)."
    )
    body_en: str | None = strawberry.field(
        default=None,
        description="The text in English, which follows the greeting (at most 8,000 characters).",
    )


@strawberry.input(description="The version of a notice to get as a file.")
class IncidentNoticeExportInput:
    notice_id: strawberry.ID = strawberry.field(description=_NOTICE_ID)
    version: int | None = strawberry.field(
        default=None, description="The number of the version. Defaults to the latest one."
    )
    format: NoticeFormat = strawberry.field(description="The format of the file.")


@strawberry.input(description="A notice that was sent by other means than our emails.")
class IncidentNoticeRecordSentInput:
    notice_id: strawberry.ID = strawberry.field(description=_NOTICE_ID)
    sent_at: datetime = strawberry.field(description="When it was sent.")
    reference: str | None = strawberry.field(
        default=None,
        description="The authority's reference of the notification (at most 100 characters).",
    )


@strawberry.input(
    description="The message to send and its recipients: everybody, or people and the members of "
    "companies."
)
class IncidentNoticeRequestSendingInput:
    notice_id: strawberry.ID = strawberry.field(description=_NOTICE_ID)
    version: int = strawberry.field(description=_VERSION)
    everybody: bool = strawberry.field(
        default=False, description="Whether all customers get the message."
    )
    account_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description="The IDs of companies whose members get the message (at most 1,000).",
    )
    user_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="The IDs of people who get the message (at most 1,000)."
    )


@strawberry.input(description="The message whose sending to confirm.")
class IncidentNoticeConfirmSendingInput:
    notice_id: strawberry.ID = strawberry.field(description=_NOTICE_ID)
    version: int = strawberry.field(description=_VERSION)
