"""Changing a user's email address."""

from auth import email_change
from resolvers.context import Info
from resolvers.identity.inputs import EmailConfirmChangeInput, EmailRequestChangeInput


async def request_email_change(info: Info, input: EmailRequestChangeInput) -> bool:
    """Request a change of address. For an address that is taken the response is the same, and the
    email a different one.
    """
    context = info.context
    await email_change.request(
        context.action(),
        context.services.auth,
        context.session,
        email=input.email,
        key=input.idempotency_key,
    )
    return True


async def confirm_email_change(info: Info, input: EmailConfirmChangeInput) -> bool:
    """Confirm a change of address with the token from an email. Returns whether the change is
    complete.
    """
    return await email_change.confirm(info.context.action(), input.token)
