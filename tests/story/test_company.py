"""Promises P1.1 and P1.2 against a real server process and a company registry, on SQLite and on
PostgreSQL.

A bakery changes its legal name, first through evidence and an agent, then through the registry. Its
account is deactivated, reactivated and deleted, although the server is killed during the erasure.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import billing
from realtime.close_codes import CloseCode
from tests.accounts.registry_server import answer, result, serve_registry
from tests.people import PASSWORD, StaffUser, hire, sign_up
from tests.story.server_fixtures import Client, Server, http_client
from tests.waiting import MAX_WAIT

PAUL, AMADOU = "paul@boulangerie.example", "amadou@camcha.example"
CHANGE_FIELDS = "change { id status verdict registeredName }"
STATUS_QUERY = (
    "{ viewer { account { legalName } companies { accountId legalName status erasesAt } } }"
)
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


@dataclass
class RegistryServer(Server):
    """A server with a registry, and with a grace period that is over immediately."""

    registry: str = ""

    @property
    def environment(self) -> dict[str, str]:
        terms = Path(billing.__file__).with_name("seller.toml").read_text(encoding="utf-8")
        seller = self.folder / "seller.toml"
        seller.write_text(re.sub(r"grace_days = \d+", "grace_days = 0", terms), encoding="utf-8")
        return super().environment | {
            "CAMCHA_REGISTRY": self.registry,
            "CAMCHA_SELLER": str(seller),
        }


class RegistryReply:
    """The registry's answer."""

    reply = answer(b"", "503 Closed")


@asynccontextmanager
async def run_server(
    catalogue_url: str, folder: Path, registry: RegistryReply
) -> AsyncIterator[RegistryServer]:
    async with serve_registry(lambda: registry.reply) as (url, _):
        server = RegistryServer(catalogue_url, folder, registry=url)
        await asyncio.to_thread(server.start)
        try:
            yield server
        finally:
            server.stop()


@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_p1_1_and_p1_2_a_company_changes_its_name_and_is_deleted(
    catalogue_url: str, tmp_path: Path
) -> None:
    registry = RegistryReply()
    async with run_server(catalogue_url, tmp_path, registry) as server:
        paul, amadou = await sign_up(server, PAUL), await hire(server, AMADOU, "AGENT")
        agent = await amadou.sign_in(server)
        await paul_provides_evidence(paul, agent, amadou)
        await the_registry_confirms_the_name(paul, registry)
        account = await paul_deactivates_his_account(paul, agent, amadou)
        await paul_reactivates_his_account(paul, agent, amadou, account)
        await paul_deletes_his_account(paul, agent, account)
        await pauls_data_is_erased(server, agent, account)


async def step_up(paul: Client) -> None:
    await paul.mutate(
        "sessionStepUp", "SessionStepUpInput", {"password": PASSWORD}, "stepUpExpiresAt"
    )


async def request_legal_name(paul: Client, name: str) -> dict[str, Any]:
    arguments = {"legalName": name, "idempotencyKey": name}
    return dict(
        (
            await paul.mutate(
                "accountRequestLegalName", "AccountRequestLegalNameInput", arguments, CHANGE_FIELDS
            )
        )["change"]
    )


