"""P3.1: "Mes cartes bancaires": saving, replacing and removing payment methods, and the notice
before a card expires.
"""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from billing import payment_methods
from billing.gateways.sandbox import Sandbox
from billing.return_urls import ReturnUrls
from models.accounts.account import Account, AccountStatus, Role
from models.action import Action
from models.billing.payment import Payment
from models.billing.payment_customer import PaymentCustomer
from models.billing.payment_method import PaymentKind, PaymentMethod, PaymentMethodStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.event import Event, EventKind, account_stream
from models.identity.session import Session
from models.locale import Locale
from models.operations.email import Email
from models.viewer import Viewer
from privacy import erasure
from resolvers.context import Services
from resolvers.ids import encode
from tests.people import add_member, create_user, create_viewer
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Execute

FIELDS = """paymentMethod { id kind status brand lastFour expiresOn isDefault mandateReference
    declineCode } userErrors { code field message }"""
SETUP = f"confirmationUrl clientSecret {FIELDS}"
LIST = """query($id: ID!) { account(id: $id) { paymentMethods {
    id status lastFour isDefault } } }"""
SHOP = "https://shop.example"


@pytest.fixture
async def bea(dataset: Dataset, action: Action) -> Viewer:
    """A member with the role BILLING, after a step-up."""
    return await billing_member(action, dataset)


async def billing_member(action: Action, dataset: Dataset, role: Role = Role.BILLING) -> Viewer:
    user = await create_user(action, "Bea", locale=Locale.EN)
    await add_member(action, dataset.paul.account, user, role)
    viewer = await create_viewer(action, user, dataset.paul.account)
    await step_up(viewer, action)
    return viewer


async def step_up(viewer: Viewer, action: Action) -> None:
    assert viewer.session
    until = action.at + timedelta(days=400)
    await Session.filter(pk=viewer.session.pk).update(step_up_expires_at=until)


class Methods:
    """The mutations, as one viewer uses them."""

    def __init__(self, execute: "Execute", viewer: Viewer) -> None:
        self.execute, self.viewer = execute, viewer
        self.count = 0

    async def mutate(self, name: str, selection: str = FIELDS, **values: Any) -> dict[str, Any]:
        kind = f"{name[0].upper()}{name[1:]}Input"
        document = f"mutation($i: {kind}!) {{ {name}(input: $i) {{ {selection} }} }}"
        response = await self.execute(self.viewer, document, i=values)
        payload: dict[str, Any] = response["data"][name]
        return payload

    async def add(self, token: str | None = None, **values: Any) -> dict[str, Any]:
        self.count += 1
        values = {"idempotencyKey": str(self.count), "token": token, **values}
        return await self.mutate("paymentMethodAdd", SETUP, **values)

    async def added(self, method: str = "pm_sandbox_success", **values: Any) -> str:
        payload = await self.add(method, **values)
        assert payload["userErrors"] == []
        assert payload["paymentMethod"]["status"] == "ACTIVE"
        return str(payload["paymentMethod"]["id"])

    async def shown(self) -> list[tuple[str, bool]]:
        """The last digits of the methods, and which is the default."""
        account = self.viewer.account
        assert account
        response = await self.execute(self.viewer, LIST, id=encode("Account", account.pk))
        return [
            (each["lastFour"], each["isDefault"])
            for each in response["data"]["account"]["paymentMethods"]
        ]


@pytest.fixture
def methods(execute: "Execute", bea: Viewer) -> Methods:
    return Methods(execute, bea)


def codes(payload: dict[str, Any]) -> list[tuple[str, list[str] | None]]:
    return [(error["code"], error["field"]) for error in payload["userErrors"]]


def key(global_id: str) -> int:
    from resolvers.ids import decode

    decoded = decode(global_id)
    assert decoded
    return decoded[1]


