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

import billing
from realtime.close_codes import CloseCode
from tests.accounts.registry_server import answer, result, serve_registry
from tests.patience import PATIENCE
from tests.people import PASSWORD, StaffUser, hire, sign_up
from tests.story.server_fixtures import Client, Server, http_client

PAUL, AMADOU = "paul@boulangerie.example", "amadou@camcha.example"
CHANGE = "change { id status verdict registeredName }"
STANDING = "{ viewer { account { legalName } companies { accountId legalName status erasesAt } } }"
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


class Names:
    """The registry's answer."""

    reply = answer(b"", "503 Closed")


@asynccontextmanager
async def town(catalogue_url: str, folder: Path, names: Names) -> AsyncIterator[RegistryServer]:
    async with serve_registry(lambda: names.reply) as (url, _):
        server = RegistryServer(catalogue_url, folder, registry=url)
        await asyncio.to_thread(server.start)
        try:
            yield server
        finally:
            server.stop()


async def test_p1_1_and_p1_2_a_company_changes_its_name_and_is_deleted(
    catalogue_url: str, tmp_path: Path
) -> None:
    names = Names()
    async with town(catalogue_url, tmp_path, names) as server:
        paul, amadou = await sign_up(server, PAUL), await hire(server, AMADOU, "AGENT")
        agent = await amadou.sign_in(server)
        await paul_shows_evidence(paul, agent)
        await paul_is_registered(paul, names)
        account = await paul_rests(paul, agent)
        await paul_comes_back(paul, agent, account)
        await paul_leaves_for_good(paul, agent, amadou, account)
        await nothing_is_left(server, agent, account)


async def fresh(paul: Client) -> None:
    await paul.do("sessionStepUp", "SessionStepUpInput", {"password": PASSWORD}, "freshUntil")


async def wished(paul: Client, name: str) -> dict[str, Any]:
    given = {"legalName": name, "idempotencyKey": name}
    return dict(
        (await paul.do("accountRequestLegalName", "AccountRequestLegalNameInput", given, CHANGE))[
            "change"
        ]
    )


async def paul_shows_evidence(paul: Client, agent: Client) -> None:
    """The registry is unavailable: Paul uploads his Kbis extract, and an agent downloads and
    accepts it.
    """
    await fresh(paul)
    change = await wished(paul, "Fournil Meunier SARL")
    assert (change["status"], change["verdict"]) == ("EVIDENCE_NEEDED", "AWAY")
    needed = "Un justificatif est nécessaire pour votre changement de raison sociale"
    assert str((await paul.server.email(PAUL, 2))["Subject"]) == needed
    about = {"name": "kbis.pdf", "contentType": "application/pdf", "size": len(PDF)}
    announced = await paul.do("fileAnnounce", "FileAnnounceInput", about, "file { id } uploadUrl")
    async with http_client() as http:
        sent = await http.put(
            announced["uploadUrl"], content=PDF, headers={"Content-Type": "application/pdf"}
        )
        assert sent.status_code == 201
        given = {"changeId": change["id"], "fileIds": [announced["file"]["id"]]}
        await paul.do(
            "legalNameChangeAddEvidence", "LegalNameChangeAddEvidenceInput", given, CHANGE
        )
        waiting = (
            "{ legalNameChanges(filter: {status: {in: [IN_REVIEW]}}) { nodes { id account { "
            "legalName } evidence { downloadUrl } } } }"
        )
        [result] = (await agent.data(waiting))["legalNameChanges"]["nodes"]
        assert (await http.get(result["evidence"][0]["downloadUrl"])).content == PDF
    decided = {"changeId": result["id"], "decision": "ACCEPT", "idempotencyKey": "1"}
    payload = await agent.do(
        "legalNameChangeDecide",
        "LegalNameChangeDecideInput",
        decided,
        "change { account { legalName } }",
    )
    assert payload["change"]["account"]["legalName"] == "Fournil Meunier SARL"
    assert (await paul.data(STANDING))["viewer"]["account"]["legalName"] == "Fournil Meunier SARL"
    registered = "La nouvelle raison sociale de votre entreprise est enregistrée"
    assert str((await paul.server.email(PAUL, 3))["Subject"]) == registered


async def paul_is_registered(paul: Client, names: Names) -> None:
    """The registry now has the new name, so no agent is needed."""
    names.reply = answer(
        {
            "results": [
                result(
                    nom_raison_sociale="LES FOURNILS MEUNIER", nom_complet="LES FOURNILS MEUNIER"
                )
            ]
        }
    )
    change = await wished(paul, "Les Fournils Meunier")
    assert (change["status"], change["registeredName"]) == ("ACCEPTED", "LES FOURNILS MEUNIER")


