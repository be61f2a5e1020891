"""An example of each audited mutation of billing, in a function with the mutation's name."""

from base64 import b64encode
from typing import TYPE_CHECKING

from models.audit import AuditEntry
from models.billing.audit_actions import BillingAuditAction
from models.billing.bank import BankLine
from models.billing.delivery import DeliveryState, InvoiceDelivery
from models.billing.invoice import Invoice, InvoiceLine
from models.billing.payment import Payment
from models.billing.payment_method import PaymentKind, PaymentMethod
from models.billing.provider_event import ProviderEvent, ProviderEventStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.receivable import Receivable
from models.billing.refund import Refund
from models.viewer import Viewer
from resolvers.ids import encode
from tests.billing.bank.statement_fixtures import Entry, Transfer, camt
from tests.schema.audited_fixtures import (
    Scenario,
    agent_viewer,
    operator_viewer,
    owner_with_step_up,
)

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


async def purchase_discard(scenario: Scenario) -> None:
    purchase = await draft_id(scenario)
    for _ in range(2):
        await scenario.mutate(scenario.owner, "purchaseDiscard", purchaseId=purchase)


async def purchase_reprice(scenario: Scenario) -> None:
    purchase = await draft_id(scenario)
    await scenario.mutate(scenario.owner, "purchaseReprice", purchaseId=purchase, grossCents=3480)


