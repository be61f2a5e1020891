"""Trials: each company tries an offer once."""

from datetime import datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model

if TYPE_CHECKING:
    from models.billing.offer import Offer
    from models.billing.purchase import Purchase


class OfferTrial(Model):
    """The trial of an offer by a company, identified by a hash (models/billing/company.py). The
    database accepts one for each company and offer, whatever becomes of the purchase.
    """

    id = fields.BigIntField(primary_key=True)
    offer: fields.ForeignKeyRelation["Offer"] = fields.ForeignKeyField(
        "models.Offer", related_name="trials", on_delete=fields.RESTRICT
    )
    company = fields.CharField(max_length=64)
    purchase: fields.OneToOneRelation["Purchase"] = fields.OneToOneField(
        "models.Purchase", related_name="trial", on_delete=fields.RESTRICT
    )
    started_at: datetime = fields.DatetimeField()

    offer_id: int
    purchase_id: int

    class Meta:
        table = "offer_trial"
        unique_together = (("offer", "company"),)
