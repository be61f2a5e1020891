"""Responses are compressed if the client accepts that and it is worthwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from math import inf

import httpx
import pytest
from starlette.applications import Starlette

from engine.http.headers import MIN_COMPRESSED_SIZE, min_gzip_size

URL = "/graphql"
LARGE = {"query": "{ rows(count: 2000) { id } }"}
SMALL = {"query": "{ hello }"}


@pytest.fixture
async def client_without_encodings(asgi: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends no Accept-Encoding header of its own."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(asgi), base_url="http://shop"
    ) as client:
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
def test_the_minimum_compressed_size_depends_on_accept_encoding(
    accept_encoding: str | None, size: float
) -> None:
    assert min_gzip_size(accept_encoding) == size


async def test_a_large_response_is_compressed(client_without_encodings: httpx.AsyncClient) -> None:
    compressed_response = await client_without_encodings.post(
        URL, json=LARGE, headers={"accept-encoding": "gzip"}
    )
    uncompressed_response = await client_without_encodings.post(URL, json=LARGE)
    assert (
        compressed_response.headers["content-encoding"],
        "content-encoding" in uncompressed_response.headers,
    ) == (
        "gzip",
        False,
    )
    assert compressed_response.json() == uncompressed_response.json()
    assert (
        int(compressed_response.headers["content-length"])
        < int(uncompressed_response.headers["content-length"]) / 2
    )
    assert (
        compressed_response.headers["vary"]
        == uncompressed_response.headers["vary"]
        == "Accept, Accept-Encoding"
    )


async def test_a_small_response_is_compressed_only_if_nothing_else_is_accepted(
    client_without_encodings: httpx.AsyncClient,
) -> None:
    optional = await client_without_encodings.post(
        URL, json=SMALL, headers={"accept-encoding": "gzip"}
    )
    required = await client_without_encodings.post(
        URL, json=SMALL, headers={"accept-encoding": "gzip, identity;q=0"}
    )
    assert "content-encoding" not in optional.headers
    assert required.headers["content-encoding"] == "gzip"
    assert optional.json() == required.json()


async def test_a_large_response_with_errors_is_compressed(
    client_without_encodings: httpx.AsyncClient,
) -> None:
    invalid = {"query": "{ " + " ".join(f"unknown{number}" for number in range(30)) + " }"}
    compressed_response = await client_without_encodings.post(
        URL, json=invalid, headers={"accept-encoding": "gzip"}
    )
    assert compressed_response.headers["content-encoding"] == "gzip"
    assert len(compressed_response.json()["errors"]) > 1


async def test_a_repeated_header_is_joined(client_without_encodings: httpx.AsyncClient) -> None:
    headers = [
        ("accept-encoding", "br"),
        ("accept-encoding", "gzip"),
        ("accept", "text/csv"),
        ("accept", "application/json"),
    ]
    response = await client_without_encodings.post(URL, json=LARGE, headers=headers)
    assert (response.status_code, response.headers["content-encoding"]) == (200, "gzip")


async def test_many_long_headers_are_parsed(client_without_encodings: httpx.AsyncClient) -> None:
    for number in range(300):
        headers = {
            "accept-encoding": f"x{number}-{'y' * 500}, gzip",
            "accept": f"text/x{number}, */*",
        }
        assert (
            await client_without_encodings.post(URL, json=SMALL, headers=headers)
        ).status_code == 200
