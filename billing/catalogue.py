"""The catalogue as operators manage it: offers from a draft to their withdrawal, and the versions
of their prices.

A change never affects what customers have bought. A purchase refers to its version of the price,
which never changes, and a withdrawn offer renews like any other. So does a price that has ended:
what was bought at it renews at it, without an end, and its quantity can be changed. A version takes
effect on a day, which ends the former version: the versions for an interval follow each other
without overlapping.

An offer has a price on each day on which it is on sale. One that is published although its prices
end later is withdrawn on the day on which the last of them ends.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from tortoise.exceptions import IntegrityError
from tortoise.expressions import Q

from billing.invoicing import DraftLine, InvoiceRequest, VatStatement, prepare
from billing.quotes import Item, quote
from billing.seller import Seller
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.billing_profile import BillingProfile
from models.billing.errors import BillingErrorCode
from models.billing.offer import Interval, Offer, OfferStatus, OfferTexts, Price, Segment
from models.billing.purchase import MAX_QUANTITY, Purchase
from models.billing.purchase_change import PurchaseChange
from models.billing.tax import Buyer, tax_for
from models.billing.tax_rule import TaxCategory, TaxRule
from models.clock import PARIS, local_date
from models.errors import CommonErrorCode, Refusal, TransactionConflict
from models.idempotency import earlier_result, owner_of, store_result
from models.locale import Locale
from models.translations import Translatable, _

_PUBLISHED = (OfferStatus.ON_SALE, OfferStatus.WITHDRAWN)
_PRICES_END = _("The offer’s prices end before. Withdraw it on %(day)s at the latest.")
_LAST_PRICE = _("The offer would have no price on %(day)s. Withdraw the offer instead.")
_NEEDED_PRICE = _(
    "The offer would have no price on %(day)s. Add another price, or withdraw the offer, first."
)


@dataclass(frozen=True, kw_only=True)
class PriceTerms:
    """What a version of a price charges: `net_cents` for each interval, after `trial_days`."""

    interval: Interval
    net_cents: int
    tax_category: TaxCategory = TaxCategory.STANDARD
    trial_days: int = 0
    trial_requires_payment_method: bool = True


async def create_offer(
    action: Action, slug: str, segment: Segment, texts: dict[str, OfferTexts], key: str
) -> Offer:
    """Draft an offer, and put it last in the catalogue. The same key returns the same draft. Raises
    SLUG_TAKEN and IDEMPOTENCY_MISMATCH.
    """
    async with action.transaction() as tx:
        arguments = [slug, segment.value, texts]
        if earlier_id := await earlier_result(tx, owner_of(action), "offerCreate", key, arguments):
            return await Offer.get(pk=earlier_id, using_db=tx.db)
        if await Offer.filter(slug=slug).using_db(tx.db).exists():
            raise Refusal(BillingErrorCode.SLUG_TAKEN, "input", "slug")
        last = await Offer.all().using_db(tx.db).order_by("-position").first()
        values = {"slug": slug, "segment": segment, "texts": texts, "status": OfferStatus.DRAFT}
        try:
            offer = await Offer.create(
                using_db=tx.db, position=last.position + 1 if last else 1, **values
            )
        except IntegrityError:  # somebody else was faster
            raise TransactionConflict("the slug was taken") from None
        await store_result(tx, owner_of(action), "offerCreate", key, offer.pk)
        tx.audit(BillingAuditAction.OFFER_CREATE, offer, account_id=None)
    return offer


async def update_offer(
    action: Action,
    seller: Seller,
    offer: Offer,
    segment: Segment | None,
    texts: Mapping[str, OfferTexts],
) -> Offer:
    """Change the segment or the texts of an offer. Issued invoices keep theirs; later ones have the
    new texts, so those of a published offer are tried on an invoice first. Raises
    OFFER_NOT_PRINTABLE.
    """
    former, changed = offer.texts, {**offer.texts, **texts}
    if changed != former and (offer.status in _PUBLISHED or offer.publishes_on):
        await _try_on_invoice(action, seller, offer, changed)
    async with action.transaction() as tx:
        offer = await tx.lock(Offer, offer.pk)
        _require_same(offer.texts, former)
        offer.texts, offer.segment = changed, segment or offer.segment
        await offer.save(using_db=tx.db)
        tx.audit(BillingAuditAction.OFFER_UPDATE, offer, account_id=None)
    return offer


async def publish_offer(action: Action, seller: Seller, offer: Offer, day: date) -> Offer:
    """Put an offer on sale from a day on; if it is today, at once. The texts are tried on an
    invoice first. A planned withdrawal is dropped, unless the prices end: then the offer is
    withdrawn on the first day without a price. A repeat changes nothing.

    Raises OFFER_WITHOUT_PRICE and OFFER_NOT_PRINTABLE.
    """
    tried = offer.texts
    await _try_on_invoice(action, seller, offer, tried)
    async with action.transaction() as tx:
        offer = await tx.lock(Offer, offer.pk)
        _require_same(offer.texts, tried)
        if await _first_day_without_price(tx, offer, day) == day:
            raise Refusal(BillingErrorCode.OFFER_WITHOUT_PRICE, "input", "offerId")
        former = _planned_state(offer)
        first_day = action.day if offer.status is OfferStatus.ON_SALE else day
        offer.withdraws_on = await _first_day_without_price(tx, offer, first_day)
        if offer.status is OfferStatus.ON_SALE:
            offer.publishes_on = None
        elif day <= action.day:
            await _publish(tx, offer)
        else:
            offer.publishes_on = day
        await _save_plan(tx, offer, former, BillingAuditAction.OFFER_PUBLISH, day)
    return offer


async def _first_day_without_price(tx: Transaction, offer: Offer, day: date) -> date | None:
    """The first day, from this one on, on which an offer has no price for any interval, None if
    there is none.
    """
    at = starting_at(tx.action, day)
    versions = await Price.ending_after(at).filter(offer_id=offer.pk).using_db(tx.db)
    while ends := [each.valid_until for each in versions if each.is_valid_at(at)]:
        if None in ends:
            return None
        at = max(end for end in ends if end)
    return local_date(at)


async def _require_prices(
    tx: Transaction, offer: Offer, day: date, field: str, message: Translatable
) -> None:
    """Raise OFFER_WITHOUT_PRICE with this message, which says the day, if from a day on there is
    one without a price on which an offer is or will be on sale.
    """
    sold_on = _first_day_on_sale(offer, day)
    end = await _first_day_without_price(tx, offer, sold_on) if sold_on else None
    if end and not (offer.withdraws_on and offer.withdraws_on <= end):
        code = BillingErrorCode.OFFER_WITHOUT_PRICE
        raise Refusal(code, "input", field, message=message, day=end)


async def withdraw_offer(action: Action, offer: Offer, day: date) -> Offer:
    """Stop selling an offer on a day; if it is today, at once. Existing purchases renew, and drafts
    keep their price until they expire. A planned publication is dropped. A repeat changes nothing.
    Raises TRANSITION_ILLEGAL for a draft that isn't planned to be published, and
    OFFER_WITHOUT_PRICE for a day before which the offer's prices end.
    """
    async with action.transaction() as tx:
        offer = await tx.lock(Offer, offer.pk)
        if offer.status is OfferStatus.DRAFT and offer.publishes_on is None:
            raise Refusal(
                CommonErrorCode.TRANSITION_ILLEGAL,
                "input",
                "offerId",
                message=_("This offer is a draft, which nobody can buy."),
            )
        former = _planned_state(offer)
        offer.publishes_on = offer.withdraws_on = None
        if offer.status is OfferStatus.ON_SALE:
            offer.withdraws_on = day if day > action.day else None
            offer.status = OfferStatus.ON_SALE if offer.withdraws_on else OfferStatus.WITHDRAWN
            await _require_prices(tx, offer, action.day, "on", _PRICES_END)
        await _save_plan(tx, offer, former, BillingAuditAction.OFFER_WITHDRAW, day)
    return offer


def _planned_state(offer: Offer) -> tuple[Any, ...]:
    """The status of an offer and what is planned for it, to compare."""
    return offer.status, offer.publishes_on, offer.withdraws_on


async def _save_plan(
    tx: Transaction,
    offer: Offer,
    former: tuple[Any, ...],
    audit_action: BillingAuditAction,
    day: date,
) -> None:
    """Save what is planned for an offer if it has changed."""
    if _planned_state(offer) != former:
        await offer.save(using_db=tx.db)
        tx.audit(audit_action, offer, account_id=None, day=day.isoformat())


async def reorder_offers(action: Action, offer_ids: Collection[int]) -> list[Offer]:
    """Put these offers first in the catalogue, in this order, before all others, which keep their
    order. Returns all of them.
    """
    async with action.transaction() as tx:
        offers = {offer.pk: offer for offer in await tx.lock_rows(Offer.all())}
        others = sorted(offers.values(), key=lambda each: (each.position, each.pk))
        order = [offers[key] for key in offer_ids]
        order += [each for each in others if each.pk not in offer_ids]
        for position, offer in enumerate(order, 1):
            if offer.position != position:
                offer.position = position
                await offer.save(using_db=tx.db, update_fields=["position"])
        tx.audit(BillingAuditAction.OFFER_REORDER, account_id=None, offers=len(offer_ids))
    return order


async def create_price(
    action: Action, offer: Offer, terms: PriceTerms, valid_from: date | None, key: str
) -> Price:
    """Add a version of a price, valid from a day on, or at once when no day is given. It ends the
    former version of the interval. The same key returns the same version. Raises PRICE_OVERLAPS
    when another version begins later or on that day, VALUE_INVALID for a category that has no VAT
    rate on that day, and IDEMPOTENCY_MISMATCH.
    """
    async with action.transaction() as tx:
        arguments = [offer.pk, vars(terms), valid_from and valid_from.isoformat()]
        if earlier_id := await earlier_result(tx, owner_of(action), "priceCreate", key, arguments):
            return await Price.get(pk=earlier_id, using_db=tx.db)
        offer = await tx.lock(Offer, offer.pk)
        day = valid_from or action.day
        start = starting_at(action, day)
        versions = Price.ending_after(start).filter(offer_id=offer.pk, interval=terms.interval)
        for former in await tx.lock_rows(versions):
            if former.valid_from >= start:
                raise Refusal(BillingErrorCode.PRICE_OVERLAPS, "input", "validFrom")
            former.valid_until = start
            await former.save(using_db=tx.db, update_fields=["valid_until"])
        price = await Price.create(
            using_db=tx.db,
            offer_id=offer.pk,
            **vars(terms),
            vat_rate=await _metropolitan_rate(tx, terms.tax_category, day),
            valid_from=start,
            is_public=offer.status in _PUBLISHED and start <= action.at,
        )
        await store_result(tx, owner_of(action), "priceCreate", key, price.pk)
        tx.audit(
            BillingAuditAction.PRICE_CREATE,
            price,
            account_id=None,
            net_cents=price.net_cents,
            day=day.isoformat(),
        )
    return price


async def _metropolitan_rate(tx: Transaction, category: TaxCategory, day: date) -> int:
    try:
        rules = await TaxRule.all().using_db(tx.db)
        return tax_for(rules, Buyer(), category, day).rate_basis_points
    except LookupError:
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "taxCategory") from None


async def end_price(action: Action, price: Price, day: date) -> Price:
    """Stop selling the last version of a price, and with it the interval, on a day; if it is today,
    at once. The offer's other prices stay on sale, existing purchases renew, and drafts keep their
    price until they expire. Another day may be chosen until the price has ended; a repeat changes
    nothing.

    Raises PRICE_OVERLAPS when another version follows, VALUE_INVALID for a day on which the price
    hasn't begun, and OFFER_WITHOUT_PRICE when the offer would be on sale without a price.
    """
    async with action.transaction() as tx:
        offer = await tx.lock(Offer, price.offer_id)
        price = await tx.lock(Price, price.pk)
        end = starting_at(action, day)
        is_over = price.valid_until is not None and price.valid_until <= action.at
        await _require_last_version(tx, price)
        if is_over or price.valid_until == end:
            return price
        if end <= price.valid_from:
            raise Refusal(
                CommonErrorCode.VALUE_INVALID,
                "input",
                "on",
                message=_("The price begins on that day or later. Delete it instead."),
            )
        price.valid_until = end
        await price.save(using_db=tx.db, update_fields=["valid_until"])
        await _require_prices(tx, offer, day, "priceId", _LAST_PRICE)
        tx.audit(BillingAuditAction.PRICE_END, price, account_id=None, day=day.isoformat())
    return price


async def _require_last_version(tx: Transaction, price: Price) -> None:
    later = Price.filter(
        offer_id=price.offer_id, interval=price.interval, valid_from__gt=price.valid_from
    )
    if await later.using_db(tx.db).exists():
        raise Refusal(
            BillingErrorCode.PRICE_OVERLAPS,
            "input",
            "priceId",
            message=_(
                "Another version of this price follows. End that one, or delete it if it hasn’t "
                "begun."
            ),
        )


def _first_day_on_sale(offer: Offer, day: date) -> date | None:
    """The first day, from this one on, on which an offer is on sale. None if there is none."""
    if offer.status is OfferStatus.ON_SALE:
        return None if offer.withdraws_on and offer.withdraws_on <= day else day
    return max(offer.publishes_on, day) if offer.publishes_on else None


async def delete_price(action: Action, price: Price) -> Offer:
    """Delete a version of a price that was never on sale; the former version continues in its
    place. Raises PRICE_IN_USE, and OFFER_WITHOUT_PRICE when the offer would be on sale without a
    price.
    """
    async with action.transaction() as tx:
        offer = await tx.lock(Offer, price.offer_id)
        found = await tx.lock_rows(Price.filter(pk=price.pk))
        if not found:
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "priceId")
        (locked,) = found
        is_used = await Purchase.filter(price_id=locked.pk).using_db(tx.db).exists()
        is_chosen = await PurchaseChange.filter(price_id=locked.pk).using_db(tx.db).exists()
        if locked.is_public or is_used or is_chosen:
            raise Refusal(BillingErrorCode.PRICE_IN_USE, "input", "priceId")
        former = Price.filter(
            offer_id=offer.pk, interval=locked.interval, valid_until=locked.valid_from
        )
        await locked.delete(using_db=tx.db)
        await former.using_db(tx.db).update(valid_until=locked.valid_until)
        await _require_prices(tx, offer, action.day, "priceId", _NEEDED_PRICE)
        tx.audit(BillingAuditAction.PRICE_DELETE, locked, account_id=None)
    return offer


async def apply_due_changes(action: Action) -> int:
    """Publish and withdraw the offers whose day has come, and announce the prices that have begun.
    Returns how many offers changed.
    """
    is_due = Q(publishes_on__lte=action.day) | Q(withdraws_on__lte=action.day)
    begun = Q(prices__is_public=False, prices__valid_from__lte=action.at, status__in=_PUBLISHED)
    due = Offer.filter(is_due | begun).distinct().order_by("id")
    return sum(
        [await _apply_due_change(action, key) for key in await due.values_list("id", flat=True)]
    )


async def _apply_due_change(action: Action, key: Any) -> bool:
    async with action.transaction() as tx:
        offer = await tx.lock(Offer, int(key))
        publishes = offer.publishes_on is not None and offer.publishes_on <= action.day
        withdraws = offer.withdraws_on is not None and offer.withdraws_on <= action.day
        if publishes:
            await _publish(tx, offer)
            tx.audit(BillingAuditAction.OFFER_PUBLISH, offer, account_id=None)
        if withdraws:
            offer.status, offer.withdraws_on = OfferStatus.WITHDRAWN, None
            tx.audit(BillingAuditAction.OFFER_WITHDRAW, offer, account_id=None)
        if offer.status in _PUBLISHED:
            await _show_prices(tx, offer)
        await offer.save(using_db=tx.db)
    return publishes or withdraws


async def _publish(tx: Transaction, offer: Offer) -> None:
    offer.status, offer.publishes_on = OfferStatus.ON_SALE, None
    await _show_prices(tx, offer)


async def _show_prices(tx: Transaction, offer: Offer) -> None:
    begun = Price.filter(offer_id=offer.pk, is_public=False, valid_from__lte=tx.action.at)
    await begun.using_db(tx.db).update(is_public=True)


def starting_at(action: Action, day: date) -> datetime:
    """When something begins on a day: now if it is today, otherwise at midnight in Paris."""
    if day <= action.day:
        return action.at
    return datetime.combine(day, time(), PARIS).astimezone(UTC)


def _require_same(texts: Mapping[str, OfferTexts], tried: Mapping[str, OfferTexts]) -> None:
    if texts != tried:
        raise TransactionConflict("the offer changed")


async def _try_on_invoice(
    action: Action, seller: Seller, offer: Offer, texts: dict[str, OfferTexts]
) -> None:
    """Prepare an invoice with each language's texts and every price of an offer. Raises
    OFFER_NOT_PRINTABLE: so that nobody buys what can't be invoiced.
    """
    prices = await Price.ending_after(action.at).filter(offer_id=offer.pk)
    for locale in Locale:
        lines: list[DraftLine] = []
        for price in prices:
            price.offer = Offer(id=offer.pk, slug=offer.slug, texts=texts)
            item = Item(price, MAX_QUANTITY)
            quoted = await quote(None, seller, item, Buyer(), action.day, locale=locale)
            lines += quoted.lines
        if not lines:
            return
        try:
            request = InvoiceRequest(
                profile=_sample_profile(),
                lines=lines,
                on=action.day,
                locale=locale,
                vat=VatStatement.of(quoted.tax),
            )
            await prepare(seller, request)
        except Refusal as refusal:
            raise Refusal(BillingErrorCode.OFFER_NOT_PRINTABLE, "input", locale.value) from refusal


def _sample_profile() -> BillingProfile:
    return BillingProfile(
        account_id=0,
        legal_name="Exemple SARL",
        siren="404833048",
        street="1 rue de l’Exemple",
        postal_code="75001",
        city="Paris",
        country="FR",
    )
