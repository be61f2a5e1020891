"""Mailings."""

from collections.abc import Sequence
from typing import Annotated

import strawberry
from tortoise.queryset import QuerySet

from auth.reauthentication import require_step_up
from models.identity.user import User
from models.locale import Locale
from models.privacy.mailing import Mailing
from privacy import mailings as privacy_mailings
from privacy.mailings import MailingPreview, MailingTexts
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
)
from resolvers.privacy.inputs import MailingPreviewInput, MailingSendInput, MailingStopInput
from resolvers.rows import RowByForeignKey

NEWEST_FIRST = Order("id", descending=True)


def mailings(
    info: Info,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """Every mailing."""
    viewer = info.context.viewer
    request = PageRequest(first, after, last, before)
    return page(Mailing.visible_to(viewer), NEWEST_FIRST, request, viewer)


async def send(info: Info, input: MailingSendInput) -> Mailing:
    """Send a mailing. Requires a step-up: an email can't be taken back."""
    await require_step_up(info.context.action(), info.context.session)
    return await privacy_mailings.send(
        info.context.action(), input.purpose, _texts(input), input.idempotency_key
    )


async def preview(
    info: Info,
    input: Annotated[
        MailingPreviewInput, strawberry.argument(description="The mailing as it would be sent.")
    ],
) -> MailingPreview:
    """Return a mailing as it would be sent."""
    return await privacy_mailings.preview(info.context.action(), input.purpose, _texts(input))


async def stop(info: Info, input: MailingStopInput) -> Mailing:
    """Stop a mailing."""
    mailing = await load_visible(Mailing, input.mailing_id, info.context.viewer, "mailingId")
    return await privacy_mailings.stop(info.context.action(), mailing)


def _texts(input: MailingSendInput | MailingPreviewInput) -> MailingTexts:
    return MailingTexts(input.subject_fr, input.subject_en, input.body_fr, input.body_en)


def subjects(
    context: Context, parents: Sequence[Mailing], locale: Locale | None = None
) -> list[str]:
    """The subject of each mailing in the requested language, by default the viewer's."""
    return [parent.subject(locale or context.viewer.locale) for parent in parents]


def bodies(context: Context, parents: Sequence[Mailing], locale: Locale | None = None) -> list[str]:
    """The text of each mailing in the requested language, by default the viewer's."""
    return [parent.body(locale or context.viewer.locale) for parent in parents]


def senders(context: Context, parents: Sequence[Mailing]) -> RowByForeignKey:
    """The operator who sent each mailing."""
    return RowByForeignKey(parents, "sender_id", QuerySet(User))
