"""Regression tests for vulnerabilities that attacks on the running server revealed."""

from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from billing.charging import reconcile
from billing.checkout_services import CheckoutServices
from billing.gateways.sandbox import Sandbox
from models.accounts.account import Account
from models.action import Action
from models.billing.offer import Price
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.card_numbers import mask_card_numbers
from models.text import client_key
from models.viewer import Viewer
from resolvers.context import Services
from tests.invoices import create_profile
from tests.people import create_account

Execute = Callable[..., Awaitable[dict[str, Any]]]


def test_client_keys_that_look_like_card_numbers_stay_distinct() -> None:
    """Both keys used to be masked to `•••• 1234`, so the second message returned the first."""
    keys = ["4000000000081234", "4000000000161234", "a  b", "a b"]
    assert [client_key(key, "clientMessageId") for key in keys] == keys


@pytest.mark.parametrize("text", ["4111​1111​1111​1111", "4111­1111­1111­1111", "4111—1111—1111—1111"])
def test_card_numbers_with_unusual_separators_are_masked(text: str) -> None:
    assert mask_card_numbers(text) == "•••• 1111"


def test_card_numbers_in_digits_of_other_scripts_are_masked() -> None:
    fullwidth_digits = "".join(chr(ord("０") + int(digit)) for digit in "4111111111111111")
    assert mask_card_numbers(fullwidth_digits) == "•••• 1111"


@pytest.mark.parametrize("slug", ["x" * 61, "x" * 200_000, "a\x00b", "\ud800"])
async def test_an_unusual_slug_is_not_found(db: str, execute: Execute, slug: str) -> None:
    response = await execute(
        Viewer(), "query($s: String!) { offer(slug: $s) { id } article(slug: $s) { id } }", s=slug
    )
    assert response["data"] == {"offer": None, "article": None}


@pytest.mark.parametrize("delay", [timedelta(minutes=2), timedelta(hours=-1)])
async def test_a_payment_that_cannot_be_settled_does_not_block_others(
    db: str, action: Action, price: Price, services: Services, delay: timedelta
) -> None:
    """A kill between storing a payment and asking the bank leaves it open. Later payments must
    still be settled, also when the clock is set back by an hour.
    """
    account = await create_account(action, "Paul SARL")
    attempts = [
        await _create_unsettled_payment(action, account, price, method)
        for method in ("bogus", "pm_sandbox_success")
    ]
    later_action = Action(None, action.at + delay, action.bus)
    checkout_services = CheckoutServices(
        Sandbox("http://127.0.0.1"), services.seller, services.auth.signer
    )
    assert await reconcile(later_action, checkout_services) == 2
    payments = [await Payment.get(pk=attempt.pk) for attempt in attempts]
    assert [payment.status for payment in payments] == [
        PaymentStatus.DECLINED,
        PaymentStatus.SUCCEEDED,
    ]
    assert (await Purchase.get(pk=attempts[1].purchase_id)).status is PurchaseStatus.ACTIVE
    assert await reconcile(later_action, checkout_services) == 0


async def _create_unsettled_payment(
    action: Action, account: Account, price: Price, method: str
) -> Payment:
    purchase = await Purchase.create(
        account=account,
        price=price,
        status=PurchaseStatus.PAYMENT_PENDING,
        created_at=action.at,
        billing_profile=await create_profile(action, account),
    )
    return await Payment.create(
        account=account,
        purchase=purchase,
        amount_cents=price.gross.cents,
        method=method,
        created_at=action.at,
        next_check_at=action.at,
    )


@pytest.mark.parametrize(
    "moment",
    [
        "9999-12-31T23:59:59",
        "2026-11-23T10:00:00",
        "0001-01-01T00:00:00+00:00",
        "0001-01-01T00:00:00+14:00",
    ],
)
async def test_a_forged_cursor_causes_no_internal_error(
    execute: Execute, dataset: Any, moment: str
) -> None:
    """A time without a zone or out of range returns a page or a coded error, without warnings or
    internal details.
    """
    forged_cursor = urlsafe_b64encode(orjson.dumps(["updated_at", moment, 1])).decode()
    response = await execute(
        dataset.alice, "query($a: String!) { tickets(after: $a) { nodes { id } } }", a=forged_cursor
    )
    codes = [error["extensions"]["code"] for error in response.get("errors", [])]
    assert codes in ([], ["BAD_USER_INPUT"])
