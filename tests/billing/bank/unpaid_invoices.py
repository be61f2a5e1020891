"""Invoices that wait for a transfer."""

from billing.bank.reference import payment_reference
from billing.ledger import post_invoice
from models.accounts.account import Account
from models.action import Action
from models.billing.invoice import Invoice, Series, next_number
from models.billing.receivable import Receivable
from tests.invoices import create_profile


async def create_unpaid_invoice(action: Action, account: Account, cents: int) -> Invoice:
    """An invoice of this gross amount, with its receivable and its entry in the ledger."""
    profile = await create_profile(action, account)
    async with action.transaction() as tx:
        number = await next_number(tx, Series.INVOICE)
        vat = cents // 6
        invoice = await Invoice.create(
            using_db=tx.db,
            series=Series.INVOICE,
            position=number.position,
            number=number.number,
            account=account,
            billing_profile=profile,
            issued_at=number.at,
            issued_on=number.day,
            due_on=number.day,
            net_cents=cents - vat,
            vat_cents=vat,
            gross_cents=cents,
            reference=payment_reference(number.number),
            facts={},
        )
        await Receivable.create(
            using_db=tx.db,
            invoice=invoice,
            account=account,
            due_on=invoice.due_on,
            gross_cents=cents,
            open_cents=cents,
        )
        await post_invoice(tx, invoice)
    return invoice
