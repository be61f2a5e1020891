"""Signing a company up and confirming the e-mail address."""

from accounts import registration
from accounts.registration import SignUp
from mail import emails
from models.action import Transaction
from models.errors import DomainError
from resolvers.accounts.inputs import AccountSignUpInput
from resolvers.content.policies import policy_keys
from resolvers.context import Context, Info
from resolvers.identity.inputs import EmailVerifyInput


async def sign_up(info: Info, input: AccountSignUpInput) -> bool:
    """Sign a company up. A known address gets another email and the same answer, in the language they sign up with."""
    context = info.context

    async def letter(tx: Transaction, made: SignUp) -> None:
        await _sign_up_letter(context, tx, made)

    try:
        await registration.sign_up(
            context.action(), context.services.auth, letter, email=input.email, password=input.password, name=input.name,
            legal_name=input.legal_name, siren=input.siren, locale=input.locale or context.viewer.locale, peer=context.peer,
            accepted=policy_keys(input.accepted_policy_ids),
        )  # fmt: skip
    except DomainError as fault:
        fault.locale = input.locale
        raise
    return True


async def _sign_up_letter(context: Context, tx: Transaction, made: SignUp) -> None:
    unverified = made.user or (made.existing if made.existing and made.existing.email_verified_at is None else None)
    if unverified:
        token = registration.verification_token(context.services.auth, unverified, tx.action.at)
        await emails.verification(tx, unverified, f"{context.services.base_url}/verify?token={token}", token)
    elif made.existing:
        await emails.already_registered(tx, made.existing, context.services.base_url)


async def verify_email(info: Info, input: EmailVerifyInput) -> bool:
    """Confirm the address."""
    await registration.verify_email(info.context.action(), info.context.services.auth, input.token)
    return True
