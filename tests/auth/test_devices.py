"""How a session's device is described to its user."""

import pytest

from auth.devices import device_name

MOZILLA = "Mozilla/5.0"


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (f"{MOZILLA} (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        (
            f"{MOZILLA} (Windows NT 10.0; Win64) AppleWebKit/537.36 Chrome/138.0.0.0 Safari/537.36",
            "Chrome, Windows",
        ),
        (
            f"{MOZILLA} (Windows NT 10.0) AppleWebKit/537.36 Chrome/138.0 Safari/537.36 Edg/138.0",
            "Edge, Windows",
        ),
        (
            f"{MOZILLA} (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605 Version/18.5 "
            f"Safari/605.1",
            "Safari, macOS",
        ),
        (
            f"{MOZILLA} (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605 Version/18.5 "
            f"Safari/604.1",
            "Safari, iPhone",
        ),
        (
            f"{MOZILLA} (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/138.0 Mobile "
            f"Safari/537.36",
            "Chrome, Android",
        ),
        ("okhttp/4.12.0", "okhttp"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("CamchaApp/3.1 (serial 0123456789)", "CamchaApp"),
        (f"{MOZILLA} (something nobody knows)", None),
        (None, None),
        ("", None),
        ("\x00\r\nSet-Cookie: x", None),
        ("<script>alert(1)</script>", None),
        ("é", None),
        ("x" * 100_000, "x" * 30),
    ],
)
def test_device_names_state_browser_and_system(user_agent: str | None, device: str | None) -> None:
    """P4.3: readable, and too coarse to identify a machine."""
    assert device_name(user_agent) == device


def test_device_names_fit_the_column() -> None:
    assert all(
        len(device_name(f"SamsungBrowser/ {marker}") or "") <= 60
        for marker in ("Macintosh", "Windows", "x" * 1000)
    )
