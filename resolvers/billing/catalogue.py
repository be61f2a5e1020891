"""Managing the catalogue."""

from datetime import date, timedelta

from auth.reauthentication import require_step_up
from billing import catalogue
from billing.catalogue import PriceTerms
from models.action import Action
from models.billing.errors import BillingErrorCode
from models.billing.offer import MAX_NET_CENTS, Offer, OfferTexts, Price
from models.checks import Checks, require_keys
from models.errors import CommonErrorCode, Refusal
from models.idempotency import is_known_key, owner_of
from models.locale import Locale
from models.numbers import number_in_range
from models.text import client_key, line, message_text, slug_text
from models.translations import _
from resolvers.billing.catalogue_inputs import (
    MAX_TRIAL_DAYS,
    OfferCreateInput,
    OfferPublishInput,
    OfferReorderInput,
    OfferTextsInput,
    OfferUpdateInput,
    OfferWithdrawInput,
    PriceCreateInput,
    PriceDeleteInput,
    PriceEndInput,
)
from resolvers.context import Info
from resolvers.ids import key_of, load_visible

SLUG_LENGTH = 60
NAME_LENGTH = 100
DESCRIPTION_LENGTH = 2_000
ITEM_LENGTH = 200
MAX_ITEMS = 20
MAX_OFFERS = 100
_MAX_DAYS_AHEAD = timedelta(days=2 * 366)


async def create_offer(info: Info, input: OfferCreateInput) -> Offer:
    """Draft an offer."""
    action = await _authorized_action(info)
    with Checks() as check:
        slug = check(slug_text, input.slug, "slug", SLUG_LENGTH)
        french = check(_texts, input.fr, "fr")
        english = check(_texts, input.en, "en")
        key = check(client_key, input.idempotency_key)
    texts = {Locale.FR.value: french, Locale.EN.value: english}
    return await catalogue.create_offer(action, slug, input.segment, texts, key)


async def update_offer(info: Info, input: OfferUpdateInput) -> Offer:
    """Change an offer."""
    context, action = info.context, await _authorized_action(info)
    with Checks() as check:
        offer = await check.wait(load_visible(Offer, input.offer_id, context.viewer, "offerId"))
        texts = {
            locale.value: check(_texts, given, locale.value)
            for locale, given in ((Locale.FR, input.fr), (Locale.EN, input.en))
            if given is not None
        }
    return await catalogue.update_offer(
        action, context.services.seller, offer, input.segment, texts
    )


async def publish_offer(info: Info, input: OfferPublishInput) -> Offer:
    """Put an offer on sale."""
    context, action = info.context, await _authorized_action(info)
    with Checks() as check:
        offer = await check.wait(load_visible(Offer, input.offer_id, context.viewer, "offerId"))
        day = check(_day, action, input.on, "on")
    return await catalogue.publish_offer(action, context.services.seller, offer, day)


async def withdraw_offer(info: Info, input: OfferWithdrawInput) -> Offer:
    """Stop selling an offer."""
    context, action = info.context, await _authorized_action(info)
    with Checks() as check:
        offer = await check.wait(load_visible(Offer, input.offer_id, context.viewer, "offerId"))
        day = check(_day, action, input.on, "on")
    return await catalogue.withdraw_offer(action, offer, day)


async def reorder_offers(info: Info, input: OfferReorderInput) -> list[Offer]:
    """Change the order of the catalogue."""
    action = await _authorized_action(info)
    if len(input.offer_ids) > MAX_OFFERS:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", "offerIds", limit=MAX_OFFERS)
    given = [key_of(Offer, offer_id) or 0 for offer_id in input.offer_ids]
    known = {offer.pk for offer in await Offer.filter(pk__in=given)}
    seen: set[int] = set()
    valid: list[int | None] = []
    for key in given:
        valid.append(key if key in known and key not in seen else None)
        seen.add(key)
    return await catalogue.reorder_offers(action, require_keys(valid, "offerIds"))


async def create_price(info: Info, input: PriceCreateInput) -> Price:
    """Add a version of a price."""
    context, action = info.context, await _authorized_action(info)
    is_repeat = await is_known_key(owner_of(action), "priceCreate", input.idempotency_key)
    with Checks() as check:
        offer = await check.wait(load_visible(Offer, input.offer_id, context.viewer, "offerId"))
        net_cents = check(number_in_range, input.net_cents, 1, MAX_NET_CENTS, "input", "netCents")
        trial_days = check(
            number_in_range, input.trial_days, 0, MAX_TRIAL_DAYS, "input", "trialDays"
        )
        if not is_repeat:  # the day may have passed since
            check(_day, action, input.valid_from, "validFrom")
        key = check(client_key, input.idempotency_key)
    terms = PriceTerms(
        interval=input.interval,
        net_cents=net_cents,
        tax_category=input.tax_category,
        trial_days=trial_days,
        trial_requires_payment_method=input.trial_requires_payment_method,
    )
    return await catalogue.create_price(action, offer, terms, input.valid_from, key)


async def end_price(info: Info, input: PriceEndInput) -> Price:
    """Stop selling the last version of a price."""
    context, action = info.context, await _authorized_action(info)
    with Checks() as check:
        price = await check.wait(load_visible(Price, input.price_id, context.viewer, "priceId"))
        day = check(_day, action, input.on, "on")
    return await catalogue.end_price(action, price, day)


async def delete_price(info: Info, input: PriceDeleteInput) -> Offer:
    """Delete a version of a price that was never on sale."""
    action = await _authorized_action(info)
    price = await load_visible(Price, input.price_id, info.context.viewer, "priceId")
    return await catalogue.delete_price(action, price)


async def _authorized_action(info: Info) -> Action:
    """The action of an operator who may change the catalogue now. Raises STEP_UP_REQUIRED."""
    action = info.context.action()
    await require_step_up(action, info.context.session)
    return action


def _texts(texts: OfferTextsInput, field: str) -> OfferTexts:
    with Checks(parent_field=field) as check:
        return OfferTexts(
            name=check(line, texts.name, "name", NAME_LENGTH),
            description=check(message_text, texts.description, "description", DESCRIPTION_LENGTH),
            features=check(_items, texts.features, "features"),
            advantages=check(_items, texts.advantages, "advantages"),
        )


def _items(items: list[str], field: str) -> list[str]:
    if len(items) > MAX_ITEMS:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", field, limit=MAX_ITEMS)
    with Checks(parent_field=field) as check:
        return [check(line, item, str(index), ITEM_LENGTH) for index, item in enumerate(items)]


def _day(action: Action, day: date | None, field: str) -> date:
    """The day on which a change takes effect, today when omitted. Raises DATE_PAST, and
    VALUE_INVALID for a day more than two years ahead.
    """
    if day is not None and day < action.day:
        raise Refusal(BillingErrorCode.DATE_PAST, "input", field)
    last = action.day + _MAX_DAYS_AHEAD
    if day is not None and day > last:
        message = _("Choose a day up to %(last)s.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", field, message=message, last=last)
    return day or action.day
