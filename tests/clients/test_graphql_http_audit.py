"""The npm package graphql-http audits our server against the GraphQL-over-HTTP draft: no MUST, SHOULD or MAY may fail."""

import asyncio
from pathlib import Path

import orjson
import pytest

from tests.clients.people import customer
from tests.story.server_fixtures import ROOT, served

ALL_AUDITS = 61  # of graphql-http 1.23, as npm's lock file has it: none was skipped


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_audit_fails(database_url: str, tmp_path: Path) -> None:
    with served(database_url, tmp_path) as server:
        token = (await customer(server, "paul@boulangerie.example")).token
        node = await asyncio.create_subprocess_exec(
            "node", "tests/clients/audit.mjs", f"{server.url}/graphql", str(token), cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await node.communicate()
    assert node.returncode == 0
    audits = [orjson.loads(line) for line in printed.splitlines()]
    assert [audit for audit in audits if audit["status"] != "ok"] == []
    assert len(audits) == ALL_AUDITS
