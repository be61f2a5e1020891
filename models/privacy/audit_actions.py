"""Audited actions of the privacy domain."""

from models.audit_action import AuditAction


class PrivacyAuditAction(AuditAction):
    """Actions of the privacy domain."""

    ACCOUNT_ERASE = (
        "account.erase",
        "A company's account was erased, except for its invoices (`invoicesKept`).",
    )
    ACCOUNT_UNUSED = (
        "account.unused",
        "The deletion of a company’s account began because nobody had used it for years.",
    )
    PERSON_UNUSED = (
        "person.unused",
        "A person without a company was erased because they hadn’t signed in for years.",
    )
    BUYER_ERASURE_START = (
        "buyer_erasure.start",
        "An operator confirmed that the buyers are removed from invoices after ten years: up to a "
        "day (`until`), from how many rows of which table, with the `digest` of these rows.",
    )
    BUYER_ERASURE_FINISH = (
        "buyer_erasure.finish",
        "The buyers were removed from old invoices: from how many rows of which table (`until`).",
    )
    KEPT_INVOICE_READ = (
        "kept_invoice.read",
        "An operator read an invoice that is kept of an erased company.",
    )
    KEPT_INVOICE_DOWNLOAD = (
        "kept_invoice.download",
        "An operator downloaded the PDF of an invoice that is kept of an erased company.",
    )
    CONSENT_GIVE = "consent.give", "A person gave a consent (`purpose`, `channel`)."
    CONSENT_WITHDRAW = (
        "consent.withdraw",
        "A person withdrew a consent, or it ended with their erasure (`purpose`, `channel`).",
    )
    PERSON_EXPORT = "person.export", "A person created a link to the archive of their data."
    MAILING_SEND = (
        "mailing.send",
        "An operator sent a mailing to everybody who consented to its `purpose`.",
    )
    MAILING_STOP = (
        "mailing.stop",
        "An operator stopped a mailing. `canceled` is how many emails weren't sent therefore.",
    )
    DATA_REQUEST_RECEIVE = (
        "data_request.receive",
        "A person made a request about their data, or an operator recorded one (`kind`).",
    )
    DATA_REQUEST_EXTEND = (
        "data_request.extend",
        "An operator extended the deadline of a data request.",
    )
    DATA_REQUEST_DECIDE = (
        "data_request.decide",
        "An operator decided a data request (`decision`).",
    )
    DATA_REQUEST_CARRY_OUT = (
        "data_request.carry_out",
        "An operator restricted a person’s data, recorded their objection or erased them (`kind`).",
    )
    RESTRICTION_LIFT = (
        "restriction.lift",
        "An operator lifted the restriction of a person’s data, with effect a week later.",
    )
    INCIDENT_REPORT = "incident.report", "A suspected breach of personal data was reported."
    INCIDENT_UPDATE = (
        "incident.update",
        "An operator completed the register of an incident (`fields`).",
    )
    INCIDENT_MOVE = "incident.move", "An operator changed the status of an incident."
    INCIDENT_NOTE = "incident.note", "An operator added a note to an incident."
    INCIDENT_DECIDE = (
        "incident.decide",
        "An operator decided whether a breach has to be notified (`audience`, `required`).",
    )
    INCIDENT_NOTIFY = (
        "incident.notify",
        "An operator recorded that a breach was notified (`audience`).",
    )
    INCIDENT_NOTICE_DRAFT = (
        "incident_notice.draft",
        "An operator began a notice of a breach (`audience`).",
    )
    INCIDENT_NOTICE_EDIT = (
        "incident_notice.edit",
        "An operator edited a notice of a breach (`version`).",
    )
    INCIDENT_NOTICE_EXPORT = (
        "incident_notice.export",
        "An operator created a link to a notice of a breach as a file (`version`, `format`).",
    )
    INCIDENT_NOTICE_RECORD_SENT = (
        "incident_notice.record_sent",
        "An operator recorded that a notice of a breach was sent (`audience`, `version`).",
    )
    INCIDENT_NOTICE_REQUEST = (
        "incident_notice.request",
        "An operator asked for a message about a breach to be sent (`version`, `recipients`).",
    )
    INCIDENT_NOTICE_CONFIRM = (
        "incident_notice.confirm",
        "Another operator confirmed that a message about a breach is sent (`version`).",
    )
