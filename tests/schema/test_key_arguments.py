"""A key belongs to one request: with another value in any field of the input it is refused, never
answered with what the first request made.
"""

from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    get_named_type,
    get_nullable_type,
    is_required_input_field,
)

from engine import Engine
from models.action import Action
from models.billing.offer import Price
from resolvers.context import Services
from tests.schema.audited_fixtures import MUTATIONS, Scenario
from tests.schema.conftest import Dataset
from tests.schema.operations.test_audit import EXAMPLES

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def _input(name: str) -> dict[str, Any]:
    arguments = MUTATIONS[name].args
    kind = get_named_type(arguments["input"].type) if arguments else None
    return kind.fields if isinstance(kind, GraphQLInputObjectType) else {}


# Without a session a key belongs to the network and the address, which test_idempotency.py tries.
ANONYMOUS = {
    "accountSignUp",
    "emailRequestVerification",
    "passwordRequestReset",
    "sessionRequestUnlock",
}
WITH_KEY = [name for name in EXAMPLES if "idempotencyKey" in _input(name)]
# Where any other value is refused before the key is compared, or is no other request.
EXCEPTIONS = {
    "accountRequestLegalName.siren": "another SIREN is another company",
    "bankStatementImport.content": "no other file is a statement",
    "bankStatementImport.iban": "no other account is the vendor's",
    "fileAnnounce.contentType": "the type has to fit the name",
    "calendarCreate.timeZone": "no other zone has such a name",
    "calendarCreate.weeklyHours": "no other text is a time of day",
    "disputeAccept.amountCents": "it is either the whole or an amount",
    "disputeAccept.whole": "the same",
    "invoiceCredit.whole": "the same",
    "macroCreate.actions": "a category of requests of legal weight can't be chosen",
    "macroCreate.personal": "a macro of a team isn't personal",
    "promotionCreate.amountCents": "it is either an amount or a share",
    "dataRequestRecord.receivedAt": "no request is received in the future",
    "purchaseChange.anchor": "it is changed on its own",
    "purchaseChange.renewWithPaymentMethod": "it needs a saved payment method",
    "purchaseResume.renewWithPaymentMethod": "the same",
    "webhookEndpointCreate.url": "no other text is a URL",
}
# No other row, code or page is there.
_UNKNOWN = {"lines", "invoices", "promotionCode", "returnUrl"}


@pytest.fixture
def scenario(
    dataset: Dataset, services: Services, engine: Engine, price: Price, action: Action
) -> Scenario:
    return Scenario(dataset, services, engine, price, action)


def other_value(kind: Any, value: Any) -> Any:
    """A value of a type that isn't this one."""
    kind = get_nullable_type(kind)
    if isinstance(kind, GraphQLList):
        return [*(value or []), other_value(kind.of_type, None)]
    if isinstance(kind, GraphQLInputObjectType):
        return {
            name: other_value(each.type, (value or {}).get(name))
            for name, each in kind.fields.items()
            if name in (value or {}) or is_required_input_field(each)
        }
    if isinstance(kind, GraphQLEnumType):
        return [member for member in kind.values if member != value][-1]
    match kind.name:
        case "Boolean":
            return not value
        case "Int" | "BigInt":
            return (value or 1) + 1
        case "DateTime":
            return "2026-12-24T13:00:00Z" if value else "2026-11-20T13:00:00Z"
        case "Date":
            return "2027-01-02" if value == "2027-01-01" else "2027-01-01"
    return f"2{value or ''}"


@pytest.mark.parametrize("name", sorted(set(WITH_KEY) - ANONYMOUS))
async def test_a_key_is_refused_with_another_value_of_any_field(
    scenario: Scenario, name: str
) -> None:
    await EXAMPLES[name](scenario)
    viewer, values = scenario.requests[name]
    values = {"idempotencyKey": "k", **values}
    payload = await scenario.mutate(viewer, name, **values)
    assert payload["userErrors"] == []
    for field, kind in _input(name).items():
        if field == "idempotencyKey":
            continue
        given = values.get(field, kind.default_value)
        changed = {**values, field: other_value(kind.type, given)}
        payload = await scenario.mutate(viewer, name, **changed)
        codes = {error["code"] for error in payload["userErrors"]}
        is_unknown = field in _UNKNOWN or "ID" in str(kind.type)
        if is_unknown or f"{name}.{field}" in EXCEPTIONS:
            assert codes, field
        else:
            assert codes == {"IDEMPOTENCY_MISMATCH"}, field