async def test_p3_1_a_card_is_saved_and_only_its_brand_last_digits_and_expiry_are_shown(
    methods: Methods,
) -> None:
    payload = await methods.add("pm_sandbox_success")
    assert payload["userErrors"] == []
    assert payload["paymentMethod"] | {"id": ""} == {
        "id": "",
        "kind": "CARD",
        "status": "ACTIVE",
        "brand": "visa",
        "lastFour": "4242",
        "expiresOn": "2029-12-31",
        "isDefault": True,
        "mandateReference": None,
        "declineCode": None,
    }
    assert payload["confirmationUrl"] is None
    # A repeat of the key saves nothing again.
    methods.count = 0
    assert await methods.add("pm_sandbox_success") == payload
    assert await PaymentMethod.all().count() == 1
    methods.count = 0
    assert codes(await methods.add("pm_sandbox_expired")) == [
        ("IDEMPOTENCY_MISMATCH", ["input", "idempotencyKey"])
    ]


async def test_a_direct_debit_mandate_is_saved_with_its_reference(methods: Methods) -> None:
    payload = await methods.add("pm_sandbox_debit", kind="DIRECT_DEBIT")
    method = payload["paymentMethod"]
    assert (method["kind"], method["lastFour"], method["expiresOn"]) == (
        "DIRECT_DEBIT",
        "3000",
        None,
    )
    assert method["mandateReference"].startswith("SANDBOX-")


async def test_a_card_with_3_d_secure_is_saved_once_the_customer_confirmed(
    methods: Methods, services: Services, dataset: Dataset
) -> None:
    payload = await methods.add("pm_sandbox_confirmation")
    assert payload["userErrors"] == []
    assert payload["paymentMethod"]["status"] == "PENDING"
    url = payload["confirmationUrl"]
    again = await confirm(methods, payload)
    assert (again["paymentMethod"]["status"], again["confirmationUrl"]) == ("PENDING", url)
    await sandbox(services).decide_setup(url.rpartition("/")[2], is_approved=True)
    confirmed = await confirm(methods, payload)
    assert confirmed["paymentMethod"]["status"] == "ACTIVE"
    assert confirmed["confirmationUrl"] is None
    assert await confirm(methods, payload) == confirmed
    events = Event.filter(kind=EventKind.PAYMENT_METHOD_CHANGED)
    [event] = await events
    assert event.stream == account_stream(dataset.paul.account.pk)


async def confirm(methods: Methods, payload: dict[str, Any]) -> dict[str, Any]:
    method_id = payload["paymentMethod"]["id"]
    return await methods.mutate("paymentMethodConfirm", SETUP, paymentMethodId=method_id)


def sandbox(services: Services) -> Sandbox:
    assert isinstance(services.gateway, Sandbox)
    return services.gateway


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("pm_sandbox_unsavable", "PAYMENT_METHOD_DECLINED"),
        ("pm_sandbox_debit", "PAYMENT_METHOD_INVALID"),  # is no card
        ("pm_unknown", "PAYMENT_METHOD_INVALID"),
    ],
)
async def test_a_card_that_can_t_be_saved_is_refused_and_not_listed(
    methods: Methods, token: str, code: str
) -> None:
    for _ in range(2):  # a repeat of the key is refused as well
        methods.count = 0
        assert [each for each, _ in codes(await methods.add(token))] == [code]
    assert await methods.shown() == []
    assert (await PaymentMethod.get()).status is PaymentMethodStatus.REMOVED


async def test_a_confirmation_that_the_customer_refused_is_a_decline(
    methods: Methods, services: Services
) -> None:
    payload = await methods.add("pm_sandbox_confirmation")
    reference = payload["confirmationUrl"].rpartition("/")[2]
    await sandbox(services).decide_setup(reference, is_approved=False)
    refused = await confirm(methods, payload)
    assert codes(refused) == [("PAYMENT_METHOD_DECLINED", ["input"])]
    assert refused["paymentMethod"]["declineCode"] == "authentication_failed"


