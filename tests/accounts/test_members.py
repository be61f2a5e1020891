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
from tests.accounts.company_fixtures import Company, founded
from tests.people import add_member

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

pytestmark = pytest.mark.usefixtures("db")

OWNER, ADMIN, BILLING, MEMBER = Role
BELOW = {
    OWNER: {OWNER, ADMIN, BILLING, MEMBER},
    ADMIN: {ADMIN, BILLING, MEMBER},
    BILLING: set(),
    MEMBER: set(),
}


@pytest.fixture
async def company(db: str, clock: "MovableClock", bus: "RecordingBus") -> Company:
    return await founded(
        clock, bus, odile=OWNER, olivier=OWNER, ada=ADMIN, alan=ADMIN, bea=BILLING, max=MEMBER
    )


def expected(mine: Role, *dealt: Role) -> str:
    """The expected outcome of a change from or to these roles."""
    if not BELOW[mine]:
        return "FORBIDDEN"
    return "done" if set(dealt) <= BELOW[mine] else "ROLE_RESERVED"


ONE_OF_EACH = {OWNER: "olivier", ADMIN: "alan", BILLING: "bea", MEMBER: "max"}
ACTORS = {OWNER: "odile", ADMIN: "ada", BILLING: "bea", MEMBER: "max"}


@pytest.mark.parametrize("role", list(Role))
async def test_p1_4_each_role_changes_only_the_roles_it_may(company: Company, role: Role) -> None:
    """P1.4, the whole table: administrators can't change or appoint owners, and the other roles
    can't change anyone.
    """
    for target_role, new_role in product(Role, Role):
        user = company.people[ONE_OF_EACH[target_role]]
        await Membership.filter(user_id=user.pk).update(role=target_role)
        result = await company.changes(ACTORS[role], user.name, new_role)
        assert result == expected(role, target_role, new_role), (role, target_role, new_role)
        assert (await company.roles())[user.name] == (new_role if result == "done" else target_role)
        await Membership.filter(user_id=user.pk).update(role=target_role)


@pytest.mark.parametrize(("role", "target_role"), list(product(Role, Role)))
async def test_p1_4_each_role_removes_only_the_members_it_may(
    company: Company, role: Role, target_role: Role
) -> None:
    user = company.people[ONE_OF_EACH[target_role]]
    result = await company.removes(ACTORS[role], user.name)
    assert result == expected(role, target_role)
    assert (user.name in await company.roles()) == (result != "done")
    assert await company.stays(user.name) == (result != "done")


@pytest.mark.parametrize("role", list(Role))
async def test_p1_4_only_owners_transfer_and_every_member_can_leave(
    company: Company, role: Role
) -> None:
    name = ACTORS[role]
    result = await company.transfers(name, "alan")
    assert result == ("done" if role is OWNER else "FORBIDDEN")
    roles = await company.roles()
    assert (roles[name], roles["alan"]) == (
        ("ADMIN", "OWNER") if role is OWNER else (role, "ADMIN")
    )
    assert await company.leaves(name) == "done"
    assert name not in await company.roles()
    assert not await company.stays(name)
    assert await company.leaves(name) == "FORBIDDEN"


async def test_members_cannot_promote_themselves(company: Company) -> None:
    for name, role in product(("ada", "bea", "max"), (OWNER, ADMIN)):
        before = await company.roles()
        await company.changes(name, name, role)
        assert await company.roles() == before
    assert await company.changes("ada", "ada", MEMBER) == "done"
    assert await company.changes("ada", "ada", ADMIN) == "FORBIDDEN"


async def test_the_last_owner_cannot_be_removed(company: Company) -> None:
    """P1.4: demoting, removing or leaving is refused with the same error."""
    await company.changes("odile", "olivier", ADMIN)
    assert await company.changes("odile", "odile", ADMIN) == "LAST_OWNER"
    assert await company.removes("odile", "odile") == "LAST_OWNER"
    assert await company.leaves("odile") == "LAST_OWNER"
    assert await company.changes("odile", "odile", OWNER) == "done"
    assert await company.transfers("odile", "odile") == "done"
    assert (await company.roles())["odile"] == "OWNER"
    await company.transfers("odile", "max")
    assert await company.leaves("odile") == "done"
    assert (await company.roles())["max"] == "OWNER"


@pytest.mark.parametrize("how", ["demote", "leave", "remove each other"])
async def test_one_owner_stays_after_concurrent_changes(company: Company, how: str) -> None:
    async def doing(name: str, other: str) -> str:
        if how == "demote":
            return await company.changes(name, name, ADMIN)
        return await company.leaves(name) if how == "leave" else await company.removes(name, other)

    results = sorted(await asyncio.gather(doing("odile", "olivier"), doing("olivier", "odile")))
    assert results == (
        ["FORBIDDEN", "done"] if how == "remove each other" else ["LAST_OWNER", "done"]
    )
    assert list((await company.roles()).values()).count("OWNER") == 1


