"""P6.3: the page of charts in a real browser, against the real application."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from app import create_app
from auth.tokens import Purpose, Signer
from models.identity.user import User
from operations.analytics.facts import Function
from operations.analytics.query import AnalyticsQuery, Limits, Measure
from realtime.uvicorn_protocol import UVICORN_OPTIONS
from settings import read_settings
from tests.conftest import MovableClock
from tests.schema.analytics.query_fixtures import (
    NOW,
    analyst_client,
    application,
    create_market,
    sell,
    support,
)
from tests.story.server_fixtures import SECRET_KEY, free_port
from tests.waiting import MAX_WAIT
from web import charts

FOLDER = Path(__file__).parent
NB = "\N{NO-BREAK SPACE}"


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """The address of the application, which this process serves beside the test."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = read_settings(
        {
            "CAMCHA_DATABASE_URL": "sqlite://unused",
            "CAMCHA_SECRET_KEY": SECRET_KEY,
            "CAMCHA_BASE_URL": address,
        }
    )
    app = create_app(settings, MovableClock(NOW))
    config = uvicorn.Config(app, port=port, **UVICORN_OPTIONS, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield address
    finally:
        server.should_exit = True
        await task


async def visit() -> dict[str, Any]:
    """What charts.mjs reports of a visit. CAMCHA_SCREENSHOT names a folder for pictures."""
    pictures = [os.environ["CAMCHA_SCREENSHOT"]] if "CAMCHA_SCREENSHOT" in os.environ else []
    market = await create_market()
    await sell(market)
    await support(market)
    query = AnalyticsQuery(
        "tickets",
        (Measure(Function.COUNT),),
        ("DAY", "TEAM", "CATEGORY"),
        date(2026, 10, 20),
        date(2026, 11, 10),
        limits={"FIRST_RESPONSE": Limits(lt=300)},  # of four companies, which is too few
    )
    async with analyst_client() as nadia, served() as address:
        user = await User.get(name="Nadia")
        report = Signer(SECRET_KEY).sign(
            Purpose.ANALYTICS_REPORT, NOW, analytics=query.to_json(), name="Jours", user=user.pk
        )
        token = nadia.http.headers["authorization"].removeprefix("Bearer ")
        command = [str(FOLDER / "charts.mjs"), f"{address}/analytics", token, report, *pictures]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec("node", *command, stdout=pipe, stderr=pipe)
        output, errors = await asyncio.wait_for(process.communicate(), MAX_WAIT)
    assert process.returncode == 0, errors.decode()
    seen: dict[str, Any] = json.loads(output)
    assert "failure" not in seen, seen
    return {**seen, "address": address}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_p6_3_an_analyst_sees_figures_as_charts_and_tables(db: str) -> None:
    seen = await visit()
    assert seen["status"] == 200
    # Nothing is asked of another host, and nothing breaks the page's policy.
    assert seen["hosts"] == [seen["address"].removeprefix("http://")]
    assert seen["console"] == []
    assert seen["title"] == "Chiffre d’affaires · Mois · Segment"
    assert seen["table"][0] == ["Mois", "Segment", "Montant HT", "Montant HT, avant", "évolution"]
    assert seen["table"][-1][:2] == ["Ensemble", f"7\N{NARROW NO-BREAK SPACE}548,00{NB}€"]
    assert "Coût" in seen["facts"]
    assert seen["label"].startswith("Barres : Montant HT".replace(" :", f"{NB}:"))
    assert all(count > 0 for count in seen["kinds"].values()), seen["kinds"]
    assert seen["svg"] == ["camcha-revenue-2026-08-01.svg", "<svg"]
    assert seen["png"] == ["camcha-revenue-2026-08-01.png", "\x89PNG"]
    assert seen["parquet"] == ["camcha-revenue-2026-11-24.parquet", "PAR1"]
    assert seen["schedule"] == f"Chaque lundi à 8{NB}h, à Nadia"
    assert (seen["report"]["title"], seen["report"]["note"]) == ("Jours", True)
    assert [row[-1] for row in seen["report"]["table"][1:]] == ["masqué", "masqué"]
    assert seen["unlabelled"] == []
    assert seen["narrow"]


async def test_the_page_has_a_strict_policy_and_its_assets_exist() -> None:
    transport = httpx.ASGITransport(application(NOW, 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://camcha.example") as client:
        page = await client.get("/analytics", headers={"Accept-Language": "en"})
        assert page.headers["content-language"] == "en"
        assert "unsafe" not in page.headers["content-security-policy"]
        assert "<h1>Charts</h1>" in page.text
        for name in charts.ASSETS:
            assert f"analytics/assets/{name}" in page.text or name in (
                "drawing.js",
                "vega-interpreter.js",
            )
            response = await client.get(f"/analytics/assets/{name}")
            assert response.status_code == 200, name
        interpreter = await client.get("/analytics/assets/vega-interpreter.js")
        assert "from 'vega-util'" not in interpreter.text
        assert (await client.get("/analytics/assets/page.html")).status_code == 404