async def payment_cancel(scenario: Scenario) -> None:
    await purchase_pay(scenario, "pm_sandbox_confirmation")
    payment = await Payment.all().order_by("-id").first()
    assert payment is not None
    for _ in range(2):
        await scenario.mutate(
            scenario.owner, "paymentCancel", paymentId=encode("Payment", payment.pk)
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


async def payment_confirm(scenario: Scenario) -> None:
    await purchase_pay(scenario, "pm_sandbox_confirmation")
    payment = await Payment.all().order_by("-id").first()
    assert payment
    # Each confirmation that is begun is recorded.
    await scenario.mutate(scenario.owner, "paymentConfirm", paymentId=encode("Payment", payment.pk))


async def payment_method_add(scenario: Scenario, method: str = "pm_sandbox_success") -> str:
    viewer = await owner_with_step_up(scenario)
    for _ in range(2):
        payload = await scenario.mutate(
            viewer,
            "paymentMethodAdd",
            "paymentMethod { id }",
            token=method,
            idempotencyKey=f"MARKED KEY {method}",
        )
    return str(payload["paymentMethod"]["id"])


async def payment_method_replace(scenario: Scenario) -> None:
    replaced = await payment_method_add(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "paymentMethodReplace",
            paymentMethodId=replaced,
            token="pm_sandbox_success",
            idempotencyKey="MARKED KEY",
        )


async def payment_method_confirm(scenario: Scenario) -> None:
    method = await payment_method_add(scenario, "pm_sandbox_confirmation")
    row = await PaymentMethod.all().order_by("-id").first()
    assert row
    await scenario.services.gateway.decide_setup(row.setup_reference, is_approved=True)  # type: ignore[attr-defined] # the sandbox
    for _ in range(2):
        await scenario.mutate(scenario.owner, "paymentMethodConfirm", paymentMethodId=method)


async def payment_method_set_default(scenario: Scenario) -> None:
    await payment_method_add(scenario)
    method = await payment_method_add(scenario, "pm_sandbox_expiring")
    for _ in range(2):
        await scenario.mutate(scenario.owner, "paymentMethodSetDefault", paymentMethodId=method)


async def payment_method_remove(scenario: Scenario) -> None:
    await payment_method_add(scenario)  # pays for the purchases then
    method = await payment_method_add(scenario, "pm_sandbox_expiring")
    for _ in range(2):
        await scenario.mutate(scenario.owner, "paymentMethodRemove", paymentMethodId=method)


async def invoice_delivery_retry(scenario: Scenario) -> None:
    delivery = await InvoiceDelivery.get(account_id=scenario.dataset.paul.account.pk)
    delivery.state, delivery.error = DeliveryState.FAILED, "MARKED ERROR"
    await delivery.save()
    operator = await operator_viewer(scenario)
    for _ in range(2):
        await scenario.mutate(
            operator,
            "invoiceDeliveryRetry",
            invoiceDeliveryId=encode("InvoiceDelivery", delivery.pk),
        )


async def invoice_correct(scenario: Scenario) -> None:
    invoice = scenario.dataset.paul.row(Invoice)
    lines = [
        {"lineId": encode("InvoiceLine", line.pk), "label": "MARKED LABEL"}
        for line in await InvoiceLine.filter(invoice_id=invoice.pk)
    ]
    operator = await operator_viewer(scenario)
    for _ in range(2):
        await scenario.mutate(
            operator,
            "invoiceCorrect",
            invoiceId=encode("Invoice", invoice.pk),
            lines=lines,
            reason="MARKED REASON",
            idempotencyKey="MARKED KEY",
        )


async def provider_event_retry(scenario: Scenario) -> None:
    event = await ProviderEvent.create(
        provider="sandbox",
        event_id="MARKED EVENT",
        type="MARKED TYPE",
        subject="OTHER",
        reference="MARKED REFERENCE",
        body=b"MARKED BODY",
        received_at=scenario.action.at,
        status=ProviderEventStatus.FAILED,
    )
    operator = await operator_viewer(scenario)
    for _ in range(2):
        await scenario.mutate(
            operator, "providerEventRetry", providerEventId=encode("ProviderEvent", event.pk)
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


async def import_line(scenario: Scenario, *entries: Entry | Transfer, key: str = "k") -> str:
    """Imports a statement with these entries. Returns the ID of its last line."""
    content = b64encode(camt(*entries, message_id=key)).decode()
    for _ in range(2):
        await scenario.mutate(
            await _operator(scenario),
            "bankStatementImport",
            fileName="MARKED.xml",
            content=content,
            idempotencyKey=key,
        )
    line = await BankLine.all().order_by("-id").first()
    assert line is not None
    return encode("BankLine", line.pk)


async def _operator(scenario: Scenario) -> Viewer:
    """The operator of the scenario, who is created once."""
    if scenario.operator is None:
        scenario.operator = await operator_viewer(scenario)
    return scenario.operator


async def bank_statement_import(scenario: Scenario) -> None:
    await import_line(scenario, Transfer(cents=100, text="MARKED TEXT"))


async def bank_line_match(scenario: Scenario) -> str:
    line = await import_line(scenario, Transfer(cents=100, text="MARKED", end_to_end_id="E"))
    for _ in range(2):
        await scenario.mutate(
            await _operator(scenario),
            "bankLineMatch",
            lineId=line,
            accountId=encode("Account", scenario.dataset.paul.account.pk),
            idempotencyKey="MARKED KEY",
        )
    return line


async def bank_line_match_reversal(scenario: Scenario) -> None:
    original = await bank_line_match(scenario)
    back = Entry(transfers=(Transfer(cents=-100, payer_iban=""),), is_reversal=True)
    line = await import_line(scenario, back, key="back")
    for _ in range(2):
        await scenario.mutate(
            await _operator(scenario), "bankLineMatchReversal", lineId=line, originalId=original
        )


async def bank_line_dismiss(scenario: Scenario) -> None:
    line = await import_line(scenario, Transfer(cents=100, text="MARKED"))
    for _ in range(2):
        await scenario.mutate(
            await _operator(scenario), "bankLineDismiss", lineId=line, reason="TO_RETURN"
        )


async def bank_line_undo(scenario: Scenario) -> None:
    line = await bank_line_match(scenario)
    for _ in range(2):
        await scenario.mutate(await _operator(scenario), "bankLineUndo", lineId=line)


async def _transfer_refund(scenario: Scenario) -> str:
    """A refund of a transfer that an operator has to send. Returns its ID."""
    await bank_line_match(scenario)
    payment = await Payment.get(kind=PaymentKind.TRANSFER)
    await Payment.filter(pk=payment.pk).update(refunded_cents=100)
    refund = await Refund.create(
        account_id=payment.account_id,
        payment=payment,
        amount_cents=100,
        created_at=scenario.action.at,
    )
    return encode("Refund", refund.pk)


async def refund_mark_sent(scenario: Scenario) -> None:
    refund = await _transfer_refund(scenario)
    for _ in range(2):
        await scenario.mutate(
            await _operator(scenario),
            "refundMarkSent",
            refundId=refund,
            reference="MARKED REFERENCE",
        )


async def refund_mark_failed(scenario: Scenario) -> None:
    refund = await _transfer_refund(scenario)
    for _ in range(2):
        await scenario.mutate(await _operator(scenario), "refundMarkFailed", refundId=refund)


async def paid_invoice(scenario: Scenario) -> str:
    """Buys an offer. Returns the ID of its invoice."""
    await purchase_pay(scenario)
    invoice = await Invoice.all().order_by("-id").first()
    assert invoice is not None
    return encode("Invoice", invoice.pk)


async def invoice_credit(scenario: Scenario) -> None:
    invoice = await paid_invoice(scenario)
    for _ in range(2):
        await scenario.mutate(
            await _operator(scenario),
            "invoiceCredit",
            invoiceId=invoice,
            amountCents=100,
            reason="MARKED REASON",
            refund="PAYMENT",
            idempotencyKey="MARKED KEY",
        )


async def invoice_dispute(scenario: Scenario) -> str:
    invoice = await paid_invoice(scenario)
    for _ in range(2):
        payload = await scenario.mutate(
            scenario.owner,
            "invoiceDispute",
            "dispute { id }",
            invoiceId=invoice,
            reason="PRICE",
            body="MARKED BODY",
            idempotencyKey="MARKED KEY",
        )
    return str(payload["dispute"]["id"])


async def dispute_accept(scenario: Scenario) -> None:
    dispute = await invoice_dispute(scenario)
    for _ in range(2):
        await scenario.mutate(
            await agent_viewer(scenario),
            "disputeAccept",
            disputeId=dispute,
            whole=True,
            reason="MARKED REASON",
            refund="PAYMENT",
            idempotencyKey="MARKED KEY",
        )


async def dispute_reject(scenario: Scenario) -> None:
    dispute = await invoice_dispute(scenario)
    for _ in range(2):
        await scenario.mutate(
            await agent_viewer(scenario),
            "disputeReject",
            disputeId=dispute,
            reason="MARKED REASON",
        )


async def payment_report_no_access(scenario: Scenario) -> None:
    await purchase_pay(scenario)
    payment = await Payment.all().order_by("-id").first()
    assert payment is not None
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "paymentReportNoAccess",
            paymentId=encode("Payment", payment.pk),
            body="MARKED BODY",
            idempotencyKey="MARKED KEY",
        )


async def purchase_grant_access(scenario: Scenario) -> None:
    await purchase_pay(scenario)
    purchase = await Purchase.all().order_by("-id").first()
    assert purchase is not None
    await Purchase.filter(pk=purchase.pk).update(status=PurchaseStatus.SUSPENDED)
    for _ in range(2):
        await scenario.mutate(
            await agent_viewer(scenario),
            "purchaseGrantAccess",
            purchaseId=encode("Purchase", purchase.pk),
            reason="PROVIDER_ERROR",
        )


async def account_export_movements(scenario: Scenario) -> None:
    await scenario.mutate(
        scenario.owner, "accountExportMovements", since="2026-01-01", until="2027-01-01"
    )


async def account_export_invoices(scenario: Scenario) -> None:
    await scenario.mutate(scenario.owner, "accountExportInvoices", year=2026)


async def fec_export(scenario: Scenario) -> None:
    await scenario.mutate(await _operator(scenario), "fecExport", year=2026)


async def purchase_pay_by_transfer(scenario: Scenario) -> None:
    purchase = await purchase_confirm_billing(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "purchasePayByTransfer",
            purchaseId=purchase,
            idempotencyKey="MARKED KEY",
        )


async def active_purchase(scenario: Scenario) -> Purchase:
    await purchase_pay(scenario)
    purchase = await Purchase.filter(status=PurchaseStatus.ACTIVE).order_by("-id").first()
    assert purchase is not None
    return purchase


async def purchase_cancel(scenario: Scenario) -> str:
    key = encode("Purchase", (await active_purchase(scenario)).pk)
    for _ in range(2):
        await scenario.mutate(
            scenario.owner, "purchaseCancel", purchaseId=key, reason="MARKED REASON"
        )
    return key


async def purchase_undo_cancellation(scenario: Scenario) -> None:
    key = await purchase_cancel(scenario)
    for _ in range(2):
        await scenario.mutate(scenario.owner, "purchaseUndoCancellation", purchaseId=key)


async def purchase_change(scenario: Scenario, quantity: int = 2) -> str:
    purchase = await active_purchase(scenario)
    key = encode("Purchase", purchase.pk)
    expected = {2: 3480, 1: 3480}[quantity]
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "purchaseChange",
            purchaseId=key,
            quantity=quantity,
            expectedGrossCents=expected,
            idempotencyKey=f"MARKED CHANGE {quantity}",
        )
    return key


