"""Inputs of the content mutations."""

import strawberry

from models.content.article_feedback import FeedbackReason
from models.locale import Locale


@strawberry.input(description="The policy to accept.")
class PolicyAcceptInput:
    policy_id: strawberry.ID = strawberry.field(
        description="The ID of the version in force, from `Viewer.policies` or `policy(kind:)`."
    )
    locale: Locale | None = strawberry.field(
        default=None,
        description="The language in which the viewer read the policy. Defaults to the language of "
        "the request.",
    )


@strawberry.input(description="A reader's feedback on an article.")
class ArticleGiveFeedbackInput:
    article_id: strawberry.ID = strawberry.field(description="The ID of the article.")
    is_useful: bool = strawberry.field(description="Whether the article was useful.")
    reason: FeedbackReason | None = strawberry.field(
        default=None,
        description=("Why it wasn't useful. Null when it was useful, and when no reason is given."),
    )
    comment: str | None = strawberry.field(
        default=None,
        description="What the reader adds (at most 1,000 characters). Card numbers are masked.",
    )
    visitor_id: str | None = strawberry.field(
        default=None,
        description="Required without a session: a random ID of 16 to 64 characters that the "
        "client chose and keeps, so that a visitor can change their mind. It is stored as a hash.",
    )
