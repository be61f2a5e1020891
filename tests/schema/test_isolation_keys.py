"""An API key reads what its scopes open of its own company, and nothing else: every field of the
schema, with each scope alone, and every row of another company.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)

from auth.throttle import Throttle
from engine import Engine, Params
from models.accounts.account import Account, AccountStatus
from models.accounts.service_account import ApiKey, ApiKeyScope
from models.billing.invoice import Invoice
from models.billing.purchase import Purchase
from models.database.connection import sqlite_path
from models.errors import Unauthenticated
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Context
from schema.errors import format_error
from schema.fields import batch_of, cost_of
from schema.key_access import required_scopes
from schema.root import schema
from tests.people import create_api_key, viewer_of_key
from tests.schema.conftest import Company, Dataset, create_private_rows, decode_answer
from tests.schema.outsiders import Outsider, find_leaks, text
from tests.schema.subscription_fixtures import subscribe
from tests.schema.test_isolation import ARGUMENTS, GRAPH, documents

if TYPE_CHECKING:
    from models.action import Action
    from resolvers.context import Services
    from tests.schema.conftest import Execute

EACH_SCOPE = [(ApiKeyScope.READ_BILLING,), (ApiKeyScope.READ_SUPPORT,)]
BOTH = (ApiKeyScope.READ_BILLING, ApiKeyScope.READ_SUPPORT)
# What must stay closed to every key, whatever else is opened.
CONFIDENTIAL = [
    "Account.invitations",
    "Account.invoiceRecipients",
    "Account.legalNameChanges",
    "Account.members",
    "Account.paymentMethods",
    "Account.phoneNumbers",
    "Account.serviceAccounts",
    "ApiKey.creator",
    "Message.clientMessageId",
    "Message.email",
    "Message.versions",
    "Payment.confirmationUrl",
    "Query.auditEntries",
    "Query.emails",
    "Query.viewer",
    "Query.webhookEndpoints",
    "Query.users",
    "Refund.bankLine",
    "ServiceAccount.apiKeys",
    "Subscription.agentEvents",
    "Subscription.inboxEvents",
    "Ticket.automationRuns",
    "Ticket.draft",
    "Ticket.escalations",
    "Ticket.macroUses",
    "Ticket.notes",
    "Ticket.priority",
    "Ticket.scheduledReplies",
    "Ticket.tags",
    "Ticket.team",
    "User.email",
    "User.memberships",
    "User.phoneNumbers",
]


@pytest.fixture
def services(services: "Services") -> "Services":
    """Without the limit of a key, which is tested elsewhere."""
    limiter = Throttle(services.clock, size=0)  # forgets each count at once
    return replace(services, auth=replace(services.auth, throttle=limiter))


@pytest.fixture
async def dataset(dataset: Dataset, action: "Action") -> Dataset:
    for company in (dataset.paul, dataset.marie):
        await create_private_rows(action, company)
    return dataset


async def key_viewer(action: "Action", company: Company, *scopes: ApiKeyScope) -> Viewer:
    """The viewer of a new key of this company."""
    return await viewer_of_key(await create_api_key(action, company.account, *scopes), action.at)


def fields_of_queries() -> Iterator[tuple[str, str]]:
    """Each field that a query can select in one step: of Query, and of rows that have an ID. With
    its coordinate, what selects it.
    """
    query, node = GRAPH.query_type, GRAPH.type_map["Node"]
    assert query
    for name, field in query.fields.items():
        needs_arguments = any(map(is_required_argument, field.args.values()))
        arguments = f"({ARGUMENTS[name]})" if needs_arguments and name in ARGUMENTS else ""
        if name in ("node", "nodes"):
            arguments = '(id: "")' if name == "node" else "(ids: [])"
        yield f"Query.{name}", f"{{ {name}{arguments} {_typename(field)} }}"
    for kind in GRAPH.get_possible_types(node):  # type: ignore[arg-type] # an interface
        for name, field in kind.fields.items():
            if not any(map(is_required_argument, field.args.values())):
                inner = f"... on {kind.name} {{ {name} {_typename(field)} }}"
                yield (
                    f"{kind.name}.{name}",
                    f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {inner} }} }}",
                )


def _typename(field: Any) -> str:
    return "{ __typename }" if is_composite_type(get_named_type(field.type)) else ""


@pytest.mark.parametrize("scopes", EACH_SCOPE)
async def test_a_key_reads_only_the_fields_of_its_scope(
    db: str,
    execute: "Execute",
    dataset: Dataset,
    action: "Action",
    scopes: tuple[ApiKeyScope, ...],
) -> None:
    """Of its own company: every field is either open to it and works, or refused by name. Every
    second field, and the remaining ones on the other kind of database.
    """
    viewer, ids = await key_viewer(action, dataset.marie, *scopes), dataset.marie.ids
    required, read = required_scopes(), set()
    for coordinate, query in islice(fields_of_queries(), bool(sqlite_path(db)), None, 2):
        variables = {"ids": ids} if "$ids" in query else {}
        response = await execute(viewer, query, **variables)
        if coordinate in required and required[coordinate] <= set(scopes):
            assert "errors" not in response, (query, response)
            read.add(coordinate)
        else:
            (error,) = response["errors"]
            assert response["data"] is None
            assert error["extensions"]["code"] == "FORBIDDEN"
            assert error["extensions"]["coordinate"] == coordinate
            missing = required.get(coordinate, frozenset()) - set(scopes)
            assert error["extensions"]["missingScopes"] == sorted(missing)
    assert len(read) > 25
    assert not any(each in read for each in CONFIDENTIAL)


def test_what_is_listed_exists_and_confidential_fields_are_not_listed() -> None:
    types = GRAPH.type_map
    fields = {
        f"{name}.{field}"
        for name, kind in types.items()
        for field in getattr(kind, "fields", {})
        if not name.startswith("__")
    }
    listed = required_scopes().keys()
    assert listed - fields == set()
    assert [each for each in CONFIDENTIAL if each not in fields] == []
    assert [each for each in CONFIDENTIAL if each in listed] == []
    assert [each for each in listed if each.startswith("Mutation.")] == []


def open_selections(
    kind: GraphQLObjectType, scopes: frozenset[ApiKeyScope], depth: int
) -> Iterator[str]:
    """Every field of a type that keys with these scopes may read and that needs no argument, nested
    to the given depth: its values, and each of its objects.
    """
    for name, field in kind.fields.items():
        required = required_scopes().get(f"{kind.name}.{name}")
        if required is None or not required <= scopes:
            continue
        if any(map(is_required_argument, field.args.values())):
            continue
        field_type = get_named_type(field.type)
        if not isinstance(field_type, GraphQLObjectType):
            yield name
        elif depth:
            inner = " ".join(open_selections(field_type, scopes, depth - 1))
            yield f"{name} {{ __typename {inner} }}"


async def read_everything(
    execute: "Execute", viewer: Viewer, company: Company, scopes: tuple[ApiKeyScope, ...]
) -> str:
    """All that a key can read with these scopes, starting at its root fields and at each row of the
    company.
    """
    responses = []
    for document in (*open_roots(company, frozenset(scopes)), *open_rows(frozenset(scopes))):
        variables = {"ids": company.ids} if "$ids" in document else {}
        responses.append(await execute(viewer, document, **variables))
    assert [each for each in responses if "errors" in each] == []
    return "\n".join(map(text, responses))


def open_roots(company: Company, scopes: frozenset[ApiKeyScope]) -> Iterator[str]:
    """Each root field that is open to keys with these scopes."""
    query = GRAPH.query_type
    assert query
    arguments = {
        "account": f'(id: "{company.id(Account)}")',
        "invoice": f'(number: "{company.row(Invoice).number}")',
        "purchase": f'(id: "{company.id(Purchase)}")',
        "ticket": f'(number: "{company.row(Ticket).number}")',
    }
    for name, field in query.fields.items():
        required, kind = required_scopes().get(f"Query.{name}"), get_named_type(field.type)
        if required is not None and required <= scopes and isinstance(kind, GraphQLObjectType):
            for selection in open_selections(kind, scopes, 2):
                yield f"{{ {name}{arguments.get(name, '')} {{ {selection} }} }}"


def open_rows(scopes: frozenset[ApiKeyScope]) -> Iterator[str]:
    """Each type that is open to keys with these scopes, by `$ids`."""
    for kind in GRAPH.get_possible_types(GRAPH.type_map["Node"]):  # type: ignore[arg-type] # an interface
        for selection in open_selections(kind, scopes, 1):
            inner = f"... on {kind.name} {{ {selection} }}"
            yield f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {inner} }} }}"


async def test_a_key_reads_the_texts_of_its_scope(
    execute: "Execute", dataset: Dataset, action: "Action"
) -> None:
    marie = dataset.marie
    billing, support = [
        await read_everything(execute, await key_viewer(action, marie, *scopes), marie, scopes)
        for scopes in EACH_SCOPE
    ]
    invoice = marie.row(Invoice)
    billing_texts = [invoice.number, marie.document_hash, f"{marie.mark} bills order"]
    support_texts = [f"{marie.mark} {each}" for each in ("subject", "body", "file.pdf")]
    assert [each for each in billing_texts if each not in billing or each in support] == []
    assert [each for each in support_texts if each not in support or each in billing] == []
    for each in (billing, support):
        assert f"{marie.mark} legal" in each
        confidential = ["-guest", "-accountant", " team", " tag", " note", " draft", " scheduled"]
        confidential += [" phone", " brand", " client id", " endpoint", " system description"]
        assert [mark for mark in confidential if f"{marie.mark}{mark}" in each] == []
        assert "@" not in each  # no address of anybody


async def test_a_key_reads_nothing_of_another_company(
    execute: "Execute", dataset: Dataset, action: "Action"
) -> None:
    """Each row of hers by its ID, and with every field that is open to a key with all scopes."""
    viewer = await key_viewer(action, dataset.paul, *BOTH)
    response = await read_everything(execute, viewer, dataset.marie, BOTH)
    request = orjson.dumps([*dataset.marie.ids, dataset.marie.row(Invoice).number]).decode()
    assert find_leaks(dataset, Outsider("key", viewer), request, response) == []


async def test_without_the_list_of_fields_keys_are_outsiders_of_other_companies(
    db: str, dataset: Dataset, action: "Action", services: "Services"
) -> None:
    """The rules of rows hold by themselves: here an engine without the list of open fields executes
    every document.
    """
    engine = ungated_engine()
    outsider = Outsider("key", await key_viewer(action, dataset.paul, *BOTH))
    half = islice(documents(dataset.marie.ids), bool(sqlite_path(db)), None, 2)
    for query, variables in half:
        request = query + orjson.dumps(variables).decode()
        response = text(await execute_ungated(engine, outsider.viewer, services, query, variables))
        assert find_leaks(dataset, outsider, request, response) == [], query


@pytest.mark.parametrize("scopes", [(), *EACH_SCOPE])
async def test_without_the_list_of_fields_a_key_sees_the_rows_of_its_scope(
    dataset: Dataset, action: "Action", services: "Services", scopes: tuple[ApiKeyScope, ...]
) -> None:
    """Of its own company, by their IDs; library articles and the like are public."""
    viewer = await key_viewer(action, dataset.marie, *scopes)
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename } }"
    variables = {"ids": dataset.marie.ids}
    response = await execute_ungated(ungated_engine(), viewer, services, query, variables)
    seen = {row["__typename"] for row in response["data"]["nodes"] if row}
    billing = {"Invoice", "InvoiceLine", "Purchase", "Payment", "Refund", "Dispute"}
    support = {"Ticket", "Message", "File", "TicketRating"}
    expected = {"Account"}
    expected |= billing if ApiKeyScope.READ_BILLING in scopes else set()
    expected |= support if ApiKeyScope.READ_SUPPORT in scopes else set()
    assert seen & (billing | support | {"Account"}) == expected
    private = {"Membership", "Invitation", "InvoiceRecipient", "PaymentMethod", "WebhookEndpoint"}
    private |= {"User", "Note", "AuditEntry", "Call", "Escalation", "LegalNameChange", "Session"}
    assert seen & private == set()


def ungated_engine() -> Engine:
    """An engine without the list of fields that are open to keys."""
    return Engine(schema._schema, format_error=format_error, cost_of=cost_of, batch_of=batch_of)


async def execute_ungated(
    engine: Engine, viewer: Viewer, services: "Services", query: str, variables: dict[str, Any]
) -> dict[str, Any]:
    operation = engine.prepare(Params(query=query, variables=variables), cost_limit=10**9)
    return decode_answer(await engine.execute(operation, Context(viewer, services)))


@pytest.mark.parametrize("name", sorted(GRAPH.subscription_type.fields))  # type: ignore[union-attr] # there is one
async def test_keys_subscribe_only_to_their_own_company(
    engine: Engine, services: "Services", dataset: Dataset, action: "Action", name: str
) -> None:
    field = GRAPH.subscription_type.fields[name]  # type: ignore[union-attr] # there is one
    argument = f'(ticketId: "{dataset.marie.id(Ticket)}")' if "ticketId" in field.args else ""
    query = f"subscription {{ {name}{argument} {{ __typename }} }}"
    for scopes in (*EACH_SCOPE, BOTH):
        viewer = await key_viewer(action, dataset.paul, *scopes)
        if name == "accountEvents" and scopes == BOTH:
            continue  # it has no argument: those of its own company
        results = subscribe(engine, viewer, services, query)
        response = await anext(results)
        await results.aclose()
        errors = response["errors"]
        is_open = name == "ticketEvents" and ApiKeyScope.READ_SUPPORT in scopes
        assert errors[0]["extensions"]["code"] == ("NOT_FOUND" if is_open else "FORBIDDEN")


SCALARS = {
    "ID": "x",
    "String": "x",
    "Int": 1,
    "BigInt": 1,
    "Float": 1.5,
    "Boolean": True,
    "Date": "2026-12-01",
    "DateTime": "2026-12-01T09:00:00Z",
}


def minimal(kind: Any) -> Any:
    """A value of an input type, with its required fields only."""
    if isinstance(kind, GraphQLNonNull):
        return minimal(kind.of_type)
    if isinstance(kind, GraphQLList):
        return [minimal(kind.of_type)]
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        fields = kind.fields.items()
        if kind.extensions["strawberry-definition"].is_one_of:
            return {name: minimal(field.type) for name, field in list(fields)[:1]}
        return {
            name: minimal(field.type) for name, field in fields if is_required_input_field(field)
        }
    return SCALARS[kind.name]


async def test_no_mutation_accepts_a_key(
    dataset: Dataset, action: "Action", services: "Services"
) -> None:
    """Also without the list of open fields, which has none."""
    viewer = await key_viewer(action, dataset.paul, *BOTH)
    engine = ungated_engine()
    assert GRAPH.mutation_type
    for name, field in GRAPH.mutation_type.fields.items():
        argument = f"($i: {field.args['input'].type})" if field.args else ""
        call = "(input: $i)" if field.args else ""
        query = f"mutation{argument} {{ {name}{call} {{ __typename }} }}"
        variables = {"i": minimal(field.args["input"].type)} if field.args else {}
        response = await execute_ungated(engine, viewer, services, query, variables)
        codes = [error["extensions"]["code"] for error in response["errors"]]
        assert codes == ["FORBIDDEN"], (name, response)


@pytest.mark.parametrize(
    "columns", [{"revoked_at": True}, {"expires_at": True}], ids=["revoked", "expired"]
)
async def test_a_revoked_or_expired_key_is_nobody(
    dataset: Dataset, action: "Action", columns: dict[str, bool]
) -> None:
    key = await create_api_key(action, dataset.paul.account, *BOTH)
    assert (await viewer_of_key(key, action.at)).api_key
    await ApiKey.filter(revoked_at=None).update(**dict.fromkeys(columns, action.at))
    with pytest.raises(Unauthenticated):
        await viewer_of_key(key, action.at)


@pytest.mark.parametrize("status", [each for each in AccountStatus if each != "ACTIVE"])
async def test_the_keys_of_an_inactive_company_are_nobodys(
    dataset: Dataset, action: "Action", status: AccountStatus
) -> None:
    key = await create_api_key(action, dataset.paul.account, *BOTH)
    await Account.filter(pk=dataset.paul.account.pk).update(status=status)
    with pytest.raises(Unauthenticated):
        await viewer_of_key(key, action.at)
    await Account.filter(pk=dataset.paul.account.pk).update(status=AccountStatus.ACTIVE)
    assert (await viewer_of_key(key, action.at)).account_id == dataset.paul.account.pk