async def test_without_a_token_the_customer_chooses_on_the_provider_s_page(
    methods: Methods, services: Services
) -> None:
    payload = await methods.add()
    url = payload["confirmationUrl"]
    await sandbox(services).choose_method(url.rpartition("/")[2], "pm_sandbox_success")
    assert (await confirm(methods, payload))["paymentMethod"]["status"] == "ACTIVE"


async def test_the_default_moves_and_there_is_always_one(methods: Methods) -> None:
    await Purchase.all().update(cancel_at_period_end=True)  # nothing renews
    first = await methods.added()
    second = await methods.added("pm_sandbox_expiring")
    assert await methods.shown() == [("4242", True), ("1117", False)]
    payload = await methods.mutate("paymentMethodSetDefault", paymentMethodId=second)
    assert payload["paymentMethod"]["isDefault"]
    assert await methods.shown() == [("4242", False), ("1117", True)]
    removed = await methods.mutate("paymentMethodRemove", paymentMethodId=second)
    assert (removed["paymentMethod"]["status"], removed["userErrors"]) == ("REMOVED", [])
    assert await methods.shown() == [("4242", True)]
    assert codes(await methods.mutate("paymentMethodSetDefault", paymentMethodId=second)) == [
        ("NOT_ACTIVE", ["input", "paymentMethodId"])
    ]
    await methods.mutate("paymentMethodRemove", paymentMethodId=first)
    assert await methods.shown() == []


async def test_a_removed_method_is_removed_at_the_provider(
    methods: Methods, services: Services
) -> None:
    await Purchase.all().update(cancel_at_period_end=True)  # nothing renews
    method_id = await methods.added()
    token = (await PaymentMethod.get()).token
    assert await services.gateway.find_method(token)
    for _ in range(2):
        await methods.mutate("paymentMethodRemove", paymentMethodId=method_id)
    assert await services.gateway.find_method(token) is None
    assert (await PaymentMethod.get()).detached_at


async def paid_with(dataset: Dataset, method_id: str) -> Purchase:
    """A purchase that renews with this method."""
    purchase: Purchase = dataset.paul.row(Purchase)
    await Purchase.filter(pk=purchase.pk).update(
        payment_method_id=key(method_id), status=PurchaseStatus.ACTIVE
    )
    return purchase


async def test_p3_1_the_last_method_that_a_renewing_purchase_uses_can_t_be_removed(
    methods: Methods, dataset: Dataset
) -> None:
    only = await methods.added()
    purchase = await paid_with(dataset, only)
    assert codes(await methods.mutate("paymentMethodRemove", paymentMethodId=only)) == [
        ("PAYMENT_METHOD_IN_USE", ["input", "paymentMethodId"])
    ]
    other = await methods.added("pm_sandbox_expiring")
    assert codes(await methods.mutate("paymentMethodRemove", paymentMethodId=only)) == []
    # The other one is charged from now on.
    purchase = await Purchase.get(pk=purchase.pk)
    assert purchase.payment_method_id == key(other)
    await Purchase.filter(pk=purchase.pk).update(cancel_at_period_end=True)
    assert codes(await methods.mutate("paymentMethodRemove", paymentMethodId=other)) == []


async def test_p3_1_the_default_that_a_purchase_renews_with_can_t_be_removed(
    methods: Methods, dataset: Dataset
) -> None:
    default = await methods.added()
    purchase = await paid_with(dataset, default)
    await Purchase.filter(pk=purchase.pk).update(payment_method_id=None)
    assert codes(await methods.mutate("paymentMethodRemove", paymentMethodId=default)) == [
        ("PAYMENT_METHOD_IN_USE", ["input", "paymentMethodId"])
    ]
    # Those who pay by transfer need none.
    await Payment.filter(purchase_id=purchase.pk).update(kind=PaymentKind.TRANSFER)
    assert codes(await methods.mutate("paymentMethodRemove", paymentMethodId=default)) == []


