"""Audited actions of the content domain."""

from models.audit_action import AuditAction


class ContentAuditAction(AuditAction):
    """Actions of the content domain."""

    POLICY_ACCEPT = "policy.accept", "A user accepted a version of a policy."
    ARTICLE_CREATE = "article.create", "An article was drafted."
    ARTICLE_UPDATE = "article.update", "A version of an article was written (`version`)."
    ARTICLE_PUBLISH = (
        "article.publish",
        "A version of an article was published, or scheduled to be (`version`).",
    )
    ARTICLE_UNPUBLISH = "article.unpublish", "An article was withdrawn from the library."
    WEBINAR_SCHEDULE = "webinar.schedule", "The date, capacity or link of a webinar was set."
    WEBINAR_CANCEL = "webinar.cancel", "A webinar was canceled."
