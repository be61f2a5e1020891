"""Which members may change which others, and that a company always keeps an owner."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import product
from random import Random
from typing import TYPE_CHECKING

import pytest

from accounts import members
from accounts.invitations import send
from auth import sessions
from auth.services import AuthServices
from models.accounts.account import Membership, Role
from models.accounts.invitation import Invitation
from models.errors import Forbidden, Refusal
from models.identity.session import Session
from models.locale import Locale
from models.operations.email import Email
from realtime.hub import Hub
from tests.accounts.company_fixtures import Company, create_company
from tests.people import add_member

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

pytestmark = pytest.mark.usefixtures("db")

OWNER, ADMIN, BILLING, MEMBER = Role
MAY_GRANT = {
    OWNER: {OWNER, ADMIN, BILLING, MEMBER},
    ADMIN: {ADMIN, BILLING, MEMBER},
    BILLING: set(),
    MEMBER: set(),
}


@pytest.fixture
async def company(db: str, clock: "MovableClock", bus: "RecordingBus") -> Company:
    return await create_company(
        clock, bus, odile=OWNER, olivier=OWNER, ada=ADMIN, alan=ADMIN, bea=BILLING, max=MEMBER
    )


def expected_outcome(own_role: Role, *roles: Role) -> str:
    """The expected outcome of a change from or to these roles."""
    if not MAY_GRANT[own_role]:
        return "FORBIDDEN"
    return "done" if set(roles) <= MAY_GRANT[own_role] else "ROLE_RESERVED"


TARGET_NAMES = {OWNER: "olivier", ADMIN: "alan", BILLING: "bea", MEMBER: "max"}
ACTOR_NAMES = {OWNER: "odile", ADMIN: "ada", BILLING: "bea", MEMBER: "max"}


@pytest.mark.parametrize("role", list(Role))
async def test_p1_4_each_role_changes_only_the_roles_it_may(company: Company, role: Role) -> None:
    """P1.4, the whole table: administrators can't change or appoint owners, and the other roles
    can't change anyone.
    """
    for target_role, new_role in product(Role, Role):
        user = company.people[TARGET_NAMES[target_role]]
        await Membership.filter(user_id=user.pk).update(role=target_role)
        result = await company.change_role(ACTOR_NAMES[role], user.name, new_role)
        assert result == expected_outcome(role, target_role, new_role), (
            role,
            target_role,
            new_role,
        )
        assert (await company.roles())[user.name] == (new_role if result == "done" else target_role)
        await Membership.filter(user_id=user.pk).update(role=target_role)


@pytest.mark.parametrize(("role", "target_role"), list(product(Role, Role)))
async def test_p1_4_each_role_removes_only_the_members_it_may(
    company: Company, role: Role, target_role: Role
) -> None:
    user = company.people[TARGET_NAMES[target_role]]
    result = await company.remove(ACTOR_NAMES[role], user.name)
    assert result == expected_outcome(role, target_role)
    assert (user.name in await company.roles()) == (result != "done")
    assert await company.is_signed_in(user.name) == (result != "done")


@pytest.mark.parametrize("role", list(Role))
async def test_p1_4_only_owners_transfer_and_every_member_can_leave(
    company: Company, role: Role
) -> None:
    name = ACTOR_NAMES[role]
    result = await company.transfer_ownership(name, "alan")
    assert result == ("done" if role is OWNER else "FORBIDDEN")
    roles = await company.roles()
    assert (roles[name], roles["alan"]) == (
        ("ADMIN", "OWNER") if role is OWNER else (role, "ADMIN")
    )
    assert await company.leave(name) == "done"
    assert name not in await company.roles()
    assert not await company.is_signed_in(name)
    assert await company.leave(name) == "FORBIDDEN"


async def test_members_cannot_promote_themselves(company: Company) -> None:
    for name, role in product(("ada", "bea", "max"), (OWNER, ADMIN)):
        before = await company.roles()
        await company.change_role(name, name, role)
        assert await company.roles() == before
    assert await company.change_role("ada", "ada", MEMBER) == "done"
    assert await company.change_role("ada", "ada", ADMIN) == "FORBIDDEN"


async def test_the_last_owner_cannot_be_removed(company: Company) -> None:
    """P1.4: demoting, removing or leaving is refused with the same error."""
    await company.change_role("odile", "olivier", ADMIN)
    assert await company.change_role("odile", "odile", ADMIN) == "LAST_OWNER"
    assert await company.remove("odile", "odile") == "LAST_OWNER"
    assert await company.leave("odile") == "LAST_OWNER"
    assert await company.change_role("odile", "odile", OWNER) == "done"
    assert await company.transfer_ownership("odile", "odile") == "done"
    assert (await company.roles())["odile"] == "OWNER"
    await company.transfer_ownership("odile", "max")
    assert await company.leave("odile") == "done"
    assert (await company.roles())["max"] == "OWNER"


@pytest.mark.parametrize("change", ["demote", "leave", "remove each other"])
async def test_one_owner_remains_after_concurrent_changes(company: Company, change: str) -> None:
    async def operation(name: str, other: str) -> str:
        if change == "demote":
            return await company.change_role(name, name, ADMIN)
        return await company.leave(name) if change == "leave" else await company.remove(name, other)

    results = sorted(
        await asyncio.gather(operation("odile", "olivier"), operation("olivier", "odile"))
    )
    assert results == (
        ["FORBIDDEN", "done"] if change == "remove each other" else ["LAST_OWNER", "done"]
    )
    assert list((await company.roles()).values()).count("OWNER") == 1


@pytest.mark.parametrize("change", ["hands over", "makes", "unmakes", "removes", "leaves"])
async def test_p1_4_ownership_changes_require_a_step_up_and_notify_every_owner(
    company: Company, change: str
) -> None:
    """A stolen session can neither transfer the company nor hide a change from its owners."""
    changes: dict[str, tuple[Callable[[], Awaitable[str]], str | None, str | None]] = {
        "hands over": (lambda: company.transfer_ownership("odile", "ada"), "ada", "odile"),
        "makes": (lambda: company.change_role("odile", "ada", OWNER), "ada", None),
        "unmakes": (lambda: company.change_role("odile", "olivier", MEMBER), None, "olivier"),
        "removes": (lambda: company.remove("odile", "olivier"), None, "olivier"),
        "leaves": (lambda: company.leave("odile"), None, "odile"),
    }
    operation, new_owner, former_owner = changes[change]
    role, roles = Session.filter(pk=company.tokens["odile"].session.pk), await company.roles()
    await role.update(step_up_expires_at=company.clock.now())
    assert await operation() == "STEP_UP_REQUIRED"
    assert (await company.roles(), await Email.exists()) == (roles, False)
    await role.update(step_up_expires_at=company.clock.now() + timedelta(seconds=1))
    assert await operation() == "done"
    recipients = ["odile", "olivier", *(["ada"] if new_owner else [])]
    sent_emails = await Email.filter(template="ownership_changed.fr").order_by("id")
    assert [email.recipient for email in sent_emails] == [
        f"{recipient}@fournil.example" for recipient in recipients
    ]
    for email in sent_emails:
        listed_names = [name for name in ("odile", "olivier", "ada") if f": {name}\n" in email.text]
        assert listed_names == [
            name for name in ("odile", "olivier", "ada") if name in (new_owner, former_owner)
        ]


async def test_other_changes_require_no_step_up_and_notify_no_one(company: Company) -> None:
    await Session.all().update(step_up_expires_at=None)
    assert await company.change_role("odile", "ada", BILLING) == "done"
    assert await company.change_role("odile", "olivier", OWNER) == "done"  # a repeat
    assert await company.remove("odile", "max") == "done"
    assert await company.leave("bea") == "done"
    assert await company.transfer_ownership("odile", "odile") == "done"
    assert not await Email.exists()


async def test_members_of_other_companies_and_missing_ids_get_the_same_error(
    company: Company, clock: "MovableClock", bus: "RecordingBus"
) -> None:
    other_company = await create_company(clock, bus, "732829320", nora=OWNER)
    for key in (other_company.people["nora"].pk, 999_999, None):
        for operation in (
            members.change_role(*company.change_arguments("odile"), key, MEMBER),
            members.remove(*company.change_arguments("odile"), key),
            members.transfer(*company.change_arguments("odile"), key),
        ):
            with pytest.raises(Refusal) as refused:
                await operation
            assert (refused.value.code, refused.value.field) == (
                "NOT_FOUND",
                ("input", "userId"),
            )
        with pytest.raises(Forbidden):
            await members.change_role(
                *other_company.change_arguments("nora")[:2],
                company.account.pk,
                company.people["max"].pk,
                ADMIN,
            )
    assert await other_company.roles() == {"nora": "OWNER"}
    assert (await company.roles())["max"] == "MEMBER"


async def test_a_change_of_role_is_announced_once(company: Company, bus: "RecordingBus") -> None:
    """Cached viewers and open websockets of the member's own session are updated. A repeated change
    announces nothing.
    """
    member, session = company.people["max"].pk, company.tokens["max"].session.pk
    for _ in range(2):
        assert await company.change_role("odile", "max", BILLING) == "done"
    assert bus.announced == [sessions.session_key(session), sessions.user_key(member)]
    assert await company.is_signed_in("max")
    bus.announced.clear()
    await company.remove("odile", "max")
    assert bus.announced == [sessions.session_key(session), sessions.user_key(member)]
    assert not await company.is_signed_in("max")


async def test_another_process_detects_a_new_role_in_its_sweep(company: Company) -> None:
    """It does so even though its own hub receives no notification of the change."""
    other_hub = Hub()
    with other_hub.listen(sessions.session_key(company.tokens["max"].session.pk)) as notified:
        await other_hub.sweep()
        assert not notified.is_set()
        await company.change_role("odile", "max", BILLING)
        await other_hub.sweep()
        assert notified.is_set()
        notified.clear()
        await other_hub.sweep()
        assert not notified.is_set()


async def test_a_removed_member_keeps_access_to_their_other_company(
    company: Company, clock: "MovableClock", bus: "RecordingBus"
) -> None:
    other_company, member = (
        await create_company(clock, bus, "732829320", nora=OWNER),
        company.people["max"],
    )
    await add_member(company.action(), other_company.account, member, BILLING)
    other_hub = await sessions.sign_in(member, other_company.account, False, company.action())
    await company.remove("odile", "max")
    other_company.tokens["max"] = other_hub
    assert not await company.is_signed_in("max")
    assert await other_company.is_signed_in("max")
    assert await other_company.roles() == {"nora": "OWNER", "max": "BILLING"}


@pytest.mark.parametrize("change", ["removed", "left", "demoted"])
async def test_losing_the_right_to_invite_revokes_open_invitations(
    company: Company, auth: AuthServices, change: str
) -> None:
    """A removed administrator can't return through an invitation to another address of their
    own.
    """
    for name, email in (("ada", "ada@elsewhere.example"), ("alan", "guest@fournil.example")):
        await send(
            company.action(name),
            auth,
            company.account.pk,
            email=email,
            role=ADMIN,
            locale=Locale.FR,
            key="k",
        )
    await {
        "removed": lambda: company.remove("odile", "ada"),
        "left": lambda: company.leave("ada"),
        "demoted": lambda: company.change_role("odile", "ada", MEMBER),
    }[change]()
    assert [each.email for each in await Invitation.pending(Invitation.all())] == [
        "guest@fournil.example"
    ]


@pytest.mark.parametrize("seed", range(6))
async def test_an_owner_remains_after_any_sequence_of_changes(company: Company, seed: int) -> None:
    """After any sequence of changes, removals, departures and transfers, some of them concurrent,
    the company has an owner and every session matches its member's role.
    """
    random, names = Random(seed), list(company.people)

    async def change_at_random() -> str:
        name, target, role = random.choice(names), random.choice(names), random.choice(list(Role))
        choice = random.randrange(4)
        if choice == 0:
            return await company.change_role(name, target, role)
        if choice == 1:
            return await company.remove(name, target)
        return (
            await company.leave(name)
            if choice == 2
            else await company.transfer_ownership(name, target)
        )

    for _ in range(12):
        results = await asyncio.gather(*(change_at_random() for _ in range(random.randint(1, 3))))
        assert set(results) <= {"done", "FORBIDDEN", "NOT_FOUND", "ROLE_RESERVED", "LAST_OWNER"}
        roles = await company.roles()
        assert "OWNER" in roles.values()
        for name in company.people:
            assert await company.is_signed_in(name) == (name in roles)
