"""Which session cookies are accepted, and from which origins."""

import pytest

from auth.cookies import Cookies, is_same_site

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
    ("origin", "secure", "counts"),
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
def test_only_allowed_origins_may_use_cookies(origin: str, secure: bool, counts: bool) -> None:
    """When browsers reach the server over TLS, a page of the same host without TLS is a different
    origin.
    """
    headers = {b"origin": origin, b"host": "api.camcha.example", b"sec-fetch-site": "same-origin"}
    assert is_same_site(headers.get, ALLOWED_ORIGINS, secure=secure) is counts
