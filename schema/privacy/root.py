"""The privacy domain's part of the roots."""

import strawberry

from auth.rules import anyone, operator, signed_in
from models.privacy.audit_actions import PrivacyAuditAction
from resolvers.privacy import archives as archive_resolvers
from resolvers.privacy import buyer_erasures as buyer_erasure_resolvers
from resolvers.privacy import consents as consent_resolvers
from resolvers.privacy import data_requests as request_resolvers
from resolvers.privacy import erasures as erasure_resolvers
from resolvers.privacy import incident_notices as notice_resolvers
from resolvers.privacy import incidents as incident_resolvers
from resolvers.privacy import mailings as mailing_resolvers
from schema.fields import mutation, query
from schema.nodes import Connection
from schema.privacy.archives import PersonalDataExportPayload
from schema.privacy.buyer_erasures import (
    BuyerErasure,
    BuyerErasurePayload,
    BuyerErasurePreview,
)
from schema.privacy.consents import ConsentPayload
from schema.privacy.data_requests import DataRequest, DataRequestPayload
from schema.privacy.erasures import Erasure
from schema.privacy.incident_notices import (
    IncidentNoticeExportPayload,
    IncidentNoticePayload,
)
from schema.privacy.incidents import BreachReportPayload, Incident, IncidentPayload
from schema.privacy.mailings import Mailing, MailingPayload, MailingPreview


@strawberry.type
class PrivacyQuery:
    erasures: Connection[Erasure] | None = query(
        erasure_resolvers.erasures,
        allow=operator,
        description="Erasures of companies' accounts, scheduled, canceled or completed, most "
        "recent first.",
    )
    buyer_erasures: Connection[BuyerErasure] | None = query(
        buyer_erasure_resolvers.buyer_erasures,
        allow=operator,
        description="The runs that removed the buyers from invoices whose ten years were over, "
        "most recent first.",
    )
    buyer_erasure_preview: BuyerErasurePreview | None = query(
        buyer_erasure_resolvers.preview,
        allow=operator,
        cost=100,
        description="What `buyerErasureStart` would do now. Nothing is changed.",
    )
    incidents: Connection[Incident] | None = query(
        incident_resolvers.incidents,
        allow=operator,
        description="The register of suspected and confirmed breaches of personal data, most "
        "recent first.",
    )
    data_requests: Connection[DataRequest] | None = query(
        request_resolvers.data_requests,
        allow=operator,
        description="The register of data requests, earliest deadline first.",
    )
    mailings: Connection[Mailing] | None = query(
        mailing_resolvers.mailings,
        allow=operator,
        description="The mailings that operators sent, most recent first.",
    )
    mailing_preview: MailingPreview | None = query(
        mailing_resolvers.preview,
        allow=operator,
        cost=100,
        description="A mailing as it would be sent now, and to how many people. Nothing is sent or "
        "stored. All errors of the texts are in `extensions.errors`.",
    )


