"""The catalogue: offers and their prices."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypedDict

from tortoise import fields
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.billing.money import Money, vat_amount
from models.billing.tax_rule import TaxCategory
from models.identity.user import Staff
from models.locale import Locale

if TYPE_CHECKING:
    from models.viewer import Viewer


MAX_NET_CENTS = 1_000_000_000  # of one unit for one interval


class Segment(StrEnum):
    """The size of the businesses that an offer is for."""

    TPE = "TPE"
    PME = "PME"


class OfferStatus(StrEnum):
    """Whether an offer can be bought."""

    DRAFT = "DRAFT"
    ON_SALE = "ON_SALE"
    WITHDRAWN = "WITHDRAWN"


class Interval(StrEnum):
    """How often a purchase renews."""

    MONTH = "MONTH"
    YEAR = "YEAR"

    @property
    def months(self) -> int:
        return 1 if self is Interval.MONTH else 12


class OfferTexts(TypedDict):
    """An offer's texts in one language."""

    name: str
    description: str
    features: list[str]
    advantages: list[str]


class Offer(Model):
    """A subscription offer, described in every language (`texts` by locale).

    `publishes_on` is the day on which an offer will go on sale, and `withdraws_on` the day on which
    it will be withdrawn. Days are in Europe/Paris.
    """

    id = fields.BigIntField(primary_key=True)
    slug = fields.CharField(max_length=60, unique=True)
    segment = fields.CharEnumField(Segment, max_length=3)
    position = fields.IntField(default=0)
    texts: dict[str, OfferTexts] = fields.JSONField()
    status = fields.CharEnumField(
        OfferStatus, max_length=20, default=OfferStatus.ON_SALE, description="status"
    )
    publishes_on: date | None = fields.DateField(null=True)
    withdraws_on: date | None = fields.DateField(null=True)

    prices: fields.ReverseRelation["Price"]

    class Meta:
        table = "offer"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Offer"]:
        """Operators see all offers, everyone else those that were published. What was withdrawn
        stays visible, because purchases refer to it.
        """
        if viewer.staff is Staff.OPERATOR:
            return QuerySet(cls)
        return cls.filter(status__in=[OfferStatus.ON_SALE, OfferStatus.WITHDRAWN])

    def text(self, locale: Locale) -> OfferTexts:
        return self.texts[locale.value]


class Price(Model):
    """One version of a price. A new version ends the previous one; purchases keep the version they
    were made with.

    `tax_category` determines the VAT of an invoice; `vat_rate` is the rate in metropolitan France,
    which the catalogue shows. `is_public` is false until the offer is published and the price has
    begun: until then, only operators see the price.
    """

    id = fields.BigIntField(primary_key=True)
    offer: fields.ForeignKeyRelation[Offer] = fields.ForeignKeyField(
        "models.Offer", related_name="prices", on_delete=fields.RESTRICT
    )
    interval = fields.CharEnumField(Interval, max_length=5)
    net_cents = fields.BigIntField()
    vat_rate = fields.IntField()
    currency = fields.CharField(max_length=3, default="EUR")
    tax_category = fields.CharEnumField(
        TaxCategory, max_length=20, default=TaxCategory.STANDARD, description="category of VAT"
    )
    trial_days = fields.IntField(default=0)
    trial_requires_payment_method = fields.BooleanField(default=True)
    is_public = fields.BooleanField(default=True)
    valid_from: datetime = fields.DatetimeField()
    valid_until: datetime | None = fields.DatetimeField(null=True)

    offer_id: int

    class Meta:
        table = "price"
        indexes = (("offer_id", "interval"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Price"]:
        """Prices are public, including past versions, to which old invoices refer. Only operators
        see planned versions and the prices of drafts.
        """
        return QuerySet(cls) if viewer.staff is Staff.OPERATOR else cls.filter(is_public=True)

    @classmethod
    def current(cls, at: datetime) -> QuerySet["Price"]:
        """The versions valid at this time."""
        return cls.ending_after(at).filter(valid_from__lte=at)

    @classmethod
    def ending_after(cls, at: datetime) -> QuerySet["Price"]:
        """The versions valid at this time or planned for a later one."""
        return cls.filter(Q(valid_until=None) | Q(valid_until__gt=at))

    @classmethod
    def on_sale(cls, at: datetime) -> QuerySet["Price"]:
        """The versions valid at this time of the offers that can be bought."""
        return cls.current(at).filter(offer__status=OfferStatus.ON_SALE)

    def is_valid_at(self, at: datetime) -> bool:
        """Whether the version is valid at this time."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)

    @property
    def net(self) -> Money:
        return Money(self.net_cents)

    @property
    def vat(self) -> Money:
        return Money(vat_amount(self.net_cents, self.vat_rate))

    @property
    def gross(self) -> Money:
        return Money(self.net_cents + self.vat.cents)
