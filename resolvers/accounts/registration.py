"""Signing up a company and verifying the email address."""

from accounts import registration
from models.errors import DomainError
from resolvers.accounts.inputs import AccountSignUpInput
from resolvers.content.policies import policy_keys
from resolvers.context import Info
from resolvers.identity.inputs import EmailRequestVerificationInput, EmailVerifyInput


async def sign_up(info: Info, input: AccountSignUpInput) -> bool:
    """Sign up a company. A known address gets another email and the same response, in the language
    of the sign-up.
    """
    context = info.context
    try:
        await registration.sign_up(
            context.action(),
            context.services.auth,
            email=input.email,
            password=input.password,
            name=input.name,
            legal_name=input.legal_name,
            siren=input.siren,
            country=input.country,
            organization=input.organization,
            registration_number=input.registration_number,
            vat_number=input.vat_number,
            locale=input.locale or context.viewer.locale,
            client_address=context.client_address,
            accepted_policies=policy_keys(input.accepted_policy_ids),
            key=input.idempotency_key,
        )
    except DomainError as error:
        error.locale = input.locale
        raise
    return True


async def request_verification(info: Info, input: EmailRequestVerificationInput) -> bool:
    """Send the verification email again."""
    context = info.context
    await registration.request_verification(
        context.action(),
        context.services.auth,
        email=input.email,
        peer=context.client_address,
        key=input.idempotency_key,
    )
    return True


async def verify_email(info: Info, input: EmailVerifyInput) -> bool:
    """Verify an email address."""
    await registration.verify_email(info.context.action(), info.context.services.auth, input.token)
    return True