async def paul_provides_evidence(paul: Client, agent: Client, amadou: StaffUser) -> None:
    """The registry is unavailable: Paul uploads his Kbis extract, and an agent downloads and
    accepts it.
    """
    await step_up(paul)
    change = await request_legal_name(paul, "Fournil Meunier SARL")
    assert (change["status"], change["verdict"]) == ("EVIDENCE_NEEDED", "UNAVAILABLE")
    evidence_subject = "Un justificatif est nécessaire pour votre changement de raison sociale"
    assert str((await paul.server.email(PAUL, 2))["Subject"]) == evidence_subject
    file_input = {"name": "kbis.pdf", "contentType": "application/pdf", "size": len(PDF)}
    announcement = await paul.mutate(
        "fileAnnounce", "FileAnnounceInput", file_input, "file { id } uploadUrl"
    )
    async with http_client() as http:
        sent = await http.put(
            announcement["uploadUrl"], content=PDF, headers={"Content-Type": "application/pdf"}
        )
        assert sent.status_code == 201
        arguments = {"changeId": change["id"], "fileIds": [announcement["file"]["id"]]}
        await paul.mutate(
            "legalNameChangeAddEvidence",
            "LegalNameChangeAddEvidenceInput",
            arguments,
            CHANGE_FIELDS,
        )
        review_query = (
            "{ legalNameChanges(filter: {status: {in: [IN_REVIEW]}}) { nodes { id account { "
            "legalName } evidence { downloadUrl } } } }"
        )
        [result] = (await agent.data(review_query))["legalNameChanges"]["nodes"]
        assert (await http.get(result["evidence"][0]["downloadUrl"])).content == PDF
    decision = {"changeId": result["id"], "decision": "ACCEPT", "idempotencyKey": "1"}
    refused = await agent.try_mutation(
        "legalNameChangeDecide", "LegalNameChangeDecideInput", decision, "change { id }"
    )
    assert [error["code"] for error in refused["userErrors"]] == ["STEP_UP_REQUIRED"]
    await amadou.step_up(agent)
    payload = await agent.mutate(
        "legalNameChangeDecide",
        "LegalNameChangeDecideInput",
        decision,
        "change { account { legalName } }",
    )
    assert payload["change"]["account"]["legalName"] == "Fournil Meunier SARL"
    assert (await paul.data(STATUS_QUERY))["viewer"]["account"][
        "legalName"
    ] == "Fournil Meunier SARL"
    accepted_subject = "La nouvelle raison sociale de votre entreprise est enregistrée"
    assert str((await paul.server.email(PAUL, 3))["Subject"]) == accepted_subject


async def the_registry_confirms_the_name(paul: Client, registry: RegistryReply) -> None:
    """The registry now has the new name, so no agent is needed."""
    registry.reply = answer(
        {
            "results": [
                result(
                    nom_raison_sociale="LES FOURNILS MEUNIER", nom_complet="LES FOURNILS MEUNIER"
                )
            ]
        }
    )
    change = await request_legal_name(paul, "Les Fournils Meunier")
    assert (change["status"], change["registeredName"]) == ("ACCEPTED", "LES FOURNILS MEUNIER")


async def paul_deactivates_his_account(paul: Client, agent: Client, amadou: StaffUser) -> str:
    """Paul requests the deactivation, which the agent carries out after a step-up. Paul's websocket
    closes, and he is signed out.
    """
    await paul.open_chat()
    arguments = {"message": "Nous fermons pour l'hiver.", "idempotencyKey": "rest"}
    payload = await paul.mutate(
        "accountRequestDeactivation",
        "AccountRequestInput",
        arguments,
        "ticket { kind account { id } }",
    )
    assert payload["ticket"]["kind"] == "ACCOUNT_DEACTIVATION"
    account = str(payload["ticket"]["account"]["id"])
    arguments = {"accountId": account, "reason": "REQUESTED", "message": "À bientôt."}
    await amadou.step_up(agent)
    async with paul.socket() as websocket:
        await websocket.subscribe("subscription { accountEvents { kind } }")
        deactivation = await agent.mutate(
            "accountDeactivate", "AccountDeactivateInput", arguments, "account { status }"
        )
        assert deactivation["account"]["status"] == "DEACTIVATED"
        assert await websocket.wait_closed() == CloseCode.UNAUTHORIZED
    assert (await paul.execute(STATUS_QUERY))["errors"][0]["extensions"][
        "code"
    ] == "UNAUTHENTICATED"
    return account


