"""Someone whose address has a domain outside ASCII is one person, however they type the address."""

import re
from typing import TYPE_CHECKING, Any

import pytest

from models.accounts.invitation import Invitation
from models.identity.user import User
from models.operations.email import Email
from models.viewer import Viewer
from resolvers.ids import encode
from tests.people import OTHER_SIREN, PASSWORD
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

STORED = "zoe@exämple.fr"
SPELLINGS = [
    "zoe@exämple.fr",
    "zoe@exa\u0308mple.fr",
    "ZOE@EXÄMPLE.FR",
    "zoe@xn--exmple-cua.fr",
    "Zoe@XN--EXMPLE-CUA.FR",
    "zoe@exämple。fr",
    "zoe＠exämple．fr",
]


async def mutate(execute: "Execute", viewer: Viewer, mutation: str, /, **arguments: Any) -> Any:
    kind = mutation[0].upper() + mutation[1:] + "Input"
    selection = "userErrors { code field }"
    document = f"mutation($i: {kind}!) {{ {mutation}(input: $i) {{ {selection} }} }}"
    return (await execute(viewer, document, i=arguments))["data"][mutation]["userErrors"]


async def token_sent(template: str) -> str:
    email = (
        await Email.filter(recipient=STORED, template__startswith=template).order_by("-id").first()
    )
    assert email is not None, template
    match = re.search(r"token=(\S+)", email.text)
    assert match
    return match[1]


@pytest.fixture
async def zoe(execute: "Execute", dataset: Dataset) -> User:
    """Zoé, who signed up with one spelling and is verified."""
    errors = await mutate(
        execute,
        Viewer(),
        "accountSignUp",
        email=SPELLINGS[1],
        password=PASSWORD,
        name="Zoé",
        legalName="Ä",
        siren=OTHER_SIREN,
        acceptedPolicyIds=await policy_ids(execute),
    )
    assert errors == []
    assert (
        await mutate(execute, Viewer(), "emailVerify", token=await token_sent("verification")) == []
    )
    return await User.get(email=STORED)


async def policy_ids(execute: "Execute") -> list[str]:
    answer = await execute(Viewer(), "{ policies { nodes { id } } }")
    return [each["id"] for each in answer["data"]["policies"]["nodes"]]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_signing_in_resetting_and_unlocking_work_in_each_spelling(
    execute: "Execute", zoe: User, spelling: str
) -> None:
    signed_in = await mutate(execute, Viewer(), "sessionSignIn", email=spelling, password=PASSWORD)
    assert signed_in == []
    error_list = await mutate(execute, Viewer(), "sessionSignIn", email=spelling, password="wrong")
    assert [error["code"] for error in error_list] == ["CREDENTIALS_INVALID"]
    await mutate(execute, Viewer(), "passwordRequestReset", email=spelling)
    new_password = "hortensia tabouret brume 19"
    reset = {"token": await token_sent("password"), "password": new_password}
    assert await mutate(execute, Viewer(), "passwordReset", **reset) == []
    # Wrong attempts in one spelling count for all of them.
    for other in SPELLINGS * 2:
        refusals = await execute(
            Viewer(),
            "mutation($e: String!) { sessionSignIn(input: {email: $e, password: "
            '"wrong wrong"}) { userErrors { code } } }',
            e=other,
        )
        if "errors" in refusals:
            break
    assert refusals["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_nobody_else_gets_the_address_in_another_spelling(
    execute: "Execute", zoe: User, dataset: Dataset, spelling: str
) -> None:
    await mutate(
        execute,
        Viewer(),
        "accountSignUp",
        email=spelling,
        password=PASSWORD,
        name="Mallory",
        legalName="B",
        siren="552100554",
        acceptedPolicyIds=await policy_ids(execute),
    )
    assert await User.filter(email__contains="mple.fr").count() == 1
    owner = dataset.paul.owner
    invitation_input = {"email": spelling, "role": "MEMBER", "idempotencyKey": spelling}
    assert await mutate(execute, owner, "invitationSend", **invitation_input) == []
    assert await Invitation.filter(email=STORED).count() == 1


async def test_agents_find_the_person_by_each_spelling(
    execute: "Execute", zoe: User, dataset: Dataset
) -> None:
    for spelling in [*SPELLINGS, "exämple.fr", "xn--exmple-cua.fr", "example.fr"]:
        answer = await execute(
            dataset.alice, "query($s: String!) { users(search: $s) { nodes { id } } }", s=spelling
        )
        assert answer["data"]["users"]["nodes"] == [{"id": encode("User", zoe.pk)}], spelling
