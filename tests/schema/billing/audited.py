"""An example of each audited mutation of billing, in a function with the mutation's name."""

from typing import TYPE_CHECKING

from models.audit import AuditEntry
from models.billing.audit_actions import BillingAuditAction
from models.billing.payment import Payment
from resolvers.ids import encode
from tests.schema.audited_fixtures import Scenario

if TYPE_CHECKING:
    pass


async def purchase_draft(scenario: Scenario) -> None:
    for _ in range(2):
        price = encode("Price", scenario.price.pk)
        await scenario.mutate(
            scenario.owner, "purchaseDraft", priceId=price, idempotencyKey="MARKED KEY"
        )


async def draft_id(scenario: Scenario) -> str:
    await purchase_draft(scenario)
    draft_id = (
        await AuditEntry.filter(action=BillingAuditAction.PURCHASE_DRAFT.value)
        .order_by("-id")
        .first()
    )
    assert draft_id is not None
    return encode("Purchase", draft_id.object_id or 0)


async def purchase_confirm_billing(scenario: Scenario) -> str:
    purchase = await draft_id(scenario)
    address = {"street": "MARKED STREET", "postalCode": "69001", "city": "MARKED CITY"}
    billing = {"billingAddress": address, "orderNumber": "MARKED ORDER"}
    await scenario.mutate(scenario.owner, "purchaseConfirmBilling", purchaseId=purchase, **billing)
    return purchase


async def purchase_pay(scenario: Scenario, method: str = "pm_sandbox_success") -> None:
    purchase = await purchase_confirm_billing(scenario)
    await scenario.mutate(
        scenario.owner,
        "purchasePay",
        purchaseId=purchase,
        paymentMethod=method,
        idempotencyKey="MARKED PAY",
    )


async def payment_refresh(scenario: Scenario) -> None:
    await purchase_pay(scenario, "pm_sandbox_confirmation")
    payment = await Payment.all().order_by("-id").first()
    assert payment is not None
    await scenario.services.gateway.decide(payment.provider_reference, is_approved=True)  # type: ignore[attr-defined] # the sandbox
    for _ in range(2):
        await scenario.mutate(
            scenario.owner, "paymentRefresh", paymentId=encode("Payment", payment.pk)
        )


async def invoice_recipient_add(scenario: Scenario) -> str:
    for _ in range(2):
        payload = await scenario.mutate(
            scenario.owner,
            "invoiceRecipientAdd",
            "recipient { id }",
            email="marked@accountant.example",
            idempotencyKey="MARKED KEY",
        )
    return str(payload["recipient"]["id"])


async def invoice_recipient_remove(scenario: Scenario) -> None:
    recipient = await invoice_recipient_add(scenario)
    for _ in range(2):
        await scenario.mutate(scenario.owner, "invoiceRecipientRemove", recipientId=recipient)
