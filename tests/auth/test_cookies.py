"""Which session cookies are accepted, and from which origins."""

import pytest

from auth.cookies import Cookies, cross_site, is_same_site
from realtime.origins import origins_of_server

ALLOWED_ORIGINS = frozenset({"https://app.camcha.example"})


def parse_cookies(header: str) -> Cookies:
    return Cookies(header, secure=True, is_trusted=lambda: True)


def test_cookies_are_matched_by_their_full_names() -> None:
    cookies = parse_cookies(
        "theme=dark; __Host-camcha_access=cam_at_mine;\t__Host-camcha_refresh=cam_rt_mine ; =x; "
        "y; ;"
    )
    assert (cookies.access_token, cookies.refresh_token, cookies.unlock_token) == (
        "cam_at_mine",
        "cam_rt_mine",
        None,
    )


@pytest.mark.parametrize("before", ["\x85", "\xa0", "\x1f", "\x0b", "\u2000"])
def test_a_cookie_name_with_unusual_white_space_is_ignored(before: str) -> None:
    """A browser sees no prefix in such a name, so any host of the site can set it. The server must
    not see a prefix either.
    """
    prefixed_cookie = f"{before}__Host-camcha_access=cam_at_theirs"
    assert parse_cookies(prefixed_cookie).access_token is None
    assert (
        parse_cookies(f"__Host-camcha_access=cam_at_mine; {prefixed_cookie}").access_token
        == "cam_at_mine"
    )


def test_a_cookie_with_two_different_values_is_ignored() -> None:
    """Someone else may have set one of the two, and the server can't tell which."""
    assert (
        parse_cookies(
            "__Host-camcha_access=cam_at_mine; __Host-camcha_access=cam_at_theirs"
        ).access_token
        is None
    )
    assert (
        parse_cookies(
            "__Host-camcha_access=cam_at_mine; __Host-camcha_access=cam_at_mine"
        ).access_token
        == "cam_at_mine"
    )


@pytest.mark.parametrize(
    ("origin", "secure", "is_allowed"),
    [
        ("https://api.camcha.example", True, True),
        ("https://app.camcha.example", True, True),
        ("https://API.camcha.example", True, True),
        ("http://api.camcha.example", True, False),  # an attacker on the network can set it
        ("http://api.camcha.example", False, True),
        ("https://api.camcha.example:8443", True, False),
        ("https://evil.example", True, False),
        ("null", True, False),
        ("", True, False),
    ],
)
def test_only_allowed_origins_may_use_cookies(origin: str, secure: bool, is_allowed: bool) -> None:
    """When browsers reach the server over TLS, a page of the same host without TLS is a different
    origin.
    """
    headers = {b"origin": origin, b"host": "api.camcha.example", b"sec-fetch-site": "same-origin"}
    assert is_same_site(headers.get, ALLOWED_ORIGINS, secure=secure) is is_allowed


@pytest.mark.parametrize(
    ("base_url", "origins"),
    [
        ("https://api.camcha.example", {"https://api.camcha.example"}),
        (
            "http://127.0.0.1:8000",
            {"http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"},
        ),
        ("http://[::1]:8", {"http://127.0.0.1:8", "http://localhost:8", "http://[::1]:8"}),
        ("http://localhost", {"http://127.0.0.1", "http://localhost", "http://[::1]"}),
    ],
)
def test_a_local_server_has_pages_under_all_its_names(base_url: str, origins: set[str]) -> None:
    assert origins_of_server(base_url) == origins


def test_a_page_on_another_port_is_of_the_same_site() -> None:
    headers = {b"origin": "http://localhost:3000", b"host": "localhost:8000"}
    assert cross_site(headers.get) is None
    headers[b"host"] = "127.0.0.1:8000"
    assert cross_site(headers.get) == ("localhost", "127.0.0.1")
    assert cross_site({b"host": "127.0.0.1:8000"}.get) is None
    for strange in ("", "null", "http://[", "x" * 9_000):
        assert cross_site({**headers, b"origin": strange}.get) is None
