"""The terms of an invoice that is paid by bank transfer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from billing.bank.account import BankAccount, TransferStart
from billing.documents.conversion import transfer_means
from billing.invoicing import DraftLine, PaymentTerms
from billing.seller import Seller
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
        """Whether the purchase starts when the money arrives, so that the invoice states no
        period.
        """
        return self.account.starts is TransferStart.PAYMENT

    @property
    def due_days(self) -> int:
        """The number of days until the invoice is due."""
        return self.account.due_days

    def terms(self, locale: Locale) -> PaymentTerms:
        """How the invoice is paid. The reference is added together with the invoice's number."""
        means = transfer_means(self.account.iban, self.account.bic)
        if not self.due_days:
            return PaymentTerms(means, text(_PAYABLE_AT_ONCE, locale))
        return PaymentTerms(means, text(_TERMS, locale, count=self.due_days), self.due_days)

    def lines(self, lines: Sequence[DraftLine], price: Price, locale: Locale) -> list[DraftLine]:
        """The lines of the first period. When it starts later, they describe it in words, without
        dates: the law requires the dates of a supply only when they are known (CGI, annexe II, art.
        242 nonies A, I, 10°).
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


def unpaid_terms(
    seller: Seller, bank: BankAccount | None, day: date, locale: Locale
) -> PaymentTerms:
    """How an invoice that isn't paid when issued is paid: by transfer to an account, otherwise at
    once.
    """
    if bank:
        return TransferTerms(bank).terms(locale)
    return PaymentTerms(text=seller.terms_on(day).due_notice(locale))
