"""What tells companies apart beyond their accounts."""

import hashlib

from models.accounts.account import Account


def company_hash(account: Account) -> str:
    """A hash that is the same for all accounts of a company: of its SIREN, else of its number in
    another register, else of its VAT number. An account without any is a company of its own.

    It outlives the account, so that closing it and signing up again doesn't make another company.
    """
    identity = f"account:{account.pk}"
    if account.siren:
        identity = f"siren:{account.siren}"
    elif account.registration_number:
        identity = f"register:{account.country}:{account.registration_number}"
    elif account.vat_number:
        identity = f"vat:{account.vat_number}"
    return hashlib.sha256(identity.encode()).hexdigest()
