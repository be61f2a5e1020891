"""A repeated request returns what the first one did and does nothing twice; its key with other
arguments is refused.
"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from graphql import get_named_type

from engine import Engine, Params
from models.action import Action
from models.billing.offer import Price
from models.idempotency import delete_old_keys
from models.identity.user import User
from models.operations.email import Email
from models.support.file import File
from models.viewer import Viewer
from resolvers.context import Context, Services
from resolvers.ids import encode
from tests.schema.audited_fixtures import (
    MUTATIONS,
    PEER,
    Stage,
    enrolled,
    known,
    managing,
    member_id,
    operating,
)
from tests.schema.conftest import Dataset

FORM = {
    "email": "new@mark.example",
    "password": "corneille sabot pluvier 42",
    "name": "Noé",
    "legalName": "Atelier Noé",
    "siren": "732829320",
}
# docs/decisions/0024-idempotency.md gives the reason for each.
WITHOUT_A_KEY = {
    "changes the state of a row, so a repeat changes nothing": {
        "accountChangeAddress",
        "accountChangeIdentifiers",
        "accountChangeTradeName",
        "accountDeactivate",
        "accountLeave",
        "accountReactivate",
        "accountScheduleDeletion",
        "accountTransferOwnership",
        "authenticatorRemove",
        "authenticatorRename",
        "emailRetry",
        "invitationRevoke",
        "legalNameChangeAddEvidence",
        "legalNameChangeCancel",
        "memberChangeRole",
        "memberRemove",
        "paymentRefresh",
        "policyAccept",
        "purchaseConfirmBilling",
        "sessionEnd",
        "sessionEndOthers",
        "sessionSignOut",
        "staffChangeRole",
        "staffDismiss",
        "ticketClaim",
        "ticketClose",
        "ticketMove",
        "ticketRelease",
    },
    "is carried out by a token, code, challenge or password that works once": {
        "emailConfirmChange",
        "emailVerify",
        "invitationAccept",
        "passkeyRegister",
        "passwordChange",
        "passwordReset",
        "sessionRefresh",
        "sessionSignInWithPasskey",
        "totpConfirm",
    },
    "returns a secret that is stored as a hash only, so a repeat can't return it": {
        "passkeyBegin",
        "passkeyChallenge",
        "recoveryCodesRenew",
        "sessionSignIn",
        "sessionStepUp",
        "sessionSwitchAccount",
        "totpSetUp",
    },
    "is neither stored nor sent": {"clockAdvance", "ticketTyping"},
}


@pytest.fixture
def stage(
    dataset: Dataset, services: Services, engine: Engine, price: Price, action: Action
) -> Stage:
    return Stage(dataset, services, engine, price, action)


async def codes(
    stage: Stage, viewer: Viewer, name: str, peer: str = PEER, /, **given: Any
) -> list[str]:
    """The codes of a mutation's user errors."""
    kind = MUTATIONS[name].args["input"].type
    query = f"mutation($i: {kind}) {{ {name}(input: $i) {{ userErrors {{ code }} }} }}"
    operation = stage.engine.prepare(Params(query, variables={"i": given}))
    response = await stage.engine.execute(operation, Context(viewer, stage.services, peer))
    assert "errors" not in response, response
    return [error["code"] for error in response["data"][name]["userErrors"]]


def test_every_other_mutation_takes_a_key() -> None:
    def takes_a_key(name: str) -> bool:
        arguments = MUTATIONS[name].args
        fields = get_named_type(arguments["input"].type).fields if arguments else {}
        return bool({"idempotencyKey", "clientMessageId"} & set(fields))

    without = set().union(*WITHOUT_A_KEY.values())
    assert {name for name in MUTATIONS if not takes_a_key(name)} == without


async def test_a_repeated_sign_up_sends_one_email(stage: Stage) -> None:
    for _ in range(2):
        assert await codes(stage, Viewer(), "accountSignUp", **FORM, idempotencyKey="k") == []
    assert await Email.filter(recipient=FORM["email"]).count() == 1
    other = {**FORM, "name": "Léa"}
    assert await codes(stage, Viewer(), "accountSignUp", **other, idempotencyKey="k") == [
        "IDEMPOTENCY_MISMATCH"
    ]
    assert await codes(stage, Viewer(), "accountSignUp", **other, idempotencyKey="l") == []
    assert await Email.filter(recipient=FORM["email"]).count() == 2


