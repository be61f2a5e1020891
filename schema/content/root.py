"""The content domain's part of the roots."""

import strawberry

from auth.rules import anyone, customer, editor, signed_in
from models.content.audit_actions import ContentAuditAction
from resolvers.content import articles as article_resolvers
from resolvers.content import editing as editing_resolvers
from resolvers.content import policies as policy_resolvers
from resolvers.content import webinars as webinar_resolvers
from schema.content.articles import Article, ArticleGiveFeedbackPayload, ArticlePayload
from schema.content.policies import Policy, PolicyAcceptPayload
from schema.content.webinars import WebinarPayload, WebinarSignUpPayload
from schema.fields import Unaudited, mutation, query
from schema.nodes import Connection


@strawberry.type
class ContentQuery:
    articles: Connection[Article] | None = query(
        article_resolvers.articles,
        allow=anyone,
        description="The articles of the help library: guides, FAQ, videos and webinars, searched "
        "in one language.",
    )
    article: Article | None = query(
        article_resolvers.article, allow=anyone, description="The article with the given slug."
    )
    article_suggestions: list[Article] | None = query(
        article_resolvers.suggestions,
        allow=anyone,
        cost=20,
        description="The articles that may answer what a user is writing, best first. Ask again "
        "when they pause, and show the articles beside the ticket before it is sent.",
    )
    policies: Connection[Policy] | None = query(
        policy_resolvers.policies,
        allow=anyone,
        description="The versions of the vendor's policies, most recently effective first.",
    )
    policy: Policy | None = query(
        policy_resolvers.policy,
        allow=anyone,
        description="The version of a policy in force. Null when there is none yet.",
    )


@strawberry.type
class ContentMutation:
    policy_accept: PolicyAcceptPayload | None = mutation(
        policy_resolvers.accept,
        "acceptance",
        allow=signed_in,
        audit=ContentAuditAction.POLICY_ACCEPT,
        description="Accepts the version of a policy in force. Repeating the request changes "
        "nothing.",
    )
    article_create: ArticlePayload | None = mutation(
        editing_resolvers.create,
        "article",
        allow=editor,
        audit=ContentAuditAction.ARTICLE_CREATE,
        description="Drafts an article, in both languages. Readers see it once it is published.",
    )
    article_update: ArticlePayload | None = mutation(
        editing_resolvers.update,
        "article",
        allow=editor,
        audit=ContentAuditAction.ARTICLE_UPDATE,
        description="Writes another version of an article, which readers see once it is "
        "published. Category, position and video change at once.",
    )
    article_publish: ArticlePayload | None = mutation(
        editing_resolvers.publish,
        "article",
        allow=editor,
        audit=ContentAuditAction.ARTICLE_PUBLISH,
        description="Publishes a version of an article, at once or at a given time.",
    )
    article_unpublish: ArticlePayload | None = mutation(
        editing_resolvers.unpublish,
        "article",
        allow=editor,
        audit=ContentAuditAction.ARTICLE_UNPUBLISH,
        description="Withdraws an article from the library. It becomes a draft again.",
    )
    article_give_feedback: ArticleGiveFeedbackPayload | None = mutation(
        article_resolvers.give_feedback,
        "feedback",
        allow=anyone,
        audit=Unaudited("An opinion changes nothing but itself."),
        description=(
            "Records whether an article was useful to the viewer. Each user or visitor has one "
            "feedback per article, which they can change."
        ),
    )
    webinar_schedule: WebinarPayload | None = mutation(
        webinar_resolvers.schedule,
        "article",
        allow=editor,
        audit=ContentAuditAction.WEBINAR_SCHEDULE,
        description=(
            "Sets when a webinar takes place, for how many people, and the link to join. If the "
            "time or the link changes, those who signed up get an email with a calendar file that "
            "updates their calendar."
        ),
    )
    webinar_cancel: WebinarPayload | None = mutation(
        webinar_resolvers.cancel,
        "article",
        allow=editor,
        audit=ContentAuditAction.WEBINAR_CANCEL,
        description="Cancels a webinar. Everybody who signed up gets an email, with a calendar "
        "file that removes it from their calendar.",
    )
    webinar_sign_up: WebinarSignUpPayload | None = mutation(
        webinar_resolvers.sign_up,
        "sign_up",
        allow=customer,
        audit=Unaudited("A place tells by itself who took it, and when."),
        description=(
            "Signs the viewer up for a webinar. They get an email with a calendar file, and "
            "reminders a day and an hour before. If the webinar is full, they are put on the "
            "waiting list and get a place as soon as one becomes free."
        ),
    )
    webinar_withdraw: WebinarPayload | None = mutation(
        webinar_resolvers.withdraw,
        "article",
        allow=customer,
        audit=Unaudited("Nothing is left of a place that was given back."),
        description=(
            "Withdraws the viewer from a webinar. The first person on the waiting list gets the "
            "place."
        ),
    )
