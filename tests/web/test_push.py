"""The code of docs/clients for notifications works in a browser.

A headless browser refuses to show notifications, so what would be shown is reported to the page.
"""

import asyncio
import json
import re
from pathlib import Path

from graphql import parse, validate
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from schema.root import schema
from tests.uvicorn_thread import serve_in_thread

FOLDER = Path(__file__).parents[2] / "docs" / "clients"
SCRIPT = Path(__file__).with_name("push.mjs")
REPORT = """ServiceWorkerRegistration.prototype.showNotification = async (title, options) =>
  new BroadcastChannel("shown").postMessage({ title, ...options })
"""


def _script(name: str, before: str = "") -> Route:
    content = before + (FOLDER / name).read_text(encoding="utf-8")
    response = Response(content, media_type="text/javascript")
    return Route(f"/{name}", lambda request: response)


async def test_a_browser_shows_what_a_notification_says() -> None:
    page = HTMLResponse("<!doctype html><title>Espace client</title>")
    routes = [
        Route("/", lambda request: page),
        _script("service-worker.js", REPORT),
        _script("notifications.js"),
    ]
    payload = {
        "kind": "TICKET_REPLY",
        "lang": "fr",
        "tag": "q3v",
        "ticketNumber": "CAM-2026-000123",
    }
    titles = ["Nouvelle réponse à votre demande", "Nouvelles réponses à votre demande"]
    payloads = [
        json.dumps({**payload, "title": title, "url": f"https://app.example.fr/{number}"})
        for number, title in enumerate(titles)
    ]
    with serve_in_thread(Starlette(routes=routes)) as address:
        node = await asyncio.create_subprocess_exec(
            "node", SCRIPT, address, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await node.communicate(json.dumps(payloads).encode())
    result = json.loads(out)
    assert result["unavailable"] is None
    assert [
        (each["title"], each["tag"], each["lang"], each["renotify"], each["data"]["url"])
        for each in result["shown"]
    ] == [
        (title, "q3v", "fr", True, f"https://app.example.fr/{number}")
        for number, title in enumerate(titles)
    ]


def test_the_operations_of_the_page_are_valid() -> None:
    text = (FOLDER / "notifications.js").read_text(encoding="utf-8")
    documents = re.findall(r'= (?:`([^`]+)`|"(\{ push[^"]+)")', text)
    assert len(documents) == 2
    for each in documents:
        assert validate(schema._schema, parse("".join(each))) == []
