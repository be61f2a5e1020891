"""Authenticators: apps, passkeys and recovery codes."""

from collections.abc import Sequence
from typing import Any

from auth import authentication, throttle
from auth.factors import enrolment, passkeys, totp
from models.accounts.account import Account
from models.checks import Checks
from models.identity.authenticator import Authenticator
from models.text import line
from resolvers.context import Context, Info
from resolvers.identity.inputs import (
    AuthenticatorRemoveInput,
    AuthenticatorRenameInput,
    PasskeyRegisterInput,
    SessionSignInWithPasskeyInput,
    TotpConfirmInput,
    TotpSetUpInput,
)
from resolvers.identity.sessions import cookies_for, start_session
from resolvers.ids import key_of, load_visible


async def set_up_totp(info: Info, input: TotpSetUpInput) -> dict[str, str]:
    """Create the secret for an authenticator app."""
    context = info.context
    secret = await enrolment.begin_totp(
        context.action(), context.services.auth, context.session, input.password, input.name
    )
    uri = totp.provisioning_uri(context.user, secret)
    return {"secret": secret, "provisioning_uri": uri, "qr_code_svg": totp.qr_svg(uri)}


async def confirm_totp(info: Info, input: TotpConfirmInput) -> dict[str, Any]:
    """Confirm an authenticator app."""
    context = info.context
    return vars(
        await enrolment.confirm_totp(
            context.action(), context.services.auth, context.session, input.code
        )
    )


async def begin_passkey(info: Info) -> str:
    """The options for creating a passkey."""
    return await enrolment.begin_passkey(
        info.context.action(), info.context.services.auth, info.context.session
    )


async def register_passkey(info: Info, input: PasskeyRegisterInput) -> dict[str, Any]:
    """Register a passkey."""
    context = info.context
    result = await enrolment.confirm_passkey(
        context.action(),
        context.services.auth,
        context.session,
        credential=input.passkey,
        name=input.name,
    )
    return vars(result)


async def challenge_passkey(info: Info) -> str:
    """The options for using a passkey."""
    context = info.context
    await context.services.auth.throttle.attempt(
        throttle.key(throttle.CHALLENGE, throttle.client_network(context.client_address))
    )
    return await passkeys.authentication_options(
        context.action(), context.services.auth.relying_party
    )


async def sign_in_with_passkey(info: Info, input: SessionSignInWithPasskeyInput) -> dict[str, Any]:
    """Sign in with a passkey alone."""
    context = info.context
    action, cookies = context.action(), cookies_for(context, input.deliver)
    user = await authentication.authenticate_by_passkey(
        action, context.services.auth, passkey=input.passkey, peer=context.client_address
    )
    account_id = None if input.account_id is None else key_of(Account, input.account_id) or 0
    return await start_session(context, action, cookies, user, account_id, second_factor=True)


async def rename(info: Info, input: AuthenticatorRenameInput) -> Authenticator:
    """Rename an authenticator."""
    with Checks() as check:
        authenticator = await check.wait(
            load_visible(
                Authenticator, input.authenticator_id, info.context.viewer, "authenticatorId"
            )
        )
        name = check(line, input.name, "name", enrolment.NAME_LENGTH)
    return await enrolment.rename(info.context.action(), authenticator, name)


async def remove(info: Info, input: AuthenticatorRemoveInput) -> bool:
    """Remove an authenticator. Returns whether the second factor is still on."""
    context = info.context
    authenticator = await load_visible(
        Authenticator, input.authenticator_id, context.viewer, "authenticatorId"
    )
    return await enrolment.remove(context.action(), context.session, authenticator)


async def renew_recovery_codes(info: Info) -> list[str]:
    """Replace the recovery codes."""
    context = info.context
    return await enrolment.renew_recovery_codes(context.action(), context.session)


async def authenticators_of(context: Context, parents: Sequence[Any]) -> list[list[Authenticator]]:
    """The viewer's authenticators, oldest first."""
    rows = list(await Authenticator.visible_to(context.viewer).order_by("id"))
    return [rows for _ in parents]
