"""A database that stops responding without closing its connections, and recovers later: the process
keeps answering and recovers by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app import create_app
from bench.proxy import SHORT_TIMEOUTS, Proxy, url_through_proxy
from models.action import Action
from models.clock import SystemClock
from models.database.connection import connect, disconnect
from models.errors import ServiceUnavailable
from models.identity.user import User
from operations.version import VERSION
from realtime.hub import Hub
from tests.people import create_user
from tests.test_app import settings_of
from tests.waiting import MAX_WAIT, driver_url

OFFERS = {"query": "{ offers(first: 1) { nodes { slug } } }"}
REFRESH = {  # in a transaction
    "query": 'mutation { sessionRefresh(input: {refreshToken: "x"}) { userErrors { code } } }'
}


@pytest.fixture
async def http(
    proxy: Proxy, postgres_database: str, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application whose database is behind the proxy."""
    url = url_through_proxy(proxy, postgres_database, **SHORT_TIMEOUTS)
    app = create_app(settings_of(url, tmp_path))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://camcha.example") as client,
    ):
        yield client


async def wait_until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(MAX_WAIT):
        while not await condition():
            await asyncio.sleep(0.05)


async def is_answered(http: httpx.AsyncClient, operation: dict[str, str] = OFFERS) -> bool:
    response = (await http.post("/graphql", json=operation)).json()
    return "errors" not in response


async def are_all_answered(http: httpx.AsyncClient) -> bool:
    """Whether all of as many concurrent requests as there are connections are answered."""
    return all(await asyncio.gather(*(is_answered(http, each) for each in (OFFERS, REFRESH) * 10)))


async def test_the_process_answers_during_the_outage_and_recovers_by_itself(
    http: httpx.AsyncClient, proxy: Proxy
) -> None:
    await wait_until(lambda: are_all_answered(http))
    proxy.drop()
    responses = await asyncio.gather(*(http.post("/graphql", json=OFFERS) for _ in range(30)))
    for response in responses:
        (error,) = response.json()["errors"]
        assert error["message"].startswith("Le service est momentanément indisponible. Réessayez")
        assert error["extensions"] == {"code": "SERVICE_UNAVAILABLE", "retryAfter": 5}
    ready, alive = await asyncio.gather(http.get("/readyz"), http.get("/healthz"))
    assert (ready.status_code, ready.json()) == (
        503,
        {"ready": False, "version": VERSION, "database": False},
    )
    assert (alive.status_code, alive.json()) == (200, {"alive": True})
    assert proxy.dropped > 0
    proxy.forward()
    await wait_until(lambda: is_answered(http))
    await wait_until(lambda: are_all_answered(http))
    await wait_until(lambda: is_ready(http))


async def is_ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/readyz")).status_code == 200


async def test_authenticated_requests_and_pages_get_503(
    http: httpx.AsyncClient, proxy: Proxy
) -> None:
    proxy.drop()
    headers = {"Authorization": "Bearer cam_at_x", "Accept-Language": "en"}
    response = await http.post("/graphql", json=OFFERS, headers=headers)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    (error,) = response.json()["errors"]
    assert error["message"] == "The service is temporarily unavailable. Try again in 5 seconds."
    page = await http.get("/policies/privacy", headers=headers)
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert "The service is temporarily unavailable." in page.text


async def test_a_restarted_database_is_used_immediately(
    http: httpx.AsyncClient, proxy: Proxy
) -> None:
    await wait_until(lambda: are_all_answered(http))
    proxy.reset()
    await wait_until(lambda: are_all_answered(http))


@pytest.fixture
async def user(proxy: Proxy, postgres_database: str) -> AsyncIterator[User]:
    """A user in the database behind the proxy."""
    await connect(url_through_proxy(proxy, postgres_database, **SHORT_TIMEOUTS))
    yield await create_user(Action(None, SystemClock().now(), Hub()), "Paul")
    await disconnect()


async def change_name(
    user: User, name: str, before_commit: Callable[[], None] = lambda: None
) -> None:
    async with Action(None, SystemClock().now(), Hub()).transaction() as tx:
        row = await tx.lock(User, user.pk)
        row.name = name
        await row.save(using_db=tx.db, update_fields=["name"])
        before_commit()


@pytest.mark.parametrize("end", ["drop", "reset"])
async def test_a_transaction_that_loses_the_database_is_refused_and_frees_its_locks(
    user: User, proxy: Proxy, end: str
) -> None:
    """The database itself ends the transaction: its client is out of reach."""
    with pytest.raises(ServiceUnavailable):
        await change_name(user, "Lost", getattr(proxy, end))
    proxy.forward()
    async with asyncio.timeout(MAX_WAIT):
        while True:
            try:
                await change_name(user, "Stored")
                break
            except ServiceUnavailable:
                await asyncio.sleep(0.05)
    assert (await User.get(pk=user.pk)).name == "Stored"


async def test_connections_to_a_server_that_became_a_replica_are_replaced(
    user: User, postgres_database: str
) -> None:
    """After a failover the address leads to the new server, but open connections to the old one."""
    await wait_until(lambda: try_update(user, "Before"))
    owner = await asyncpg.connect(driver_url(postgres_database))
    try:
        name = await owner.fetchval("SELECT current_database()")
        await owner.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        async with asyncio.timeout(MAX_WAIT):
            while await try_update(user, "Read-only"):
                pass
        await owner.execute("SET default_transaction_read_only = off")
        await owner.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = off')
    finally:
        await owner.close()
    await wait_until(lambda: try_update(user, "After"))
    assert (await User.get(pk=user.pk)).name == "After"


async def try_update(user: User, name: str) -> bool:
    try:
        await User.filter(pk=user.pk).update(name=name)
    except ServiceUnavailable:
        return False
    return True
