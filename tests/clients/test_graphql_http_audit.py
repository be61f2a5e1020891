"""The npm package graphql-http audits the server against the GraphQL-over-HTTP draft: no MUST,
SHOULD or MAY fails.
"""

import asyncio

import orjson

from tests.people import sign_up
from tests.story.server_fixtures import ROOT, Server

AUDIT_COUNT = 61  # of graphql-http 1.23, the version in package-lock.json


async def test_every_audit_passes(server: Server) -> None:
    token = (await sign_up(server, "audit@boulangerie.example")).token
    node = await asyncio.create_subprocess_exec(
        "node",
        "tests/clients/audit.mjs",
        f"{server.url}/graphql",
        str(token),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await node.communicate()
    assert node.returncode == 0
    results = [orjson.loads(line) for line in output.splitlines()]
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == AUDIT_COUNT
