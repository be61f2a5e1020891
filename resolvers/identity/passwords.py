"""Changing and resetting passwords, and unlocking sign-in."""

from auth.passwords import change
from auth.throttle import unlocking
from resolvers.context import Info
from resolvers.identity.inputs import (
    PasswordChangeInput,
    PasswordRequestResetInput,
    PasswordResetInput,
    SessionRequestUnlockInput,
)


async def request_reset(info: Info, input: PasswordRequestResetInput) -> bool:
    """Send an email with a link to choose a new password."""
    context = info.context
    await change.request_reset(
        context.action(),
        context.services.auth,
        email=input.email,
        peer=context.client_address,
        key=input.idempotency_key,
    )
    return True


async def request_unlock(info: Info, input: SessionRequestUnlockInput) -> bool:
    """Send an email that lets its recipient sign in without waiting because of others' failed
    attempts.
    """
    context = info.context
    await unlocking.request(
        context.action(),
        context.services.auth,
        email=input.email,
        peer=context.client_address,
        key=input.idempotency_key,
    )
    return True


async def reset_password(info: Info, input: PasswordResetInput) -> bool:
    """Set a new password with the token from an email."""
    await change.reset(
        info.context.action(),
        info.context.services.auth,
        token=input.token,
        password=input.password,
        code=input.code,
    )
    return True


async def change_password(info: Info, input: PasswordChangeInput) -> bool:
    """Change the password with the current one."""
    context = info.context
    await change.change(
        context.action(),
        context.services.auth,
        context.session,
        current_password=input.current_password,
        password=input.new_password,
    )
    return True
