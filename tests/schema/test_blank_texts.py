"""Every text field of every input refuses text without visible characters, with its own
field path.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, get_named_type

from engine import Engine, Params
from models.action import Action
from models.billing.offer import Price
from models.viewer import Viewer
from resolvers.context import Context, Services
from tests.schema.audited_fixtures import MUTATIONS, PEER, Scenario, agent_viewer
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
    "scheduledReplyCreate": (
        agent_viewer,
        {"ticketId": BAD_ID, "body": "", "atNextOpening": True, "idempotencyKey": ""},
    ),
    "scheduledReplyUpdate": (
        agent_viewer,
        {"scheduledReplyId": BAD_ID, "body": "", "fileIds": []},
    ),
    "accountChangeAddress": (owner, {"address": ADDRESS}),
}
THROTTLED = {"passwordChange", "totpSetUp"}  # after the first attempt
ALONE = THROTTLED | {"purchaseApplyPromotion"}  # throttled after more attempts, as other mutations
EXCEPTIONS = {
    "sessionSignIn": "which of address, password and code is wrong must not be told",
    "sessionRefresh.refreshToken": "an error of the request: no one corrects a token",
    "sessionStepUp": "its texts prove who one is: they are compared, and attempts are counted",
    "passwordChange.currentPassword": "the same",
    "passwordReset.code": "the same, once the token is right",
    "totpSetUp.password": "the same",
    "totpConfirm": "the same",
    "buyerErasureStart.digest": "compared with the digest of the plan, once the reason is right",
    "fileAnnounce.contentType": "the type is refused with the size, by the kind of file",
}


def _texts(kind: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    paths = []
    for name, field in kind.fields.items():
        type_ = get_named_type(field.type)
        if type_.name == "AnalyticsQueryInput":
            continue  # its texts are only compared with others
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


def _texts_by_viewer() -> dict[str, list[str]]:
    """The texts that the same viewer sends in one test."""
    groups: dict[str, list[str]] = {}
    for text, (name, _) in TEXTS.items():
        group = name if name in ALONE else _request(name)[0].__name__
        groups.setdefault(group, []).append(text)
    return groups


def _request(name: str) -> tuple[CreateViewer, dict[str, Any]]:
    return INPUTS.get(name) or FAULTY_INPUTS[name][:2]


TEXTS_BY_VIEWER = _texts_by_viewer()


@pytest.mark.parametrize("group", TEXTS_BY_VIEWER)
async def test_texts_without_visible_characters_are_refused(scenario: Scenario, group: str) -> None:
    texts = TEXTS_BY_VIEWER[group]
    viewer = await _request(TEXTS[texts[0]][0])[0](scenario)
    accepted = [each for text in texts async for each in _accepted_blanks(scenario, viewer, text)]
    assert accepted == []


async def _accepted_blanks(scenario: Scenario, viewer: Viewer, text: str) -> AsyncIterator[Any]:
    """The blank texts for which a mutation reports no error, with its response."""
    name, path = TEXTS[text]
    kind = MUTATIONS[name].args["input"].type
    document = f"mutation($i: {kind}) {{ {name}(input: $i) {{ userErrors {{ field code }} }} }}"
    for blank in ["".join(BLANKS)] if name in THROTTLED else BLANKS:
        arguments, place = _with_text(_request(name)[1], path, blank)
        operation = scenario.engine.prepare(Params(document, variables={"i": arguments}))
        response = await scenario.engine.execute(
            operation, Context(viewer, scenario.services, PEER)
        )
        errors = [] if "errors" in response else response["data"][name]["userErrors"]
        # A line of a list is refused at its index.
        if place not in [error["field"][: len(place)] for error in errors]:
            yield text, blank, response


def _with_text(
    arguments: dict[str, Any], path: tuple[str, ...], text: str
) -> tuple[dict[str, Any], list[str]]:
    """A copy of the arguments with a text in them, and the path of that text in errors."""
    copy = inner = {**arguments}
    place = ["input"]
    for key in path[:-1]:
        if isinstance(inner[key], list):  # of one item
            inner[key], place = [{**inner[key][0]}], [*place, key, "0"]
            inner = inner[key][0]
        else:
            inner[key], place = {**inner[key]}, [*place, key]
            inner = inner[key]
    inner[path[-1]] = text
    return copy, [*place, path[-1]]
