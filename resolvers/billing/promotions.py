"""Promotion codes: what operators manage, and what buyers enter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import strawberry
from tortoise.functions import Count

from auth import throttle
from auth.reauthentication import require_step_up
from billing import promotions as rules
from billing.catalogue import starting_at
from billing.promotions import PromotionTerms
from engine import Deferred
from models.action import Action
from models.billing.errors import BillingErrorCode
from models.billing.money import Money
from models.billing.offer import MAX_NET_CENTS, Offer
from models.billing.promotion import CODE_LENGTH, Promotion, PromotionRedemption, folded_code
from models.billing.purchase import MAX_QUANTITY, Purchase
from models.checks import Checks, require_keys
from models.errors import CommonErrorCode, Refusal
from models.idempotency import is_known_key, owner_of
from models.numbers import optional_number
from models.text import client_key
from models.translations import _
from resolvers.billing.catalogue_inputs import (
    PromotionCreateInput,
    PromotionDeactivateInput,
)
from resolvers.context import Context, Info
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
    pages_of,
)
from resolvers.rows import RowByKey

NEWEST_FIRST = Order("created_at", descending=True)
LATEST_FIRST = Order("redeemed_at", descending=True)
MIN_CODE_LENGTH = 4
MAX_PERIODS = 120
MAX_REDEMPTIONS = 1_000_000
MAX_OFFERS = 100
CodeArgument = Annotated[
    str, strawberry.argument(description="The code, in uppercase or lowercase.")
]


async def find_promotion(context: Context, code: str, *field: str) -> Promotion:
    """The promotion with a code that a buyer entered. Raises PROMOTION_UNKNOWN at a field, and
    Throttled after many codes that don't exist or aren't valid yet, between which the response
    makes no difference.
    """
    key = throttle.key(throttle.PROMOTION_CODE, context.account.pk)
    await context.services.auth.throttle.attempt(key)
    promotion = await Promotion.get_or_none(code=folded_code(code))
    if promotion is None or promotion.valid_from > context.action().at:
        raise Refusal(BillingErrorCode.PROMOTION_UNKNOWN, *field)
    await context.services.auth.throttle.undo_attempt(key)
    return promotion


def promotions(
    info: Info,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The promotions, most recent first."""
    viewer = info.context.viewer
    request = PageRequest(first, after, last, before)
    return page(Promotion.visible_to(viewer), NEWEST_FIRST, request, viewer)


def promotion(info: Info, code: CodeArgument) -> RowByKey | None:
    """The promotion with this code."""
    folded = folded_code(code)
    return RowByKey(Promotion.visible_to(info.context.viewer), "code", folded) if folded else None


async def create(info: Info, input: PromotionCreateInput) -> Promotion:
    """Create a code."""
    action = info.context.action()
    await require_step_up(action, info.context.session)
    is_repeat = await is_known_key(owner_of(action), "promotionCreate", input.idempotency_key)
    with Checks() as check:
        if not is_repeat:  # the days may have passed since
            check(_require_days, action, input)
        terms = await check.wait(_terms(action, input))
        key = check(client_key, input.idempotency_key)
    arguments = {name: str(value) for name, value in vars(input).items() if "key" not in name}
    return await rules.create_promotion(action, terms, key, arguments)


async def _terms(action: Action, input: PromotionCreateInput) -> PromotionTerms:
    with Checks() as check:
        code = check(_code, input.code)
        check(_require_one_kind, input)
        check(_number, input.percent_basis_points, 10_000, "percentBasisPoints")
        check(_number, input.amount_cents, MAX_NET_CENTS, "amountCents")
        check(_number, input.periods, MAX_PERIODS, "periods")
        check(_number, input.max_redemptions, MAX_REDEMPTIONS, "maxRedemptions")
        check(_number, input.minimum_quantity, MAX_QUANTITY, "minimumQuantity")
        offer_ids = await check.wait(_offer_keys(input.offer_ids))
    return PromotionTerms(
        code=code,
        basis_points=input.percent_basis_points,
        amount_cents=input.amount_cents,
        periods=input.periods,
        valid_from=starting_at(action, input.valid_from or action.day),
        valid_until=starting_at(action, input.valid_until) if input.valid_until else None,
        max_redemptions=input.max_redemptions,
        once_per_company=input.once_per_company,
        segment=input.segment,
        interval=input.interval,
        offer_ids=offer_ids,
        minimum_quantity=input.minimum_quantity,
    )