async def test_keys_are_kept_for_30_days(stage: Stage) -> None:
    """After that the same key belongs to a new request."""
    now = stage.services.clock.now()
    assert await codes(stage, Viewer(), "accountSignUp", **FORM, idempotencyKey="k") == []
    assert await delete_old_keys(now + timedelta(days=30)) == 0
    assert await codes(stage, Viewer(), "accountSignUp", **FORM, idempotencyKey="k") == []
    assert await Email.filter(recipient=FORM["email"]).count() == 1
    assert await delete_old_keys(now + timedelta(days=31)) > 0
    assert await codes(stage, Viewer(), "accountSignUp", **FORM, idempotencyKey="k") == []
    assert await Email.filter(recipient=FORM["email"]).count() == 2


async def test_two_sign_ups_at_once_send_one_email(stage: Stage) -> None:
    responses = await asyncio.gather(
        *(codes(stage, Viewer(), "accountSignUp", **FORM, idempotencyKey="k") for _ in range(2))
    )
    assert responses == [[], []]
    assert await Email.filter(recipient=FORM["email"]).count() == 1
    assert await User.filter(email=FORM["email"]).count() == 1


@pytest.mark.parametrize("name", ["passwordRequestReset", "sessionRequestUnlock"])
async def test_a_key_without_a_session_counts_for_one_network_and_address(
    stage: Stage, name: str
) -> None:
    """A stranger elsewhere neither uses up a key nor learns from it whether an address is known."""
    user = await known(stage)
    for email in (user.email, "unknown@mark.example"):
        for peer in (PEER, PEER, "192.0.2.1"):
            assert await codes(stage, Viewer(), name, peer, email=email, idempotencyKey="k") == []
    assert await Email.filter(recipient=user.email).count() == 2  # one for each network
    together = (
        codes(stage, Viewer(), name, email=user.email, idempotencyKey="together") for _ in range(2)
    )
    assert await asyncio.gather(*together) == [[], []]
    assert await Email.filter(recipient=user.email).count() == 3


async def test_a_change_of_address_that_is_requested_again_keeps_its_emails_valid(
    stage: Stage,
) -> None:
    viewer = await managing(stage)
    for _ in range(2):
        given = {"email": "moved@mark.example", "idempotencyKey": "k"}
        assert await codes(stage, viewer, "emailRequestChange", **given) == []
    assert await Email.filter(recipient="moved@mark.example").count() == 1
    given = {"email": "elsewhere@mark.example", "idempotencyKey": "k"}
    assert await codes(stage, viewer, "emailRequestChange", **given) == ["IDEMPOTENCY_MISMATCH"]


async def test_a_late_repeat_ends_no_newer_session_and_resets_no_newer_factor(stage: Stage) -> None:
    operator, user = await operating(stage), member_id(stage)
    await enrolled(stage)
    reset = {"userId": user, "idempotencyKey": "k"}
    assert await codes(stage, operator, "userResetSecondFactor", **reset) == []
    await enrolled(stage)
    assert await codes(stage, operator, "userResetSecondFactor", **reset) == []
    assert (await known(stage)).second_factor
    first = await stage.do(operator, "userEndSessions", "ended", userId=user, idempotencyKey="k")
    again = await stage.do(operator, "userEndSessions", "ended", userId=user, idempotencyKey="k")
    assert first == again
    other = {"userId": encode("User", stage.owner.user_id or 0), "idempotencyKey": "k"}
    assert await codes(stage, operator, "userEndSessions", **other) == ["IDEMPOTENCY_MISMATCH"]


async def test_a_file_is_announced_once(stage: Stage) -> None:
    given: dict[str, Any] = {
        "name": "a.pdf",
        "contentType": "application/pdf",
        "size": 9,
        "idempotencyKey": "k",
    }
    before = await File.all().count()
    announced = await asyncio.gather(
        *(stage.do(stage.owner, "fileAnnounce", "file { id }", **given) for _ in range(2))
    )
    assert announced[0] == announced[1]
    assert await File.all().count() == before + 1
    assert await codes(stage, stage.owner, "fileAnnounce", **{**given, "size": 10}) == [
        "IDEMPOTENCY_MISMATCH"
    ]
    marie = await stage.do(stage.dataset.marie.owner, "fileAnnounce", "file { id }", **given)
    assert marie["file"] != announced[0]["file"]
