"""How companies are told apart, whichever accounts they have."""

import hashlib

from models.accounts.account import Account


def company_hash(account: Account) -> str:
    """A hash that is the same for all accounts of a company: of its SIREN, else of its number in
    another register, else of its VAT number. An account without any is a company of its own.

    It outlives the account, so that a company that closes it and signs up again stays the same
    company.
    """
    identity = f"account:{account.pk}"
    if account.siren:
        identity = f"siren:{account.siren}"
    elif account.registration_number:
        identity = f"register:{account.country}:{account.registration_number}"
    elif account.vat_number:
        identity = f"vat:{account.vat_number}"
    return hashlib.sha256(identity.encode()).hexdigest()
