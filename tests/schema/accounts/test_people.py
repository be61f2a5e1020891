"""The members of a company in the GraphQL API: who may change them, what is returned, and how
concurrent changes behave.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from accounts import members
from auth import authentication, sessions
from engine import Engine
from models.accounts.account import Membership, Role
from models.accounts.invitation import Invitation
from models.action import Action
from models.errors import DomainError
from models.event import EventKind, account_stream
from models.identity.session import Session
from models.identity.user import User
from models.locale import Locale
from models.operations.email import Email
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from tests.people import add_member, create_viewer, viewer_of
from tests.schema.conftest import Company, Dataset
from tests.schema.subscription_fixtures import subscribe
from tests.waiting import MAX_WAIT

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

INPUTS: dict[str, dict[str, Any]] = {
    "invitationSend": {"email": "x@y.example", "role": "MEMBER", "idempotencyKey": "k"},
    "invitationResend": {"invitationId": "x", "idempotencyKey": "k"},
    "invitationRevoke": {"invitationId": "x"},
    "memberChangeRole": {"userId": "x", "role": "MEMBER"},
    "memberRemove": {"userId": "x"},
    "accountTransferOwnership": {"userId": "x"},
    "memberResetSecondFactor": {"userId": "x", "idempotencyKey": "1"},
    "sessionSwitchAccount": {"accountId": "x"},
    "accountLeave": {},
}
MANAGER_MUTATIONS = {
    "invitationSend",
    "invitationResend",
    "invitationRevoke",
    "memberChangeRole",
    "memberRemove",
}
MEMBER_MUTATIONS = {"accountLeave", "sessionSwitchAccount"}


async def execute_mutation(
    execute: "Execute", viewer: Viewer, name: str, **input_fields: Any
) -> dict[str, Any]:
    """The complete response to one mutation, with only `userErrors` selected."""
    if not INPUTS[name]:
        return await execute(viewer, f"mutation {{ {name} {{ userErrors {{ code field }} }} }}")
    kind = f"{name[0].upper()}{name[1:]}Input"
    document = f"mutation($i: {kind}!) {{ {name}(input: $i) {{ userErrors {{ code field }} }} }}"
    return await execute(viewer, document, i=INPUTS[name] | input_fields)


@pytest.mark.parametrize("name", INPUTS)
async def test_p1_4_each_role_has_its_own_mutations(
    execute: "Execute", dataset: Dataset, name: str
) -> None:
    """P1.4: anonymous viewers, staff and members are checked before the input is read."""
    viewers = {role: replace(dataset.paul.owner, role=role) for role in Role}
    emails = await Email.all().count()  # those about invoices
    for role, viewer in viewers.items():
        allowed = (
            name in MEMBER_MUTATIONS
            or role is Role.OWNER
            or (role is Role.ADMIN and name in MANAGER_MUTATIONS)
        )
        if not allowed:
            response = await execute_mutation(execute, viewer, name)
            assert [error["extensions"]["code"] for error in response["errors"]] == ["FORBIDDEN"], (
                role
            )
    for viewer, code in (
        (Viewer(), "UNAUTHENTICATED"),
        (dataset.alice, "FORBIDDEN"),
        (dataset.nadia, "FORBIDDEN"),
    ):
        if name != "sessionSwitchAccount" or viewer.user is None:
            response = await execute_mutation(execute, viewer, name)
            assert [error["extensions"]["code"] for error in response["errors"]] == [code]
    assert await Email.all().count() == emails


async def test_staff_cannot_act_for_a_company(execute: "Execute", dataset: Dataset) -> None:
    response = await execute_mutation(
        execute,
        dataset.alice,
        "sessionSwitchAccount",
        accountId=dataset.paul.id(type(dataset.paul.account)),
    )
    assert [error["code"] for error in response["data"]["sessionSwitchAccount"]["userErrors"]] == [
        "NOT_FOUND"
    ]
    assert (await execute(dataset.alice, "{ viewer { companies { legalName } } }"))["data"][
        "viewer"
    ]["companies"] == []


async def test_a_lost_role_is_refused_despite_a_cached_viewer(
    execute: "Execute", dataset: Dataset, action: Action
) -> None:
    """A cached viewer may be a second out of date, so the locked membership row decides."""
    await Membership.filter(user_id=dataset.paul.owner.user_id).update(role=Role.MEMBER)
    member_id = encode("User", dataset.paul.member.user_id or 0)
    assert dataset.paul.owner.session
    await Session.filter(pk=dataset.paul.owner.session.pk).update(
        step_up_expires_at=action.at + timedelta(minutes=5)
    )
    for name in (
        "invitationSend",
        "memberChangeRole",
        "memberResetSecondFactor",
        "memberRemove",
        "accountTransferOwnership",
    ):
        input_fields = {"userId": member_id} if "userId" in INPUTS[name] else {}
        response = await execute_mutation(execute, dataset.paul.owner, name, **input_fields)
        assert [error["extensions"]["code"] for error in response["errors"]] == ["FORBIDDEN"], name


async def test_p1_4_owners_are_notified_when_the_ownership_changes(
    execute: "Execute", dataset: Dataset, action: Action
) -> None:
    """After a step-up; each owner gets the email in their own language, with both names."""
    member, session = dataset.paul.member.user, dataset.paul.owner.session
    assert member
    assert session
    await User.filter(pk=member.pk).update(locale=Locale.EN)
    emails = Email.filter(template__startswith="ownership_changed")
    input_fields = {"userId": encode("User", member.pk)}
    refused = (
        await execute_mutation(
            execute, dataset.paul.owner, "accountTransferOwnership", **input_fields
        )
    )["data"]["accountTransferOwnership"]
    assert refused["userErrors"] == [{"code": "STEP_UP_REQUIRED", "field": None}]
    assert not await emails.exists()
    await Session.filter(pk=session.pk).update(step_up_expires_at=action.at + timedelta(minutes=5))
    payload = (
        await execute_mutation(
            execute, dataset.paul.owner, "accountTransferOwnership", **input_fields
        )
    )["data"]["accountTransferOwnership"]
    assert payload["userErrors"] == []
    french, english = await emails.order_by("id")
    assert (french.template, english.template) == ("ownership_changed.fr", "ownership_changed.en")
    assert (french.recipient, english.recipient) == (dataset.paul.owner.user.email, member.email)  # type: ignore[union-attr] # it has
    assert (
        "Nouveau propriétaire\u00a0: PAULMARK MEMBER\n\nN’est plus propriétaire\u00a0: PAULMARK "
        "OWNER\n" in french.text
    )
    assert "New owner: PAULMARK MEMBER\n\nNo longer an owner: PAULMARK OWNER\n" in english.text
    assert "PAULMARK legal" in french.text


@pytest.mark.parametrize(("locale", "input_fields"), [("fr", None), ("en", "EN")])
async def test_an_email_is_in_the_chosen_language(
    execute: "Execute", dataset: Dataset, locale: str, input_fields: str | None
) -> None:
    response = await execute_mutation(
        execute, dataset.paul.owner, "invitationSend", locale=input_fields
    )
    assert response["data"]["invitationSend"]["userErrors"] == []
    email = await Email.filter(recipient="x@y.example").get()
    assert email.template == f"invitation.{locale}"
    assert (await Invitation.get(email="x@y.example")).locale is Locale(locale)


async def test_sign_in_uses_the_first_company_by_default(dataset: Dataset, action: Action) -> None:
    user = dataset.paul.owner.user
    assert user
    await add_member(action, dataset.marie.account, user)
    assert await authentication.sign_in_company(user) == dataset.paul.account
    assert (
        await authentication.sign_in_company(user, dataset.marie.account.pk)
        == dataset.marie.account
    )


@pytest.mark.parametrize("seed", range(3))
async def test_concurrent_changes_do_not_deadlock(
    dataset: Dataset, action: Action, seed: int
) -> None:
    """Concurrent changes of members, switches and tickets in two companies cause no deadlock, and
    each keeps an owner.
    """
    for company, other in ((dataset.paul, dataset.marie), (dataset.marie, dataset.paul)):
        assert company.member.user
        await add_member(action, other.account, company.member.user, Role.OWNER)
    random = Random(seed)
    for _ in range(8):
        actions = [
            random.choice(OPERATIONS)(action, random.choice([dataset.paul, dataset.marie]), random)
            for _ in range(12)
        ]
        responses = await asyncio.wait_for(
            asyncio.gather(*actions, return_exceptions=True), MAX_WAIT
        )
        assert [
            response
            for response in responses
            if isinstance(response, Exception) and not isinstance(response, DomainError)
        ] == []
        for company in (dataset.paul, dataset.marie):
            assert await Membership.filter(account_id=company.account.pk, role=Role.OWNER).exists()
    for session in await Session.filter(ended_at=None):
        assert (
            session.account_id is None
            or await Membership.filter(
                user_id=session.user_id, account_id=session.account_id
            ).exists()
        )


async def _random_member(company: Company, random: Random) -> tuple[Action, int]:
    membership = random.choice(
        await Membership.filter(account_id=company.account.pk).select_related("user")
    )
    return Action(membership.user, company.account.created_at, _SilentBus()), membership.user_id


class _SilentBus:
    def announce(self, streams: Any) -> None:
        """Does nothing, because there are no listeners."""


async def _change_arguments(
    action: Action, company: Company, random: Random
) -> tuple[Action, Session, int]:
    """The first arguments of a membership change by a member with a recent step-up."""
    arguments, key = await _random_member(company, random)
    session = (
        await sessions.sign_in(await User.get(pk=key), company.account, False, action)
    ).session
    await Session.filter(pk=session.pk).update(step_up_expires_at=action.at + timedelta(minutes=5))
    return replace(arguments, at=action.at), session, company.account.pk


async def _change(action: Action, company: Company, random: Random) -> None:
    arguments, (_, key) = (
        await _change_arguments(action, company, random),
        await _random_member(company, random),
    )
    await members.change_role(*arguments, key, random.choice(list(Role)))


async def _transfer(action: Action, company: Company, random: Random) -> None:
    arguments, (_, key) = (
        await _change_arguments(action, company, random),
        await _random_member(company, random),
    )
    await members.transfer(*arguments, key)


async def _leave(action: Action, company: Company, random: Random) -> None:
    await members.leave(*await _change_arguments(action, company, random))


async def _switch(action: Action, company: Company, random: Random) -> None:
    if open_sessions := await Session.filter(ended_at=None).exclude(account_id=None):
        await sessions.switch(random.choice(open_sessions), company.account.pk, action)


async def _refresh(action: Action, company: Company, random: Random) -> None:
    _, key = await _random_member(company, random)
    tokens = await sessions.sign_in(await User.get(pk=key), company.account, False, action)
    await sessions.refresh(tokens.refresh, action)


async def _end_others(action: Action, company: Company, random: Random) -> None:
    if open_sessions := await Session.filter(ended_at=None).exclude(account_id=None):
        await sessions.end_others(random.choice(open_sessions), action)


async def _open_ticket(action: Action, company: Company, random: Random) -> None:
    arguments, _ = await _random_member(company, random)
    assert arguments.actor
    async with action.transaction() as tx:
        ticket = await Ticket.open(
            tx,
            company.account,
            arguments.actor,
            subject="Aide",
            channel=Channel.WEB,
            category=Category.USAGE,
        )
        await ticket.post(tx, arguments.actor, "Bonjour", "k")


OPERATIONS: list[Callable[[Action, Company, Random], Awaitable[None]]] = [
    _change,
    _transfer,
    _leave,
    _switch,
    _refresh,
    _end_others,
    _open_ticket,
]


@pytest.mark.parametrize("change", ["promoted", "removed", "switched"])
async def test_a_stream_sends_nothing_after_the_role_is_lost(
    engine: Engine, services: Services, dataset: Dataset, action: Action, change: str
) -> None:
    """P1.4: later events require a new connection, however the old one was opened."""
    user, session = dataset.paul.member.user, dataset.paul.member.session
    assert user
    assert session
    await add_member(action, dataset.marie.account, user)
    query = "subscription { accountEvents(after: 0) { kind } }"
    async with aclosing(subscribe(engine, dataset.paul.member, services, query)) as following:
        while (await anext(following))["data"]["accountEvents"]["kind"] != "TICKET_OPENED":
            pass
        owner = Action(dataset.paul.owner.user, action.at, services.hub)
        assert dataset.paul.owner.session
        arguments = (owner, dataset.paul.owner.session, dataset.paul.account.pk)
        actions: dict[str, Callable[[], Awaitable[object]]] = {
            "promoted": lambda: members.change_role(*arguments, user.pk, Role.BILLING),
            "removed": lambda: members.remove(*arguments, user.pk),
            "switched": lambda: sessions.switch(session, dataset.marie.account.pk, owner),
        }
        await actions[change]()
        async with owner.transaction() as tx:
            await tx.append(account_stream(dataset.paul.account.pk), EventKind.PURCHASE_CHANGED)
        async for response in following:
            if "errors" in response:
                break
            assert response["data"]["accountEvents"]["kind"] != "PURCHASE_CHANGED"
    assert [error["extensions"]["code"] for error in response["errors"]] == ["UNAUTHENTICATED"]


async def test_the_viewer_of_a_websocket_is_anonymous_after_a_switch(
    dataset: Dataset, action: Action
) -> None:
    """A websocket opened before the switch doesn't act for the new account."""
    user = dataset.paul.owner.user
    assert user
    await add_member(action, dataset.marie.account, user, Role.OWNER)
    old_viewer = await create_viewer(action, user, dataset.paul.account)
    assert old_viewer.session
    tokens = await sessions.switch(old_viewer.session, dataset.marie.account.pk, action)
    viewer = await viewer_of(tokens.access, action.at)
    assert (viewer.account, viewer.role) == (dataset.marie.account, Role.OWNER)
