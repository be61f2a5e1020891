"""P1.1 in the GraphQL API: a company requests a new legal name, an agent decides, and the next
invoice states the name.
"""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from auth.throttle import LIFECYCLE
from billing import checkout
from models.accounts.account import Role
from models.accounts.legal_name import LegalNameChange
from models.action import Action
from models.billing.invoice import Invoice
from models.billing.offer import Price
from models.identity.session import Session
from models.identity.user import Staff
from models.operations.email import Email
from models.support.file import File
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from tests.people import create_staff_viewer
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

REQUEST_MUTATION = """mutation($i: AccountRequestLegalNameInput!) {
    accountRequestLegalName(input: $i) {
    change { id status verdict previousName legalName account { id legalName } requester { name } }
    userErrors { code field } } }"""
ADD_EVIDENCE_MUTATION = """mutation($i: LegalNameChangeAddEvidenceInput!) {
    legalNameChangeAddEvidence(input: $i) {
    change { status evidence { name status downloadUrl } } userErrors { code field } } }"""
REVIEW_QUERY = """{ legalNameChanges(filter: {status: {in: [IN_REVIEW]}}) { totalCount nodes {
    id legalName reason account { siren legalName } evidence { name downloadUrl }
    decider { name } } } }"""
DECIDE_MUTATION = """mutation($i: LegalNameChangeDecideInput!) {
    legalNameChangeDecide(input: $i) {
    change { status reason decidedAt decider { name } account { legalName } }
    userErrors { code field } } }"""
OWN_ACCOUNT_QUERY = (
    "{ viewer { account { legalName address { street city country } legalNameChanges { nodes { "
    "status } } } } }"
)


async def with_step_up(viewer: Viewer, action: Action) -> Viewer:
    """The same viewer with a recent step-up."""
    assert viewer.session
    await Session.filter(pk=viewer.session.pk).update(
        step_up_expires_at=action.at + timedelta(minutes=5)
    )
    return Viewer(
        viewer.user,
        viewer.account,
        viewer.role,
        await Session.get(pk=viewer.session.pk),
        viewer.locale,
    )


def request_input(**input_fields: Any) -> dict[str, Any]:
    return {"legalName": "Boulangerie Paul SAS", "idempotencyKey": "wish"} | input_fields


async def create_kbis(dataset: Dataset, action: Action) -> str:
    assert dataset.paul.owner.user
    file = await File.create(
        key="kbis",
        uploader=dataset.paul.owner.user,
        account=dataset.paul.account,
        name="kbis.pdf",
        size=3,
        content_type="application/pdf",
        created_at=action.at,
        uploaded_at=action.at,
        cleared_at=action.at,
    )
    return encode("File", file.pk)


async def test_p1_1_a_new_legal_name_appears_only_on_later_invoices(
    execute: "Execute", dataset: Dataset, action: Action, services: Services, price: Price
) -> None:
    owner = await with_step_up(dataset.paul.owner, action)
    payload = (await execute(owner, REQUEST_MUTATION, i=request_input()))["data"][
        "accountRequestLegalName"
    ]
    assert payload["userErrors"] == []
    change = payload["change"]
    assert (change["status"], change["verdict"], change["previousName"]) == (
        "EVIDENCE_NEEDED",
        "UNKNOWN",
        "PAULMARK legal",
    )
    response = await execute(
        owner,
        ADD_EVIDENCE_MUTATION,
        i={"changeId": change["id"], "fileIds": [await create_kbis(dataset, action)]},
    )
    assert response["data"]["legalNameChangeAddEvidence"]["change"]["status"] == "IN_REVIEW"
    reviews = (await execute(dataset.alice, REVIEW_QUERY))["data"]["legalNameChanges"]
    assert reviews["totalCount"] == 1
    assert reviews["nodes"][0]["evidence"][0]["downloadUrl"].startswith("http")
    decision_input = {"changeId": change["id"], "decision": "ACCEPT", "idempotencyKey": "1"}
    refused = (await execute(dataset.alice, DECIDE_MUTATION, i=decision_input))["data"]
    assert refused["legalNameChangeDecide"]["userErrors"] == [
        {"code": "STEP_UP_REQUIRED", "field": None}
    ]
    alice = await with_step_up(dataset.alice, action)
    decision = (await execute(alice, DECIDE_MUTATION, i=decision_input))["data"]
    assert decision["legalNameChangeDecide"]["change"] | {"decidedAt": ""} == {
        "status": "ACCEPTED",
        "reason": None,
        "decidedAt": "",
        "decider": {"name": "Alice"},
        "account": {"legalName": "Boulangerie Paul SAS"},
    }
    await dataset.paul.account.refresh_from_db()
    await buy_again(action, services, price, dataset)
    invoices = await Invoice.filter(account_id=dataset.paul.account.pk).order_by("id")
    assert [each.facts["buyer"]["name"] for each in invoices] == [
        "PAULMARK legal",
        "Boulangerie Paul SAS",
    ]
    emails = await Email.filter(template="legal_name_status.fr").order_by("id")
    assert [email.subject for email in emails] == [
        "Un justificatif est nécessaire pour votre changement de raison sociale",
        "La nouvelle raison sociale de votre entreprise est enregistrée",
    ]