async def test_a_replaced_method_is_removed_once_the_new_one_is_saved(
    methods: Methods, dataset: Dataset, services: Services
) -> None:
    old = await methods.added()
    purchase = await paid_with(dataset, old)
    old_token = (await PaymentMethod.get()).token
    payload = await methods.mutate(
        "paymentMethodReplace",
        SETUP,
        paymentMethodId=old,
        token="pm_sandbox_reconfirmation",
        idempotencyKey="r",
    )
    assert payload["paymentMethod"]["status"] == "PENDING"
    assert ("4242", True) in await methods.shown()
    reference = payload["confirmationUrl"].rpartition("/")[2]
    await sandbox(services).decide_setup(reference, is_approved=True)
    await confirm(methods, payload)
    assert await methods.shown() == [("3184", True)]
    assert (await Purchase.get(pk=purchase.pk)).payment_method_id == key(
        payload["paymentMethod"]["id"]
    )
    assert await services.gateway.find_method(old_token) is None
    # What has been replaced can't be replaced again.
    again = await methods.mutate(
        "paymentMethodReplace", SETUP, paymentMethodId=old, idempotencyKey="s"
    )
    assert codes(again) == [("NOT_ACTIVE", ["input", "paymentMethodId"])]


async def test_an_erased_company_s_methods_are_removed_at_the_provider(
    methods: Methods, services: Services, dataset: Dataset, action: Action
) -> None:
    await methods.added()
    token = (await PaymentMethod.get()).token
    assert await PaymentCustomer.all().count() == 1
    account_id = dataset.paul.account.pk
    await Account.filter(pk=account_id).update(status=AccountStatus.ERASED)
    async with action.transaction() as tx:
        await erasure.clear_card_details(tx, account_id)
    method = await PaymentMethod.get()
    assert (method.status, method.last_four) == (PaymentMethodStatus.REMOVED, None)
    await payment_methods.refresh_pending(action, services.gateway)
    assert await services.gateway.find_method(token) is None
    assert (await PaymentMethod.get()).token == ""
    assert await PaymentCustomer.all().count() == 0


@pytest.mark.parametrize(
    "name", ["paymentMethodAdd", "paymentMethodReplace", "paymentMethodSetDefault", "remove"]
)
async def test_changes_require_a_step_up(methods: Methods, action: Action, name: str) -> None:
    method_id = await methods.added()
    assert methods.viewer.session
    await Session.filter(pk=methods.viewer.session.pk).update(step_up_expires_at=None)
    name = "paymentMethodRemove" if name == "remove" else name
    values: dict[str, Any] = {} if name == "paymentMethodAdd" else {"paymentMethodId": method_id}
    if name in ("paymentMethodAdd", "paymentMethodReplace"):
        values["idempotencyKey"] = "new"
    assert [each for each, _ in codes(await methods.mutate(name, **values))] == ["STEP_UP_REQUIRED"]
    assert await methods.shown() == [("4242", True)]


async def test_only_members_who_can_buy_and_only_of_the_company(
    execute: "Execute", methods: Methods, dataset: Dataset, action: Action
) -> None:
    method_id = await methods.added()
    marie = dataset.marie.owner
    await step_up(marie, action)
    other = Methods(execute, marie)
    for name in ("paymentMethodRemove", "paymentMethodSetDefault", "paymentMethodConfirm"):
        payload = await other.mutate(name, paymentMethodId=method_id)
        assert codes(payload) == [("NOT_FOUND", ["input", "paymentMethodId"])]
    document = "mutation($i: PaymentMethodAddInput!) { paymentMethodAdd(input: $i) { __typename } }"
    for viewer in (dataset.paul.member, dataset.alice):
        response = await execute(viewer, document, i={"idempotencyKey": "k"})
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    query = """query($id: ID!) { account(id: $id) { paymentMethods { lastFour } } }"""
    variables = {"id": encode("Account", dataset.paul.account.pk)}
    response = await execute(dataset.paul.member, query, **variables)
    assert response["data"]["account"]["paymentMethods"] == []
    response = await execute(dataset.alice, query, **variables)
    assert response["data"]["account"]["paymentMethods"] == [{"lastFour": "4242"}]