def _code(text: str) -> str:
    code = folded_code(text)
    if len(code) < MIN_CODE_LENGTH:
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            "input",
            "code",
            message=_("Use %(minimum)s to %(maximum)s letters, digits and hyphens."),
            minimum=MIN_CODE_LENGTH,
            maximum=CODE_LENGTH,
        )
    return code


def _require_one_kind(input: PromotionCreateInput) -> None:
    if (input.percent_basis_points is None) == (input.amount_cents is None):
        message = _("Enter either a percentage or an amount.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "percentBasisPoints", message=message)


def _number(value: int | None, maximum: int, field: str) -> None:
    optional_number(value, 1, maximum, "input", field)


def _require_days(action: Action, input: PromotionCreateInput) -> None:
    first_day = input.valid_from or action.day
    if first_day < action.day:
        raise Refusal(BillingErrorCode.DATE_PAST, "input", "validFrom")
    if input.valid_until and input.valid_until <= first_day:
        message = _("Choose a day after %(day)s.")
        raise Refusal(
            CommonErrorCode.VALUE_INVALID, "input", "validUntil", message=message, day=first_day
        )


async def _offer_keys(offer_ids: list[strawberry.ID]) -> tuple[int, ...]:
    if len(offer_ids) > MAX_OFFERS:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", "offerIds", limit=MAX_OFFERS)
    keys = [key_of(Offer, offer_id) for offer_id in offer_ids]
    known = {offer.pk for offer in await Offer.filter(pk__in=[key or 0 for key in keys])}
    return require_keys([key if key in known else None for key in keys], "offerIds")


async def deactivate(info: Info, input: PromotionDeactivateInput) -> Promotion:
    """Deactivate a code, so that nobody can redeem it any more."""
    viewer, action = info.context.viewer, info.context.action()
    await require_step_up(action, info.context.session)
    promotion = await load_visible(Promotion, input.promotion_id, viewer, "promotionId")
    return await rules.deactivate_promotion(action, promotion)


def percent_basis_points(root: Promotion) -> int | None:
    """The share that a code takes off."""
    return root.basis_points


async def redemption_counts(context: Context, parents: Sequence[Promotion]) -> list[int]:
    """How often each code was redeemed."""
    rows = (
        await PromotionRedemption.filter(promotion_id__in=[each.pk for each in parents])
        .group_by("promotion_id")
        .annotate(count=Count("id"))
        .values_list("promotion_id", "count")
    )
    counts: dict[int, int] = dict(rows)
    return [counts.get(each.pk, 0) for each in parents]


def redemptions(
    context: Context, parents: Sequence[Promotion], page_request: PageRequest
) -> Deferred:
    """One page of each code's redemptions."""
    return pages_of(
        parents,
        PromotionRedemption,
        "promotion_id",
        LATEST_FIRST,
        page_request,
        context.viewer,
    )


async def offers(context: Context, parents: Sequence[Promotion]) -> list[list[Offer]]:
    """The offers to which each code is limited."""
    keys = {key for each in parents for key in each.offer_ids}
    by_key = {offer.pk: offer for offer in await Offer.filter(pk__in=keys)} if keys else {}
    return [[by_key[key] for key in each.offer_ids if key in by_key] for each in parents]


@dataclass(frozen=True)
class PurchaseDiscount:
    """What a promotion takes off a purchase."""

    code: str
    percent_basis_points: int | None
    amount: Money | None
    periods_left: int | None


def discount_of(promotion: Promotion, periods_left: int | None) -> PurchaseDiscount:
    """What a promotion takes off the next periods."""
    return PurchaseDiscount(promotion.code, promotion.basis_points, promotion.amount, periods_left)


async def purchase_discounts(
    context: Context, parents: Sequence[Purchase]
) -> list[PurchaseDiscount | None]:
    """What a promotion takes off each purchase, None when none applies any more."""
    keys = {each.promotion_id for each in parents if each.is_discounted}
    rows: list[Any] = await Promotion.filter(pk__in=keys) if keys else []
    by_key = {row.pk: row for row in rows}
    return [
        discount_of(by_key[each.promotion_id], each.promotion_periods_left)
        if each.is_discounted
        else None
        for each in parents
    ]
