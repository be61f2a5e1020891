"""Enums of content."""

from models.content.article import ArticleCategory, ArticleKind
from models.content.policy import AcceptanceChannel, PolicyKind
from resolvers.described import described

described(
    ArticleKind,
    "What sort of help an article is.",
    {
        "GUIDE": "A guide to a whole task.",
        "FAQ": "A short answer to one question.",
        "VIDEO": "A video tutorial with its transcript.",
        "WEBINAR": "A live session with a date.",
    },
)


described(
    ArticleCategory,
    "The part of the service an article is about.",
    {
        "ACCOUNT": "The company's account and its people.",
        "OFFERS": "Offers and buying.",
        "BILLING": "Invoices and payments.",
        "SECURITY": "Security and privacy.",
        "SUPPORT": "Getting help.",
    },
)


described(
    PolicyKind,
    "A text of the vendor's that has versions.",
    {"PRIVACY": "The privacy policy.", "TERMS": "The terms and conditions."},
)


described(
    AcceptanceChannel,
    "Where somebody accepted a policy.",
    {
        "SIGN_UP": "When they signed their company up.",
        "INVITATION": "When they took an invitation, being new.",
        "SETTINGS": "Signed in, by `policyAccept`.",
    },
)