async def buy_again(action: Action, services: Services, price: Price, dataset: Dataset) -> None:
    paul = dataset.paul
    assert paul.owner.user
    purchase = await checkout.draft(action, paul.account, paul.owner.user, price, "again")
    purchase = await purchase.confirm_billing(action)
    checkout_services = services.checkout
    await checkout.pay(action, checkout_services, purchase, "pm_sandbox_success", "again")


async def test_p1_1_each_role_has_its_own_permissions(
    execute: "Execute", dataset: Dataset, action: Action
) -> None:
    change = encode(
        "LegalNameChange",
        (await LegalNameChange.filter(account_id=dataset.paul.account.pk).get()).pk,
    )
    customers = [dataset.paul.member, replace(dataset.paul.owner, role=Role.BILLING)]
    for viewer in (Viewer(), *customers, dataset.alice, dataset.nadia):
        response = await execute(viewer, REQUEST_MUTATION, i=request_input())
        assert response["errors"][0]["extensions"]["code"] in ("FORBIDDEN", "UNAUTHENTICATED")
    operator = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    for viewer in (
        Viewer(),
        dataset.paul.owner,
        *customers,
        dataset.alice_without_factor,
        dataset.nadia,
        operator,
    ):
        for document, input_fields in (
            (REVIEW_QUERY, {}),
            (
                DECIDE_MUTATION,
                {"i": {"changeId": change, "decision": "ACCEPT", "idempotencyKey": "1"}},
            ),
        ):
            response = await execute(viewer, document, **input_fields)
            assert response["errors"][0]["extensions"]["code"] in ("FORBIDDEN", "UNAUTHENTICATED")


async def test_p1_1_other_members_see_neither_the_request_nor_its_evidence(
    execute: "Execute", dataset: Dataset
) -> None:
    paul = dataset.paul
    files = [encode("File", each.pk) for each in await File.filter(account_id=paul.account.pk)]
    change = paul.id(LegalNameChange)
    nodes_query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    owners = (await execute(paul.owner, nodes_query, ids=[change, *files]))["data"]["nodes"]
    members = (await execute(paul.member, nodes_query, ids=[change, *files]))["data"]["nodes"]
    assert [bool(each) for each in owners] == [True, True, True]
    assert [bool(each) for each in members].count(True) == 1  # files attached to a message
    assert members[0] is None
    assert (await execute(paul.member, OWN_ACCOUNT_QUERY))["data"]["viewer"]["account"][
        "legalNameChanges"
    ] == {"nodes": []}


