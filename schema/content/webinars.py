"""Webinars and who signed up for them."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.content.webinar
from resolvers.content import webinars as webinar_resolvers
from schema.fields import edge, field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.content.articles import Article


@strawberry.type(description="A person's place in a webinar, or on its waiting list.")
@backed_by(models.content.webinar.WebinarSignUp)
class WebinarSignUp(Node):
    is_waiting: bool = field("Whether the person is on the waiting list.")
    signed_up_at: datetime = field("When the person signed up.")
    position: int | None = edge(
        webinar_resolvers.positions,
        needs=("id", "article_id"),
        cost=5,
        description="The position on the waiting list, from 1. Null for somebody who has a place.",
    )
    user: User | None = edge(
        webinar_resolvers.users, needs=("user_id",), description="The person who signed up."
    )


@strawberry.type(description="The places of a webinar.")
class WebinarPlaces:
    capacity: int | None = field("How many people can take part. Null when there is no limit.")
    taken: int = field("How many places are taken.")
    free: int | None = field("How many places are free. Null when there is no limit.")
    waiting: int = field("How many people are on the waiting list.")


@strawberry.type(description="The result of signing up for a webinar.")
class WebinarSignUpPayload:
    sign_up: WebinarSignUp | None = field("The viewer's place, or their place on the waiting list.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a change to a webinar.")
class WebinarPayload:
    article: Annotated["Article", strawberry.lazy("schema.content.articles")] | None = field(
        "The webinar after the change."
    )
    user_errors: list[UserError] = errors()