async def test_a_company_has_at_most_twenty_methods(methods: Methods) -> None:
    for _ in range(payment_methods.MAX_METHODS):
        await methods.added()
    assert [each for each, _ in codes(await methods.add("pm_sandbox_success"))] == ["TOO_MANY"]


async def test_a_setup_that_nobody_finishes_is_applied_or_dropped_by_the_job(
    methods: Methods, services: Services, clock: "MovableClock", action: Action
) -> None:
    finished = await methods.add("pm_sandbox_confirmation")
    reference = finished["confirmationUrl"].rpartition("/")[2]
    await sandbox(services).decide_setup(reference, is_approved=True)
    abandoned = await methods.add("pm_sandbox_confirmation")
    later = Action(None, clock.now() + timedelta(minutes=2), services.hub)
    assert await payment_methods.refresh_pending(later, services.gateway) == 1
    assert await methods.shown() == [("4242", True), (None, False)]
    assert await payment_methods.refresh_pending(later, services.gateway) == 0
    next_day = Action(None, clock.now() + timedelta(days=1, minutes=2), services.hub)
    assert await payment_methods.refresh_pending(next_day, services.gateway) == 1
    assert await methods.shown() == [("4242", True)]
    # The customer comes back after all, but can't finish it any more.
    reference = abandoned["confirmationUrl"].rpartition("/")[2]
    setup = await sandbox(services).decide_setup(reference, is_approved=True)
    assert setup
    assert setup.status == "CANCELED"
    await confirm(methods, abandoned)
    assert await methods.shown() == [("4242", True)]


async def test_what_is_saved_after_it_was_removed_here_is_removed_at_the_provider(
    methods: Methods, services: Services, action: Action
) -> None:
    """The provider didn't respond when the setup should have been canceled."""
    payload = await methods.add("pm_sandbox_confirmation")
    await PaymentMethod.all().update(status=PaymentMethodStatus.REMOVED, removed_at=action.at)
    reference = payload["confirmationUrl"].rpartition("/")[2]
    await sandbox(services).decide_setup(reference, is_approved=True)
    setup = await services.gateway.find_setup(reference)
    assert setup
    assert setup.method
    assert await services.gateway.find_method(setup.method.token)
    assert await payment_methods.refresh_pending(action, services.gateway) == 1
    assert await services.gateway.find_method(setup.method.token) is None
    assert await methods.shown() == []


async def test_p3_1_a_card_s_expiry_is_announced_30_and_7_days_ahead_once_each(
    methods: Methods, services: Services, dataset: Dataset
) -> None:
    await methods.added("pm_sandbox_expiring")  # at the end of December
    await methods.added()
    owner = dataset.paul.owner.user
    assert owner
    recipients = [owner.email, "bea@fournil.example"]
    sent: list[tuple[date, list[str]]] = []
    for days in range(50):
        at = services.clock.now() + timedelta(days=days)
        for _ in range(2):
            await Email.all().delete()
            await payment_methods.send_expiry_notices(Action(None, at, services.hub))
            emails = await Email.filter(template__startswith="card_expires").order_by("id")
            if emails:
                assert "1117" in emails[0].subject
                assert emails[1].template == "card_expires.en"
                assert "31 December 2026" in emails[1].text
                sent.append((at.date(), [email.recipient for email in emails]))
    assert sent == [(date(2026, 12, 1), recipients), (date(2026, 12, 24), recipients)]


async def test_p2_2_return_urls_must_be_allowed(
    execute: "Execute", bea: Viewer, services: Services
) -> None:
    object.__setattr__(services, "return_urls", ReturnUrls.of([f"{SHOP}/account"]))
    methods = Methods(execute, bea)
    payload = await methods.add(returnUrl=f"{SHOP}/account/cards?tab=1")
    assert payload["userErrors"] == []
    for url in ("https://evil.example/account", f"{SHOP}/accounting", "javascript:alert(1)"):
        assert codes(await methods.add(returnUrl=url)) == [
            ("VALUE_INVALID", ["input", "returnUrl"])
        ]
