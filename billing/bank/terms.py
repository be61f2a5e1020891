"""The terms of an invoice that is paid by bank transfer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from billing.bank.account import BankAccount, TransferStart
from billing.documents.conversion import transfer_means
from billing.documents.facts import PaymentMeans
from billing.invoicing import DraftLine
from models.billing.billing_period import BillingItemKind
from models.billing.offer import Interval, Price
from models.locale import Locale
from models.translations import _, _n, text

_TERMS = _n(
    "Payable by bank transfer within %(count)s day, with the reference of the invoice.",
    "Payable by bank transfer within %(count)s days, with the reference of the invoice.",
)
_PAYABLE_AT_ONCE = _("Payable by bank transfer on receipt, with the reference of the invoice.")
_LATER_PERIODS = {
    Interval.MONTH: _("%(label)s: one month from the receipt of the payment"),
    Interval.YEAR: _("%(label)s: one year from the receipt of the payment"),
}


@dataclass(frozen=True)
class TransferTerms:
    """The account to pay to, and when the purchase starts."""

    account: BankAccount

    @property
    def starts_later(self) -> bool:
        """Whether the purchase starts when the money arrives, so that the invoice has no days."""
        return self.account.starts is TransferStart.PAYMENT

    @property
    def due_days(self) -> int:
        """The time to pay."""
        return self.account.due_days

    @property
    def means(self) -> PaymentMeans:
        """How to pay, as the invoice states it. The reference is added with the number."""
        return transfer_means(self.account.iban, self.account.bic)

    def terms(self, locale: Locale) -> str:
        """The sentence about the payment."""
        if not self.due_days:
            return text(_PAYABLE_AT_ONCE, locale)
        return text(_TERMS, locale, count=self.due_days)

    def lines(self, lines: Sequence[DraftLine], price: Price, locale: Locale) -> list[DraftLine]:
        """The lines of the first period: without days, in words instead, when it starts later. The
        law wants the days of a supply only when they are known (CGI, annexe II, art. 242 nonies A,
        I, 10°).
        """
        if not self.starts_later:
            return list(lines)
        label = _LATER_PERIODS[price.interval]
        return [
            replace(
                line,
                label=text(label, locale, label=line.label)
                if line.kind is BillingItemKind.CYCLE
                else line.label,
                starts_on=None,
                ends_on=None,
            )
            for line in lines
        ]
