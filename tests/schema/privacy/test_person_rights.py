"""P4.1: an operator restricts the data of one person, records their objection, or erases them, and
the register says what was done.
"""

from typing import TYPE_CHECKING, Any

import pytest

from models.accounts.account import Membership, Role
from models.action import Action
from models.idempotency import IdempotencyKey
from models.identity.session import Session
from models.identity.user import User
from models.operations.email import Email
from models.privacy.consent import ConsentChange, ConsentChannel, ConsentPurpose
from models.privacy.data_request import DataRequest, DataRequestKind
from models.support.incoming_email import IncomingEmail, IncomingEmailSource
from models.support.message import Message
from models.support.rating import TicketRating
from models.support.ticket import Ticket
from models.viewer import Viewer
from privacy.person_rights import NOTICE, end_restrictions
from resolvers.context import Services
from resolvers.ids import encode
from support.ratings import request_ratings
from tests.people import add_member, create_user, create_viewer, record_step_up
from tests.schema.billing.catalogue_fixtures import codes, create_operator, mutate

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Dataset, Execute

REQUEST = "dataRequest { carriedOutAt decision answer details results { kind count } }"


@pytest.fixture
async def operator(action: Action) -> Viewer:
    viewer = await create_operator(action)
    assert viewer.session
    await record_step_up(action, viewer.session)
    return viewer


async def carry_out(
    execute: "Execute", operator: Viewer, action: Action, user_id: int | None, kind: str
) -> dict[str, Any]:
    """Carries out a request that a person made, twice, and returns the answer."""
    values: dict[str, Any] = {
        "user_id": user_id,
        "received_at": action.at,
        "deadline_at": action.at,
    }
    request = await DataRequest.create(kind=DataRequestKind(kind), details="Écrit", **values)
    fields = {"dataRequestId": encode("DataRequest", request.pk), "answer": "C’est fait."}
    payloads = [
        await mutate(execute, operator, "dataRequestCarryOut", REQUEST, **fields) for _ in range(2)
    ]
    assert payloads[0]["userErrors"] or payloads[0] == payloads[1]
    return payloads[0] | {"request": request}


async def test_p4_1_a_person_is_erased_and_their_company_stays(
    execute: "Execute", dataset: "Dataset", operator: Viewer, action: Action
) -> None:
    paul, member = dataset.paul, dataset.paul.member
    assert member.user
    address, message = member.user.email, await Message.get(pk=paul.row(Message).pk)
    await Message.filter(pk=message.pk).update(author_id=member.user_id)
    await IncomingEmail.create(
        source=IncomingEmailSource.LMTP,
        size=3,
        fingerprint="1",
        sender=address,
        subject="Bonjour",
        text="Texte",
        received_at=action.at,
    )
    payload = await carry_out(execute, operator, action, member.user_id, "ERASURE")
    request = payload["dataRequest"]
    assert (request["decision"], request["answer"]) == ("GRANTED", "[effacé]")
    assert {"kind": "memberships", "count": 1} in request["results"]
    assert {"kind": "received emails", "count": 1} in request["results"]
    user = await User.get(pk=member.user_id)
    assert (user.name, user.email) == ("[effacé]", f"erased-{user.pk}@invalid")
    assert user.erased_at == action.at
    assert not await Session.filter(user_id=user.pk).exists()
    assert not await Membership.filter(user_id=user.pk).exists()
    assert (await Message.get(pk=message.pk)).body == message.body  # the company's
    email = await Email.get(recipient=address)
    assert "C’est fait." in email.text
    await email.mark_sent(action.at)
    assert not await Email.filter(recipient=address).exists()
    for model in (IncomingEmail, Email, DataRequest, IdempotencyKey):
        assert address not in str(await model.all().values())
    response = await execute(paul.owner, "{ viewer { account { legalName members { id } } } }")
    assert response["data"]["viewer"]["account"]["legalName"] == "PAULMARK legal"


