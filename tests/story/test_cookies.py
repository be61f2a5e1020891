"""Sessions in cookies, as browsers use them, over HTTP and websockets, on SQLite and on PostgreSQL.

No script and no response contains a token, pages of other origins can't use the cookies, and ending
the session closes its websockets, in other processes too. Promise P4.3.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from realtime.close_codes import CloseCode
from tests.conftest import database_copy
from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import Server, http_client, serve_catalogue
from tests.waiting import MAX_WAIT

PAUL, GINA = "paul@boulangerie.example", "gina@fournil.example"
SIGN_IN_MUTATION = """mutation($i: SessionSignInInput!) { sessionSignIn(input: $i) {
    session { accessToken refreshToken accessExpiresAt } user { email }
    userErrors { code field } } }"""
REFRESH_MUTATION = """mutation { sessionRefresh(input: {}) {
    session { accessToken refreshToken accessExpiresAt } userErrors { code field } } }"""
VIEWER_QUERY = "{ viewer { user { email } account { id } } }"
OPEN_MUTATION = """mutation { ticketOpen(input: {channel: CHAT, subject: "x", body: "x",
    idempotencyKey: "x"}) {
    ticket { id } userErrors { code } } }"""
TICKETS_QUERY = "{ tickets { nodes { id } } }"
STORY_FOLDER = Path(__file__).parent


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests of this module."""
    folder = tmp_path_factory.mktemp("server")
    with (
        database_copy(request, request.param, folder, catalogue=True) as url,
        serve_catalogue(url, folder) as running_server,
    ):
        yield running_server


# Which origins may use the cookies doesn't depend on the database.
on_one_database = pytest.mark.parametrize("server", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
async def paul(server: Server) -> None:
    """A customer of the server."""
    await sign_up(server, PAUL)


class Browser:
    """A client that keeps cookies and sends the origin of its page."""

    def __init__(self, server: Server, http: httpx.AsyncClient) -> None:
        self.server, self.http = server, http

    async def post(self, query: str, origin: str | None = None, **variables: Any) -> httpx.Response:
        """Sends a request from a page of the server's own origin, or of `origin`. An empty origin
        is not sent.
        """
        headers = {} if origin == "" else {"Origin": origin or self.server.url}
        return await self.http.post(
            "/graphql", json={"query": query, "variables": variables}, headers=headers
        )

    async def data(self, query: str, **variables: Any) -> Any:
        response = (await self.post(query, **variables)).json()
        assert "errors" not in response, response
        return response["data"]

    async def sign_in(self, **input_fields: Any) -> httpx.Response:
        arguments = {"email": PAUL, "password": PASSWORD, "deliver": "COOKIE", **input_fields}
        response = await self.post(SIGN_IN_MUTATION, i=arguments)
        assert response.json()["data"]["sessionSignIn"]["userErrors"] == [], response.text
        return response

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: str(cookie.value) for cookie in self.http.cookies.jar}

    @asynccontextmanager
    async def socket(
        self, origin: str | None = None, **changed_cookies: str
    ) -> AsyncIterator[ClientConnection]:
        """A websocket opened by a page, with the browser's cookies and no payload."""
        cookies = "; ".join(
            f"{name}={value}"
            for name, value in {**self.cookies, **changed_cookies}.items()
            if value
        )
        url = self.server.url.replace("http", "ws") + "/graphql"
        async with connect(
            url,
            subprotocols=[Subprotocol("graphql-transport-ws")],
            additional_headers={"Cookie": cookies},
            origin=None if origin == "" else Origin(origin or self.server.url),
        ) as websocket:
            await websocket.send('{"type": "connection_init"}')
            yield websocket


async def execute(websocket: ClientConnection, query: str, **variables: Any) -> Any:
    """The response to one operation over a websocket."""
    payload = {"query": query, "variables": variables}
    await websocket.send(
        orjson.dumps({"id": "1", "type": "subscribe", "payload": payload}).decode()
    )
    while (message := orjson.loads(await websocket.recv()))["type"] != "next":
        assert message["type"] in ("connection_ack", "complete", "ping"), message
    return message["payload"]


