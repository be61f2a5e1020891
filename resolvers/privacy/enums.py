"""Enums of the privacy domain."""

from models.privacy.consent import ConsentChannel, ConsentPurpose
from models.privacy.data_request import DataRequestDecision, DataRequestKind
from models.privacy.incident import (
    IncidentAudience,
    IncidentEntryKind,
    IncidentSeverity,
    IncidentStatus,
)
from models.privacy.incident_notice import (
    BreachCause,
    BreachGravity,
    BreachNature,
    BreachOrigin,
    IncidentNoticeStatus,
    NoticeStage,
)
from privacy.notice_documents import NoticeFormat
from resolvers.descriptions import describe_enum

describe_enum(
    ConsentPurpose,
    "What a person can agree to. None of it happens without their consent.",
    {
        "NEWSLETTER": "The newsletter, by email.",
        "OFFERS": "Emails about the vendor's offers.",
        "INVITATIONS": "Invitations to webinars and other events, by email.",
        "SURVEYS": "Surveys, by email.",
    },
)
describe_enum(
    ConsentChannel,
    "Where a consent was given or withdrawn.",
    {
        "WEB": "In a browser, while signed in.",
        "APP": "In another application, while signed in.",
        "EMAIL_LINK": "With the link in an email.",
        "ERASURE": "By the erasure of the person's data.",
        "OBJECTION": "By the person's objection to the processing of their data.",
    },
)
describe_enum(
    DataRequestKind,
    "The right that a person uses over their personal data.",
    {
        "ACCESS": "To know which data is kept (GDPR, Article 15).",
        "PORTABILITY": "To get the data in a machine-readable form (Article 20).",
        "RECTIFICATION": "To have the data corrected (Article 16).",
        "ERASURE": (
            "To have the data erased (Article 17). To delete a company's account, use "
            "`accountRequestDeletion`."
        ),
        "RESTRICTION": "To have the use of the data restricted (Article 18).",
        "OBJECTION": "To object to the use of the data (Article 21).",
    },
)
describe_enum(
    DataRequestDecision,
    "What was decided about a data request.",
    {
        "GRANTED": "It was done as the person asked.",
        "PARTLY_GRANTED": "A part of it was done. The answer says what wasn't, and why.",
        "REFUSED": "It was refused. The answer says why.",
    },
)
describe_enum(
    IncidentStatus,
    "The status of an incident.",
    {
        "REPORTED": "Nobody has assessed the report yet.",
        "ASSESSING": "The security team is finding out whether it is a breach.",
        "CONFIRMED": "It is a breach of personal data.",
        "DISMISSED": "It isn't a breach of personal data.",
        "CLOSED": "The breach was handled, and the register is complete.",
    },
)
describe_enum(
    IncidentSeverity,
    "The risk of an incident to the people whose data it concerns.",
    {
        "LOW": "A risk is unlikely.",
        "MEDIUM": "There is a risk. The authority has to be notified (GDPR, Article 33).",
        "HIGH": "There is a high risk. The people concerned have to be notified as well (GDPR, "
        "Article 34).",
    },
)
describe_enum(
    IncidentAudience,
    "Who may have to be notified of a breach.",
    {
        "AUTHORITY": "The supervisory authority, in France the CNIL (GDPR, Article 33).",
        "PEOPLE": "The people whose data it concerns (GDPR, Article 34).",
    },
)
describe_enum(
    IncidentEntryKind,
    "What an entry of the register records.",
    {
        "REPORTED": "The incident was reported.",
        "STATUS_CHANGED": "The status changed, for the reason in `text`.",
        "UPDATED": "Values of the register changed.",
        "NOTE": "A note was added.",
        "DECIDED": "It was decided whether a notification is required, for the reason in `text`.",
        "NOTIFIED": "A notification was recorded. `text` holds the reasons for a delay.",
    },
)
describe_enum(
    IncidentNoticeStatus,
    "The status of a notice of a breach.",
    {
        "DRAFT": "It is being written.",
        "CONFIRMING": "An operator asked for it to be sent, and another one has to confirm it.",
        "SENDING": "It was confirmed, and its emails are being stored.",
        "SENT": "It was sent.",
    },
)
describe_enum(
    NoticeStage,
    "Whether a notification of the authority says everything (GDPR, Article 33(4)).",
    {
        "COMPLETE": "It says everything.",
        "INITIAL": "It says what is known so far. A complementary one follows.",
        "COMPLEMENTARY": "It completes an earlier one.",
    },
)
describe_enum(
    BreachNature,
    "What was lost in a breach.",
    {
        "CONFIDENTIALITY": "Somebody could read data who shouldn't have.",
        "INTEGRITY": "Data was changed that shouldn't have been.",
        "AVAILABILITY": "Data was lost, or couldn't be reached.",
    },
)
describe_enum(
    BreachOrigin,
    "How a breach happened.",
    {
        "LOST_DEVICE": "A device was lost or stolen.",
        "LOST_PAPER": "Documents on paper were lost, stolen or left within reach of others.",
        "LOST_MAIL": "A letter was lost, or opened before it was returned to its sender.",
        "HACKING": "Somebody broke into a system, by malware or phishing for example.",
        "DISCARDED_PAPER": "Documents on paper were thrown away without destroying them.",
        "DISCARDED_DEVICE": "Devices were thrown away without erasing the data on them.",
        "PUBLICATION": "Data was published by mistake.",
        "WRONG_ACCESS": "Data of somebody else was shown to a customer in their account.",
        "WRONG_RECIPIENT": "Data was sent to the wrong person.",
        "VERBAL_DISCLOSURE": "Somebody said what they shouldn't have.",
        "OTHER": "Something else, which the circumstances say.",
    },
)
describe_enum(
    BreachCause,
    "Who caused a breach, and whether on purpose.",
    {
        "INTERNAL_ACCIDENTAL": "Somebody who works for the vendor, by mistake.",
        "INTERNAL_MALICIOUS": "Somebody who works for the vendor, on purpose.",
        "EXTERNAL_ACCIDENTAL": "Somebody else, by mistake.",
        "EXTERNAL_MALICIOUS": "Somebody else, on purpose.",
        "OTHER": "Something else, which the circumstances say.",
        "UNKNOWN": "It isn't known.",
    },
)
describe_enum(
    BreachGravity,
    "How grave the consequences of a breach can be for the people concerned.",
    {
        "NEGLIGIBLE": "They aren't affected, or have small inconveniences.",
        "LIMITED": "They can have inconveniences that they overcome.",
        "SIGNIFICANT": "They can have consequences that they overcome with serious difficulties.",
        "MAXIMAL": "They can have consequences that they can't overcome.",
    },
)
describe_enum(
    NoticeFormat,
    "The format of a notice's file.",
    {"PDF": "PDF, to read, print and keep.", "TEXT": "Plain text, to copy from."},
)
