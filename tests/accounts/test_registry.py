"""P1.1: the registry's protocol. Every malformed or missing answer counts as an unavailable
registry.
"""

from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from accounts.registry import (
    NoRegistry,
    PublicRegistry,
    RegisteredCompany,
    RegistryUnavailable,
    registry_from_url,
)
from tests.accounts.registry_server import answer, result, serve_registry

SIREN = "404833048"


@pytest.mark.parametrize(
    ("results", "company"),
    [
        ([result()], RegisteredCompany(("LE FOURNIL", "LE FOURNIL (FOURNIL)"))),
        (
            [result(etat_administratif="C")],
            RegisteredCompany(("LE FOURNIL", "LE FOURNIL (FOURNIL)"), is_active=False),
        ),
        (
            [result(nom_raison_sociale=None, nom_complet="JEAN DUPONT")],
            RegisteredCompany(("JEAN DUPONT",)),
        ),
        ([result(nom_raison_sociale="[ND]", nom_complet="[ND] [ND]")], RegisteredCompany(())),
        (
            [result(nom_raison_sociale="LE\0 FOURNIL\u202e ", nom_complet=" " * 200_000 + "x")],
            RegisteredCompany(("LE FOURNIL",)),
        ),
        ([result(nom_raison_sociale=["X"], nom_complet="\0")], RegisteredCompany(())),
        ([], None),
        ([result(siren="732829320")], None),
        ([result(siren="732829320"), result(nom_complet=None)], RegisteredCompany(("LE FOURNIL",))),
    ],
)
async def test_p1_1_a_company_is_found_by_its_siren(
    results: list[Any], company: RegisteredCompany | None
) -> None:
    async with serve_registry(answer({"results": results, "total_results": len(results)})) as (
        url,
        requests,
    ):
        assert await PublicRegistry(url).find(SIREN) == company
    assert requests[0].startswith(f"GET /search?q={SIREN}&".encode())


@pytest.mark.parametrize(
    "reply",
    [
        answer({"results": [result()]}, "500 Oops"),
        answer({"results": [result()]}, "429 Slow down"),
        answer(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n"),
        answer(b"<html>"),
        answer([]),
        answer({}),
        answer({"results": None}),
        answer({"results": [None]}),
        answer({"results": [result(), result()]}),
        answer(orjson.dumps({"results": [result()]}) + b" " * 300_000),
        b"nothing of HTTP\r\n\r\n",
        b"",
    ],
)
async def test_p1_1_a_malformed_answer_counts_as_unavailable(reply: bytes) -> None:
    async with serve_registry(reply) as (url, _):
        with capture_logs() as logs, pytest.raises(RegistryUnavailable):
            await PublicRegistry(url).find(SIREN)
    assert [log["event"] for log in logs] == ["registry.unavailable"]


async def test_p1_1_a_slow_or_stopped_registry_is_unavailable() -> None:
    async with serve_registry(None) as (url, _):
        with pytest.raises(RegistryUnavailable):
            await PublicRegistry(url, timeout=0.05).find(SIREN)
    with pytest.raises(RegistryUnavailable):
        await PublicRegistry(url).find(SIREN)


async def test_p1_1_without_a_registry_there_is_no_verdict() -> None:
    no_registry = registry_from_url(None)
    assert isinstance(no_registry, NoRegistry)
    assert not no_registry.is_configured
    with pytest.raises(RegistryUnavailable):
        await no_registry.find(SIREN)
    assert registry_from_url("https://registry.example").is_configured
