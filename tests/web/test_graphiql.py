"""GraphiQL in a real browser, against a real server, and the headers and contents of its assets."""

import asyncio
import html.parser
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.uvicorn_thread import serve_in_thread
from tests.waiting import MAX_WAIT
from tests.web.graphiql_fixtures import TOKEN, application
from web import graphiql
from web.page import TEMPLATES

FOLDER = Path(__file__).parent


@pytest.fixture(scope="module")
async def visit_report() -> dict[str, Any]:
    """What graphiql.mjs reports of a visit. CAMCHA_SCREENSHOT names a file for a screenshot of its
    end.
    """
    screenshot = [os.environ["CAMCHA_SCREENSHOT"]] if "CAMCHA_SCREENSHOT" in os.environ else []
    with serve_in_thread(application()) as address:
        command = [
            "node",
            str(FOLDER / "graphiql.mjs"),
            f"{address}/graphql",
            TOKEN,
            *screenshot,
        ]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        output, errors = await asyncio.wait_for(process.communicate(), MAX_WAIT)
    assert process.returncode == 0, errors.decode()
    report: dict[str, Any] = json.loads(output)
    assert "failure" not in report, report
    return {**report, "address": address}


async def test_the_page_contacts_no_other_host_and_obeys_its_security_policy(
    visit_report: dict[str, Any],
) -> None:
    assert visit_report["status"] == 200
    assert visit_report["hosts"] == [visit_report["address"].removeprefix("http://")]
    assert visit_report["console"] == []  # violations of the policy are reported there


async def test_the_explorer_is_open_by_default(visit_report: dict[str, Any]) -> None:
    assert visit_report["explorer"]
    assert visit_report["stillThere"]


async def test_the_first_query_has_comments_and_runs(visit_report: dict[str, Any]) -> None:
    assert visit_report["query"].startswith("# Bienvenue")
    assert json.loads(visit_report["welcome"])["data"] == {
        "offers": {"nodes": [{"name": "TPE Essentielle"}]}
    }


async def test_a_token_in_the_headers_is_sent(visit_report: dict[str, Any]) -> None:
    assert json.loads(visit_report["headers"]) == {"Authorization": f"Bearer {TOKEN}"}
    assert json.loads(visit_report["caller"])["data"] == {"caller": f"Bearer {TOKEN}"}


async def test_a_subscription_lists_its_events_one_below_the_other(
    visit_report: dict[str, Any],
) -> None:
    listed_events = [
        [event["data"]["calls"] for event in json.loads(text).values()]
        for text in visit_report["calls"]
    ]
    first, second = [f"call {n} of Bearer {TOKEN}" for n in (1, 2)]
    assert listed_events == [[first], [first, second]]


@pytest.fixture
def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(application()), base_url="http://camcha.test"
    )


class PageAddresses(html.parser.HTMLParser):
    """The addresses that a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        addresses = [
            value
            for name, value in attrs
            if name in {"src", "href"} and value and value != "data:,"
        ]
        if tag == "a":
            self.links += addresses
        else:
            self.loaded += addresses


async def test_p4_4_the_page_links_to_the_privacy_policy(client: httpx.AsyncClient) -> None:
    page = await client.get("/graphql", headers={"Accept": "text/html"})
    assert PageAddresses(page.text).links == ["analytics", "policies/privacy"]
    assert PageAddresses(
        TEMPLATES.get_template("graphiql_missing.html").render(locale="fr")
    ).links == ["policies/privacy"]


async def test_every_asset_exists_with_its_type_and_is_revalidated(
    client: httpx.AsyncClient,
) -> None:
    page = await client.get("/graphql", headers={"Accept": "text/html"})
    for path in PageAddresses(page.text).loaded:
        response = await client.get(f"/{path}")
        assert response.status_code == 200, path
        assert response.headers["content-type"].startswith(
            "text/css" if path.endswith(".css") else "text/javascript"
        )
        revalidated_response = await client.get(
            f"/{path}", headers={"If-None-Match": response.headers["etag"]}
        )
        assert (revalidated_response.status_code, revalidated_response.content) == (304, b"")


async def test_an_asset_has_the_same_content_compressed_and_uncompressed(
    client: httpx.AsyncClient,
) -> None:
    uncompressed_response = await client.get(
        "/graphql/assets/page.js", headers={"Accept-Encoding": "identity"}
    )
    compressed_response = await client.get(
        "/graphql/assets/page.js", headers={"Accept-Encoding": "gzip"}
    )
    assert "content-encoding" not in uncompressed_response.headers
    assert compressed_response.headers["content-encoding"] == "gzip"
    assert (
        uncompressed_response.text
        == compressed_response.text
        == (FOLDER.parent.parent / "web" / "graphiql.js").read_text()
    )


@pytest.mark.parametrize("name", ["page.html", "..%2Fgraphiql.py", "react.js%00", "constructor"])
async def test_other_paths_are_not_found(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/graphql/assets/{name}")).status_code == 404


async def test_without_the_packages_the_page_explains_how_to_install_them(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(graphiql.ASSETS, "react.js", tmp_path / "react.js")
    page = await client.get("/graphql", headers={"Accept": "text/html"})
    assert page.status_code == 503
    assert "bin/serve" in page.text
    assert (await client.get("/graphql/assets/react.js")).status_code == 404
