"""Paying by bank transfer."""

from collections.abc import Sequence
from typing import Any

from billing.bank import transfer
from billing.bank.transfer import TransferInstructions
from models.billing.invoice import Invoice
from models.billing.purchase import Purchase
from models.billing.receivable import Receivable
from models.checks import Checks
from models.text import client_key
from resolvers.billing.inputs import PurchasePayByTransferInput
from resolvers.context import Context, Info
from resolvers.ids import load_visible


async def pay_by_transfer(info: Info, input: PurchasePayByTransferInput) -> dict[str, Any]:
    """Issue the invoice of a purchase, to be paid by bank transfer."""
    context = info.context
    with Checks() as check:
        purchase = await check.wait(
            load_visible(Purchase, input.purchase_id, context.viewer, "purchaseId")
        )
        key = check(client_key, input.idempotency_key)
    invoice = await transfer.pay_by_transfer(
        context.action(), context.services.checkout, purchase, key
    )
    return {"invoice": invoice, "purchase": await Purchase.get(pk=purchase.pk)}


async def transfers(
    context: Context, parents: Sequence[Invoice]
) -> list[TransferInstructions | None]:
    """The amount that is left to transfer for each invoice."""
    seller = context.services.seller
    keys = [invoice.pk for invoice in parents]
    receivables = {row.pk: row for row in await Receivable.filter(invoice_id__in=keys)}
    return [
        transfer.transfer_instructions(
            seller.party.name, seller.bank, invoice, receivables[invoice.pk]
        )
        if invoice.pk in receivables
        else None
        for invoice in parents
    ]
