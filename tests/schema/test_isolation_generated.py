"""Generated operations over the whole schema reveal nothing of another company, by id, node,
nesting, filter, cursor or stream.

The tests look for Marie's marks in the responses of outsiders. Two more properties exclude indirect
leaks: a response stays the same while Marie's company changes, and when her ids are replaced by ids
of rows that don't exist. Mutations leave each of her rows unchanged. CAMCHA_CASES= runs more cases,
different ones each time.
"""

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from graphql import (
    GraphQLInterfaceType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse,
    visit,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_graphql import nodes

from engine import Engine, Params
from models.billing.invoice import Invoice
from models.billing.purchase import Purchase
from models.event import Event, account_stream
from models.operations.email import Email
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from resolvers.billing.invoices import NEWEST_FIRST as NEWEST_INVOICE
from resolvers.billing.purchases import NEWEST_FIRST as NEWEST_PURCHASE
from resolvers.context import Context, Services
from resolvers.ids import decode, encode
from resolvers.paging import cursor
from schema.root import schema
from tests.engine.differential.example_counts import examples
from tests.engine.differential.generated_operations import GeneratedOperation, operations
from tests.schema.conftest import Dataset, create_private_rows, decode_answer
from tests.schema.outsiders import (
    Outsider,
    change_maries_data,
    chosen,
    find_leaks,
    outsiders,
    replace_ids,
    rows_of_marie,
    text,
)
from tests.schema.subscription_fixtures import subscribe
from tests.schema.test_isolation import documents, selection
from tests.waiting import MAX_WAIT

if TYPE_CHECKING:
    from models.action import Action

GRAPH = schema._schema
MUTATIONS = GRAPH.mutation_type.fields if GRAPH.mutation_type else {}
# By design, these mutations send emails to users of any company whose address is given.
EMAILING_MUTATIONS = {
    "accountSignUp",
    "emailRequestVerification",
    "passwordRequestReset",
    "sessionRequestUnlock",
    "sessionSignIn",
    "invitationSend",
}


@pytest.fixture
async def dataset(dataset: "Dataset", action: "Action") -> "Dataset":
    """The companies, with a row of every type that contains personal data."""
    for company in (dataset.paul, dataset.marie):
        await create_private_rows(action, company)
    return dataset


def scalars(dataset: Dataset) -> dict[str, st.SearchStrategy[Any]]:
    """Ids of Marie's rows, of the outsider's own, of other types with her keys and of missing rows;
    her cursors and texts.
    """
    marie, invoice = dataset.marie, dataset.marie.row(Invoice)
    kinds = sorted({decode(each)[0] for each in marie.ids})  # type: ignore[index] # they are all ours
    keys = sorted({decode(each)[1] for each in marie.ids})  # type: ignore[index]
    ids = [
        *marie.ids,
        *marie.ids,
        *dataset.paul.ids,
        *(encode(kind, key) for kind in kinds for key in keys),
        "",
        "no id",
    ]
    cursors = [
        cursor(invoice, NEWEST_INVOICE),
        cursor(marie.row(Purchase), NEWEST_PURCHASE),
        "no cursor",
    ]
    texts = ["essentiel", marie.mark, marie.account.siren, invoice.number, "MARIE", "%", "cam_"]
    return {
        "ID": st.sampled_from(ids).map(nodes.String),
        "String": st.sampled_from([*texts, *cursors]).map(nodes.String),
        "Int": st.sampled_from([1, 2, 3, 100, 0, -1]).map(nodes.Int),
        "Date": st.sampled_from(["2026-11-01", "2026-12-31"]).map(nodes.String),
        "DateTime": st.just(nodes.String("2026-11-23T09:00:00Z")),
        "BigInt": st.sampled_from([0, 1, 2**40]).map(nodes.Int),
    }


@pytest.fixture
def operation_strategy(
    dataset: Dataset, engine: Engine
) -> "partial[st.SearchStrategy[GeneratedOperation]]":
    return partial(operations, GRAPH, engine, scalars(dataset), allow_null=True)


@pytest.fixture
def services_without_delay(services: Services) -> Services:
    """The same services without the delays after failures."""
    return replace(services, auth=replace(services.auth, min_response_seconds=0))


@pytest.fixture
async def outsider_list(dataset: Dataset, action: "Action") -> list[Outsider]:
    return await outsiders(dataset, action)


@pytest.fixture
async def before(dataset: Dataset, outsider_list: list[Outsider]) -> tuple[dict[str, Any], int]:
    """Marie's rows and the number of emails to her members before the first operation, which no
    operation may change.
    """
    return await rows_of_marie(dataset), await emails_to_marie()


async def emails_to_marie() -> int:
    return await Email.filter(recipient__contains="mariemark").count()


class Executor:
    """Executes a case for an outsider, and returns what they read."""

    def __init__(self, engine: Engine, services: Services) -> None:
        self.engine, self.services = engine, services

    async def __call__(self, generated_operation: GeneratedOperation, outsider: Outsider) -> str:
        operation = self.engine.prepare(
            Params(generated_operation.document, variables=generated_operation.variables),
            cost_limit=10**9,
        )
        return text(
            decode_answer(
                await self.engine.execute(
                    operation, Context(outsider.viewer, self.services, "192.0.2.7")
                )
            )
        )


@examples(0.01, 1)
@given(data=st.data())
async def test_queries_reveal_nothing_to_outsiders(
    data: st.DataObject,
    operation_strategy: Any,
    engine: Engine,
    services_without_delay: Services,
    dataset: Dataset,
    outsider_list: list[Outsider],
    action: "Action",
) -> None:
    assert GRAPH.query_type
    generated_operation: GeneratedOperation = data.draw(
        operation_strategy(fields=list(GRAPH.query_type.fields))
    )
    execute, request_text = (
        Executor(engine, services_without_delay),
        generated_operation.document + orjson.dumps(generated_operation.variables).decode(),
    )
    before = {each.name: await execute(generated_operation, each) for each in outsider_list}
    for each in outsider_list:
        assert find_leaks(dataset, each, request_text, before[each.name]) == [], (
            each.name,
            generated_operation,
        )
    await change_maries_data(dataset, action)
    operation_with_missing_ids = GeneratedOperation(
        replace_ids(dataset, generated_operation.document),
        orjson.loads(replace_ids(dataset, orjson.dumps(generated_operation.variables).decode())),
    )
    for each in outsider_list:
        if not each.reads_counts:
            assert await execute(generated_operation, each) == before[each.name], (
                each.name,
                generated_operation,
            )
        if not each.allowed and not each.reads_counts:
            assert replace_ids(
                dataset, await execute(operation_with_missing_ids, each)
            ) == replace_ids(dataset, before[each.name]), (each.name, generated_operation)


@examples(0.01, 1)
@given(data=st.data())
async def test_mutations_by_outsiders_change_none_of_her_rows(
    data: st.DataObject,
    operation_strategy: Any,
    engine: Engine,
    services_without_delay: Services,
    dataset: Dataset,
    outsider_list: list[Outsider],
    before: tuple[dict[str, Any], int],
) -> None:
    generated_operation: GeneratedOperation = data.draw(
        operation_strategy(fields=sorted(MUTATIONS.keys() - EMAILING_MUTATIONS))
    )
    outsider = data.draw(st.sampled_from([each for each in outsider_list if not each.allowed]))
    response = await Executor(engine, services_without_delay)(generated_operation, outsider)
    assert (
        find_leaks(
            dataset,
            outsider,
            generated_operation.document + orjson.dumps(generated_operation.variables).decode(),
            response,
        )
        == []
    ), (outsider.name, generated_operation)
    assert (await rows_of_marie(dataset), await emails_to_marie()) == before, (
        outsider.name,
        generated_operation,
    )


async def test_viewers_with_access_read_and_change_data(
    operation_strategy: Any,
    engine: Engine,
    services_without_delay: Services,
    dataset: Dataset,
    action: "Action",
) -> None:
    """Checks the other tests: the agent's responses contain the marks, and Marie's own changes are
    visible.
    """
    alice = Outsider("agent", dataset.alice)
    generated_operation = GeneratedOperation(
        "{ tickets { totalCount nodes { subject account { legalName } } } }", {}
    )
    response = await Executor(engine, services_without_delay)(generated_operation, alice)
    assert dataset.marie.mark in str(find_leaks(dataset, alice, "", response))
    before = await rows_of_marie(dataset)
    await change_maries_data(dataset, action)
    assert await Executor(engine, services_without_delay)(generated_operation, alice) != response
    assert await rows_of_marie(dataset) != before
    assert {
        "Ticket",
        "Message",
        "Invoice",
        "Payment",
        "File",
        "Membership",
        "PolicyAcceptance",
    } <= before.keys()


SUBSCRIPTIONS = GRAPH.subscription_type.fields if GRAPH.subscription_type else {}


@pytest.mark.parametrize("name", sorted(SUBSCRIPTIONS))
async def test_subscriptions_reveal_nothing_to_outsiders(
    name: str,
    db: str,
    engine: Engine,
    services_without_delay: Services,
    dataset: Dataset,
    outsider_list: list[Outsider],
    action: "Action",
) -> None:
    """With every id of hers and their own: while Marie works, the first event concerns their own
    company, or is an error.
    """
    takes_id = "ticketId" in SUBSCRIPTIONS[name].args
    inner = selection(get_named_type(SUBSCRIPTIONS[name].type), 2)
    argument, kind = ("ticketId", "ID!") if takes_id else ("after", "BigInt")
    document = f"subscription($value: {kind}) {{ {name}({argument}: $value) {{ {inner} }} }}"
    # their own tickets: see test_shared_delivery.py
    for number, key in enumerate(dataset.marie.ids if takes_id else [""]):
        for each in chosen(db, number, outsider_list) if takes_id else outsider_list:
            subscription = subscribe(
                engine,
                each.viewer,
                services_without_delay,
                document,
                value=key or await _last_sequence(dataset),
            )
            if takes_id or each.viewer.account is None or name != "accountEvents":
                first: Any = await _first_error(subscription)
            else:
                next_event = asyncio.ensure_future(anext(subscription))
                live_action = replace(action, bus=services_without_delay.hub)
                await change_maries_data(dataset, live_action)
                await _open_ticket_of_paul(dataset, live_action)
                first = await asyncio.wait_for(next_event, MAX_WAIT)
                assert first["data"], first
            await subscription.aclose()
            assert find_leaks(dataset, each, key, text(decode_answer(first))) == [], (
                each.name,
                key,
            )


async def _last_sequence(dataset: Dataset) -> int:
    """The sequence of the latest event of Paul's company. Later events are delivered whenever the
    stream begins.
    """
    latest_event = (
        await Event.filter(stream=account_stream(dataset.paul.account.pk))
        .order_by("-sequence")
        .first()
    )
    return latest_event.sequence if latest_event else 0


async def _first_error(subscription: Any) -> dict[str, Any]:
    """The only event that a subscription without access receives: its error."""
    first: dict[str, Any] = await anext(subscription)
    assert first["errors"], first
    return first


async def _open_ticket_of_paul(dataset: Dataset, action: "Action") -> None:
    paul = dataset.paul
    assert paul.owner.user
    async with replace(action, actor=paul.owner.user).transaction() as tx:
        await Ticket.open(
            tx,
            paul.account,
            paul.owner.user,
            subject="of Paul",
            channel=Channel.CHAT,
            category=Category.USAGE,
        )


def test_every_field_is_requested() -> None:
    """By the documents of test_isolation.py. A field with a required argument has to be added
    there.
    """
    requested_fields: set[str] = set()
    for document, _ in documents([encode("Ticket", 1)]):
        info = TypeInfo(GRAPH)
        visit(parse(document), TypeInfoVisitor(info, _FieldRecorder(info, requested_fields)))
    assert {
        each for each in _readable_fields() if each not in requested_fields
    } == FIELDS_REQUESTED_ELSEWHERE


FIELDS_REQUESTED_ELSEWHERE = {
    "Node.id",  # each type under its own name
    "AutomationRunEdge.node",  # the same rows as `nodes`; their edges are a level too deep
    "AutomationVersionEdge.node",
    "AnalyticsNumber.amount",  # of a row of the answer, a level too deep
}


def _readable_fields() -> set[str]:
    """Every field of every object that a query can reach."""
    assert GRAPH.query_type
    types: dict[str, Any] = {}
    pending_types: list[Any] = [GRAPH.query_type]
    while pending_types:
        kind = pending_types.pop()
        if kind.name in types or not hasattr(kind, "fields"):
            continue
        types[kind.name] = kind
        pending_types += [get_named_type(field.type) for field in kind.fields.values()]
        pending_types += (
            GRAPH.get_possible_types(kind) if isinstance(kind, GraphQLInterfaceType) else []
        )
    return {f"{name}.{field}" for name, kind in types.items() for field in kind.fields}


class _FieldRecorder(Visitor):
    def __init__(self, info: TypeInfo, request: set[str]) -> None:
        super().__init__()
        self.info, self.asked = info, request

    def enter_field(self, node: Any, *_: Any) -> None:
        parent = self.info.get_parent_type()
        if parent:
            self.asked.add(f"{parent.name}.{node.name.value}")
