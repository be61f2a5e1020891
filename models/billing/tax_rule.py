"""VAT rates as dated rules: which rate applies where, since when, and why none does."""

from datetime import date
from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from models.billing.territory import Territory


class TaxCategory(StrEnum):
    """The category of a price, which a rule turns into a rate."""

    STANDARD = "STANDARD"
    INTERMEDIATE = "INTERMEDIATE"
    REDUCED = "REDUCED"


class Treatment(StrEnum):
    """How VAT applies to a line or to a whole document."""

    STANDARD = "standard"
    EXEMPT_SELLER = "exempt_seller"
    REVERSE_CHARGE = "reverse_charge"
    NOT_DUE = "not_due"
    OUTSIDE_SCOPE = "outside_scope"


class TaxRule(Model):
    """The VAT of a category in a territory from a day on, until a later rule replaces it.

    `rate` is in hundredths of a percent: 2000 is 20 %. `exemption_code` is a VATEX code of EN
    16931, and `mention` the sentence on the invoice that the law prescribes, in French; both are
    null when VAT is charged.
    """

    id = fields.BigIntField(primary_key=True)
    territory = fields.CharEnumField(Territory, max_length=20, description="territory of VAT")
    category = fields.CharEnumField(TaxCategory, max_length=20, description="category of VAT")
    valid_since: date = fields.DateField()
    rate = fields.IntField()
    treatment = fields.CharEnumField(
        Treatment, max_length=20, default=Treatment.STANDARD, description="treatment of VAT"
    )
    exemption_code = fields.CharField(max_length=30, null=True)
    mention = fields.CharField(max_length=200, null=True)

    class Meta:
        table = "tax_rule"
        unique_together = (("territory", "category", "valid_since"),)
