"""Enums of the privacy domain."""

from models.privacy.consent import ConsentChannel, ConsentPurpose
from models.privacy.data_request import DataRequestDecision, DataRequestKind
from models.privacy.incident import (
    IncidentAudience,
    IncidentEntryKind,
    IncidentSeverity,
    IncidentStatus,
)
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
