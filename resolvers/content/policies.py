"""Policies, and the viewer's acceptances of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

import strawberry
from tortoise.queryset import QuerySet

from accounts import policies as acceptance
from engine import Deferred, Selection
from models.clock import local_date
from models.content.policy import Policy, PolicyAcceptance, PolicyKind
from models.database.reading import read
from models.locale import Locale
from models.viewer import Viewer
from resolvers.content.filters import PolicyFilter, PolicyOrder
from resolvers.content.inputs import PolicyAcceptInput
from resolvers.context import Context, Info
from resolvers.filters import accepted_values, filter_in, order_or_default
from resolvers.ids import key_of, load_visible
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
from resolvers.rows import RowByForeignKey, selected_columns

NEWEST_FIRST = Order("effective_on", descending=True)
DayArgument = Annotated[
    date | None,
    strawberry.argument(
        description="A date in Europe/Paris, in the past or future. Defaults to today."
    ),
]


def policies(
    info: Info,
    filter: Annotated[
        PolicyFilter | None,
        strawberry.argument(description="Conditions on the versions to return."),
    ] = None,
    order_by: Annotated[
        PolicyOrder | None,
        strawberry.argument(
            description="The order of the list. Defaults to most recently effective first."
        ),
    ] = None,
    at: DayArgument = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The versions that are in force on a day or were in force before."""
    rows = filter_in(
        _in_force(info.context, at), "kind", accepted_values(filter.kind if filter else None)
    )
    return page(
        rows,
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        info.context.viewer,
    )


def policy(
    info: Info,
    kind: Annotated[PolicyKind, strawberry.argument(description="The kind of policy.")],
    at: DayArgument = None,
) -> "LatestPolicy":
    """The version in force on a day, None when there is none yet."""
    return LatestPolicy(_in_force(info.context, at).filter(kind=kind))


def _in_force(context: Context, at: date | None) -> QuerySet[Policy]:
    return Policy.in_force_by(at or today(context))


def today(context: Context) -> date:
    """The current date in Europe/Paris, by which policies take effect."""
    return local_date(context.services.clock.now())


class LatestPolicy(Deferred):
    """The most recently effective version of a queryset, or None."""

    __slots__ = ("queryset",)

    def __init__(self, queryset: QuerySet[Policy]) -> None:
        self.queryset = queryset

    async def fetch(self, selection: Selection | None) -> Policy | None:
        rows = await read(
            self.queryset, selected_columns(Policy, [selection]), "-effective_on", "-id", limit=1
        )
        return rows[0] if rows else None


async def in_force(context: Context, parents: Sequence[Policy]) -> list[bool]:
    """Whether each version is in force today."""
    current = {policy.pk for policy in (await Policy.in_force(today(context))).values()}
    return [parent.id in current for parent in parents]


def titles(context: Context, parents: Sequence[Policy], locale: Locale | None = None) -> list[str]:
    """The title of each version in the requested language, by default the viewer's."""
    return [parent.title(locale or context.viewer.locale) for parent in parents]


def texts(context: Context, parents: Sequence[Policy], locale: Locale | None = None) -> list[str]:
    """The full text of each version in the requested language, by default the viewer's."""
    return [parent.text(locale or context.viewer.locale) for parent in parents]


def urls(context: Context, parents: Sequence[Policy], locale: Locale | None = None) -> list[str]:
    """The URL of each version's page in the requested language, by default the viewer's."""
    language = locale or context.viewer.locale
    return [
        page_url(
            context.services.base_url, parent.kind, version=parent.version, locale=language.value
        )
        for parent in parents
    ]


def page_url(base_url: str, kind: PolicyKind, **query: str) -> str:
    """The URL of a policy's page (web/policies.py): by default of the version in force, in the
    browser's language.
    """
    return f"{base_url}/policies/{kind.lower()}{f'?{urlencode(query)}' if query else ''}"


@dataclass(frozen=True)
class ViewerPolicy:
    """A policy in force, the announced next version, and the viewer's acceptance, None until they
    have accepted it.
    """

    policy_id: int
    next_id: int | None
    acceptance: PolicyAcceptance | None
    is_acceptance_needed: bool


async def viewer_policies(root: Viewer, info: Info) -> list[ViewerPolicy]:
    """The policies in force for the viewer, the privacy policy first. Staff members don't have to
    accept any.
    """
    day = today(info.context)
    current, upcoming = await Policy.in_force(day), await Policy.next_versions(day)
    acceptance_query = PolicyAcceptance.visible_to(root).filter(
        policy_id__in=[policy.pk for policy in current.values()]
    )
    acceptances = {row.policy_id: row for row in await acceptance_query}
    is_acceptance_needed = root.user is not None and root.user.staff is None
    return [
        ViewerPolicy(
            policy.pk,
            upcoming.get(kind),
            acceptances.get(policy.pk),
            is_acceptance_needed and policy.pk not in acceptances,
        )
        for kind in PolicyKind
        if (policy := current.get(kind))
    ]


async def acceptances(root: Viewer) -> list[PolicyAcceptance]:
    """All acceptances of the viewer, most recent first."""
    return await PolicyAcceptance.visible_to(root).order_by("-accepted_at", "-id")


def policy_of(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The version that each viewer policy or acceptance is about."""
    return RowByForeignKey(parents, "policy_id", Policy.visible_to(context.viewer))


def next_of(context: Context, parents: Sequence[ViewerPolicy]) -> RowByForeignKey:
    """The announced next version of each policy in force."""
    return RowByForeignKey(parents, "next_id", Policy.visible_to(context.viewer))


async def accept(info: Info, input: PolicyAcceptInput) -> PolicyAcceptance:
    """Accept a policy."""
    context = info.context
    policy = await load_visible(Policy, input.policy_id, context.viewer, "policyId")
    return await acceptance.accept(
        context.action(), context.session, policy, input.locale or context.viewer.locale
    )


def policy_keys(ids: Collection[str] | None) -> list[int | None]:
    """The keys of policy IDs, None for those that aren't IDs of policies."""
    return [key_of(Policy, global_id) for global_id in ids or ()]
