"""Which sign-ins the audit log records, and that recording them reveals nothing to an outsider."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from accounts.staff import appoint
from auth.authentication import authenticate
from auth.services import AuthServices
from auth.sessions import Tokens, refresh, sign_in, sign_out
from models.accounts.account import Account
from models.action import Action, Origin
from models.audit import AuditEntry
from models.errors import Refusal, Throttled
from models.identity.user import Staff, User
from operations.audit_proof import audit_proof
from tests.auth.conftest import code_of
from tests.people import OTHER_SIREN, add_member, create_account

if TYPE_CHECKING:
    NewAction = Callable[[], Action]
    Enrol = Callable[[User], Awaitable[tuple[str, list[str], Tokens]]]

PEER = "192.0.2.7"


async def attempt(
    action: Action, auth: AuthServices, email: str, password: str, code: str | None = None
) -> None:
    """Makes a sign-in that fails."""
    with pytest.raises(Refusal):
        await authenticate(action, auth, email=email, password=password, code=code, peer=PEER)


async def recorded_entries() -> list[tuple[str, int | None, int | None, str]]:
    """The action, user, company and details of every entry."""
    entries = await AuditEntry.all().order_by("id")
    return [(entry.action, entry.object_id, entry.account_id, entry.details) for entry in entries]


async def test_the_life_cycle_of_a_session_is_recorded(
    owner: User, new_action: "NewAction"
) -> None:
    account = await Account.get(memberships__user_id=owner.pk)
    tokens = await sign_in(
        owner, account, False, replace(new_action(), origin=Origin(address=PEER))
    )
    new_tokens = await refresh(tokens.refresh, new_action())
    assert await refresh(tokens.refresh, new_action()) == new_tokens  # a repeat is not recorded
    with pytest.raises(Refusal):
        await refresh(tokens.refresh, new_action(), "another client")
    with pytest.raises(Refusal):
        await refresh(new_tokens.refresh, new_action())
    await sign_out(tokens.session, new_action())  # it has ended
    start_entry, reuse_entry = await AuditEntry.all().order_by("id")
    assert (start_entry.action, start_entry.actor_id, start_entry.address) == (
        "session.sign_in",
        owner.pk,
        PEER,
    )
    assert (reuse_entry.action, reuse_entry.object_type, reuse_entry.object_id) == (
        "session.refresh_reused",
        "Session",
        tokens.session.pk,
    )
    assert start_entry.account_id == reuse_entry.account_id == account.pk


async def test_a_failure_names_the_user_when_the_address_is_known(
    owner: User, auth: AuthServices, new_action: "NewAction", password: str
) -> None:
    account = await Account.get(memberships__user_id=owner.pk)
    await attempt(new_action(), auth, owner.email, "wrong")
    await attempt(new_action(), auth, "nobody@fournil.example", password)
    await User.filter(pk=owner.pk).update(email_verified_at=None)
    await attempt(new_action(), auth, owner.email, password)
    sign_in_failed = "session.sign_in_failed"
    assert await recorded_entries() == [
        (sign_in_failed, owner.pk, account.pk, '{"reason":"CREDENTIALS_INVALID"}'),
        (sign_in_failed, None, None, '{"reason":"CREDENTIALS_INVALID"}'),
        (sign_in_failed, owner.pk, account.pk, '{"reason":"EMAIL_UNVERIFIED"}'),
    ]


async def add_to_companies(user: User, companies: int, action: Action) -> list[Account]:
    """Adds the user to this many other companies."""
    accounts = [await create_account(action, "Other", OTHER_SIREN) for _ in range(companies)]
    for account in accounts:
        await add_member(action, account, user)
    return accounts


async def test_a_failure_is_recorded_for_every_company_of_the_user(
    owner: User, auth: AuthServices, new_action: "NewAction"
) -> None:
    """The owners of every company of the user can read the entry, and the hash chain stays
    valid.
    """
    first = await Account.get(memberships__user_id=owner.pk)
    accounts = await add_to_companies(
        owner, 101, new_action()
    )  # more rows than one statement can insert
    await attempt(new_action(), auth, owner.email, "wrong")
    assert [account for _, _, account, _ in await recorded_entries()] == [
        first.pk,
        *[each.pk for each in accounts],
    ]
    proof = await audit_proof()
    assert (proof.entries, proof.error) == (102, None)


async def test_a_wrong_code_and_an_appointment_are_recorded(
    agent: User, enrol: "Enrol", auth: AuthServices, new_action: "NewAction", password: str
) -> None:
    await appoint(new_action(), auth, email="a@camcha.example", name="Amadou", role=Staff.AGENT)
    secret, _, _ = await enrol(agent)
    before = await AuditEntry.all().count()
    for code in (None, "000000"):
        await attempt(new_action(), auth, agent.email, password, code)
    valid_code = code_of(secret, new_action(), 1)
    await authenticate(
        new_action(), auth, email=agent.email, password=password, code=valid_code, peer=PEER
    )
    reasons = [details for _, _, _, details in await recorded_entries()]
    assert reasons[0] == '{"emailed":false,"role":"AGENT"}'
    assert reasons[before:] == [
        '{"reason":"SECOND_FACTOR_REQUIRED"}',
        '{"reason":"SECOND_FACTOR_INVALID"}',
    ]


async def test_a_flood_of_guesses_does_not_fill_the_log(
    owner: User, auth: AuthServices, new_action: "NewAction"
) -> None:
    """A throttled attempt is refused before anything is read or written."""
    throttled_count = 0
    with capture_logs() as logged:
        for _ in range(50):
            try:
                await authenticate(
                    new_action(), auth, email=owner.email, password="wrong", code=None, peer=PEER
                )
            except Throttled:
                throttled_count += 1
            except Refusal:
                pass
    assert (
        logged
        == [{"event": "attempt.throttled", "log_level": "warning", "limits": ["pair"]}]
        * throttled_count
    )
    assert await AuditEntry.all().count() == 50 - throttled_count < 10


async def test_known_and_unknown_addresses_take_the_same_statements(
    owner: User, auth: AuthServices, new_action: "NewAction", statements: Callable[[], list[str]]
) -> None:
    """Otherwise the timing would reveal which addresses belong to users, and to users of several
    companies.
    """
    sent = []
    for email, accounts in ((owner.email, 0), ("nobody@fournil.example", 0), (owner.email, 5)):
        await add_to_companies(owner, accounts, new_action())
        before = len(statements())
        await attempt(new_action(), auth, email, "wrong")
        sent.append([re.split(r"[:\[]| VALUES ", each)[0] for each in statements()[before:]])
    assert sent[0] == sent[1] == sent[2]
    assert len(sent[0]) >= 4