async def purchase_cancel_change(scenario: Scenario) -> None:
    await purchase_change(scenario)
    key = await purchase_change(scenario, 1)
    for _ in range(2):
        await scenario.mutate(scenario.owner, "purchaseCancelChange", purchaseId=key)


async def purchase_pause(scenario: Scenario) -> None:
    key = encode("Purchase", (await active_purchase(scenario)).pk)
    for _ in range(2):
        await scenario.mutate(scenario.owner, "purchasePause", purchaseId=key)


async def purchase_resume(scenario: Scenario) -> None:
    purchase = await active_purchase(scenario)
    paused = {"status": PurchaseStatus.PAUSED, "paused_at": scenario.action.at, "bills_on": None}
    await Purchase.filter(pk=purchase.pk).update(**paused)
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "purchaseResume",
            purchaseId=encode("Purchase", purchase.pk),
            expectedGrossCents=3480,
            idempotencyKey="MARKED RESUMPTION",
        )


async def purchase_update_billing(scenario: Scenario) -> None:
    purchase = await active_purchase(scenario)
    address = {"street": "MARKED OTHER STREET", "postalCode": "69001", "city": "MARKED CITY"}
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "purchaseUpdateBilling",
            purchaseId=encode("Purchase", purchase.pk),
            billingAddress=address,
            orderNumber="MARKED ORDER",
        )


