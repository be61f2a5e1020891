"""Sessions: signing in, refreshing, stepping up, signing out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from auth import authentication, reauthentication, sessions
from auth.cookies import Cookies, TokenDelivery
from auth.devices import device_name
from auth.tokens import invalid_token
from models.accounts.account import Account
from models.action import Action
from models.errors import OriginRefused, Refusal, Unauthenticated
from models.identity.errors import IdentityErrorCode
from models.identity.session import Session
from models.identity.user import User
from models.translations import _
from models.viewer import Viewer
from resolvers.context import Context, Info
from resolvers.identity.inputs import (
    SessionEndInput,
    SessionRefreshInput,
    SessionSignInInput,
    SessionStepUpInput,
)
from resolvers.ids import key_of, load_visible


def viewer(info: Info) -> Viewer | None:
    """The signed-in viewer, None for anonymous ones. Raises Unauthenticated for an invalid token or
    invalid cookies.
    """
    if info.context.has_invalid_credentials:
        raise Unauthenticated
    return info.context.viewer if info.context.viewer.user else None


_CROSS_SITE = _(
    "Browsers keep no cookies of %(server)s for pages of %(page)s, because these are different "
    "sites. Use the same host name for both, such as localhost, or deliver the tokens in the body."
)


async def sign_in(info: Info, input: SessionSignInInput) -> dict[str, Any]:
    """Sign in."""
    context = info.context
    action, cookies = context.action(), cookies_for(context, input.deliver)
    unlock_token = input.unlock_token or (
        context.cookies.unlock_token if context.cookies and context.cookies.is_trusted else None
    )
    user = await authentication.authenticate(
        action,
        context.services.auth,
        email=input.email,
        password=input.password,
        code=input.code,
        peer=context.client_address,
        passkey=input.passkey,
        unlock=unlock_token,
    )
    account_id = None if input.account_id is None else key_of(Account, input.account_id) or 0
    return await start_session(context, action, cookies, user, account_id, user.second_factor)


async def start_session(
    context: Context,
    action: Action,
    cookies: Cookies | None,
    user: User,
    account_id: int | None,
    second_factor: bool,
) -> dict[str, Any]:
    """Start a session for an authenticated user, for the company with this key or the first one
    that they joined.
    """
    account, device = (
        await authentication.sign_in_company(user, account_id),
        device_name(context.user_agent),
    )
    tokens = await sessions.sign_in(user, account, second_factor, action, device)
    return {"tokens": cookies.set_tokens(tokens, action.at) if cookies else tokens, "user": user}


def cookies_for(context: Context, deliver: TokenDelivery) -> Cookies | None:
    """The cookies for tokens that are to be delivered in cookies. Raises COOKIES_UNAVAILABLE, also
    when the browser would not keep them, and OriginRefused for a page that isn't ours.
    """
    if deliver is TokenDelivery.BODY:
        return None
    if context.cookies is None:
        raise Refusal(IdentityErrorCode.COOKIES_UNAVAILABLE, "input", "deliver")
    if not context.cookies.is_trusted:
        raise OriginRefused
    if hosts := context.cookies.cross_site:
        raise Refusal(
            IdentityErrorCode.COOKIES_UNAVAILABLE,
            "input",
            "deliver",
            message=_CROSS_SITE,
            page=hosts.page,
            server=hosts.server,
        )
    return context.cookies


async def refresh(info: Info, input: SessionRefreshInput) -> Any:
    """Refresh a session. Tokens that came in cookies are replaced in cookies."""
    action, cookies = info.context.action(), info.context.cookies
    user_agent = info.context.user_agent
    if input.refresh_token is not None:
        return await sessions.refresh(input.refresh_token, action, user_agent)
    if cookies is None or cookies.refresh_token is None:
        raise invalid_token("refreshToken")
    try:
        tokens = await sessions.refresh(cookies.refresh_token, action, user_agent)
    except Refusal:
        cookies.clear()
        raise
    return cookies.set_tokens(tokens, action.at)


async def sign_out(info: Info) -> bool:
    """End the current session and its websockets; with an expired access cookie, the session of the
    refresh cookie.
    """
    context, cookies = info.context, info.context.cookies
    if context.viewer.session:
        await sessions.sign_out(context.session, context.action())
    elif cookies and cookies.refresh_token:
        await sessions.sign_out_with_token(cookies.refresh_token, context.action())
    else:
        raise Unauthenticated
    if cookies and cookies.has_session:
        cookies.clear()
    return True


_MAX_SESSIONS = 100


async def step_up(info: Info, input: SessionStepUpInput) -> datetime:
    """Confirm the viewer's identity."""
    context = info.context
    return await reauthentication.step_up(
        context.action(),
        context.services.auth,
        context.session,
        password=input.password,
        code=input.code,
        passkey=input.passkey,
    )


async def end_session(info: Info, input: SessionEndInput) -> bool:
    """End one of the viewer's sessions and its websockets."""
    session = await load_visible(Session, input.session_id, info.context.viewer, "sessionId")
    await sessions.end(session, info.context.action())
    return True


async def end_other_sessions(info: Info) -> int:
    """End all of the viewer's sessions except the current one."""
    return await sessions.end_others(info.context.session, info.context.action())


async def sessions_of(context: Context, parents: Sequence[Any]) -> list[list[Session]]:
    """The viewer's sessions, most recent first."""
    query = sessions.valid_sessions(context.services.clock.now()).filter(
        user_id=context.viewer.user_id
    )
    rows = list(await query.order_by("-id").limit(_MAX_SESSIONS))
    return [rows for _ in parents]


def current(context: Context, parents: Sequence[Session]) -> list[bool]:
    """Whether each session is the current one."""
    current_session = context.viewer.session
    return [current_session is not None and row.pk == current_session.pk for row in parents]
