"""All independent errors of an input are reported together, each with the path of its field, and
nothing is written.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from graphql import GraphQLInputObjectType, GraphQLNamedType, get_named_type

from auth.passwords.change import RESET_LIFETIME
from auth.sessions import token_hash
from engine import Engine, Params
from models.action import Action
from models.audit import AuditEntry
from models.billing.offer import Price
from models.identity.access_links import PasswordReset
from models.identity.authenticator import WebauthnChallenge
from models.operations.email import Email
from models.support.ticket import Message, Ticket
from models.viewer import Viewer
from resolvers.context import Context, Services
from tests.schema.audited_fixtures import (
    MUTATIONS,
    PEER,
    Stage,
    answering,
    enrolled,
    known_viewer,
    managing,
    operating,
)
from tests.schema.conftest import Dataset

Who = Callable[[Stage], Awaitable[Viewer]]
LONG, BAD_ID = "x" * 20_000, "VXNlcjo5OTk5"  # the id of a user who doesn't exist


async def nobody(stage: Stage) -> Viewer:
    return Viewer()


async def owner(stage: Stage) -> Viewer:
    return stage.owner


ADDRESS = {"street": "", "postalCode": LONG, "city": " ", "country": "ZZ"}
PARTS: set[tuple[str, ...]] = {("street",), ("postalCode",), ("city",), ("country",)}
FAULTY: dict[str, tuple[Who, dict[str, Any], set[tuple[str, ...]]]] = {
    "accountSignUp": (
        nobody,
        {
            "email": "x",
            "password": "short",
            "name": " ",
            "legalName": LONG,
            "siren": "1",
            "acceptedPolicyIds": ["x", BAD_ID],
            "idempotencyKey": "",
        },
        {
            ("email",),
            ("password",),
            ("name",),
            ("legalName",),
            ("siren",),
            ("acceptedPolicyIds", "0"),
            ("acceptedPolicyIds", "1"),
            ("idempotencyKey",),
        },
    ),
    "invitationAccept": (
        nobody,
        {"token": "x", "name": LONG, "password": "short", "acceptedPolicyIds": ["x"]},
        {("token",), ("name",), ("password",), ("acceptedPolicyIds", "0")},
    ),
    "invitationSend": (
        owner,
        {"email": "x", "role": "OWNER", "idempotencyKey": ""},
        {("email",), ("role",), ("idempotencyKey",)},
    ),
    "invitationResend": (
        owner,
        {"invitationId": BAD_ID, "idempotencyKey": "\n"},
        {("invitationId",), ("idempotencyKey",)},
    ),
    "passwordReset": (nobody, {"token": "x", "password": "short"}, {("token",), ("password",)}),
    "passwordChange": (
        known_viewer,
        {"currentPassword": "x", "newPassword": "short"},
        {("currentPassword",), ("newPassword",)},
    ),
    "totpSetUp": (known_viewer, {"password": "x", "name": " "}, {("password",), ("name",)}),
    "passkeyRegister": (managing, {"passkey": "{}", "name": LONG}, {("passkey",), ("name",)}),
    "authenticatorRename": (
        owner,
        {"authenticatorId": BAD_ID, "name": ""},
        {("authenticatorId",), ("name",)},
    ),
    "accountChangeAddress": (owner, {"address": ADDRESS}, {("address", *path) for path in PARTS}),
    "accountChangeIdentifiers": (
        owner,
        {"siret": "1", "vatNumber": "2"},
        {("siret",), ("vatNumber",)},
    ),
    "accountRequestLegalName": (
        managing,
        {"legalName": "", "siren": "1", "fileIds": ["x", BAD_ID], "idempotencyKey": ""},
        {("legalName",), ("siren",), ("fileIds", "0"), ("fileIds", "1"), ("idempotencyKey",)},
    ),
    "legalNameChangeAddEvidence": (
        owner,
        {"changeId": BAD_ID, "fileIds": ["x"]},
        {("changeId",), ("fileIds", "0")},
    ),
    "legalNameChangeDecide": (
        answering,
        {"changeId": BAD_ID, "decision": "REJECT", "reason": " ", "idempotencyKey": ""},
        {("changeId",), ("reason",), ("idempotencyKey",)},
    ),
    "accountRequestDeactivation": (
        managing,
        {"message": "", "idempotencyKey": ""},
        {("message",), ("idempotencyKey",)},
    ),
    "accountRequestDeletion": (
        managing,
        {"message": "", "accountId": BAD_ID, "idempotencyKey": ""},
        {("message",), ("accountId",), ("idempotencyKey",)},
    ),
    "accountRequestReactivation": (
        owner,
        {"message": "", "accountId": BAD_ID, "idempotencyKey": ""},
        {("message",), ("accountId",), ("idempotencyKey",)},
    ),
    "accountDeclineReactivation": (
        answering,
        {"accountId": BAD_ID, "reason": "", "idempotencyKey": ""},
        {("accountId",), ("reason",), ("idempotencyKey",)},
    ),
    "accountScheduleDeletion": (
        answering,
        {"accountId": BAD_ID, "ticketId": BAD_ID},
        {("accountId",), ("ticketId",)},
    ),
    # An owner can assign every role.
    "memberChangeRole": (owner, {"userId": BAD_ID, "role": "OWNER"}, {("userId",)}),
    "staffHire": (
        operating,
        {"email": "x", "name": "", "role": "AGENT", "idempotencyKey": ""},
        {("email",), ("name",), ("idempotencyKey",)},
    ),
    "purchaseDraft": (
        owner,
        {"priceId": BAD_ID, "idempotencyKey": LONG},
        {("priceId",), ("idempotencyKey",)},
    ),
    "purchaseConfirmBilling": (
        owner,
        {"purchaseId": BAD_ID, "billingAddress": ADDRESS, "orderNumber": LONG},
        {("purchaseId",), ("orderNumber",)} | {("billingAddress", *path) for path in PARTS},
    ),
    "purchasePay": (
        owner,
        {"purchaseId": BAD_ID, "paymentMethod": "", "idempotencyKey": ""},
        {("purchaseId",), ("paymentMethod",), ("idempotencyKey",)},
    ),
    "ticketOpen": (
        owner,
        {"subject": "", "body": LONG, "channel": "PHONE", "idempotencyKey": ""},
        {("subject",), ("body",), ("channel",), ("idempotencyKey",)},
    ),
    "ticketReply": (
        owner,
        {"ticketId": BAD_ID, "body": "", "clientMessageId": "", "fileIds": [BAD_ID]},
        {("ticketId",), ("body",), ("clientMessageId",), ("fileIds", "0")},
    ),
    "fileAnnounce": (
        owner,
        {"name": "", "contentType": "x", "size": 0, "idempotencyKey": ""},
        {("name",), ("contentType",), ("size",), ("idempotencyKey",)},
    ),
}
for _name in ("userEndSessions", "userResetSecondFactor"):
    FAULTY[_name] = (
        operating,
        {"userId": "x", "idempotencyKey": ""},
        {("userId",), ("idempotencyKey",)},
    )
FAULTY["memberResetSecondFactor"] = (
    managing,
    {"userId": "x", "idempotencyKey": ""},
    {("userId",), ("idempotencyKey",)},
)
FAULTY["emailRequestChange"] = (
    managing,
    {"email": "x", "idempotencyKey": ""},
    {("email",), ("idempotencyKey",)},
)
for _name in ("passwordRequestReset", "sessionRequestUnlock"):
    FAULTY[_name] = (
        nobody,
        {"email": "x", "idempotencyKey": ""},
        {("email",), ("idempotencyKey",)},
    )
ONE_ANSWER = {
    "sessionSignIn": "which of address, password, code and company is wrong must not be told "
    "before the others are right",
    "sessionSignInWithPasskey": "the company is looked at once it is known who signs in",
    "sessionStepUp": "the second factor is asked for after the password only",
}


@pytest.fixture
def stage(
    dataset: Dataset, services: Services, engine: Engine, price: Price, action: Action
) -> Stage:
    return Stage(dataset, services, engine, price, action)


def _checkable(name: str) -> list[str]:
    """The input fields that can have an invalid value: those whose type doesn't already exclude
    every one.
    """
    arguments = MUTATIONS[name].args
    return _texts(get_named_type(arguments["input"].type)) if arguments else []


def _texts(kind: GraphQLNamedType) -> list[str]:
    names: list[str] = []
    for field, each in cast("GraphQLInputObjectType", kind).fields.items():
        type_ = get_named_type(each.type)
        if isinstance(type_, GraphQLInputObjectType):
            names += _texts(type_)
        elif type_.name in ("String", "ID", "Int"):
            names.append(field)
    return names


def test_every_mutation_with_several_fields_is_in_the_table() -> None:
    several = {name for name in MUTATIONS if len(_checkable(name)) > 1}
    assert several - FAULTY.keys() - ONE_ANSWER.keys() == set()


@pytest.mark.parametrize("name", FAULTY)
async def test_all_errors_are_reported_together(stage: Stage, name: str) -> None:
    who, given, expected = FAULTY[name]
    viewer = await who(stage)
    counts = [await model.all().count() for model in (Email, Message, Ticket, AuditEntry)]
    kind = MUTATIONS[name].args["input"].type
    query = (
        f"mutation($i: {kind}) {{ {name}(input: $i) {{ userErrors {{ field code message }} }} }}"
    )
    operation = stage.engine.prepare(Params(query, variables={"i": given}))
    response = await stage.engine.execute(operation, Context(viewer, stage.services, PEER))
    assert "errors" not in response, response
    errors = response["data"][name]["userErrors"]
    paths = [tuple(error["field"]) for error in errors]
    assert sorted(paths) == sorted(("input", *path) for path in expected)
    assert all(error["message"] for error in errors)
    written = [await model.all().count() for model in (Email, Message, Ticket, AuditEntry)]
    # A wrong password is recorded in the audit log.
    proofs = name in ("passwordChange", "totpSetUp")
    assert written == [*counts[:3], counts[3] + proofs]


async def test_an_input_error_does_not_use_up_a_recovery_code_or_a_challenge(stage: Stage) -> None:
    user = (await enrolled(stage)).user_id
    await PasswordReset.create(
        user_id=user, token_hash=token_hash("t"), expires_at=stage.action.at + RESET_LIFETIME
    )
    given = {"token": "t", "password": "short"}
    query = (
        "mutation($i: PasswordResetInput!) { passwordReset(input: $i) { userErrors { field code } "
        "} }"
    )
    operation = stage.engine.prepare(Params(query, variables={"i": given}))
    response = await stage.engine.execute(operation, Context(Viewer(), stage.services, PEER))
    assert response["data"]["passwordReset"]["userErrors"] == [
        {"field": ["input", "password"], "code": "PASSWORD_WEAK"},
        {"field": ["input", "code"], "code": "SECOND_FACTOR_REQUIRED"},
    ]
    assert await PasswordReset.all().count() == 1
    viewer = await managing(stage)
    assert viewer.user
    until = stage.action.at + timedelta(minutes=5)
    await WebauthnChallenge.create(
        challenge_hash="c", registers_id=viewer.user.pk, expires_at=until
    )
    await stage.do(viewer, "passkeyRegister", passkey="{}", name=" ")
    assert await WebauthnChallenge.all().count() == 1
