"""The sandbox gateway's own records, which stand in for those of a payment provider."""

from datetime import datetime

from tortoise import fields
from tortoise.models import Model

from models.billing.payment import PaymentStatus
from models.billing.payment_method import PaymentKind
from models.billing.refund import RefundStatus


class SandboxCharge(Model):
    """A charge. `settles_at` is when a charge that is processed gets its final status."""

    id = fields.BigIntField(primary_key=True)
    key = fields.CharField(max_length=64, unique=True)
    reference = fields.CharField(max_length=64, unique=True)
    amount_cents = fields.BigIntField()
    method = fields.CharField(max_length=64)
    status = fields.CharEnumField(PaymentStatus, max_length=16, description="status")
    decline_code = fields.CharField(max_length=40, null=True)
    return_url = fields.CharField(max_length=500, null=True)
    settles_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "sandbox_charge"


class SandboxSetup(Model):
    """The saving of a method. `method` is the token that was chosen, and `saved_method` that of the
    saved method. The status is a SetupStatus.
    """

    id = fields.BigIntField(primary_key=True)
    key = fields.CharField(max_length=64, unique=True)
    reference = fields.CharField(max_length=64, unique=True)
    kind = fields.CharEnumField(PaymentKind, max_length=20, description="kind")
    status = fields.CharField(max_length=20)
    method = fields.CharField(max_length=64, null=True)
    saved_method = fields.CharField(max_length=64, null=True, unique=True)
    decline_code = fields.CharField(max_length=40, null=True)
    return_url = fields.CharField(max_length=500, null=True)
    saved_at: datetime | None = fields.DatetimeField(null=True)
    removed_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "sandbox_setup"


class SandboxRefund(Model):
    """A refund of a charge. `fails_at` is when the customer's bank returns a refund that
    succeeded.
    """

    id = fields.BigIntField(primary_key=True)
    key = fields.CharField(max_length=64, unique=True)
    reference = fields.CharField(max_length=64, unique=True)
    charge_reference = fields.CharField(max_length=64, db_index=True)
    amount_cents = fields.BigIntField()
    status = fields.CharEnumField(RefundStatus, max_length=20, description="status")
    failure_code = fields.CharField(max_length=60, null=True)
    fails_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "sandbox_refund"


class SandboxDispute(Model):
    """A charge that the customer's bank took back. The status is a DisputeStatus."""

    id = fields.BigIntField(primary_key=True)
    reference = fields.CharField(max_length=64, unique=True)
    charge_reference = fields.CharField(max_length=64, unique=True)
    amount_cents = fields.BigIntField()
    status = fields.CharField(max_length=20)
    reason = fields.CharField(max_length=60)

    class Meta:
        table = "sandbox_dispute"