@pytest.fixture
async def browser(server: Server, paul: None) -> AsyncIterator[Browser]:
    """Paul's browser, not signed in."""
    async with http_client(base_url=server.url) as http:
        yield Browser(server, http)


async def test_the_story(server: Server, browser: Browser) -> None:
    await signing_in_hides_the_tokens(browser)
    await two_tabs_refresh_concurrently(browser)
    await a_refresh_whose_response_was_lost_is_repeated(browser)
    await the_cookie_opens_a_websocket(browser)
    await signing_out_clears_cookies_and_closes_websockets(browser)
    assert "cam_" not in server.log


async def signing_in_hides_the_tokens(browser: Browser) -> None:
    response = await browser.sign_in()
    payload = response.json()["data"]["sessionSignIn"]
    assert (payload["session"]["accessToken"], payload["session"]["refreshToken"]) == (None, None)
    assert "cam_" not in response.text
    assert sorted(browser.cookies) == ["camcha_access", "camcha_refresh"]
    for header in response.headers.get_list("set-cookie"):
        assert header.endswith("; HttpOnly; SameSite=Strict")
        assert "; Path=/; " in header
        assert "Domain" not in header
    assert (await browser.data(VIEWER_QUERY))["viewer"]["user"]["email"] == PAUL


async def two_tabs_refresh_concurrently(browser: Browser) -> None:
    """Both responses set the same new cookies, so nothing is lost with one of them."""
    before = browser.cookies
    responses = await asyncio.gather(browser.post(REFRESH_MUTATION), browser.post(REFRESH_MUTATION))
    assert [response.json()["data"]["sessionRefresh"]["userErrors"] for response in responses] == [
        [],
        [],
    ]
    assert "cam_" not in "".join(response.text for response in responses)
    assert len({tuple(cookies_set_by(response)) for response in responses}) == 1
    assert browser.cookies.keys() == before.keys()
    assert set(browser.cookies.values()).isdisjoint(before.values())
    assert (await browser.data(VIEWER_QUERY))["viewer"]["user"]["email"] == PAUL


async def a_refresh_whose_response_was_lost_is_repeated(browser: Browser) -> None:
    """The browser still has the previous cookies."""
    before = browser.cookies
    lost_response = await browser.post(REFRESH_MUTATION)
    for name, value in before.items():
        browser.http.cookies.set(name, value, domain="127.0.0.1", path="/")
    repeated_response = await browser.post(REFRESH_MUTATION)
    assert cookies_set_by(repeated_response) == cookies_set_by(lost_response)
    assert (await browser.data(VIEWER_QUERY))["viewer"]["user"]["email"] == PAUL


def cookies_set_by(response: httpx.Response) -> list[str]:
    """The names and values of the cookies that a response sets."""
    set_cookies = sorted(text.partition(";")[0] for text in response.headers.get_list("set-cookie"))
    assert [each.partition("=")[0] for each in set_cookies] == ["camcha_access", "camcha_refresh"]
    return set_cookies


async def the_cookie_opens_a_websocket(browser: Browser) -> None:
    async with browser.socket() as websocket:
        assert (await execute(websocket, VIEWER_QUERY))["data"]["viewer"]["user"]["email"] == PAUL


async def signing_out_clears_cookies_and_closes_websockets(browser: Browser) -> None:
    async with browser.socket() as websocket:
        await execute(websocket, VIEWER_QUERY)
        assert await browser.data("mutation { sessionSignOut { signedOut } }") == {
            "sessionSignOut": {"signedOut": True}
        }
        assert await close_code(websocket) == CloseCode.UNAUTHORIZED
    assert browser.cookies == {}
    assert (await browser.data(VIEWER_QUERY))["viewer"] is None


async def close_code(websocket: ClientConnection) -> int | None:
    await asyncio.wait_for(websocket.wait_closed(), MAX_WAIT)  # one or two on an idle machine
    return websocket.close_code