async def paul_rests(paul: Client, agent: Client) -> str:
    """Paul requests the deactivation. His websocket closes, and he is signed out."""
    await paul.open_chat()
    given = {"message": "Nous fermons pour l'hiver.", "idempotencyKey": "rest"}
    payload = await paul.do(
        "accountRequestDeactivation", "AccountRequestInput", given, "ticket { kind account { id } }"
    )
    assert payload["ticket"]["kind"] == "ACCOUNT_DEACTIVATION"
    account = str(payload["ticket"]["account"]["id"])
    async with paul.socket() as live:
        await live.follow("subscription { accountEvents { kind } }")
        rested = await agent.do(
            "accountDeactivate",
            "AccountDeactivateInput",
            {"accountId": account},
            "account { status }",
        )
        assert rested["account"]["status"] == "DEACTIVATED"
        assert await live.closed() == CloseCode.UNAUTHORIZED
    assert (await paul.ask(STANDING))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    return account


async def paul_comes_back(paul: Client, agent: Client, account: str) -> None:
    """Paul signs in without an account, sees its status, and requests its reactivation."""
    given = {"email": PAUL, "password": PASSWORD, "accountId": account}
    paul.token = None
    refused = await paul.attempt(
        "sessionSignIn", "SessionSignInInput", given, "session { accessToken }"
    )
    assert [error["code"] for error in refused["userErrors"]] == ["ACCOUNT_INACTIVE"]
    await paul.sign_in(PAUL, PASSWORD)
    seen = (await paul.data(STANDING))["viewer"]
    assert (seen["account"], seen["companies"][0]["status"]) == (None, "DEACTIVATED")
    wish = {"accountId": account, "message": "C'est le printemps.", "idempotencyKey": "back"}
    await paul.do("accountRequestReactivation", "AccountRequestReactivationInput", wish, "accepted")
    await agent.do(
        "accountReactivate", "AccountReactivateInput", {"accountId": account}, "account { status }"
    )
    await paul.sign_in(PAUL, PASSWORD)
    assert (await paul.data(STANDING))["viewer"]["account"]["legalName"] == "Les Fournils Meunier"


async def paul_leaves_for_good(
    paul: Client, agent: Client, amadou: StaffUser, account: str
) -> None:
    """Paul requests the deletion and the agent schedules it. The server is killed, and completes
    the deletion after its restart.
    """
    given = {"message": "Nous avons vendu.", "idempotencyKey": "end"}
    stale = await paul.attempt(
        "accountRequestDeletion", "AccountRequestDeletionInput", given, "ticket { id }"
    )
    assert [error["code"] for error in stale["userErrors"]] == ["STEP_UP_REQUIRED"]
    await fresh(paul)
    payload = await paul.do(
        "accountRequestDeletion", "AccountRequestDeletionInput", given, "ticket { id }"
    )
    end = {"accountId": account, "ticketId": payload["ticket"]["id"]}
    refused = await agent.attempt(
        "accountScheduleDeletion", "AccountScheduleDeletionInput", end, "account { status }"
    )
    assert [error["code"] for error in refused["userErrors"]] == ["STEP_UP_REQUIRED"]
    await amadou.step_up(agent)
    closing = await agent.do(
        "accountScheduleDeletion",
        "AccountScheduleDeletionInput",
        end,
        "account { status erasesAt }",
    )
    assert closing["account"]["status"] == "CLOSING"
    assert closing["account"]["erasesAt"]
    paul.server.kill()
    await asyncio.to_thread(paul.server.start)


async def nothing_is_left(server: Server, agent: Client, account: str) -> None:
    """The last email confirms the deletion. The address is free again, and what Paul wrote is
    gone.
    """
    document = (
        "query($id: ID!) { node(id: $id) { ... on Account { legalName status tickets { nodes { "
        "subject } } } } }"
    )
    async with asyncio.timeout(PATIENCE):
        while (seen := (await agent.data(document, id=account))["node"])["legalName"] != "[effacé]":
            await asyncio.sleep(0.2)
    assert seen["status"] == "ERASED"
    assert {each["subject"] for each in seen["tickets"]["nodes"]} == {"[effacé]"}
    emails = [str(email["Subject"]) for email in server.emails(PAUL)]
    async with asyncio.timeout(PATIENCE):
        while "Le compte de votre entreprise a été supprimé" not in emails:
            await asyncio.sleep(0.2)
            emails = [str(email["Subject"]) for email in server.emails(PAUL)]
    given = {"email": PAUL, "password": PASSWORD}
    gone = await Client(server).attempt(
        "sessionSignIn", "SessionSignInInput", given, "session { accessToken }"
    )
    assert [error["code"] for error in gone["userErrors"]] == ["CREDENTIALS_INVALID"]
    assert not [
        path
        for path in (server.folder / "files").rglob("*")
        if path.is_file() and path.read_bytes() == PDF
    ]