async def test_p4_1_a_person_without_a_company_is_erased_but_not_the_only_owner_or_staff(
    execute: "Execute", dataset: "Dataset", operator: Viewer, action: Action
) -> None:
    alone = await create_user(action, "Odile")
    payload = await carry_out(execute, operator, action, alone.pk, "ERASURE")
    assert payload["dataRequest"]["decision"] == "GRANTED"
    owner = dataset.paul.owner
    payload = await carry_out(execute, operator, action, owner.user_id, "ERASURE")
    assert codes(payload) == [("LAST_OWNER", "dataRequestId")]
    await add_member(action, dataset.paul.account, await create_user(action, "Denis"), Role.OWNER)
    payload = await carry_out(execute, operator, action, owner.user_id, "ERASURE")
    assert codes(payload) == []
    for user_id, kind in ((dataset.alice.user_id, "OBJECTION"), (owner.user_id, "ACCESS")):
        payload = await carry_out(execute, operator, action, user_id, kind)
        assert codes(payload) == [("TRANSITION_ILLEGAL", "dataRequestId")]
        assert (await DataRequest.get(pk=payload["request"].pk)).decision is None
    other = await create_viewer(action, operator.user, second_factor=True)
    payload = await carry_out(execute, other, action, alone.pk, "ERASURE")
    assert [error["code"] for error in payload["userErrors"]] == ["STEP_UP_REQUIRED"]


async def test_p4_1_a_restriction_hides_a_person_from_support_until_it_is_lifted(
    execute: "Execute",
    dataset: "Dataset",
    operator: Viewer,
    action: Action,
    services: Services,
    clock: "MovableClock",
) -> None:
    paul = dataset.paul
    ticket = await Ticket.get(pk=paul.row(Ticket).pk)
    owner = await User.get(pk=ticket.requester_id)
    payload = await carry_out(execute, operator, action, owner.pk, "RESTRICTION")
    request = encode("DataRequest", payload["request"].pk)
    search = '{ users(search: "paulmark owner") { nodes { id } } }'

    async def found(viewer: Viewer) -> int:
        return len((await execute(viewer, search))["data"]["users"]["nodes"])

    assert [await found(dataset.alice), await found(operator)] == [0, 1]
    await TicketRating.filter(ticket=ticket).delete()
    await TicketRating.create(ticket=ticket, finished_at=action.at, request_at=action.at)
    await request_ratings(action, services.auth.signer)
    assert not await Email.filter(template="rating_request.fr").exists()
    fields = {"dataRequestId": request, "reason": "Les faits sont établis."}
    for _ in range(2):
        payload = await mutate(execute, operator, "restrictionLift", REQUEST, **fields)
        assert codes(payload) == []
    texts = [email.text for email in await Email.filter(user=owner).order_by("id")]
    assert ["Les faits sont établis." in text for text in texts].count(True) == 1
    assert await end_restrictions(clock.now()) == 0
    assert await found(dataset.alice) == 0
    clock.advance(NOTICE)
    assert await end_restrictions(clock.now()) == 1
    assert await found(dataset.alice) == 1
    payload = await mutate(execute, operator, "restrictionLift", REQUEST, **fields)
    assert codes(payload) == [("TRANSITION_ILLEGAL", "dataRequestId")]


async def test_p4_1_an_objection_ends_consents_and_requests_for_ratings(
    execute: "Execute",
    dataset: "Dataset",
    operator: Viewer,
    action: Action,
    services: Services,
) -> None:
    ticket = await Ticket.get(pk=dataset.paul.row(Ticket).pk)
    owner = await User.get(pk=ticket.requester_id)
    async with action.transaction() as tx:
        await ConsentChange.record(
            tx, owner, ConsentPurpose.NEWSLETTER, given=True, channel=ConsentChannel.WEB
        )
    payload = await carry_out(execute, operator, action, owner.pk, "OBJECTION")
    assert payload["dataRequest"]["results"] == [{"kind": "consents", "count": 1}]
    last = await ConsentChange.last_entry(owner.pk, ConsentPurpose.NEWSLETTER)
    assert last
    assert (last.given, last.channel) == (False, ConsentChannel.OBJECTION)
    await TicketRating.filter(ticket=ticket).delete()
    await TicketRating.create(ticket=ticket, finished_at=action.at, request_at=action.at)
    await request_ratings(action, services.auth.signer)
    assert not await Email.filter(template="rating_request.fr").exists()