async def invoice_retry_payment(scenario: Scenario) -> None:
    purchase = await active_purchase(scenario)
    invoice = await Invoice.get(purchase_id=purchase.pk)
    await Receivable.filter(invoice_id=invoice.pk).update(open_cents=3480, settled_at=None)
    await scenario.mutate(
        await agent_viewer(scenario),
        "invoiceRetryPayment",
        invoiceId=encode("Invoice", invoice.pk),
        idempotencyKey="MARKED RETRY KEY",
    )


async def invoice_pay(scenario: Scenario) -> None:
    purchase = await active_purchase(scenario)
    invoice = await Invoice.get(purchase_id=purchase.pk)
    await Receivable.filter(invoice_id=invoice.pk).update(open_cents=3480, settled_at=None)
    await scenario.mutate(
        scenario.owner,
        "invoicePay",
        invoiceId=encode("Invoice", invoice.pk),
        paymentMethod="pm_sandbox_success",
        idempotencyKey="MARKED INVOICE KEY",
    )


_TEXTS = {
    "name": "MARKED NAME",
    "description": "MARKED DESCRIPTION",
    "features": ["MARKED FEATURE"],
    "advantages": ["MARKED ADVANTAGE"],
}


async def offer_create(scenario: Scenario) -> str:
    operator = await _operator(scenario)
    fields = {"slug": "marked", "segment": "TPE", "fr": _TEXTS, "en": _TEXTS}
    for _ in range(2):
        payload = await scenario.mutate(
            operator, "offerCreate", "offer { id }", **fields, idempotencyKey="MARKED KEY"
        )
    return str(payload["offer"]["id"])


