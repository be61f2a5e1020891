"""Mailings to people who consented to them."""

from datetime import datetime

import strawberry

import models.privacy.mailing
from models.locale import Locale
from models.privacy.consent import ConsentPurpose
from resolvers.privacy import mailings as mailing_resolvers
from schema.fields import edge, field, localized_field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(
    description="An email to everybody who consented to its purpose, such as an issue of the "
    "newsletter."
)
@backed_by(models.privacy.mailing.Mailing)
class Mailing(Node):
    purpose: ConsentPurpose = field("What its recipients consented to.")
    sender: User | None = edge(
        mailing_resolvers.senders,
        needs=("sender_id",),
        description="The operator who sent it.",
    )
    subject: str = localized_field(
        mailing_resolvers.subjects,
        description="The subject.",
        needs=("subject_fr", "subject_en"),
    )
    body: str = localized_field(
        mailing_resolvers.bodies,
        description="The text: paragraphs with an empty line between them.",
        needs=("body_fr", "body_en"),
        cost=5,
    )
    created_at: datetime = field("When the operator sent it.")
    recipient_count: int = field(
        "The number of emails queued for delivery so far. People who withdraw their consent "
        "before delivery don't get one."
    )
    finished_at: datetime | None = field(
        "When the emails of all recipients were queued, or the mailing was stopped. Null until "
        "then."
    )
    stopped_at: datetime | None = field("When an operator stopped it. Null when nobody has.")
    canceled_count: int = field(
        "How many of the queued emails weren't sent because the mailing was stopped."
    )


@strawberry.type(description="A mailing in one language, as an email.")
class MailingEmail:
    locale: Locale = field("The language.")
    subject: str = field("The subject.")
    text: str = field("The email as plain text.", cost=5)
    html: str = field(
        "The email as HTML. Show it in a sandboxed frame. Its links to withdraw the consent don't "
        "work.",
        cost=5,
    )


@strawberry.type(description="A mailing as it would be sent now.")
class MailingPreview:
    recipient_count: int = field("How many people would get it now.")
    emails: list[MailingEmail] = field(
        "The email in each language, with the greeting that the viewer would get."
    )


@strawberry.type(description="The result of sending or stopping a mailing.")
class MailingPayload:
    mailing: Mailing | None = field("The mailing.")
    user_errors: list[UserError] = errors()
