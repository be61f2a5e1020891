"""docs/clients/example.ts passes the type checker, and works against a real server as
docs/clients.md says.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson

from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import ROOT, Client, Server
from tests.waiting import MAX_WAIT

CUSTOMER_EMAIL = "example@boulangerie.example"


async def compile_example(folder: Path) -> Path:
    """Check the example's types and translate it to JavaScript."""
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    tsc = await asyncio.create_subprocess_exec(
        "node_modules/.bin/tsc",
        "--project",
        "docs/clients",
        "--outDir",
        str(folder),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await tsc.communicate()
    assert tsc.returncode == 0, output.decode()
    return folder / "example.js"


async def test_p6_1_the_example_resumes_without_losing_or_repeating_an_event(
    server: Server, tmp_path: Path
) -> None:
    script = await compile_example(tmp_path)
    paul = await sign_up(server, CUSTOMER_EMAIL)
    async with asyncio.timeout(MAX_WAIT), aclosing(example_output(script, server, paul)) as lines:
        output_lines = [line async for line in lines if "disconnected" not in line]
    assert output_lines[0] == {
        "refused": {"code": "CREDENTIALS_INVALID", "field": ["input", "password"]}
    }
    assert output_lines[1]["repeated"] is True
    reset = output_lines.index({"reset": True})
    events, repeated = output_lines[2:reset], output_lines[reset + 1 : -1]
    assert [{**line["event"], "epoch": None} for line in events] == [
        {**line["event"], "epoch": None} for line in repeated
    ]
    assert {line["event"]["epoch"] for line in events}.isdisjoint(
        line["event"]["epoch"] for line in repeated
    )
    events = [line["event"] for line in events]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    messages = [event["message"] for event in events if event["message"]]
    assert [message["clientMessageId"] for message in messages][1:] == [
        "first",
        "during the outage",
    ]
    assert [file["name"] for file in messages[1]["files"]] == ["facture.txt"]
    assert output_lines[-1] == {"ended": "TOKEN_INVALID"}


async def example_output(
    script: Path, server: Server, paul: Client
) -> AsyncGenerator[dict[str, Any]]:
    """Yield what the example prints. After its message the server is killed and restarted, later a
    new epoch begins, and finally its session is ended.
    """
    node = await asyncio.create_subprocess_exec(
        "node",
        "tests/clients/example.mjs",
        str(script),
        server.url,
        CUSTOMER_EMAIL,
        PASSWORD,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert node.stdin
    assert node.stdout
    ticket_id = ""
    is_reset = is_held = False
    try:
        async for line in node.stdout:
            output_line = orjson.loads(line)
            yield output_line
            ticket_id = output_line.get("ticketId", ticket_id)
            is_reset = is_reset or "reset" in output_line
            match output_line:
                case {"event": {"message": {"clientMessageId": "first"}}} if is_reset:
                    pass
                case {"event": {"message": {"clientMessageId": "first"}}}:
                    await server.kill_and_restart()
                    message = {
                        "ticketId": ticket_id,
                        "body": "Allô ?",
                        "clientMessageId": "during the outage",
                    }
                    await paul.mutate(
                        "ticketReply", "TicketReplyInput", message, "message { sequence }"
                    )
                    node.stdin.write(b"reconnect\n")
                case {"event": {"message": {"clientMessageId": "during the outage"}}} if (
                    not is_reset
                ):
                    await asyncio.to_thread(server.command, "hold")  # as after a restoration
                    is_held = True
                case {"disconnected": True} if is_held:
                    node.stdin.write(b"reconnect\n")
                case {"event": {"message": {"clientMessageId": "during the outage"}}}:
                    assert "errors" not in await paul.execute(
                        "mutation { sessionEndOthers { userErrors { code } } }"
                    )
        assert await node.wait() == 0
    finally:
        if node.returncode is None:
            node.kill()
            await node.wait()
        if is_held:  # other tests use this server, and receive its emails
            await asyncio.to_thread(server.command, "release", "--confirm")