@strawberry.type
class PrivacyMutation:
    data_request_make: DataRequestPayload | None = mutation(
        request_resolvers.make,
        "data_request",
        allow=signed_in,
        audit=PrivacyAuditAction.DATA_REQUEST_RECEIVE,
        description="Makes a request of the viewer about their personal data, such as access or "
        "rectification. The viewer gets a receipt by email with the deadline, a month later. Only "
        "operators decide it.",
    )
    data_request_record: DataRequestPayload | None = mutation(
        request_resolvers.record,
        "data_request",
        allow=operator,
        audit=PrivacyAuditAction.DATA_REQUEST_RECEIVE,
        description="Records the data request of a user who wrote or called. The user gets a "
        "receipt by email.",
    )
    data_request_extend: DataRequestPayload | None = mutation(
        request_resolvers.extend,
        "data_request",
        allow=operator,
        audit=PrivacyAuditAction.DATA_REQUEST_EXTEND,
        description="Extends the deadline of a data request by two months, once and before it has "
        "passed (GDPR, Article 12(3)). The person is told why by email.",
    )
    data_request_decide: DataRequestPayload | None = mutation(
        request_resolvers.decide,
        "data_request",
        allow=operator,
        audit=PrivacyAuditAction.DATA_REQUEST_DECIDE,
        description="Decides a data request. The person is told by email what was decided and "
        "done.",
    )
    data_request_carry_out: DataRequestPayload | None = mutation(
        request_resolvers.carry_out,
        "data_request",
        allow=operator,
        audit=PrivacyAuditAction.DATA_REQUEST_CARRY_OUT,
        description="Restricts the processing of a person’s data, records their objection, or "
        "erases them, as their request asks. Grants the request and tells the person by email. "
        "Requires a step-up. An erasure can’t be undone. Of what the person wrote in their "
        "company’s tickets, only their name is removed.",
    )
    restriction_lift: DataRequestPayload | None = mutation(
        request_resolvers.lift,
        "data_request",
        allow=operator,
        audit=PrivacyAuditAction.RESTRICTION_LIFT,
        description="Ends the restriction of a person’s data in a week. The person is told why by "
        "email beforehand (GDPR, Article 18(3)).",
    )
    personal_data_export: PersonalDataExportPayload | None = mutation(
        archive_resolvers.export,
        "url",
        allow=signed_in,
        audit=PrivacyAuditAction.PERSON_EXPORT,
        description=(
            "Creates a link to everything that is kept about the viewer, as a ZIP of JSON and CSV "
            "with the files they uploaded. Requires a step-up. Not for members of the staff, who "
            "ask their employer."
        ),
    )
    buyer_erasure_start: BuyerErasurePayload | None = mutation(
        buyer_erasure_resolvers.start,
        "run",
        allow=operator,
        audit=PrivacyAuditAction.BUYER_ERASURE_START,
        description="Removes the buyers from the invoices whose ten years are over, with their "
        "PDFs and structured files, as `buyerErasurePreview` counted them. Numbers, dates and "
        "amounts stay, with the hashes of what was removed. It takes place within minutes, can’t "
        "be undone, and requires a step-up.",
    )
    mailing_send: MailingPayload | None = mutation(
        mailing_resolvers.send,
        "mailing",
        allow=operator,
        audit=PrivacyAuditAction.MAILING_SEND,
        description=(
            "Sends an email to each member of an active company who has consented to its purpose. "
            "Each email has a link and a one-click unsubscribe button (RFC 8058) to withdraw the "
            "consent. Requires a step-up. `mailingPreview` shows it before."
        ),
    )
    mailing_stop: MailingPayload | None = mutation(
        mailing_resolvers.stop,
        "mailing",
        allow=operator,
        audit=PrivacyAuditAction.MAILING_STOP,
        description=(
            "Stops a mailing: no more of its emails are queued, and those that weren't sent yet "
            "are deleted. One that is being delivered at that moment may still arrive. Repeating "
            "the request changes nothing."
        ),
    )
    consent_update: ConsentPayload | None = mutation(
        consent_resolvers.update,
        "consent",
        allow=signed_in,
        audit=PrivacyAuditAction.CONSENT_GIVE,
        description="Gives or withdraws the viewer's consent to one purpose, at once. Repeating "
        "the request changes nothing.",
    )
    breach_report: BreachReportPayload | None = mutation(
        incident_resolvers.report,
        "number",
        "ticket_id",
        allow=anyone,
        audit=PrivacyAuditAction.INCIDENT_REPORT,
        description=(
            "Reports a suspected breach of personal data, with or without signing in. The "
            "security team is alerted immediately. A signed-in customer gets a ticket, in which "
            "support answers."
        ),
    )
    incident_update: IncidentPayload | None = mutation(
        incident_resolvers.update,
        "incident",
        allow=operator,
        audit=PrivacyAuditAction.INCIDENT_UPDATE,
        description="Completes the register of an incident.",
    )
    incident_move: IncidentPayload | None = mutation(
        incident_resolvers.move,
        "incident",
        allow=operator,
        audit=PrivacyAuditAction.INCIDENT_MOVE,
        description="Changes the status of an incident. It can be closed when the register is "
        "complete and the required notifications are recorded.",
    )
    incident_note: IncidentPayload | None = mutation(
        incident_resolvers.note,
        "incident",
        allow=operator,
        audit=PrivacyAuditAction.INCIDENT_NOTE,
        description="Adds a note to an incident.",
    )
    incident_decide: IncidentPayload | None = mutation(
        incident_resolvers.decide,
        "incident",
        allow=operator,
        audit=PrivacyAuditAction.INCIDENT_DECIDE,
        description="Records the decision whether the authority or the people concerned have to "
        "be notified.",
    )
    incident_record_notification: IncidentPayload | None = mutation(
        incident_resolvers.record_notification,
        "incident",
        allow=operator,
        audit=PrivacyAuditAction.INCIDENT_NOTIFY,
        description="Records that the authority or the people concerned were notified.",
    )
    incident_notice_draft: IncidentNoticePayload | None = mutation(
        notice_resolvers.draft,
        "notice",
        allow=operator,
        audit=PrivacyAuditAction.INCIDENT_NOTICE_DRAFT,
        description="Begins a notice of a breach to the authority or to the people concerned, "
        "with what the register says. Passages that have to be completed are marked with […].",
    )
    incident_authority_notice_edit: IncidentNoticePayload | None = mutation(
        notice_resolvers.edit_authority,
        "notice",
        allow=operator,
        audit=PrivacyAuditAction.INCIDENT_NOTICE_EDIT,
        description="Stores a new version of a notification of the authority.",
    )
    incident_people_notice_edit: IncidentNoticePayload | None = mutation(
        notice_resolvers.edit_people,
        "notice",
        allow=operator,
        audit=PrivacyAuditAction.INCIDENT_NOTICE_EDIT,
        description="Stores a new version of a message to the people concerned. A request to send "
        "it is withdrawn.",
    )
    incident_notice_export: IncidentNoticeExportPayload | None = mutation(
        notice_resolvers.export,
        "url",
        allow=operator,
        audit=PrivacyAuditAction.INCIDENT_NOTICE_EXPORT,
        description="Creates a link to a version of a notice as a file, valid for five minutes. A "
        "notification of the authority has the questions of the form of the CNIL.",
    )
    incident_notice_record_sent: IncidentNoticePayload | None = mutation(
        notice_resolvers.record_sent,
        "notice",
        allow=operator,
        audit=PrivacyAuditAction.INCIDENT_NOTICE_RECORD_SENT,
        description="Records that a notice was handed in to the authority, or sent to people by "
        "other means than our emails. The register gets the notification as well.",
    )
    incident_notice_request_sending: IncidentNoticePayload | None = mutation(
        notice_resolvers.request_sending,
        "notice",
        allow=operator,
        audit=PrivacyAuditAction.INCIDENT_NOTICE_REQUEST,
        description="Asks for a message to be sent to its recipients by email, which another "
        "operator has to confirm. Requires a step-up.",
    )
    incident_notice_confirm_sending: IncidentNoticePayload | None = mutation(
        notice_resolvers.confirm_sending,
        "notice",
        allow=operator,
        audit=PrivacyAuditAction.INCIDENT_NOTICE_CONFIRM,
        description="Confirms that a message is sent, as another operator than the one who asked "
        "for it. Each recipient gets one email. Requires a step-up.",
    )
