"""Signing up, signing in, and who one is."""

from collections.abc import Sequence
from typing import Any

from tortoise.queryset import QuerySet

from auth import accounts, sessions
from auth.accounts import SignUp
from auth.cookies import Cookies, TokenDelivery
from auth.devices import device_of
from auth.tokens import invalid
from mail import emails
from models.account import Account, Membership
from models.action import Action, Transaction
from models.errors import DomainError, ErrorCode, OriginRefused, Refusal, Unauthenticated
from models.user import User
from models.viewer import Viewer
from resolvers.context import Context, Info
from resolvers.ids import key_of
from resolvers.inputs import (
    AccountSignUpInput,
    EmailVerifyInput,
    SessionRefreshInput,
    SessionSignInInput,
)
from resolvers.policies import policy_keys
from resolvers.rows import ByKey, ByParent


def viewer(info: Info) -> Viewer | None:
    """Whoever is signed in."""
    return info.context.viewer if info.context.viewer.user else None


async def sign_up(info: Info, input: AccountSignUpInput) -> bool:
    """Sign a company up. A known address gets another email and the same answer, in the language they sign up with."""
    context = info.context

    async def letter(tx: Transaction, made: SignUp) -> None:
        await _sign_up_letter(context, tx, made)

    try:
        await accounts.sign_up(
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
        token = accounts.verification_token(context.services.auth, unverified, tx.action.at)
        await emails.verification(tx, unverified, f"{context.services.base_url}/verify?token={token}", token)
    elif made.existing:
        await emails.already_registered(tx, made.existing, context.services.base_url)


async def verify_email(info: Info, input: EmailVerifyInput) -> bool:
    """Confirm the address."""
    await accounts.verify_email(info.context.action(), info.context.services.auth, input.token)
    return True


async def sign_in(info: Info, input: SessionSignInInput) -> dict[str, Any]:
    """Begin a session."""
    context = info.context
    action, cookies = context.action(), cookies_for(context, input.deliver)
    unlock = input.unlock_token or (context.cookies.unlock if context.cookies and context.cookies.trusted else None)
    user = await accounts.authenticate(
        action, context.services.auth, email=input.email, password=input.password, code=input.code, peer=context.peer,
        passkey=input.passkey, unlock=unlock,
    )  # fmt: skip
    chosen = None if input.account_id is None else key_of(Account, input.account_id) or 0
    return await signed_in(context, action, cookies, user, chosen, user.second_factor)


async def signed_in(
    context: Context, action: Action, cookies: Cookies | None, user: User, chosen: int | None, second_factor: bool
) -> dict[str, Any]:
    """Begin a session for a person who has just proved who they are, for the company of this key or the first of theirs."""
    account, device = await accounts.company_of(user, chosen), device_of(context.user_agent)
    tokens = await sessions.sign_in(user, account, second_factor, action, device)
    return {"tokens": cookies.keep(tokens, action.at) if cookies else tokens, "user": user}


def cookies_for(context: Context, deliver: TokenDelivery) -> Cookies | None:
    """Where tokens go that are wanted in cookies. Raises COOKIES_UNAVAILABLE; OriginRefused for another's page."""
    if deliver is TokenDelivery.BODY:
        return None
    if context.cookies is None:
        raise Refusal(ErrorCode.COOKIES_UNAVAILABLE, "input", "deliver")
    if not context.cookies.trusted:
        raise OriginRefused
    return context.cookies


async def refresh(info: Info, input: SessionRefreshInput) -> Any:
    """Go on with a session. Tokens that came in a cookie go on in cookies."""
    action, cookies = info.context.action(), info.context.cookies
    if input.refresh_token is not None:
        return await sessions.refresh(input.refresh_token, action)
    if cookies is None or cookies.refresh is None:
        raise invalid("refreshToken")
    try:
        return cookies.keep(await sessions.refresh_shared(cookies.refresh, action), action.at)
    except Refusal:
        cookies.clear()
        raise


async def sign_out(info: Info) -> bool:
    """End the session in use, its sockets included; where its access cookie has expired, by the cookie that renews it."""
    context, cookies = info.context, info.context.cookies
    if context.viewer.session:
        await sessions.sign_out(context.session, context.action())
    elif cookies and cookies.refresh:
        await sessions.sign_out_by(cookies.refresh, context.action())
    else:
        raise Unauthenticated
    if cookies and cookies.any:
        cookies.clear()
    return True


def accounts_of(context: Context, parents: Sequence[Any]) -> ByKey:
    """The company of each row."""
    return ByKey(parents, "account_id", QuerySet(Account))


def members(context: Context, parents: Sequence[Account]) -> ByParent:
    """The people of each company, in the order in which they joined."""
    return ByParent(parents, QuerySet(Membership), "account_id", "id")


def users_of(context: Context, parents: Sequence[Membership]) -> ByKey:
    """The person of each membership."""
    return ByKey(parents, "user_id", QuerySet(User))
