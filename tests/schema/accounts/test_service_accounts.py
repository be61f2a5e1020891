"""P6.1: a company lets its own systems read its data with API keys."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts import service_accounts
from accounts.service_accounts import MAX_SERVICE_ACCOUNTS, MAX_VALID_KEYS, REMINDER_PERIOD
from auth.api_keys import ALLOWANCE, KEY_PATTERN, MIN_POINTS, allowance_key
from auth.sessions import token_hash
from auth.throttle import API_KEY
from engine import Engine
from models.accounts.account import Account, AccountStatus, Role
from models.accounts.service_account import ApiKey, ApiKeyScope, ServiceAccount
from models.action import Action
from models.errors import Unauthenticated
from models.event import account_stream, last_sequence_of
from models.identity.user import Staff
from models.operations.email import Email
from models.viewer import Viewer
from resolvers.context import Services
from tests.conftest import MovableClock
from tests.people import (
    add_member,
    create_api_key,
    create_staff_viewer,
    create_user,
    create_viewer,
    record_step_up,
    viewer_of_key,
)
from tests.schema.billing.catalogue_fixtures import codes, mutate
from tests.schema.conftest import Dataset
from tests.schema.subscription_fixtures import subscribe

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

LIST = """query($id: ID!) { account(id: $id) { serviceAccounts { name description creator { name }
    apiKeys { id name prefix scopes expiresAt lastUsedAt revokedAt creator { name }
    revoker { name } } } } }"""
BILLING = [ApiKeyScope.READ_BILLING.value]


@dataclass
class Keys:
    """Paul's company and its keys."""

    execute: "Execute"
    dataset: Dataset
    services: Services
    clock: MovableClock
    numbers: int = 0

    @property
    def paul(self) -> Viewer:
        return self.dataset.paul.owner

    def action(self) -> Action:
        return Action(None, self.clock.now(), self.services.hub)

    async def step_up(self) -> None:
        assert self.paul.session
        await record_step_up(self.action(), self.paul.session)

    async def mutate(
        self, name: str, selection: str = "", viewer: Viewer | None = None, /, **fields: Any
    ) -> dict[str, Any]:
        self.numbers += 1
        if name.endswith("Create"):
            fields = {"idempotencyKey": str(self.numbers)} | fields
        return await mutate(self.execute, viewer or self.paul, name, selection, **fields)

    async def create(self, **fields: Any) -> str:
        """Create a service account. Returns its ID."""
        payload = await self.mutate(
            "serviceAccountCreate", "serviceAccount { id }", **{"name": "Compta"} | fields
        )
        assert codes(payload) == []
        return str(payload["serviceAccount"]["id"])

    async def create_key(self, service_account: str, **fields: Any) -> dict[str, Any]:
        fields = {"name": "Production", "scopes": BILLING} | fields
        return await self.mutate(
            "apiKeyCreate",
            "apiKey { id prefix scopes expiresAt } secret",
            serviceAccountId=service_account,
            **fields,
        )

    async def listed(self, viewer: Viewer) -> list[dict[str, Any]]:
        response = await self.execute(viewer, LIST, id=self.dataset.paul.id(Account))
        return list(response["data"]["account"]["serviceAccounts"])

    async def viewer_of(self, secret: str) -> Viewer:
        return await viewer_of_key(secret, self.clock.now())

    async def emails(self, template: str) -> list[str]:
        found = Email.filter(template__startswith=template).order_by("id")
        return [email.text for email in await found]


@pytest.fixture
async def keys(
    execute: "Execute", dataset: Dataset, services: Services, clock: MovableClock
) -> Keys:
    return Keys(execute, dataset, services, clock)


async def test_p6_1_a_key_is_created_used_replaced_and_revoked(keys: Keys) -> None:
    await keys.step_up()
    service_account = await keys.create(description="Le logiciel du comptable")
    created = await keys.create_key(service_account)
    secret, key = created["secret"], created["apiKey"]
    assert KEY_PATTERN.fullmatch(secret)
    assert secret.startswith(key["prefix"])
    assert len(key["prefix"]) == 15
    assert key["expiresAt"] == (keys.clock.now() + timedelta(days=90)).isoformat()
    row = await ApiKey.get(prefix=key["prefix"])
    assert row.key_hash == token_hash(secret)
    assert secret not in str(vars(row))
    (text,) = await keys.emails("api_key_created")
    assert "Compta" in text
    assert key["prefix"] in text
    assert secret not in text

    viewer = await keys.viewer_of(secret)
    query = "{ apiKey { name scopes serviceAccount { name account { legalName } } } }"
    response = await keys.execute(viewer, query)
    assert response["data"]["apiKey"] == {
        "name": "Production",
        "scopes": BILLING,
        "serviceAccount": {"name": "Compta", "account": {"legalName": "PAULMARK legal"}},
    }

    other = await keys.create_key(service_account, name="Production 2", expiresInDays=365)
    assert (await keys.viewer_of(other["secret"])).api_key  # while the first one works
    payload = await keys.mutate("apiKeyRevoke", "apiKey { revokedAt }", apiKeyId=key["id"])
    revoked_at = payload["apiKey"]["revokedAt"]
    assert revoked_at == keys.clock.now().isoformat()
    keys.clock.advance(timedelta(minutes=1))
    payload = await keys.mutate("apiKeyRevoke", "apiKey { revokedAt }", apiKeyId=key["id"])
    assert payload["apiKey"]["revokedAt"] == revoked_at
    with pytest.raises(Unauthenticated):
        await keys.viewer_of(secret)
    assert (await keys.viewer_of(other["secret"])).api_key

    (listed,) = [each for each in await keys.listed(keys.paul) if each["name"] == "Compta"]
    assert listed["description"] == "Le logiciel du comptable"
    newest, oldest = listed["apiKeys"]
    assert newest["revokedAt"] is None
    assert newest["lastUsedAt"] is not None
    assert oldest["revoker"] == oldest["creator"] == listed["creator"]


