"""Every text field of every input refuses text without visible characters, with its own
field path.
"""

from typing import Any

import pytest
from graphql import GraphQLInputObjectType, get_named_type

from engine import Engine, Params
from models.action import Action
from models.billing.offer import Price
from resolvers.context import Context, Services
from tests.schema.audited_fixtures import MUTATIONS, PEER, Scenario
from tests.schema.conftest import Dataset
from tests.schema.test_faults import BAD_ID, FAULTY_INPUTS, CreateViewer, anonymous, owner

BLANKS = [
    " ",
    "\u200b \u2060",
    "\u3164",
    "\u2800\u115f",
    "\ufe0f",
    "\u0301",
    "\U000e0061",
    "\u202e",
]
ADDRESS = {"street": "1 rue", "postalCode": "75001", "city": "Paris", "country": "FR"}
# Inputs beside those of test_faults.py, which have one text each.
INPUTS: dict[str, tuple[CreateViewer, dict[str, Any]]] = {
    "emailVerify": (anonymous, {"token": ""}),
    "emailConfirmChange": (anonymous, {"token": ""}),
    "sessionSignInWithPasskey": (anonymous, {"passkey": ""}),
    "accountChangeTradeName": (owner, {"tradeName": ""}),
    # With files, the text of a message may be blank.
    "ticketReply": (owner, {"ticketId": BAD_ID, "body": "", "clientMessageId": ""}),
    "accountChangeAddress": (owner, {"address": ADDRESS}),
}
THROTTLED = {"passwordChange", "totpSetUp"}  # after the first attempt
EXCEPTIONS = {
    "sessionSignIn": "which of address, password and code is wrong must not be told",
    "sessionRefresh.refreshToken": "an error of the request: no one corrects a token",
    "sessionStepUp": "its texts prove who one is: they are compared, and attempts are counted",
    "passwordChange.currentPassword": "the same",
    "passwordReset.code": "the same, once the token is right",
    "totpSetUp.password": "the same",
    "totpConfirm": "the same",
    "fileAnnounce.contentType": "the type is refused with the size, by the kind of file",
}


def _texts(kind: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    paths = []
    for name, field in kind.fields.items():
        type_ = get_named_type(field.type)
        if isinstance(type_, GraphQLInputObjectType):
            paths += _texts(type_, (*path, name))
        elif type_.name == "String":
            paths.append((*path, name))
    return paths


TEXTS = {
    ".".join((name, *path)): (name, path)
    for name, mutation in MUTATIONS.items()
    if mutation.args
    for path in _texts(get_named_type(mutation.args["input"].type))
    if name not in EXCEPTIONS and ".".join((name, *path)) not in EXCEPTIONS
}


@pytest.fixture
def scenario(
    dataset: Dataset, services: Services, engine: Engine, price: Price, action: Action
) -> Scenario:
    return Scenario(dataset, services, engine, price, action)


@pytest.mark.parametrize("text", TEXTS)
async def test_a_text_without_visible_characters_is_refused(scenario: Scenario, text: str) -> None:
    name, path = TEXTS[text]
    create_viewer, arguments = INPUTS.get(name) or FAULTY_INPUTS[name][:2]
    viewer = await create_viewer(scenario)
    kind = MUTATIONS[name].args["input"].type
    document = f"mutation($i: {kind}) {{ {name}(input: $i) {{ userErrors {{ field code }} }} }}"
    for blank in ["".join(BLANKS)] if name in THROTTLED else BLANKS:
        given_arguments: dict[str, Any] = {**arguments}
        inner, place = given_arguments, ["input"]
        for key in path[:-1]:
            if isinstance(inner[key], list):  # of one item
                inner[key], place = [{**inner[key][0]}], [*place, key, "0"]
                inner = inner[key][0]
            else:
                inner[key], place = {**inner[key]}, [*place, key]
                inner = inner[key]
        inner[path[-1]] = blank
        operation = scenario.engine.prepare(Params(document, variables={"i": given_arguments}))
        response = await scenario.engine.execute(
            operation, Context(viewer, scenario.services, PEER)
        )
        assert "errors" not in response, response
        fields = [error["field"] for error in response["data"][name]["userErrors"]]
        # A line of a list is refused at its index.
        expected = [*place, path[-1]]
        starts = [field[: len(expected)] for field in fields]
        assert expected in starts, (blank, response["data"][name])
