"""Changing and resetting passwords, and unlocking sign-in."""

from auth.passwords import change
from auth.throttle import unlocking
from mail import emails
from models.action import Transaction
from models.identity.user import User
from resolvers.context import Info, Services
from resolvers.identity.inputs import (
    PasswordChangeInput,
    PasswordRequestResetInput,
    PasswordResetInput,
    SessionRequestUnlockInput,
)


async def request_reset(info: Info, input: PasswordRequestResetInput) -> bool:
    """Have an email sent that lets its reader choose a new password."""
    context, base_url = info.context, info.context.services.base_url

    async def email(tx: Transaction, user: User, token: str) -> None:
        await emails.password_reset(tx, user, f"{base_url}/reset?token={token}", token)

    await change.request_reset(context.action(), context.services.auth, email, email=input.email, peer=context.peer)
    return True


async def request_unlock(info: Info, input: SessionRequestUnlockInput) -> bool:
    """Have an email sent that lets its reader sign in without waiting for others' guesses."""
    context, base_url = info.context, info.context.services.base_url

    async def email(tx: Transaction, user: User, token: str) -> None:
        await emails.sign_in_unlock(tx, user, f"{base_url}/unlock?token={token}", token)

    await unlocking.request(context.action(), context.services.auth, email, email=input.email, peer=context.peer)
    return True


async def reset_password(info: Info, input: PasswordResetInput) -> bool:
    """Set a new password by an email's token."""
    await change.reset(
        info.context.action(), info.context.services.auth, password_notice(info.context.services),
        token=input.token, password=input.password, code=input.code,
    )  # fmt: skip
    return True


async def change_password(info: Info, input: PasswordChangeInput) -> bool:
    """Set a new password by the current one."""
    context = info.context
    await change.change(
        context.action(), context.services.auth, password_notice(context.services), context.session,
        current=input.current_password, password=input.new_password,
    )  # fmt: skip
    return True


def password_notice(services: Services) -> change.Notice:
    """The email that tells of a new password."""
    return lambda tx, user: emails.password_changed(tx, user, services.base_url)
