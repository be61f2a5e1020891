"""The application's entry point: health checks, introspection and authentication."""

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import create_app
from auth.passwords import Passwords
from auth.sessions import sign_in
from models.action import Action
from models.clock import SystemClock
from models.database.connection import connect, disconnect, migrate_database
from models.support.incoming_email import (
    IncomingEmail,
    IncomingEmailReason,
    IncomingEmailStatus,
)
from operations.version import VERSION
from realtime.hub import Hub
from settings import Settings, read_settings
from tests.people import PASSWORD, create_user
from tests.story.server_fixtures import SECRET_KEY
from tests.waiting import MAX_WAIT

PAUL = "paul@boulangerie.example"


def settings_of(url: str, folder: Path) -> Settings:
    return read_settings(
        {
            "CAMCHA_DATABASE_URL": url,
            "CAMCHA_SECRET_KEY": SECRET_KEY,
            "CAMCHA_MAIL_URL": f"file://{folder}/mail",
        }
    )


@pytest.fixture
async def http(database_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings_of(database_url, tmp_path))
    async with app.router.lifespan_context(app), _client(app) as client:
        yield client


def _client(app: object, url: str = "http://camcha.example") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=url)  # type: ignore[arg-type] # an ASGI app


async def test_the_server_is_alive_and_ready(http: httpx.AsyncClient) -> None:
    """P6.4: one variable chose the database, and the health check reports it."""
    assert (await http.get("/healthz")).json() == {"alive": True}
    response = await http.get("/readyz")
    assert (response.status_code, response.json()["ready"]) == (200, True)


