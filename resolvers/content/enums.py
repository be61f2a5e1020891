"""Enums of content."""

from models.content.article import ArticleCategory, ArticleKind
from models.content.article_feedback import FeedbackReason
from models.content.policy import AcceptanceChannel, PolicyKind
from resolvers.descriptions import describe_enum

describe_enum(
    ArticleKind,
    "The kind of an article.",
    {
        "GUIDE": "A guide to a whole task.",
        "FAQ": "A short answer to one question.",
        "VIDEO": "A video tutorial with its transcript.",
        "WEBINAR": "A live session on a given date.",
    },
)


describe_enum(
    ArticleCategory,
    "The part of the service that an article covers.",
    {
        "ACCOUNT": "The company's account and its members.",
        "OFFERS": "Offers and purchases.",
        "BILLING": "Invoices and payments.",
        "SECURITY": "Security and privacy.",
        "SUPPORT": "Contacting support.",
    },
)


describe_enum(
    PolicyKind,
    "The kind of a policy.",
    {"PRIVACY": "The privacy policy.", "TERMS": "The terms and conditions."},
)


describe_enum(
    AcceptanceChannel,
    "Where a user accepted a policy.",
    {
        "SIGN_UP": "During the sign-up of a company.",
        "INVITATION": "While accepting an invitation as a new user.",
        "SETTINGS": "While signed in, with `policyAccept`.",
    },
)


describe_enum(
    FeedbackReason,
    "Why an article wasn't useful.",
    {
        "UNCLEAR": "It is hard to understand.",
        "INCOMPLETE": "Something is missing.",
        "OUTDATED": "It is out of date.",
        "WRONG": "Something in it isn't true.",
        "OTHER_TOPIC": "It doesn't answer the question.",
    },
)
