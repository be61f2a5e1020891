"""Webinars: dates, sign-up and who signed up."""

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace

import strawberry
from tortoise.functions import Count

from billing.seller import Seller
from engine import Deferred
from models.checks import Checks
from models.content.article import Article
from models.content.webinar import WebinarSignUp
from models.identity.user import User
from resolvers.context import Context, Info
from resolvers.ids import key_of, load_visible
from resolvers.paging import Order, PageRequest, pages_of
from resolvers.rows import FirstRowByParent, RowByForeignKey
from support.library import webinars
from support.library.calendar_files import Organizer
from support.library.webinars import WebinarPlan

OLDEST_FIRST = Order("id")
_ARTICLE_ID = "The ID of an article of the kind WEBINAR."


@strawberry.input(description="When a webinar takes place.")
class WebinarScheduleInput:
    article_id: strawberry.ID = strawberry.field(description=_ARTICLE_ID)
    starts_at: datetime = strawberry.field(description="When it begins: a time in the future.")
    duration_seconds: int = strawberry.field(
        description="How long it takes, in seconds: from a minute to a day."
    )
    capacity: int | None = strawberry.field(
        default=None,
        description=(
            "How many people can take part. Null when there is no limit. Lowering the number "
            "doesn't take away anyone's place."
        ),
    )
    join_url: str | None = strawberry.field(
        default=None,
        description="The link to join, which begins with https://. Only those who have a place "
        "see it.",
    )


@strawberry.input(description="The webinar to cancel.")
class WebinarCancelInput:
    article_id: strawberry.ID = strawberry.field(description=_ARTICLE_ID)


@strawberry.input(description="The webinar to sign up for.")
class WebinarSignUpInput:
    article_id: strawberry.ID = strawberry.field(description=_ARTICLE_ID)


@strawberry.input(description="The webinar to withdraw from.")
class WebinarWithdrawInput:
    article_id: strawberry.ID = strawberry.field(description=_ARTICLE_ID)


def organizer_of(seller: Seller) -> Organizer:
    """The organizer of the webinars."""
    return Organizer(seller.party.name, seller.support_email)


async def schedule(info: Info, input: WebinarScheduleInput) -> Article:
    """Set when a webinar takes place."""
    context, action = info.context, info.context.action()
    plan = WebinarPlan(input.starts_at, input.duration_seconds, input.capacity, input.join_url)
    with Checks() as check:
        article = await check.wait(
            load_visible(Article, input.article_id, context.viewer, "articleId")
        )
        webinars.check_plan(check, action, plan)
    return await webinars.schedule(action, article, plan, organizer_of(context.services.seller))


async def cancel(info: Info, input: WebinarCancelInput) -> Article:
    """Cancel a webinar."""
    article = await load_visible(Article, input.article_id, info.context.viewer, "articleId")
    return await webinars.cancel(info.context.action(), article)


async def sign_up(info: Info, input: WebinarSignUpInput) -> WebinarSignUp:
    """Sign the viewer up for a webinar."""
    context = info.context
    article = await load_visible(Article, input.article_id, context.viewer, "articleId")
    return await webinars.sign_up(
        context.action(),
        context.services.auth,
        context.user,
        article,
        organizer_of(context.services.seller),
    )


async def withdraw(info: Info, input: WebinarWithdrawInput) -> Article:
    """Withdraw the viewer's sign-up, even from a webinar that is no longer published."""
    context = info.context
    own = WebinarSignUp.filter(
        user_id=context.user.pk, article_id=key_of(Article, input.article_id)
    )
    signed_up = await own.select_related("article").first()
    article = (
        signed_up.article
        if signed_up
        else await load_visible(Article, input.article_id, context.viewer, "articleId")
    )
    organizer = organizer_of(context.services.seller)
    return await webinars.withdraw(context.action(), context.user, article, organizer)


async def join_urls(context: Context, parents: Sequence[Article]) -> list[str | None]:
    """The link to join each webinar, for editors and those who have a place."""
    viewer = context.viewer
    if viewer.is_editor:
        return [article.join_url for article in parents]
    places = WebinarSignUp.filter(user_id=viewer.user_id or 0, is_waiting=False)
    keys = {
        row.article_id for row in await places.filter(article_id__in=[row.pk for row in parents])
    }
    return [article.join_url if article.pk in keys else None for article in parents]


async def counts(context: Context, parents: Sequence[Article]) -> list[SimpleNamespace | None]:
    """How many people signed up for each webinar. None for other articles."""
    keys = [article.pk for article in parents if article.is_webinar]
    rows = (
        await WebinarSignUp.filter(article_id__in=keys)
        .annotate(count=Count("id"))
        .group_by("article_id", "is_waiting")
        .values_list("article_id", "is_waiting", "count")
    )
    found = {(key, bool(is_waiting)): int(count) for key, is_waiting, count in rows}
    return [
        _counts(article, found.get((article.pk, False), 0), found.get((article.pk, True), 0))
        if article.is_webinar
        else None
        for article in parents
    ]


def _counts(article: Article, taken: int, waiting: int) -> SimpleNamespace:
    free = None if article.capacity is None else max(0, article.capacity - taken)
    return SimpleNamespace(capacity=article.capacity, taken=taken, free=free, waiting=waiting)


def calendar_urls(context: Context, parents: Sequence[Article]) -> list[str | None]:
    """The URL of the calendar file of each webinar."""
    base = context.services.base_url
    return [
        f"{base}/webinars/{article.slug}.ics"
        if article.is_webinar and article.starts_at and article.published_at
        else None
        for article in parents
    ]


def own_sign_ups(context: Context, parents: Sequence[Article]) -> FirstRowByParent:
    """The viewer's own place in each webinar."""
    rows = WebinarSignUp.filter(user_id=context.viewer.user_id or 0)
    return FirstRowByParent(parents, rows, "article_id", "id")


def sign_ups(context: Context, parents: Sequence[Article], page_request: PageRequest) -> Deferred:
    """One page of those who signed up for each webinar."""
    return pages_of(
        parents, WebinarSignUp, "article_id", OLDEST_FIRST, page_request, context.viewer
    )


async def positions(context: Context, parents: Sequence[WebinarSignUp]) -> list[int | None]:
    """The position of each person on the waiting list. None for those who have a place."""
    keys = {row.article_id for row in parents}
    waiting: dict[int, list[int]] = {key: [] for key in keys}
    rows = WebinarSignUp.filter(article_id__in=keys, is_waiting=True).order_by("id")
    for article_id, key in await rows.values_list("article_id", "id"):
        waiting[int(str(article_id))].append(int(str(key)))
    return [
        waiting[row.article_id].index(row.pk) + 1 if row.pk in waiting[row.article_id] else None
        for row in parents
    ]


def users(context: Context, parents: Sequence[WebinarSignUp]) -> RowByForeignKey:
    """The user who signed up."""
    return RowByForeignKey(parents, "user_id", User.visible_to(context.viewer))