@pytest.mark.parametrize("how", ["hands over", "makes", "unmakes", "removes", "leaves"])
async def test_p1_4_ownership_changes_require_a_step_up_and_notify_every_owner(
    company: Company, how: str
) -> None:
    """A stolen session can neither transfer the company nor hide a change from its owners."""
    changes: dict[str, tuple[Callable[[], Awaitable[str]], str | None, str | None]] = {
        "hands over": (lambda: company.transfers("odile", "ada"), "ada", "odile"),
        "makes": (lambda: company.changes("odile", "ada", OWNER), "ada", None),
        "unmakes": (lambda: company.changes("odile", "olivier", MEMBER), None, "olivier"),
        "removes": (lambda: company.removes("odile", "olivier"), None, "olivier"),
        "leaves": (lambda: company.leaves("odile"), None, "odile"),
    }
    doing, gained, lost = changes[how]
    role, roles = Session.filter(pk=company.tokens["odile"].session.pk), await company.roles()
    await role.update(fresh_until=company.clock.now())
    assert await doing() == "STEP_UP_REQUIRED"
    assert (await company.roles(), await Email.exists()) == (roles, False)
    await role.update(fresh_until=company.clock.now() + timedelta(seconds=1))
    assert await doing() == "done"
    readers = ["odile", "olivier", *(["ada"] if gained else [])]
    sent = await Email.filter(template="ownership_changed.fr").order_by("id")
    assert [email.recipient for email in sent] == [
        f"{reader}@fournil.example" for reader in readers
    ]
    for email in sent:
        named = [name for name in ("odile", "olivier", "ada") if f": {name}\n" in email.text]
        assert named == [name for name in ("odile", "olivier", "ada") if name in (gained, lost)]


async def test_other_changes_require_no_step_up_and_notify_no_one(company: Company) -> None:
    await Session.all().update(fresh_until=None)
    assert await company.changes("odile", "ada", BILLING) == "done"
    assert await company.changes("odile", "olivier", OWNER) == "done"  # a repeat
    assert await company.removes("odile", "max") == "done"
    assert await company.leaves("bea") == "done"
    assert await company.transfers("odile", "odile") == "done"
    assert not await Email.exists()


async def test_members_of_other_companies_and_missing_ids_get_the_same_error(
    company: Company, clock: "MovableClock", bus: "RecordingBus"
) -> None:
    others = await founded(clock, bus, "732829320", nora=OWNER)
    for key in (others.people["nora"].pk, 999_999, None):
        for doing in (
            members.change_role(*company.does("odile"), key, MEMBER),
            members.remove(*company.does("odile"), key),
            members.transfer(*company.does("odile"), key),
        ):
            with pytest.raises(Refusal) as refused:
                await doing
            assert (refused.value.code, refused.value.field) == ("NOT_FOUND", ("input", "userId"))
        with pytest.raises(Forbidden):
            await members.change_role(
                *others.does("nora")[:2], company.account.pk, company.people["max"].pk, ADMIN
            )
    assert await others.roles() == {"nora": "OWNER"}
    assert (await company.roles())["max"] == "MEMBER"


async def test_a_change_of_role_is_announced_once(company: Company, bus: "RecordingBus") -> None:
    """Cached viewers and open websockets of the member's own session are updated. A repeated change
    announces nothing.
    """
    max_, session = company.people["max"].pk, company.tokens["max"].session.pk
    for _ in range(2):
        assert await company.changes("odile", "max", BILLING) == "done"
    assert bus.announced == [sessions.session_key(session), sessions.user_key(max_)]
    assert await company.stays("max")
    bus.announced.clear()
    await company.removes("odile", "max")
    assert bus.announced == [sessions.session_key(session), sessions.user_key(max_)]
    assert not await company.stays("max")


async def test_another_process_detects_a_new_role_in_its_sweep(company: Company) -> None:
    """Even though its own hub receives no notification of the change."""
    elsewhere = Hub()
    with elsewhere.listen(sessions.session_key(company.tokens["max"].session.pk)) as notified:
        await elsewhere.sweep()
        assert not notified.is_set()
        await company.changes("odile", "max", BILLING)
        await elsewhere.sweep()
        assert notified.is_set()
        notified.clear()
        await elsewhere.sweep()
        assert not notified.is_set()


async def test_a_removed_member_keeps_access_to_their_other_company(
    company: Company, clock: "MovableClock", bus: "RecordingBus"
) -> None:
    others, max_ = await founded(clock, bus, "732829320", nora=OWNER), company.people["max"]
    await add_member(company.action(), others.account, max_, BILLING)
    elsewhere = await sessions.sign_in(max_, others.account, False, company.action())
    await company.removes("odile", "max")
    others.tokens["max"] = elsewhere
    assert not await company.stays("max")
    assert await others.stays("max")
    assert await others.roles() == {"nora": "OWNER", "max": "BILLING"}


@pytest.mark.parametrize("how", ["removed", "left", "demoted"])
async def test_losing_the_right_to_invite_revokes_open_invitations(
    company: Company, auth: AuthServices, how: str
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
        "removed": lambda: company.removes("odile", "ada"),
        "left": lambda: company.leaves("ada"),
        "demoted": lambda: company.changes("odile", "ada", MEMBER),
    }[how]()
    assert [each.email for each in await Invitation.pending(Invitation.all())] == [
        "guest@fournil.example"
    ]


@pytest.mark.parametrize("seed", range(6))
async def test_an_owner_stays_after_any_sequence_of_changes(company: Company, seed: int) -> None:
    """After any sequence of changes, removals, departures and transfers, some of them concurrent,
    the company has an owner and every session matches its member's role.
    """
    random, names = Random(seed), list(company.people)

    async def anything() -> str:
        name, whom, role = random.choice(names), random.choice(names), random.choice(list(Role))
        what = random.randrange(4)
        if what == 0:
            return await company.changes(name, whom, role)
        if what == 1:
            return await company.removes(name, whom)
        return await company.leaves(name) if what == 2 else await company.transfers(name, whom)

    for _ in range(12):
        results = await asyncio.gather(*(anything() for _ in range(random.randint(1, 3))))
        assert set(results) <= {"done", "FORBIDDEN", "NOT_FOUND", "ROLE_RESERVED", "LAST_OWNER"}
        roles = await company.roles()
        assert "OWNER" in roles.values()
        for name in company.people:
            assert await company.stays(name) == (name in roles)