@on_one_database
@pytest.mark.parametrize("origin", ["", "https://evil.example", "null", "http://127.0.0.1:1"])
async def test_other_origins_cannot_use_the_cookies(browser: Browser, origin: str) -> None:
    """It can't read, change data or sign in. A client that sends no origin is not a browser."""
    await browser.sign_in()
    for query in (
        VIEWER_QUERY,
        OPEN_MUTATION,
        REFRESH_MUTATION,
        "mutation { sessionSignOut { signedOut } }",
    ):
        response = await browser.post(query, origin=origin)
        assert response.status_code == 403
        assert response.json()["errors"][0]["extensions"]["code"] == "ORIGIN_REFUSED"
    get_response = await browser.http.get(
        "/graphql", params={"query": VIEWER_QUERY}, headers={"Origin": origin} if origin else {}
    )
    assert get_response.status_code == 403
    assert (await browser.data(TICKETS_QUERY))["tickets"]["nodes"] == []
    browser.http.cookies.clear()
    arguments = {"email": PAUL, "password": PASSWORD, "deliver": "COOKIE"}
    signed_in = await browser.post(SIGN_IN_MUTATION, origin=origin, i=arguments)
    assert "set-cookie" not in signed_in.headers
    assert signed_in.json()["errors"][0]["extensions"]["code"] == "ORIGIN_REFUSED"


@on_one_database
@pytest.mark.parametrize(
    ("page", "site", "can_keep_cookies"),
    [
        ("http://localhost:{port}", "cross-site", False),
        ("http://localhost:{port}", None, False),  # an older browser
        ("http://[::1]:{port}", None, False),
        ("http://127.0.0.1:{port}", "same-origin", True),
        ("http://127.0.0.1:{port}", None, True),
    ],
)
async def test_a_page_of_another_site_is_told_that_its_cookies_would_be_lost(
    browser: Browser, page: str, site: str | None, can_keep_cookies: bool
) -> None:
    """Browsers drop them silently, so the next request would be anonymous. `localhost` and
    `127.0.0.1` are different sites.
    """
    headers = {"Origin": page.format(port=browser.server.url.rpartition(":")[2])}
    headers |= {"Sec-Fetch-Site": site} if site else {}
    arguments = {"email": PAUL, "password": PASSWORD, "deliver": "COOKIE"}
    query = SIGN_IN_MUTATION.replace("code field", "code field message")
    response = await browser.http.post(
        "/graphql",
        json={"query": query, "variables": {"i": arguments}},
        headers={**headers, "Accept-Language": "en"},
    )
    if can_keep_cookies:
        assert response.json()["data"]["sessionSignIn"]["userErrors"] == []
        assert len(response.headers.get_list("set-cookie")) == 2
        return
    [error] = response.json()["data"]["sessionSignIn"]["userErrors"]
    assert (error["code"], error["field"]) == ("COOKIES_UNAVAILABLE", ["input", "deliver"])
    assert "of 127.0.0.1 for pages of " in error["message"]
    assert "Use the same host name for both" in error["message"]
    assert "set-cookie" not in response.headers