async def test_p5_1_the_server_receives_emails_while_it_runs(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"sqlite://{tmp_path}/camcha.sqlite3"
    await migrate_database(url)
    app = create_app(
        replace(
            settings_of(url, tmp_path),
            files=f"{tmp_path}/files",
            incoming_address="support@camcha.example",
            incoming_listener=f"lmtp://127.0.0.1:{port}",
        )
    )

    def send() -> None:
        with smtplib.LMTP("127.0.0.1", port, local_hostname="mx") as client:
            client.sendmail("a@b.example", "support@camcha.example", b"Subject: A\r\n\r\nB\r\n")

    async with app.router.lifespan_context(app):
        await asyncio.to_thread(send)
        async with asyncio.timeout(MAX_WAIT):  # until the job has read it
            while (await IncomingEmail.get()).status is IncomingEmailStatus.RECEIVED:
                await asyncio.sleep(0.05)
        assert (await IncomingEmail.get()).reason is IncomingEmailReason.NO_SENDER
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(send)


async def test_the_root_says_where_customers_sign_in(http: httpx.AsyncClient) -> None:
    response = await http.get("/", headers={"accept-language": "en"})
    assert response.status_code == 200
    assert "Sign in on the site" in response.text
    assert 'href="mailto:' in response.text


async def test_errors_of_a_request_do_not_repeat_its_values(http: httpx.AsyncClient) -> None:
    secret, query = "hunter2", "mutation($i: SessionSignInInput!) { sessionSignIn(input: $i) "
    for input_value in ({"email": "a@b.fr", "passwrod": secret}, {"password": [secret]}, secret):
        content = {"query": query + "{ accessToken } }", "variables": {"i": input_value}}
        response = await http.post("/graphql", json=content)
        assert response.json()["errors"]
        assert secret not in response.text


async def test_the_server_is_not_ready_without_its_migrations(tmp_path: Path) -> None:
    app = create_app(settings_of(f"sqlite://{tmp_path}/empty.sqlite3", tmp_path))
    async with app.router.lifespan_context(app), _client(app) as client:
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert "0001_initial" in response.json()["pendingMigrations"]
    assert response.json()["version"] == VERSION


async def test_anonymous_viewers_cannot_introspect_outside_the_demonstration(
    http: httpx.AsyncClient,
) -> None:
    response = await http.post("/graphql", json={"query": "{ __schema { types { name } } }"})
    assert response.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    response = await http.post("/graphql", json={"query": "{ offerz { nodes { slug } } }"})
    assert "offers" not in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("token", ["Bearer x", "Bearer ", "Bearer undefined", "Basic eDp5"])
async def test_an_invalid_token_allows_public_operations(
    http: httpx.AsyncClient, token: str
) -> None:
    """Apollo's auth link sends it with every request: public fields and the next sign-in still
    work.
    """
    document = "{ viewer { locale } offers { nodes { slug } } contact { email } }"
    response = await http.post(
        "/graphql", json={"query": document}, headers={"Authorization": token}
    )
    assert response.status_code == 200
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    (error,) = response.json()["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["viewer"], "UNAUTHENTICATED")
    assert error["message"] == "Connectez-vous pour continuer."
    assert response.json()["data"]["viewer"] is None
    assert response.json()["data"]["offers"] == {"nodes": []}
    mutation = (
        'mutation { sessionSignIn(input: {email: "a@b.example", password: "x"}) { userErrors { '
        "code } "
        "} }"
    )
    response = await http.post(
        "/graphql", json={"query": mutation}, headers={"Authorization": token}
    )
    assert response.json()["data"]["sessionSignIn"]["userErrors"] == [
        {"code": "CREDENTIALS_INVALID"}
    ]


async def test_an_anonymous_response_has_no_www_authenticate_header(
    http: httpx.AsyncClient,
) -> None:
    response = await http.post(
        "/graphql", json={"query": "{ viewer { locale } tickets { nodes { id } } }"}
    )
    assert [
        (error["path"], error["extensions"]["code"]) for error in response.json()["errors"]
    ] == [(["tickets"], "UNAUTHENTICATED")]
    assert "www-authenticate" not in response.headers


@pytest.mark.parametrize(
    ("header", "locale", "messages"),
    [
        (None, "EN", ("This email address isn’t valid.", "Too many attempts.")),
        ("fr", "EN", ("This email address isn’t valid.", "Too many attempts.")),
        ("en", "FR", ("Cette adresse e-mail n’est pas valide.", "Trop de tentatives.")),
        ("en", None, ("This email address isn’t valid.", "Too many attempts.")),
        (None, None, ("Cette adresse e-mail n’est pas valide.", "Trop de tentatives.")),
    ],
)
async def test_a_sign_up_is_answered_in_its_language(
    http: httpx.AsyncClient, header: str | None, locale: str | None, messages: tuple[str, str]
) -> None:
    """The form's language is the page's, even when the browser prefers another."""
    form = {
        "email": "nope",
        "password": PASSWORD,
        "name": "Paul",
        "legalName": "Boulangerie",
        "siren": "404833048",
    }
    query = (
        "mutation($i: AccountSignUpInput!) { accountSignUp(input: $i) { userErrors { message } } }"
    )

    async def sign_up(**changes: str | None) -> Any:
        body = {"query": query, "variables": {"i": {**form, "locale": locale, **changes}}}
        return (
            await http.post(
                "/graphql", json=body, headers={"Accept-Language": header} if header else {}
            )
        ).json()

    assert (await sign_up())["data"]["accountSignUp"]["userErrors"] == [{"message": messages[0]}]
    while "errors" not in (response := await sign_up(email=PAUL)):
        pass
    assert response["errors"][0]["message"].startswith(messages[1])


async def test_anonymous_requests_do_not_delay_signed_in_users(http: httpx.AsyncClient) -> None:
    """Of five hundred concurrent anonymous requests, only one starts in each iteration of the event
    loop.
    """
    action, finished = Action(None, SystemClock().now(), Hub()), list[str]()
    tokens = await sign_in(await create_user(action, "Paul"), None, False, action)
    signed_in = {"Authorization": f"Bearer {tokens.access}"}

    async def send_request(name: str, headers: Mapping[str, str]) -> None:
        response = await http.post(
            "/graphql", json={"query": "{ viewer { user { name } } }"}, headers=headers
        )
        assert "errors" not in response.json()
        finished.append(name)

    await send_request("me", signed_in)  # the viewer stays cached for a while
    anonymous_requests = [asyncio.create_task(send_request("stranger", {})) for _ in range(300)]
    await asyncio.sleep(0)
    await send_request("me", signed_in)
    assert finished[-1] == "me"
    assert len(finished) < 100
    await asyncio.gather(*anonymous_requests)
    assert len(finished) == 302


async def test_other_origins_are_allowed_only_by_a_setting(
    database_url: str, tmp_path: Path
) -> None:
    """P6.1: only the web client's origin may send requests and upload files."""
    environ = {
        "CAMCHA_DATABASE_URL": database_url,
        "CAMCHA_SECRET_KEY": SECRET_KEY,
        "CAMCHA_MAIL_URL": f"file://{tmp_path}/mail",
        "CAMCHA_ALLOWED_ORIGINS": "https://app.camcha.example",
    }
    preflight_headers = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    async with _client(create_app(read_settings(environ))) as client:
        allowed = await client.options(
            "/uploads/x", headers={"Origin": "https://app.camcha.example", **preflight_headers}
        )
        refused = await client.options(
            "/uploads/x", headers={"Origin": "https://evil.example", **preflight_headers}
        )
        health = await client.get("/healthz", headers={"Origin": "https://app.camcha.example"})
    # A page can detect that its token is invalid.
    assert health.headers["access-control-expose-headers"] == "www-authenticate"
    assert allowed.headers["access-control-allow-origin"] == "https://app.camcha.example"
    assert allowed.headers["access-control-allow-credentials"] == "true"
    assert "access-control-allow-origin" not in refused.headers


async def test_over_https_cookies_are_bound_to_their_host(
    database_url: str, tmp_path: Path
) -> None:
    """P4.3: an allowed subdomain's session is in cookies that no other host can set."""
    app_page = "https://app.camcha.example"
    environ = {
        "CAMCHA_DATABASE_URL": database_url,
        "CAMCHA_SECRET_KEY": SECRET_KEY,
        "CAMCHA_MAIL_URL": f"file://{tmp_path}/mail",
        "CAMCHA_BASE_URL": "https://api.camcha.example",
        "CAMCHA_ALLOWED_ORIGINS": app_page,
    }
    app = create_app(read_settings(environ))
    query = f"""mutation {{ sessionSignIn(input: {{email: "{PAUL}", password: "{PASSWORD}",
        deliver: COOKIE}}) {{
        session {{ accessToken }} userErrors {{ code }} }} }}"""
    async with app.router.lifespan_context(app):
        passwords, action = Passwords(), Action(None, SystemClock().now(), Hub())
        password_hash = await passwords.hash(PASSWORD)
        passwords.close()
        await create_user(action, "Paul", email=PAUL, password_hash=password_hash)
        async with _client(app, "https://api.camcha.example") as client:
            response = await client.post(
                "/graphql", json={"query": query}, headers={"Origin": app_page}
            )
            assert response.json()["data"]["sessionSignIn"] == {
                "session": {"accessToken": None},
                "userErrors": [],
            }
            assert response.headers["access-control-allow-origin"] == app_page
            for header in response.headers.get_list("set-cookie"):
                assert header.startswith("__Host-camcha_")
                assert "; Path=/; " in header
                assert header.endswith("; HttpOnly; SameSite=Strict; Secure")
            response = await client.post(
                "/graphql",
                json={"query": "{ viewer { user { email } } }"},
                headers={"Origin": app_page},
            )
            assert response.json()["data"]["viewer"]["user"]["email"] == PAUL
            # The host name that a proxy may use.
            internal_headers = {
                "Origin": "https://api.camcha.example",
                "Host": "camcha-3.internal:8000",
            }
            response = await client.post(
                "/graphql",
                json={"query": "{ viewer { user { email } } }"},
                headers=internal_headers,
            )
            assert response.json()["data"]["viewer"]["user"]["email"] == PAUL
            unprefixed_headers = {
                "Cookie": f"camcha_access={client.cookies['__Host-camcha_access']}",
                "Origin": app_page,
            }
            client.cookies.clear()
            response = await client.post(
                "/graphql", json={"query": "{ viewer { locale } }"}, headers=unprefixed_headers
            )
            # Without the prefix, another host of the site can set it.
            assert response.json()["data"]["viewer"] is None


@pytest.mark.parametrize(
    ("origin", "expected"),
    [("https://api.camcha.example", "websocket.accept"), ("https://evil.example", "refused")],
)
async def test_a_proxy_can_use_another_host_name(
    origin: str, expected: str, database_url: str, tmp_path: Path
) -> None:
    """Only pages of the public address can open a websocket."""
    environ = {
        "CAMCHA_DATABASE_URL": database_url,
        "CAMCHA_SECRET_KEY": SECRET_KEY,
        "CAMCHA_MAIL_URL": f"file://{tmp_path}/mail",
        "CAMCHA_BASE_URL": "https://api.camcha.example",
    }
    headers = [(b"host", b"camcha-3.internal:8000"), (b"origin", origin.encode())]
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "headers": headers,
        "subprotocols": ["graphql-transport-ws"],
        "extensions": {"websocket.http.response": {}},
        "client": ("192.0.2.7", 1),
        "query_string": b"",
    }
    messages: list[object] = []

    async def receive() -> dict[str, object]:
        return (
            {"type": "websocket.connect"}
            if not messages
            else {"type": "websocket.disconnect", "code": 1001}
        )

    async def send(message: Mapping[str, object]) -> None:
        messages.append("refused" if message.get("status") == 403 else message["type"])

    await create_app(read_settings(environ))(scope, receive, send)
    assert messages[0] == expected


async def test_the_cost_is_reported_before_and_after_execution(http: httpx.AsyncClient) -> None:
    document = "{ offers(first: 50) { nodes { slug prices { net { amountCents } } } } }"
    dry_run = (
        await http.post("/graphql", json={"query": document, "extensions": {"dryRun": True}})
    ).json()
    response = (await http.post("/graphql", json={"query": document})).json()
    assert dry_run["data"] is None
    assert dry_run["extensions"]["cost"] == response["extensions"]["cost"]
    assert response["extensions"]["cost"]["limit"] == 5_000


async def test_only_a_demonstration_can_advance_its_clock(http: httpx.AsyncClient) -> None:
    response = await http.post(
        "/graphql", json={"query": "mutation { clockAdvance(input: {seconds: 60}) { now } }"}
    )
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_the_demonstration_clock_survives_a_restart(tmp_path: Path, action: Action) -> None:
    """The time is stored in the database, so that a restart doesn't move invoices back in time."""
    from models.operations.clock_offset import advance_clock, clock_offset

    async def advance_and_read() -> float:
        url = f"sqlite://{tmp_path}/demonstration.sqlite3"
        await migrate_database(url)
        await connect(url)
        await advance_clock(action, 60)
        await advance_clock(action, 40)
        offset = await clock_offset()
        await disconnect()
        return offset.total_seconds()

    assert asyncio.run(advance_and_read()) == 100