async def test_a_repeat_returns_the_key_without_its_secret(keys: Keys) -> None:
    await keys.step_up()
    service_account = await keys.create()
    first = await keys.create_key(service_account, idempotencyKey="k")
    repeat = await keys.create_key(service_account, idempotencyKey="k")
    assert repeat["apiKey"] == first["apiKey"]
    assert repeat["secret"] is None
    assert len(await keys.emails("api_key_created")) == 1


async def test_creating_and_revoking_require_a_step_up(keys: Keys) -> None:
    service_account = await keys.create()
    refused = [await keys.create_key(service_account)]
    await keys.step_up()
    key = (await keys.create_key(service_account))["apiKey"]["id"]
    keys.clock.advance(timedelta(minutes=6))
    refused.append(await keys.mutate("apiKeyRevoke", apiKeyId=key))
    refused.append(await keys.mutate("serviceAccountDelete", serviceAccountId=service_account))
    for payload in refused:
        assert [error["code"] for error in payload["userErrors"]] == ["STEP_UP_REQUIRED"]


async def test_a_deleted_service_account_takes_its_keys_along(keys: Keys) -> None:
    await keys.step_up()
    service_account = await keys.create()
    secret = (await keys.create_key(service_account))["secret"]
    payload = await keys.mutate(
        "serviceAccountUpdate",
        "serviceAccount { name description }",
        serviceAccountId=service_account,
        name="CRM",
        description="Neuf",
    )
    assert payload["serviceAccount"] == {"name": "CRM", "description": "Neuf"}
    deletion = await keys.mutate(
        "serviceAccountDelete", "deleted", serviceAccountId=service_account
    )
    assert deletion["deleted"]
    with pytest.raises(Unauthenticated):
        await keys.viewer_of(secret)
    repeat = await keys.mutate("serviceAccountDelete", serviceAccountId=service_account)
    assert codes(repeat) == [("NOT_FOUND", "serviceAccountId")]


async def test_service_accounts_and_keys_are_limited(keys: Keys) -> None:
    await keys.step_up()
    service_account = await keys.create()
    for _ in range(MAX_VALID_KEYS - 1):
        assert codes(await keys.create_key(service_account)) == []
    last = await keys.create_key(service_account, expiresInDays=1)
    assert codes(await keys.create_key(service_account)) == [("TOO_MANY", "serviceAccountId")]
    keys.clock.advance(timedelta(days=1))
    with pytest.raises(Unauthenticated):
        await keys.viewer_of(last["secret"])
    await keys.step_up()
    assert codes(await keys.create_key(service_account)) == []  # expired ones don't count
    count = await ServiceAccount.filter(account_id=keys.dataset.paul.account.pk).count()
    for _ in range(MAX_SERVICE_ACCOUNTS - count):
        await keys.create()
    payload = await keys.mutate("serviceAccountCreate", name="x")
    assert codes(payload) == [("TOO_MANY", "")]


@pytest.mark.parametrize("days", [0, -1, 366])
async def test_a_key_is_valid_for_a_year_at_most(keys: Keys, days: int) -> None:
    await keys.step_up()
    payload = await keys.create_key(await keys.create(), expiresInDays=days)
    assert codes(payload) == [("VALUE_INVALID", "expiresInDays")]