async def offer_update(scenario: Scenario) -> None:
    operator, offer = await _operator(scenario), encode("Offer", scenario.price.offer_id)
    await scenario.mutate(operator, "offerUpdate", offerId=offer, fr=_TEXTS)


async def offer_publish(scenario: Scenario) -> None:
    operator, offer = await _operator(scenario), encode("Offer", scenario.price.offer_id)
    await scenario.mutate(operator, "offerWithdraw", offerId=offer)
    for _ in range(2):
        await scenario.mutate(operator, "offerPublish", offerId=offer)


async def offer_withdraw(scenario: Scenario) -> None:
    operator, offer = await _operator(scenario), encode("Offer", scenario.price.offer_id)
    for _ in range(2):
        await scenario.mutate(operator, "offerWithdraw", offerId=offer)


async def offer_reorder(scenario: Scenario) -> None:
    operator, offer = await _operator(scenario), encode("Offer", scenario.price.offer_id)
    await scenario.mutate(operator, "offerReorder", offerIds=[offer])


async def price_create(scenario: Scenario) -> str:
    operator, offer = await _operator(scenario), encode("Offer", scenario.price.offer_id)
    fields = {"offerId": offer, "interval": "YEAR", "netCents": 29_000, "validFrom": "2027-01-01"}
    for _ in range(2):
        payload = await scenario.mutate(
            operator, "priceCreate", "price { id }", **fields, idempotencyKey="MARKED KEY"
        )
    return str(payload["price"]["id"])


async def price_end(scenario: Scenario) -> None:
    price = await price_create(scenario)
    for _ in range(2):
        await scenario.mutate(await _operator(scenario), "priceEnd", priceId=price, on="2027-02-01")


async def price_delete(scenario: Scenario) -> None:
    price = await price_create(scenario)
    for _ in range(2):
        await scenario.mutate(await _operator(scenario), "priceDelete", priceId=price)


async def promotion_create(scenario: Scenario, basis_points: int = 2_000) -> str:
    operator = await _operator(scenario)
    fields = {"code": "MARKED-CODE", "percentBasisPoints": basis_points}
    for _ in range(2):
        payload = await scenario.mutate(
            operator, "promotionCreate", "promotion { id }", **fields, idempotencyKey="MARKED KEY"
        )
    return str(payload["promotion"]["id"])


async def promotion_deactivate(scenario: Scenario) -> None:
    promotion = await promotion_create(scenario)
    for _ in range(2):
        await scenario.mutate(
            await _operator(scenario), "promotionDeactivate", promotionId=promotion
        )


async def purchase_apply_promotion(scenario: Scenario) -> None:
    await promotion_create(scenario)
    await scenario.mutate(
        scenario.owner,
        "purchaseApplyPromotion",
        purchaseId=await draft_id(scenario),
        promotionCode="marked-code",
    )


async def purchase_start(scenario: Scenario) -> None:
    await promotion_create(scenario, basis_points=10_000)
    purchase = await purchase_confirm_billing(scenario)
    code = {"purchaseId": purchase, "promotionCode": "marked-code"}
    await scenario.mutate(scenario.owner, "purchaseApplyPromotion", **code)
    for _ in range(2):
        await scenario.mutate(
            scenario.owner, "purchaseStart", purchaseId=purchase, idempotencyKey="MARKED START"
        )
