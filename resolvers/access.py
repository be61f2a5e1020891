"""Keeping an account safe: the password, the address, the signed-in devices."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from auth import email_change, freshness, new_password, sessions, unlocking
from auth.email_change import Wish
from mail import emails
from models.action import Transaction
from models.session import Session
from models.user import User
from resolvers.context import Context, Info, Services
from resolvers.ids import encode, visible
from resolvers.inputs import (
    EmailConfirmChangeInput,
    EmailRequestChangeInput,
    PasswordChangeInput,
    PasswordRequestResetInput,
    PasswordResetInput,
    SessionEndInput,
    SessionRequestUnlockInput,
    SessionStepUpInput,
)

_MOST_SESSIONS = 100


async def request_reset(info: Info, input: PasswordRequestResetInput) -> bool:
    """Have an email sent that lets its reader choose a new password."""
    context, base_url = info.context, info.context.services.base_url

    async def email(tx: Transaction, user: User, token: str) -> None:
        await emails.password_reset(tx, user, f"{base_url}/reset?token={token}", token)

    await new_password.request_reset(context.action(), context.services.auth, email, email=input.email, peer=context.peer)
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
    await new_password.reset(
        info.context.action(), info.context.services.auth, password_notice(info.context.services),
        token=input.token, password=input.password, code=input.code,
    )  # fmt: skip
    return True


async def change_password(info: Info, input: PasswordChangeInput) -> bool:
    """Set a new password by the current one."""
    context = info.context
    await new_password.change(
        context.action(), context.services.auth, password_notice(context.services), context.session,
        current=input.current_password, password=input.new_password,
    )  # fmt: skip
    return True


def password_notice(services: Services) -> new_password.Notice:
    """The email that tells of a new password."""
    return lambda tx, user: emails.password_changed(tx, user, services.base_url)


async def request_email_change(info: Info, input: EmailRequestChangeInput) -> bool:
    """Ask for another address. One that somebody has gets another email and the same answer."""
    context = info.context

    async def write(tx: Transaction, wish: Wish) -> None:
        await _wish_emails(context, tx, wish)

    await email_change.request(context.action(), context.services.auth, write, context.session, email=input.email)
    return True


async def _wish_emails(context: Context, tx: Transaction, wish: Wish) -> None:
    base_url = context.services.base_url
    if wish.taken_by:
        await emails.email_change_taken(tx, wish.taken_by, base_url)
    else:
        await emails.email_change(tx, wish.user, wish.email, f"{base_url}/email?token={wish.new_token}", wish.new_token)
    link = f"{base_url}/email?token={wish.old_token}" if wish.old_token else base_url
    await emails.email_change_asked(tx, wish.user, wish.email, link, wish.old_token)


async def confirm_email_change(info: Info, input: EmailConfirmChangeInput) -> bool:
    """Confirm another address by an email's token: whether that was the last confirmation."""
    return await email_change.confirm(info.context.action(), emails.email_changed, input.token)


async def step_up(info: Info, input: SessionStepUpInput) -> datetime:
    """Make the session fresh."""
    context = info.context
    return await freshness.step_up(
        context.action(), context.services.auth, context.session,
        password=input.password, code=input.code, passkey=input.passkey,
    )  # fmt: skip


async def end_session(info: Info, input: SessionEndInput) -> bool:
    """End one of the viewer's sessions, its sockets included."""
    session = await visible(Session, input.session_id, info.context.viewer, "sessionId")
    await sessions.end(session, info.context.action())
    return True


async def end_other_sessions(info: Info) -> int:
    """End every session of the viewer's but the one in use."""
    return await sessions.end_others(info.context.session, info.context.action())


async def sessions_of(context: Context, parents: Sequence[Any]) -> list[list[Session]]:
    """Where the viewer is signed in, the latest sign-in first."""
    mine = sessions.standing(context.services.clock.now()).filter(user_id=context.viewer.user_id)
    found = list(await mine.order_by("-id").limit(_MOST_SESSIONS))
    return [found for _ in parents]


def current(context: Context, parents: Sequence[Session]) -> list[bool]:
    """Of each session whether it is the one that asks."""
    asking = context.viewer.session
    return [asking is not None and row.pk == asking.pk for row in parents]


def session_id(root: Session) -> str:
    """What names a session to its person."""
    return encode("Session", root.pk)