@on_one_database
async def test_form_posts_of_other_origins_are_refused(browser: Browser) -> None:
    """Requests that a page can send without a CORS preflight are never GraphQL requests, with or
    without cookies.
    """
    await browser.sign_in()
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ):
        response = await browser.http.post(
            "/graphql",
            content=orjson.dumps({"query": OPEN_MUTATION}),
            headers={"Origin": browser.server.url, "Content-Type": kind},
        )
        assert response.status_code == 415
    get_response = await browser.http.get(
        "/graphql", params={"query": OPEN_MUTATION}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert get_response.status_code == 405
    assert (await browser.data(TICKETS_QUERY))["tickets"]["nodes"] == []


@on_one_database
async def test_same_origin_pages_can_use_get(browser: Browser) -> None:
    """When browsers send no Origin, they declare the page as same-origin."""
    await browser.sign_in()
    response = await browser.http.get(
        "/graphql", params={"query": VIEWER_QUERY}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert response.json()["data"]["viewer"]["user"]["email"] == PAUL
    for site in ("same-site", "cross-site", "none"):
        refused = await browser.http.get(
            "/graphql", params={"query": VIEWER_QUERY}, headers={"Sec-Fetch-Site": site}
        )
        assert refused.status_code == 403


@on_one_database
async def test_other_origins_cannot_open_a_websocket(browser: Browser) -> None:
    """Cross-site websocket hijacking (OWASP ASVS 5, 4.4.2): a browser always sends the page's
    origin.
    """
    await browser.sign_in()
    for origin in ("https://evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            async with browser.socket(origin):
                pass
        assert refused.value.response.status_code == 403
    async with browser.socket(origin="") as websocket:  # not a browser: its cookies are ignored
        assert (await execute(websocket, VIEWER_QUERY))["data"]["viewer"] is None


async def test_a_websocket_requires_a_valid_access_cookie(browser: Browser) -> None:
    await browser.sign_in()
    for changed_cookies in ({"camcha_access": "cam_at_old"}, {"camcha_access": ""}):
        async with browser.socket(None, **changed_cookies) as websocket:
            assert await close_code(websocket) == CloseCode.UNAUTHORIZED


BEARER_REFRESH = """mutation($t: String) { sessionRefresh(input: {refreshToken: $t}) {
    session { accessToken refreshToken } userErrors { code } } }"""


async def test_a_lost_or_concurrent_bearer_refresh_signs_no_one_out(browser: Browser) -> None:
    """Repeated by the same client it gets the same tokens; presented by another client, or after
    they were used, it ends the session.
    """
    arguments = {"email": PAUL, "password": PASSWORD}
    signed_in = (await browser.data(SIGN_IN_MUTATION, i=arguments))["sessionSignIn"]["session"]

    async def refresh_tokens(token: str, client: str = "app/7") -> Any:
        response = await browser.http.post(
            "/graphql",
            json={"query": BEARER_REFRESH, "variables": {"t": token}},
            headers={"User-Agent": client},
        )
        return response.json()["data"]["sessionRefresh"]

    async def email(token: str) -> str | None:
        headers = {"Authorization": f"Bearer {token}"}
        response = await browser.http.post(
            "/graphql", json={"query": VIEWER_QUERY}, headers=headers
        )
        viewer = (response.json()["data"] or {})["viewer"]
        return str(viewer["user"]["email"]) if viewer else None

    responses = await asyncio.gather(*(refresh_tokens(signed_in["refreshToken"]) for _ in range(3)))
    assert responses == [responses[0]] * 3
    assert await refresh_tokens(signed_in["refreshToken"]) == responses[0]
    session = responses[0]["session"]
    assert await email(session["accessToken"]) == PAUL
    newest = (await refresh_tokens(session["refreshToken"]))["session"]
    assert await email(newest["accessToken"]) == PAUL
    refused = {"session": None, "userErrors": [{"code": "TOKEN_INVALID"}]}
    assert await refresh_tokens(session["refreshToken"], "thief/1") == refused
    assert await email(newest["accessToken"]) is None
    assert await refresh_tokens(newest["refreshToken"]) == refused


async def test_a_websocket_never_sets_cookies_or_returns_tokens(browser: Browser) -> None:
    await browser.sign_in()
    account = (await browser.data(VIEWER_QUERY))["viewer"]["account"]["id"]
    switch_mutation = f"""mutation {{ sessionSwitchAccount(input: {{accountId: "{account}"}}) {{
        session {{ accessToken }} userErrors {{ code }} }} }}"""
    arguments = {"email": PAUL, "password": PASSWORD, "deliver": "COOKIE"}
    async with browser.socket() as websocket:
        switch_payload = (await execute(websocket, switch_mutation))["data"]["sessionSwitchAccount"]
        signed_in = (await execute(websocket, SIGN_IN_MUTATION, i=arguments))["data"][
            "sessionSignIn"
        ]
        refresh_response = (await execute(websocket, REFRESH_MUTATION))["data"]["sessionRefresh"]
    assert switch_payload == {"session": None, "userErrors": [{"code": "COOKIES_UNAVAILABLE"}]}
    assert signed_in["userErrors"] == [
        {"code": "COOKIES_UNAVAILABLE", "field": ["input", "deliver"]}
    ]
    assert refresh_response["userErrors"] == [
        {"code": "TOKEN_INVALID", "field": ["input", "refreshToken"]}
    ]
    assert (await browser.data(VIEWER_QUERY))["viewer"]["user"]["email"] == PAUL


async def test_switching_sets_new_cookies(browser: Browser) -> None:
    await browser.sign_in()
    before, account = browser.cookies, (await browser.data(VIEWER_QUERY))["viewer"]["account"]["id"]
    switch_mutation = f"""mutation {{ sessionSwitchAccount(input: {{accountId: "{account}"}}) {{
        session {{ accessToken refreshToken }} userErrors {{ code }} }} }}"""
    switch_payload = (await browser.data(switch_mutation))["sessionSwitchAccount"]
    assert switch_payload == {
        "session": {"accessToken": None, "refreshToken": None},
        "userErrors": [],
    }
    assert set(browser.cookies.values()).isdisjoint(before.values())
    assert (await browser.data(VIEWER_QUERY))["viewer"]["account"]["id"] == account


async def test_expired_cookies_allow_public_operations(browser: Browser) -> None:
    """A browser always sends them: public queries and signing in still work, and a refresh clears
    them.
    """
    await browser.sign_in()
    expired_cookies = browser.cookies
    await browser.data("mutation { sessionSignOut { signedOut } }")
    for name, value in expired_cookies.items():
        browser.http.cookies.set(name, value, domain="127.0.0.1", path="/")
    response = await browser.post("{ viewer { locale } offers { nodes { slug } } }")
    assert response.json()["data"]["offers"]["nodes"] != []
    assert [
        (error["path"], error["extensions"]["code"]) for error in response.json()["errors"]
    ] == [(["viewer"], "UNAUTHENTICATED")]
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    refresh_response = await browser.post(REFRESH_MUTATION)
    assert (
        refresh_response.json()["data"]["sessionRefresh"]["userErrors"][0]["code"]
        == "TOKEN_INVALID"
    )
    assert browser.cookies == {}
    await browser.sign_in()
    assert (await browser.data(VIEWER_QUERY))["viewer"]["user"]["email"] == PAUL


async def test_signing_out_works_after_the_access_cookie_has_expired(browser: Browser) -> None:
    """It expires after 15 minutes. A user who signs out later must not stay signed in for a
    month.
    """
    await browser.sign_in()
    refresh = browser.cookies["camcha_refresh"]
    browser.http.cookies.delete("camcha_access")
    assert await browser.data("mutation { sessionSignOut { signedOut } }") == {
        "sessionSignOut": {"signedOut": True}
    }
    assert browser.cookies == {}
    token = {
        "query": "mutation($t: String) { sessionRefresh(input: {refreshToken: $t}) { userErrors { "
        "code } } }"
    }
    refresh_response = await browser.http.post(
        "/graphql", json={**token, "variables": {"t": refresh}}
    )
    assert (
        refresh_response.json()["data"]["sessionRefresh"]["userErrors"][0]["code"]
        == "TOKEN_INVALID"
    )
    repeated_sign_out = await browser.post("mutation { sessionSignOut { signedOut } }")
    assert repeated_sign_out.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_bearer_token_takes_precedence_over_cookies(browser: Browser) -> None:
    """It requires no origin, because pages of other origins can't add the header."""
    await browser.sign_in()
    marie = await sign_up(browser.server, "marie@fleurs.example", "732829320")
    headers = {"Authorization": f"Bearer {marie.token}"}
    response = await browser.http.post("/graphql", json={"query": VIEWER_QUERY}, headers=headers)
    assert response.json()["data"]["viewer"]["user"]["email"] == "marie@fleurs.example"
    response = await browser.http.post(
        "/graphql", json={"query": VIEWER_QUERY}, headers={"Authorization": "Bearer x"}
    )
    # And not the user of the cookies.
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert response.json()["data"]["viewer"] is None


@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_websockets_close_in_other_processes_too(catalogue_url: str, tmp_path: Path) -> None:
    """Two processes on one PostgreSQL database; SQLite supports only one. The other process checks
    once per `SWEEP_SECONDS`.
    """
    (tmp_path / "second").mkdir()
    with serve_catalogue(catalogue_url, tmp_path) as first:
        # Before the second process starts, whose timetable would deliver the email to its own
        # folder.
        await sign_up(first, PAUL)
        with serve_catalogue(catalogue_url, tmp_path / "second") as second:
            async with http_client(base_url=first.url) as http:
                signed_in_browser = Browser(first, http)
                await signed_in_browser.sign_in()
                async with Browser(second, http).socket() as websocket:
                    assert (await execute(websocket, VIEWER_QUERY))["data"]["viewer"]["user"][
                        "email"
                    ] == PAUL
                    await signed_in_browser.data("mutation { sessionSignOut { signedOut } }")
                    assert await close_code(websocket) == CloseCode.UNAUTHORIZED


async def test_a_real_browser_hides_the_cookies_from_scripts_and_other_origins(
    browser: Browser,
) -> None:
    """Chromium, on one of our pages and on a page of the same site with another origin, which
    SameSite alone would not stop.
    """
    command = ["node", str(STORY_FOLDER / "cookies.mjs"), browser.server.url, PAUL, PASSWORD]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    output, errors = await asyncio.wait_for(process.communicate(), MAX_WAIT)
    assert process.returncode == 0, errors.decode()
    seen = json.loads(output)
    assert seen == {
        "scripts": "",
        "kept": ["camcha_access", "camcha_refresh"],
        "who": PAUL,
        "socket": PAUL,
        "elsewhere": {"read": "refused", "blind": "sent", "socket": "refused"},
        "tickets": 0,
        "after": PAUL,
        "localhost": "COOKIES_UNAVAILABLE",
    }


@on_one_database
async def test_p3_5_an_unlock_email_lets_the_browser_sign_in_without_waiting(
    browser: Browser,
) -> None:
    """Someone else guesses from the same network until everyone there has to wait, except the user
    with the email.
    """
    await sign_up(browser.server, GINA, "732829320")  # other users' sign-ins must not wait
    mutation = (
        "mutation($e: String!) { sessionRequestUnlock(input: {email: $e}) { accepted userErrors { "
        "code } } }"
    )
    for email in ("nobody@boulangerie.example", GINA):
        assert (await browser.data(mutation, e=email))["sessionRequestUnlock"] == {
            "accepted": True,
            "userErrors": [],
        }
    text = (await browser.server.email(GINA, 2)).get_body(("plain",)).get_content()  # type: ignore[union-attr]
    link = re.search(r"http://\S+/unlock\?token=\S+", text)
    assert link, text
    wrong_credentials = {"email": GINA, "password": "mouette phare ardoise 77"}
    retry_after = 0
    # Seconds, doubled by each guess: a busy machine needs one of them for the next request.
    while retry_after < 3:
        response = (await browser.post(SIGN_IN_MUTATION, i=wrong_credentials)).json()
        retry_after = (
            response["errors"][0]["extensions"]["retryAfter"] if "errors" in response else 0
        )
        await asyncio.sleep(retry_after if retry_after < 3 else 0)
    refused = (
        await browser.post(
            SIGN_IN_MUTATION, i={"email": GINA, "password": PASSWORD, "deliver": "COOKIE"}
        )
    ).json()
    assert refused["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert (
        await browser.http.get(link[0])
    ).status_code == 200  # a mail program that prefetches the link changes nothing
    assert browser.cookies == {}
    assert (await browser.http.post(link[0])).status_code == 200
    assert list(browser.cookies) == ["camcha_unlock"]
    await browser.sign_in(email=GINA)
    assert (await browser.http.get(link[0])).status_code == 404
    assert "cam_" not in browser.server.log
