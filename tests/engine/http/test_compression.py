"""Answers are compressed where the client takes it and it pays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from math import inf

import httpx
import pytest
from starlette.applications import Starlette

from engine.http.headers import MIN_COMPRESSED_SIZE, min_gzip_size

URL = "/graphql"
MUCH = {"query": "{ rows(count: 2000) { id } }"}
LITTLE = {"query": "{ hello }"}


@pytest.fixture
async def plain(asgi: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client that accepts no encoding unless it says so."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://shop") as client:
        del client.headers["accept-encoding"]
        yield client


@pytest.mark.parametrize(
    ("accept_encoding", "size"),
    [
        (None, inf),
        ("", inf),
        ("identity", inf),
        ("br, zstd", inf),
        ("gzip", MIN_COMPRESSED_SIZE),
        ("GZIP", MIN_COMPRESSED_SIZE),
        ("x-gzip", MIN_COMPRESSED_SIZE),
        ("*", MIN_COMPRESSED_SIZE),
        ("gzip, deflate, br, zstd", MIN_COMPRESSED_SIZE),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", MIN_COMPRESSED_SIZE),
        ("gzip;q=0.001", MIN_COMPRESSED_SIZE),
        ("gzip;q=0.5, identity;q=0.5", MIN_COMPRESSED_SIZE),
        ("gzip;q=0.5, identity", inf),
        ("gzip;q=0", inf),
        ("gzip;q=0, *", inf),
        ("gzip;q=nonsense", inf),
        ("gzip, identity;q=0", 0),
        ("gzip, *;q=0", 0),
        ("gzip, identity;q=0.1, *;q=0", MIN_COMPRESSED_SIZE),
        ("identity;q=0", inf),
        ("*;q=0", inf),
    ],
)
def test_from_what_size_on(accept_encoding: str | None, size: float) -> None:
    assert min_gzip_size(accept_encoding) == size


async def test_a_long_answer_is_compressed(plain: httpx.AsyncClient) -> None:
    asked = await plain.post(URL, json=MUCH, headers={"accept-encoding": "gzip"})
    given = await plain.post(URL, json=MUCH)
    assert (asked.headers["content-encoding"], "content-encoding" in given.headers) == ("gzip", False)
    assert asked.json() == given.json()
    assert int(asked.headers["content-length"]) < int(given.headers["content-length"]) / 2
    assert asked.headers["vary"] == given.headers["vary"] == "Accept, Accept-Encoding"


async def test_a_short_answer_is_not_unless_nothing_else_is_taken(plain: httpx.AsyncClient) -> None:
    asked = await plain.post(URL, json=LITTLE, headers={"accept-encoding": "gzip"})
    insisted = await plain.post(URL, json=LITTLE, headers={"accept-encoding": "gzip, identity;q=0"})
    assert "content-encoding" not in asked.headers
    assert insisted.headers["content-encoding"] == "gzip"
    assert asked.json() == insisted.json()


async def test_a_long_refusal_is_compressed_too(plain: httpx.AsyncClient) -> None:
    wrong = {"query": "{ " + " ".join(f"wrong{number}" for number in range(30)) + " }"}
    asked = await plain.post(URL, json=wrong, headers={"accept-encoding": "gzip"})
    assert asked.headers["content-encoding"] == "gzip"
    assert len(asked.json()["errors"]) > 1


async def test_a_header_given_twice_counts_as_one(plain: httpx.AsyncClient) -> None:
    headers = [("accept-encoding", "br"), ("accept-encoding", "gzip"), ("accept", "text/csv"), ("accept", "application/json")]
    answer = await plain.post(URL, json=MUCH, headers=headers)
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")


async def test_long_headers_of_strangers_are_read_all_the_same(plain: httpx.AsyncClient) -> None:
    for number in range(300):
        headers = {"accept-encoding": f"x{number}-{'y' * 500}, gzip", "accept": f"text/x{number}, */*"}
        assert (await plain.post(URL, json=LITTLE, headers=headers)).status_code == 200