async def test_those_who_manage_a_company_manage_its_keys(keys: Keys, action: Action) -> None:
    paul = keys.dataset.paul
    service_account = await keys.create()
    for role, may in ((Role.ADMIN, True), (Role.BILLING, False), (Role.MEMBER, False)):
        user = await create_user(action, role.title())
        await add_member(action, paul.account, user, role)
        viewer = await create_viewer(action, user, paul.account)
        assert bool(await keys.listed(viewer)) is may
        response = await keys.execute(
            viewer,
            'mutation { serviceAccountCreate(input: {name: "x", idempotencyKey: "x"}) '
            "{ serviceAccount { name } } }",
        )
        assert ("errors" not in response) is may
    for viewer in (
        keys.dataset.alice,
        await create_staff_viewer(action, "Omar", Staff.OPERATOR),
    ):
        query = """query($ids: [ID!]!) { nodes(ids: $ids) { ... on ServiceAccount {
            name apiKeys { prefix revokedAt } } } }"""
        response = await keys.execute(viewer, query, ids=[service_account])
        assert response["data"]["nodes"] == [{"name": "Compta", "apiKeys": []}]


async def test_owners_are_reminded_of_a_key_that_expires(keys: Keys) -> None:
    await keys.step_up()
    service_account = await keys.create(name="Compta")
    await keys.create_key(service_account, name="Longue")
    await keys.create_key(service_account, name="Courte", expiresInDays=10)
    revoked = await keys.create_key(service_account, name="Révoquée")
    await keys.mutate("apiKeyRevoke", apiKeyId=revoked["apiKey"]["id"])
    assert await service_accounts.send_expiry_reminders(keys.action()) == 0
    keys.clock.advance(timedelta(days=90) - REMINDER_PERIOD)
    assert await service_accounts.send_expiry_reminders(keys.action()) == 1
    assert await service_accounts.send_expiry_reminders(keys.action()) == 0
    (text,) = await keys.emails("api_key_expires")
    assert "Longue" in text


async def test_a_key_has_an_allowance(keys: Keys, action: Action) -> None:
    secret = await create_api_key(
        action, keys.dataset.paul.account, ApiKeyScope.READ_BILLING, ApiKeyScope.READ_SUPPORT
    )
    viewer = await keys.viewer_of(secret)
    assert viewer.api_key
    query, used = "{ apiKey { name } }", ALLOWANCE.free_attempts - 2 * MIN_POINTS
    limiter, counted = keys.services.auth.throttle, allowance_key(viewer.api_key.pk)
    await limiter.attempt(counted, weight=used)  # by costly operations
    responses = [await keys.execute(viewer, query) for _ in range(4)]
    assert all("errors" not in each for each in responses[:3])
    extensions = responses[3]["errors"][0]["extensions"]
    assert extensions["code"] == "RATE_LIMITED"
    keys.clock.advance(timedelta(seconds=extensions["retryAfter"]))
    assert "errors" not in await keys.execute(viewer, query)
    other = await create_api_key(action, keys.dataset.paul.account)
    assert "errors" not in await keys.execute(await keys.viewer_of(other), query)


async def test_keys_rest_while_their_company_is_deactivated(keys: Keys, action: Action) -> None:
    account = keys.dataset.paul.account
    secret = await create_api_key(action, account, ApiKeyScope.READ_BILLING)
    await Account.filter(pk=account.pk).update(status=AccountStatus.DEACTIVATED)
    with pytest.raises(Unauthenticated):
        await keys.viewer_of(secret)
    await Account.filter(pk=account.pk).update(status=AccountStatus.ACTIVE)
    viewer = await keys.viewer_of(secret)
    assert replace(viewer).billing_account_id == account.pk
    assert viewer.support_account_id is None


async def test_new_keys_are_limited_per_company(keys: Keys) -> None:
    await keys.step_up()
    service_account, expected = await keys.create(), API_KEY.free_attempts + 1
    for _ in range(expected):
        payload = await keys.create_key(service_account)
        assert codes(payload) == []
        await keys.mutate("apiKeyRevoke", apiKeyId=payload["apiKey"]["id"])
    response = await keys.execute(
        keys.paul,
        "mutation($i: ApiKeyCreateInput!) { apiKeyCreate(input: $i) { secret } }",
        i={
            "serviceAccountId": service_account,
            "name": "x",
            "scopes": BILLING,
            "idempotencyKey": "one more",
        },
    )
    assert response["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_a_key_with_both_scopes_receives_the_companys_events(
    keys: Keys, engine: Engine, action: Action
) -> None:
    """As its owner does."""
    paul, scopes = keys.dataset.paul, list(ApiKeyScope)
    key = await keys.viewer_of(await create_api_key(action, paul.account, *scopes))
    fields = {"subject": "Panne", "body": "Rien", "idempotencyKey": "x"}
    await keys.mutate("ticketOpen", "ticket { id }", **fields)
    count = await last_sequence_of(account_stream(paul.account.pk))
    query = "subscription { accountEvents(after: 0) { sequence kind ticket { subject } } }"
    seen = []
    for viewer in (key, keys.paul):
        results = subscribe(engine, viewer, keys.services, query)
        seen.append([(await anext(results))["data"]["accountEvents"] for _ in range(count)])
        await results.aclose()
    assert seen[0] == seen[1]
    assert seen[0][-1]["ticket"] == {"subject": "Panne"}