async def test_p1_4_an_account_has_an_address(execute: "Execute", dataset: Dataset) -> None:
    document = """mutation(
        $a: AccountChangeAddressInput!, $n: AccountChangeIdentifiersInput!,
        $t: AccountChangeTradeNameInput!
    ) {
        accountChangeAddress(input: $a) { account { address { street } } userErrors { code field } }
        accountChangeIdentifiers(input: $n) { account { siret vatNumber }
        userErrors { code field } }
        accountChangeTradeName(input: $t) { account { tradeName legalName }
        userErrors { code field } } }"""
    address = {"street": "2 rue Y", "postalCode": "69001", "city": "Lyon"}
    numbers = {"siret": "40483304800022", "vatNumber": None}
    payload = (
        await execute(
            dataset.paul.owner,
            document,
            a={"address": address},
            n=numbers,
            t={"tradeName": "Chez  Paul"},
        )
    )["data"]
    assert [each["userErrors"] for each in payload.values()] == [[], [], []]
    assert payload["accountChangeTradeName"]["account"] == {
        "tradeName": "Chez Paul",
        "legalName": "PAULMARK legal",
    }
    assert payload["accountChangeIdentifiers"]["account"] == {
        "siret": "40483304800022",
        "vatNumber": None,
    }
    payload = (
        await execute(
            dataset.paul.owner,
            document,
            a={"address": address},
            n={"vatNumber": "FR83404833048"},
            t={},
        )
    )["data"]
    # Omitted fields stay unchanged.
    assert payload["accountChangeIdentifiers"]["account"]["siret"] == "40483304800022"
    assert payload["accountChangeTradeName"]["account"]["tradeName"] == "Chez Paul"
    refused_response = (
        await execute(
            dataset.paul.owner,
            document,
            a={"address": address | {"country": "QQ"}},
            n=numbers | {"siret": "1"},
            t={"tradeName": " "},
        )
    )["data"]
    assert [each["userErrors"] for each in refused_response.values()] == [
        [{"code": "VALUE_INVALID", "field": ["input", "address", "country"]}],
        [{"code": "SIRET_INVALID", "field": ["input", "siret"]}],
        [{"code": "BLANK", "field": ["input", "tradeName"]}],
    ]


@pytest.mark.parametrize("invalid_ids", [["x"], ["VXNlcjox"]])
async def test_p1_1_an_id_of_another_type_is_not_found(
    execute: "Execute", dataset: Dataset, action: Action, invalid_ids: list[str]
) -> None:
    owner = await with_step_up(dataset.paul.owner, action)
    response = (await execute(owner, REQUEST_MUTATION, i=request_input(fileIds=invalid_ids)))[
        "data"
    ]["accountRequestLegalName"]
    assert response == {
        "change": None,
        "userErrors": [{"code": "NOT_FOUND", "field": ["input", "fileIds", "0"]}],
    }
    other = dataset.marie.id(LegalNameChange)
    for change in (*invalid_ids, other):
        response = (
            await execute(owner, ADD_EVIDENCE_MUTATION, i={"changeId": change, "fileIds": []})
        )["data"]["legalNameChangeAddEvidence"]
        faults = [
            {"code": "NOT_FOUND", "field": ["input", "changeId"]},
            {"code": "BLANK", "field": ["input", "fileIds"]},
        ]
        assert response == {"change": None, "userErrors": faults}


@pytest.mark.parametrize("request_kind", ["Deactivation", "Deletion"])
async def test_p1_2_deactivation_and_deletion_requests_are_throttled(
    execute: "Execute", dataset: Dataset, action: Action, request_kind: str
) -> None:
    """The limit on reactivation requests is tested in tests/accounts/test_lifecycle.py."""
    field = f"accountRequest{request_kind}"
    type_ = {"Deactivation": "AccountRequestInput"}.get(
        request_kind, f"AccountRequest{request_kind}Input"
    )
    document = (
        f"mutation($i: {type_}!) {{ {field}(input: $i) {{ ticket {{ id }} "
        f"userErrors {{ code }} }} }}"
    )
    owner = await with_step_up(dataset.paul.owner, action)
    for turn in range(LIFECYCLE.free_attempts + 1):
        payload = await execute(
            owner, document, i={"message": "Je pars.", "idempotencyKey": f"{turn}"}
        )
        assert payload["data"][field]["userErrors"] == []
    refused_response = await execute(
        owner, document, i={"message": "Je pars.", "idempotencyKey": "last"}
    )
    extensions = refused_response["errors"][0]["extensions"]
    assert (extensions["code"], extensions["retryAfter"]) == ("RATE_LIMITED", 1)
    repeated_response = await execute(
        owner, document, i={"message": "Je pars.", "idempotencyKey": "0"}
    )
    assert repeated_response["data"][field]["ticket"] == payload["data"][field]["ticket"]
