"""Rows of the database as parts of a document."""

from billing.documents.facts import Address, Party, PaymentMeans
from models.billing.billing_profile import BillingProfile
from models.billing.payment import Payment
from models.billing.payment_method import PaymentKind, PaymentMethod
from models.billing.tax import is_verified

# UNTDID 4461 (BT-81).
NOT_DEFINED, CARD, SEPA_TRANSFER, DIRECT_DEBIT, ONLINE_PAYMENT, BALANCE = 1, 48, 58, 59, 68, 97
_WALLETS = {"paypal": "PayPal"}  # brands as their owners write them


def buyer_party(profile: BillingProfile, email: str = "") -> Party:
    """The buyer as issued documents name them. A company without a SIREN gets them by email.

    The registered address stays when there is a billing address. A VAT number is stated only when
    the tax authorities have confirmed it.
    """
    return Party(
        name=profile.legal_name,
        siren=profile.siren or "",
        siret=profile.siret or "",
        registration_number=profile.registration_number or "",
        vat_number=(profile.vat_number or "") if is_verified(profile) else "",
        email="" if profile.siren else email,
        address=_address(profile, ""),
        billing_address=_address(profile, "billing_") if profile.billing_city else None,
    )


def _address(profile: BillingProfile, prefix: str) -> Address:
    street, postal_code, city, country = (
        str(getattr(profile, f"{prefix}{name}") or "")
        for name in ("street", "postal_code", "city", "country")
    )
    return Address(lines=(street,), postcode=postal_code, city=city, country=country)


def paid_means(
    payment: Payment,
    method: PaymentMethod | None = None,
    iban: str = "",
    bic: str = "",
    creditor_identifier: str = "",
) -> PaymentMeans:
    """How an invoice was paid. `method` is the saved payment method that was charged, if any; the
    IBAN and BIC are those of the account that received a transfer, which EN 16931 requires (BR-61),
    and the creditor identifier is that of a direct debit.
    """
    match payment.kind:
        case PaymentKind.CARD:
            return PaymentMeans(code=CARD, card_last4=payment.last_four or "")
        case PaymentKind.DIRECT_DEBIT:
            if method is None:
                return PaymentMeans(code=DIRECT_DEBIT)
            return direct_debit_means(method, creditor_identifier)
        case PaymentKind.WALLET:
            brand = payment.brand or ""
            return PaymentMeans(code=ONLINE_PAYMENT, information=_WALLETS.get(brand, brand))
    return transfer_means(iban, bic) if iban else PaymentMeans(code=NOT_DEFINED)


def direct_debit_means(method: PaymentMethod, creditor_identifier: str = "") -> PaymentMeans:
    """The mandate by which an invoice is collected."""
    return PaymentMeans(
        code=DIRECT_DEBIT,
        mandate_reference=method.mandate_reference or "",
        account_last4=method.iban_last_four or "",
        creditor_identifier=creditor_identifier,
    )


def transfer_means(iban: str, bic: str, reference: str = "") -> PaymentMeans:
    """The account to which an invoice is paid, and the reference to quote (ISO 11649)."""
    return PaymentMeans(code=SEPA_TRANSFER, iban=iban, bic=bic, reference=reference)


def balance_means() -> PaymentMeans:
    """The customer's balance: earlier payments that had something left."""
    return PaymentMeans(code=BALANCE)