async def paul_reactivates_his_account(
    paul: Client, agent: Client, amadou: StaffUser, account: str
) -> None:
    """Paul signs in without an account, sees its status, and requests its reactivation."""
    arguments = {"email": PAUL, "password": PASSWORD, "accountId": account}
    paul.token = None
    refused = await paul.try_mutation(
        "sessionSignIn", "SessionSignInInput", arguments, "session { accessToken }"
    )
    assert [error["code"] for error in refused["userErrors"]] == ["ACCOUNT_INACTIVE"]
    await paul.sign_in(PAUL, PASSWORD)
    account_data = (await paul.data(STATUS_QUERY))["viewer"]
    assert (account_data["account"], account_data["companies"][0]["status"]) == (
        None,
        "DEACTIVATED",
    )
    reactivation_request = {
        "accountId": account,
        "message": "C'est le printemps.",
        "idempotencyKey": "back",
    }
    await paul.mutate(
        "accountRequestReactivation",
        "AccountRequestReactivationInput",
        reactivation_request,
        "accepted",
    )
    await amadou.step_up(agent)
    await agent.mutate(
        "accountReactivate", "AccountReactivateInput", {"accountId": account}, "account { status }"
    )
    await paul.sign_in(PAUL, PASSWORD)
    assert (await paul.data(STATUS_QUERY))["viewer"]["account"][
        "legalName"
    ] == "Les Fournils Meunier"


async def paul_deletes_his_account(paul: Client, agent: Client, account: str) -> None:
    """Paul requests the deletion and the agent schedules it. The server is killed, and completes
    the deletion after its restart.
    """
    arguments = {"message": "Nous avons vendu.", "idempotencyKey": "end"}
    without_step_up = await paul.try_mutation(
        "accountRequestDeletion", "AccountRequestDeletionInput", arguments, "ticket { id }"
    )
    assert [error["code"] for error in without_step_up["userErrors"]] == ["STEP_UP_REQUIRED"]
    await step_up(paul)
    payload = await paul.mutate(
        "accountRequestDeletion", "AccountRequestDeletionInput", arguments, "ticket { id }"
    )
    deletion = {"accountId": account, "ticketId": payload["ticket"]["id"]}
    schedule_payload = await agent.mutate(
        "accountScheduleDeletion",
        "AccountScheduleDeletionInput",
        deletion,
        "account { status erasesAt }",
    )
    assert schedule_payload["account"]["status"] == "CLOSING"
    assert schedule_payload["account"]["erasesAt"]
    paul.server.kill()
    await asyncio.to_thread(paul.server.start)


async def pauls_data_is_erased(server: Server, agent: Client, account: str) -> None:
    """The last email confirms the deletion. The address is free again, and what Paul wrote is
    gone.
    """
    document = (
        "query($id: ID!) { node(id: $id) { ... on Account { legalName status tickets { nodes { "
        "subject } } } } }"
    )
    async with asyncio.timeout(MAX_WAIT):
        while (account_data := (await agent.data(document, id=account))["node"])[
            "legalName"
        ] != "[effacé]":
            await asyncio.sleep(0.2)
    assert account_data["status"] == "ERASED"
    assert {each["subject"] for each in account_data["tickets"]["nodes"]} == {"[effacé]"}
    emails = [str(email["Subject"]) for email in server.emails(PAUL)]
    async with asyncio.timeout(MAX_WAIT):
        while "Le compte de votre entreprise a été supprimé" not in emails:
            await asyncio.sleep(0.2)
            emails = [str(email["Subject"]) for email in server.emails(PAUL)]
    arguments = {"email": PAUL, "password": PASSWORD}
    sign_in = await Client(server).try_mutation(
        "sessionSignIn", "SessionSignInInput", arguments, "session { accessToken }"
    )
    assert [error["code"] for error in sign_in["userErrors"]] == ["CREDENTIALS_INVALID"]
    assert not [
        path
        for path in (server.folder / "files").rglob("*")
        if path.is_file() and path.read_bytes() == PDF
    ]
