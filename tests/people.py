"""The one place that creates the users, companies and sign-ins of tests: with the models, or on a
running server.
"""

import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyotp

from accounts.staff import appoint
from auth import sessions
from auth.api_keys import new_key
from auth.caller import CallerCache
from auth.services import AuthServices
from models.accounts.account import Account, Membership, Role
from models.accounts.service_account import ApiKey, ApiKeyScope, ServiceAccount
from models.action import Action
from models.clock import SystemClock
from models.database.connection import connect, disconnect
from models.identity.session import Session
from models.identity.user import Staff, User
from models.support.agent_presence import LEASE, store_leases
from models.support.team import AgentProfile, ChatAvailability
from models.viewer import Viewer
from realtime.hub import Hub
from tests.conftest import MovableClock
from tests.story.server_fixtures import SECRET_KEY, Client, Server, http_client

PASSWORD = "corneille sabot pluvier 42"
STAFF_PASSWORD = "mouette-phare-ardoise-77"
SIREN = "404833048"
OTHER_SIREN = "732829320"  # both pass the check of their last digit


async def create_user(action: Action, name: str = "Camille Aubry", **columns: Any) -> User:
    """Creates a user with a verified address, `camille@fournil.example` for Camille, and without a
    password.
    """
    defaults: dict[str, Any] = {
        "email": f"{name.split()[0].lower()}@fournil.example",
        "password_hash": "-",
        "created_at": action.at,
        "email_verified_at": action.at,
    }
    return await User.create(name=name, **defaults | columns)


async def create_staff(action: Action, name: str, role: Staff, **columns: Any) -> User:
    """Creates a staff user, `alice@camcha.example` for Alice."""
    email = f"{name.split()[0].lower()}@camcha.example"
    return await create_user(action, name, staff=role, **{"email": email} | columns)


async def create_account(
    action: Action, legal_name: str = "Le Fournil d'Aubry", siren: str = SIREN, **columns: Any
) -> Account:
    """Creates a company without members."""
    return await Account.create(
        legal_name=legal_name, siren=siren, **{"created_at": action.at} | columns
    )


async def add_member(
    action: Action, account: Account, user: User | None, role: Role = Role.MEMBER
) -> None:
    """Makes the user a member of the company."""
    await Membership.create(user=user, account=account, role=role, created_at=action.at)


async def create_viewer(
    action: Action, user: User | None, account: Account | None = None, second_factor: bool = False
) -> Viewer:
    """Signs the user in, and returns the viewer that their access token identifies."""
    assert user is not None
    tokens = await sessions.sign_in(user, account, second_factor, action)
    return await viewer_of(tokens.access, action.at)


async def create_staff_viewer(action: Action, name: str, role: Staff) -> Viewer:
    """Creates a staff user and signs them in with a second factor."""
    return await create_viewer(action, await create_staff(action, name, role), second_factor=True)


async def make_available(viewer: Viewer, at: datetime) -> None:
    """Lets an agent take chats, as one whose device is connected to some process."""
    available = {"chat_availability": ChatAvailability.AVAILABLE}
    await AgentProfile.update_or_create(available, user=viewer.user)
    await store_leases("test", {viewer.user_id or 0: at + LEASE})


async def record_step_up(action: Action, session: Session) -> None:
    """Gives the session a step-up, as `sessionStepUp` does."""
    expires_at = action.at + timedelta(minutes=5)
    await Session.filter(pk=session.pk).update(step_up_expires_at=expires_at)


async def viewer_of(
    access_token: str | None, at: datetime, accept_language: str | None = None
) -> Viewer:
    """The viewer that the token identifies at this time, without a cache. Raises
    Unauthenticated.
    """
    return await CallerCache(Hub(), MovableClock(at)).viewer_of(access_token, accept_language)


async def sign_up(
    server: Server, email: str, siren: str | None = SIREN, **identification: str
) -> Client:
    """Signs Paul Meunier's company up, verifies the address with the link in the email, and signs
    in.
    """
    client = Client(server)
    form = {
        "email": email,
        "password": PASSWORD,
        "name": "Paul Meunier",
        "legalName": "Boulangerie Meunier",
        "siren": siren,
        **identification,
    }
    await client.mutate("accountSignUp", "AccountSignUpInput", form, "accepted")
    text = (await server.email(email)).get_body(("plain",)).get_content()  # type: ignore[union-attr]
    link = re.search(r"https?://\S+/verify\?token=\S+", text)
    assert link, text
    async with http_client() as browser:
        assert (await browser.post(link[0])).status_code == 200
    return await client.sign_in(email, PASSWORD)


@dataclass(frozen=True)
class StaffUser:
    """A staff user and their credentials."""

    email: str
    password: str
    secret: str
    recovery_codes: list[str]

    async def step_up(self, client: Client) -> None:
        """Completes a step-up with a recovery code, because each one-time code works only once."""
        credentials = {"password": self.password, "code": self.recovery_codes.pop()}
        await client.mutate("sessionStepUp", "SessionStepUpInput", credentials, "stepUpExpiresAt")

    async def sign_in(self, server: Server, language: str = "fr") -> Client:
        """Signs in with the code of the next 30 seconds, because the set-up used the current
        one.
        """
        code = pyotp.TOTP(self.secret).at(int(time.time()), counter_offset=1)
        return await Client(server, language=language).sign_in(self.email, self.password, code=code)


async def hire(server: Server, email: str, role: str, password: str = STAFF_PASSWORD) -> StaffUser:
    """Creates a staff user, who chooses a password and sets up a second factor."""
    token = await _hire_staff(server.database_url, email, role)
    async with http_client() as browser:
        page = await browser.post(f"{server.url}/reset?token={token}", data={"password": password})
        assert page.status_code == 200
    client = await Client(server).sign_in(email, password)
    secret = (await client.mutate("totpSetUp", "TotpSetUpInput", {"password": password}, "secret"))[
        "secret"
    ]
    confirm_payload = await client.mutate(
        "totpConfirm", "TotpConfirmInput", {"code": pyotp.TOTP(secret).now()}, "recoveryCodes"
    )
    return StaffUser(email, password, secret, confirm_payload["recoveryCodes"])


async def _hire_staff(database_url: str, email: str, role: str) -> str:
    """Does what the command `staff` does, without the two seconds it takes to start;
    tests/test_cli.py runs the command itself. Returns the link's token.
    """
    clock = SystemClock()
    auth = AuthServices.create(SECRET_KEY, clock)
    await connect(database_url)
    try:
        action = Action(None, clock.now(), Hub())
        return await appoint(action, auth, email=email, name=role.title(), role=Staff(role))
    finally:
        await disconnect()
        auth.passwords.close()


async def create_api_key(
    action: Action, account: Account, *scopes: ApiKeyScope, **columns: Any
) -> str:
    """Creates a service account of the company with a key that has these scopes, and returns the
    key.
    """
    secret, prefix, key_hash = new_key()
    service_account = await ServiceAccount.create(
        account=account, name="Accounting", created_at=action.at
    )
    await ApiKey.create(
        service_account=service_account,
        name="Production",
        prefix=prefix,
        key_hash=key_hash,
        scopes=[scope.value for scope in scopes],
        created_at=action.at,
        **{"expires_at": action.at + timedelta(days=90)} | columns,
    )
    return secret


async def viewer_of_key(api_key: str, at: datetime) -> Viewer:
    """The viewer that the key identifies at this time, without a cache. Raises Unauthenticated."""
    return await CallerCache(Hub(), MovableClock(at)).viewer_of_key(api_key)
