"""An example of each audited mutation of billing, in a function with the mutation's name."""

from typing import TYPE_CHECKING

from models.audit import AuditEntry
from models.billing.audit_actions import BillingAuditAction
from models.billing.payment import Payment
from resolvers.ids import encode
from tests.schema.audited_fixtures import Stage

if TYPE_CHECKING:
    pass


async def purchase_draft(stage: Stage) -> None:
    for _ in range(2):
        price = encode("Price", stage.price.pk)
        await stage.do(stage.owner, "purchaseDraft", priceId=price, idempotencyKey="MARKED KEY")


async def drafted(stage: Stage) -> str:
    await purchase_draft(stage)
    drafted = (
        await AuditEntry.filter(action=BillingAuditAction.PURCHASE_DRAFT.value)
        .order_by("-id")
        .first()
    )
    assert drafted is not None
    return encode("Purchase", drafted.object_id or 0)


async def purchase_confirm_billing(stage: Stage) -> str:
    purchase = await drafted(stage)
    address = {"street": "MARKED STREET", "postalCode": "69001", "city": "MARKED CITY"}
    where = {"billingAddress": address, "orderNumber": "MARKED ORDER"}
    await stage.do(stage.owner, "purchaseConfirmBilling", purchaseId=purchase, **where)
    return purchase


async def purchase_pay(stage: Stage, method: str = "pm_sandbox_success") -> None:
    purchase = await purchase_confirm_billing(stage)
    await stage.do(
        stage.owner,
        "purchasePay",
        purchaseId=purchase,
        paymentMethod=method,
        idempotencyKey="MARKED PAY",
    )


async def payment_refresh(stage: Stage) -> None:
    await purchase_pay(stage, "pm_sandbox_confirmation")
    payment = await Payment.all().order_by("-id").first()
    assert payment is not None
    await stage.services.gateway.decide(payment.provider_reference, is_approved=True)  # type: ignore[attr-defined] # the sandbox
    for _ in range(2):
        await stage.do(stage.owner, "paymentRefresh", paymentId=encode("Payment", payment.pk))
