"""The npm package graphql-http audits our server against the GraphQL-over-HTTP draft: no MUST, SHOULD or MAY may fail."""

import asyncio

import orjson

from tests.clients.people import customer
from tests.story.server_fixtures import ROOT, Server

ALL_AUDITS = 61  # of graphql-http 1.23, as npm's lock file has it: none was skipped


async def test_no_audit_fails(server: Server) -> None:
    token = (await customer(server, "audit@boulangerie.example")).token
    node = await asyncio.create_subprocess_exec(
        "node", "tests/clients/audit.mjs", f"{server.url}/graphql", str(token), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await node.communicate()
    assert node.returncode == 0
    audits = [orjson.loads(line) for line in printed.splitlines()]
    assert [audit for audit in audits if audit["status"] != "ok"] == []
    assert len(audits) == ALL_AUDITS
