"""P4.1: a person gets what is kept about them in a form that programs can read, and nothing about
anybody else.
"""

import csv
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import orjson

from auth.tokens import Purpose
from models.accounts.account import Membership
from models.action import Action
from models.audit import AuditEntry
from models.privacy.consent import ConsentChange, ConsentChannel, ConsentPurpose
from models.support.file import File
from models.support.ticket import Ticket
from models.viewer import Viewer
from privacy import archive
from resolvers.context import Services
from storage.store import FolderStore
from tests.people import record_step_up
from web.exports import find_export

if TYPE_CHECKING:
    import pytest

    from tests.schema.conftest import Dataset, Execute

EXPORT = "mutation { personalDataExport { url userErrors { code } } }"


async def post(action: Action, ticket: Ticket, author: Viewer, body: str) -> None:
    assert author.user
    async with replace(action, actor=author.user).transaction() as tx:
        await (await tx.lock(Ticket, ticket.pk)).post(tx, author.user, body, body)


async def request(execute: "Execute", action: Action, viewer: Viewer) -> str:
    """The token of the link that a viewer gets after a step-up."""
    assert viewer.session
    await record_step_up(action, viewer.session)
    session = await type(viewer.session).get(pk=viewer.session.pk)
    response = await execute(replace(viewer, session=session), EXPORT)
    return str(response["data"]["personalDataExport"]["url"].rpartition("/")[2])


async def download(services: Services, store: FolderStore, token: str) -> ZipFile:
    data = services.auth.signer.read(Purpose.DOWNLOAD, token, services.clock.now())
    export = find_export(services, data, store)
    assert export
    content = b"".join([part async for part in export.content])
    return ZipFile(BytesIO(content))


def json_of(zip_file: ZipFile, name: str) -> list[dict[str, Any]]:
    return list(orjson.loads(zip_file.read(f"{name}.json")))


def csv_of(zip_file: ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(zip_file.read(f"{name}.csv").decode("utf-8-sig"))))


async def test_p4_1_a_person_exports_what_is_kept_about_them(
    execute: "Execute",
    dataset: "Dataset",
    services: Services,
    action: Action,
    tmp_path: Path,
    monkeypatch: "pytest.MonkeyPatch",
) -> None:
    monkeypatch.setattr(archive, "_BATCH_SIZE", 2)
    paul, store = dataset.paul, FolderStore(tmp_path / "files")
    owner = paul.owner
    assert owner.user
    assert owner.session
    response = await execute(owner, EXPORT)
    codes = [each["code"] for each in response["data"]["personalDataExport"]["userErrors"]]
    assert codes == ["STEP_UP_REQUIRED"]
    async with action.transaction() as tx:
        for purpose in (ConsentPurpose.OFFERS, ConsentPurpose.SURVEYS, ConsentPurpose.NEWSLETTER):
            await ConsentChange.record(
                tx, owner.user, purpose, given=True, channel=ConsentChannel.WEB
            )
    ticket = await Ticket.get(pk=paul.row(Ticket).pk)
    assert ticket.requester_id == owner.user_id
    await post(action, ticket, owner, 'Écrit par Paul; "entre guillemets"')
    await post(action, ticket, owner, "=1+1")
    await post(action, ticket, paul.member, "Écrit par un collègue")
    await post(action, ticket, dataset.alice, "Réponse de l’assistance")

    async def content() -> AsyncIterator[bytes]:
        yield b"bytes of the file"

    file = await File.create(
        key="personal-file-0123456789",
        uploader=owner.user,
        name="../devis.pdf",
        content_type="application/pdf",
        size=17,
        created_at=action.at,
        uploaded_at=action.at,
        cleared_at=action.at,
    )
    await store.put(file.key, content())

    token = await request(execute, action, owner)
    with await download(services, store, token) as zip_file:
        assert zip_file.testzip() is None
        [profile] = json_of(zip_file, "profile")
        assert (profile["name"], profile["email"]) == (owner.user.name, owner.user.email)
        [company] = json_of(zip_file, "companies")
        assert (company["company"], company["role"]) == ("PAULMARK legal", "OWNER")
        bodies = [row["body"] for row in json_of(zip_file, "messages")]
        assert 'Écrit par Paul; "entre guillemets"' in bodies
        assert "Réponse de l’assistance" in bodies
        assert "Écrit par un collègue" not in bodies
        assert [row["body"] for row in csv_of(zip_file, "messages")] == [
            body.replace("=1+1", "'=1+1") for body in bodies
        ]
        assert "=1+1" in bodies  # only spreadsheets would compute it
        given = [(row["purpose"], row["given"]) for row in csv_of(zip_file, "consents")]
        assert given == [("OFFERS", "True"), ("SURVEYS", "True"), ("NEWSLETTER", "True")]
        assert zip_file.read(f"files/{file.pk}-.._devis.pdf") == b"bytes of the file"
        tables = orjson.loads(zip_file.read("about.json"))["tables"]
        assert {f"{name}.{kind}" for name in tables for kind in ("json", "csv")} <= {
            *zip_file.namelist()
        }
        everything = b"".join(zip_file.read(name) for name in zip_file.namelist())
    for secret in (b"MARIEMARK", b"Alice", b"PAULMARK MEMBER", b"password_hash"):
        assert secret not in everything, secret
    [entry] = await AuditEntry.filter(action="person.export")
    assert (entry.actor_id, entry.object_id) == (owner.user_id, owner.user_id)


async def test_p4_1_who_left_a_company_gets_nothing_of_what_support_wrote_to_it(
    execute: "Execute", dataset: "Dataset", services: Services, action: Action, tmp_path: Path
) -> None:
    paul, store = dataset.paul, FolderStore(tmp_path / "files")
    ticket = await Ticket.get(pk=paul.row(Ticket).pk)
    await post(action, ticket, paul.owner, "Écrit par Paul")
    token = await request(execute, action, paul.owner)
    await Membership.filter(user_id=paul.owner.user_id).delete()
    await post(action, ticket, dataset.alice, "Réponse à ceux qui sont restés")
    with await download(services, store, token) as zip_file:
        bodies = [row["body"] for row in json_of(zip_file, "messages")]
    assert "Écrit par Paul" in bodies
    assert "Réponse à ceux qui sont restés" not in bodies


async def test_p4_1_staff_get_no_archive_of_what_they_wrote_to_customers(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    for viewer in (dataset.alice, Viewer()):
        assert (await execute(viewer, EXPORT))["errors"]
