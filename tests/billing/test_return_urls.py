"""The pages to which customers may be sent back."""

import pytest

from billing.return_urls import ReturnUrls
from models.errors import Refusal

ALLOWED = ReturnUrls.of(["https://shop.example/pay", "http://localhost:3000"])


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/pay",
        "https://shop.example:443/pay/done?payment=1#top",
        "http://localhost:3000",
        "http://localhost:3000/any/page",
    ],
)
def test_pages_below_an_allowed_url_are_allowed(url: str) -> None:
    assert ALLOWED.check(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://shop.example",
        "https://shop.example/payments",
        "https://shop.example/pay/../admin",
        "https://shop.example/pay/%2e%2e/admin",
        "http://shop.example/pay",
        "https://shop.example:8443/pay",
        "https://shop.example.evil.example/pay",
        "https://shop.example@evil.example/pay",
        "https://user@shop.example/pay",
        "https://shop.example\\@evil.example/pay",
        "https://shop.example/pay\n",
        "https://shöp.example/pay",
        "//shop.example/pay",
        "/pay",
        "javascript:alert(1)",
        "https://shop.example:port/pay",
        "https://[shop.example/pay",
        f"https://shop.example/pay/{'a' * 500}",
    ],
)
def test_others_are_not(url: str) -> None:
    with pytest.raises(Refusal):
        ALLOWED.check(url)


def test_none_are_allowed_by_default() -> None:
    with pytest.raises(Refusal):
        ReturnUrls().check("https://shop.example/pay")
