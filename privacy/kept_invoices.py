"""The record of who read invoices that are kept of erased companies. Only operators may, and each
invoice that they read or download is an entry of the audit log, written before they get it.
"""

from collections.abc import Collection

from models.accounts.account import Account, AccountStatus
from models.action import Action
from models.billing.invoice import Invoice, InvoiceLine
from models.identity.user import User
from models.privacy.audit_actions import PrivacyAuditAction


async def record_reading(
    action: Action, invoice_ids: Collection[int], line_ids: Collection[int] = ()
) -> None:
    """Record that the actor reads these invoices, or lines of invoices, as far as they are kept of
    an erased company.
    """
    keys = {*invoice_ids}
    if line_ids:
        lines = InvoiceLine.filter(pk__in=[*line_ids])
        keys |= {int(str(key)) for key in await lines.values_list("invoice_id", flat=True)}
    kept = Invoice.filter(pk__in=[*keys], account__status=AccountStatus.ERASED)
    if not keys or not (invoices := await kept.only("id", "account_id").order_by("id")):
        return
    async with action.transaction() as tx:
        for invoice in invoices:
            tx.audit(PrivacyAuditAction.KEPT_INVOICE_READ, invoice)


async def record_download(action: Action, reader_id: int, invoice: Invoice) -> None:
    """Record that an operator downloads the PDF of an invoice, if it is kept of an erased
    company.
    """
    account = await Account.get(pk=invoice.account_id)
    if account.status is not AccountStatus.ERASED:
        return
    reader = await User.get(pk=reader_id)
    async with action.transaction() as tx:
        tx.audit(PrivacyAuditAction.KEPT_INVOICE_DOWNLOAD, invoice, actor=reader)
