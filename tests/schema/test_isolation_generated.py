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
from models.support.ticket import Category, Channel, Ticket
from resolvers.billing.invoices import NEWEST_FIRST as NEWEST_INVOICE
from resolvers.billing.purchases import NEWEST_FIRST as NEWEST_PURCHASE
from resolvers.context import Context, Services
from resolvers.ids import decode, encode
from resolvers.paging import cursor
from schema.root import schema
from tests.engine.differential.example_counts import examples
from tests.engine.differential.generated_operations import GeneratedOperation, operations
from tests.patience import PATIENCE
from tests.schema.conftest import Dataset, recorded, sent
from tests.schema.outsiders import (
    Outsider,
    belongings,
    leaked,
    marie_works,
    nobodys,
    outsiders,
    text,
)
from tests.schema.subscription_fixtures import subscribe
from tests.schema.test_isolation import documents, selection

if TYPE_CHECKING:
    from models.action import Action

GRAPH = schema._schema
MUTATIONS = GRAPH.mutation_type.fields if GRAPH.mutation_type else {}
# By design, these mutations send emails to users of any company whose address is given.
BY_ADDRESS = {
    "accountSignUp",
    "passwordRequestReset",
    "sessionRequestUnlock",
    "sessionSignIn",
    "invitationSend",
}


@pytest.fixture
async def dataset(dataset: "Dataset", action: "Action") -> "Dataset":
    """The companies, with a row of every type that contains personal data."""
    for company in (dataset.paul, dataset.marie):
        await recorded(action, company)
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
    places = [
        cursor(invoice, NEWEST_INVOICE),
        cursor(marie.row(Purchase), NEWEST_PURCHASE),
        "no cursor",
    ]
    words = ["essentiel", marie.mark, marie.account.siren, invoice.number, "MARIE", "%", "cam_"]
    return {
        "ID": st.sampled_from(ids).map(nodes.String),
        "String": st.sampled_from([*words, *places]).map(nodes.String),
        "Int": st.sampled_from([1, 2, 3, 100, 0, -1]).map(nodes.Int),
        "Date": st.sampled_from(["2026-11-01", "2026-12-31"]).map(nodes.String),
        "DateTime": st.just(nodes.String("2026-11-23T09:00:00Z")),
        "BigInt": st.sampled_from([0, 1, 2**40]).map(nodes.Int),
    }


@pytest.fixture
def generated(dataset: Dataset, engine: Engine) -> "partial[st.SearchStrategy[GeneratedOperation]]":
    return partial(operations, GRAPH, engine, scalars(dataset), allow_null=True)


@pytest.fixture
def quick(services: Services) -> Services:
    """The same services without the delays after failures."""
    return replace(services, auth=replace(services.auth, min_response_seconds=0))


@pytest.fixture
async def crowd(dataset: Dataset, action: "Action") -> list[Outsider]:
    return await outsiders(dataset, action)


@pytest.fixture
async def before(dataset: Dataset, crowd: list[Outsider]) -> tuple[dict[str, Any], int]:
    """Marie's rows and the number of emails to her members before the first operation, which no
    operation may change.
    """
    return await belongings(dataset), await emails_to_marie()


async def emails_to_marie() -> int:
    return await Email.filter(recipient__contains="mariemark").count()


class Asking:
    """Executes a case for an outsider, and returns what they read."""

    def __init__(self, engine: Engine, services: Services) -> None:
        self.engine, self.services = engine, services

    async def __call__(self, case: GeneratedOperation, outsider: Outsider) -> str:
        operation = self.engine.prepare(
            Params(case.document, variables=case.variables), cost_limit=10**9
        )
        return text(
            sent(
                await self.engine.execute(
                    operation, Context(outsider.viewer, self.services, "192.0.2.7")
                )
            )
        )


@examples(0.04, 1)
@given(data=st.data())
async def test_queries_reveal_nothing_to_outsiders(
    data: st.DataObject,
    generated: Any,
    engine: Engine,
    quick: Services,
    dataset: Dataset,
    crowd: list[Outsider],
    action: "Action",
) -> None:
    assert GRAPH.query_type
    case: GeneratedOperation = data.draw(generated(fields=list(GRAPH.query_type.fields)))
    ask, sent = Asking(engine, quick), case.document + orjson.dumps(case.variables).decode()
    before = {each.name: await ask(case, each) for each in crowd}
    for each in crowd:
        assert leaked(dataset, each, sent, before[each.name]) == [], (each.name, case)
    await marie_works(dataset, action)
    unknown = GeneratedOperation(
        nobodys(dataset, case.document),
        orjson.loads(nobodys(dataset, orjson.dumps(case.variables).decode())),
    )
    for each in crowd:
        if not each.counts_everybody:
            assert await ask(case, each) == before[each.name], (each.name, case)
        if not each.allowed and not each.counts_everybody:
            assert nobodys(dataset, await ask(unknown, each)) == nobodys(
                dataset, before[each.name]
            ), (each.name, case)


async def test_every_type_by_every_id_reveals_nothing_to_outsiders(
    engine: Engine, quick: Services, dataset: Dataset, crowd: list[Outsider]
) -> None:
    """The same exhaustive documents as in test_isolation.py, because generated ones seldom combine
    a type with the right id.
    """
    ask = Asking(engine, quick)
    for document, variables in documents(dataset.marie.ids):
        sent = document + orjson.dumps(variables).decode()
        for each in crowd:
            read = await ask(GeneratedOperation(document, variables), each)
            assert leaked(dataset, each, sent, read) == [], (each.name, sent)


@examples(0.04, 1)
@given(data=st.data())
async def test_mutations_by_outsiders_change_none_of_her_rows(
    data: st.DataObject,
    generated: Any,
    engine: Engine,
    quick: Services,
    dataset: Dataset,
    crowd: list[Outsider],
    before: tuple[dict[str, Any], int],
) -> None:
    case: GeneratedOperation = data.draw(generated(fields=sorted(MUTATIONS.keys() - BY_ADDRESS)))
    who = data.draw(st.sampled_from([each for each in crowd if not each.allowed]))
    response = await Asking(engine, quick)(case, who)
    assert (
        leaked(dataset, who, case.document + orjson.dumps(case.variables).decode(), response) == []
    ), (who.name, case)
    assert (await belongings(dataset), await emails_to_marie()) == before, (who.name, case)


async def test_viewers_with_access_read_and_change_data(
    generated: Any, engine: Engine, quick: Services, dataset: Dataset, action: "Action"
) -> None:
    """Checks the other tests: the agent's responses contain the marks, and Marie's own changes are
    visible.
    """
    alice = Outsider("agent", dataset.alice)
    case = GeneratedOperation(
        "{ tickets { totalCount nodes { subject account { legalName } } } }", {}
    )
    read = await Asking(engine, quick)(case, alice)
    assert dataset.marie.mark in str(leaked(dataset, alice, "", read))
    before = await belongings(dataset)
    await marie_works(dataset, action)
    assert await Asking(engine, quick)(case, alice) != read
    assert await belongings(dataset) != before
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
    engine: Engine,
    quick: Services,
    dataset: Dataset,
    crowd: list[Outsider],
    action: "Action",
) -> None:
    """With every id of hers and their own: while Marie works, the first event concerns their own
    company, or is an error.
    """
    by_id = "ticketId" in SUBSCRIPTIONS[name].args
    inner = selection(get_named_type(SUBSCRIPTIONS[name].type), 2)
    for each in crowd:
        for key in [*dataset.marie.ids, dataset.paul.id(Ticket)] if by_id else [""]:
            call = (
                f'{name}(ticketId: "{key}")' if by_id else f"{name}(after: {await _head(dataset)})"
            )
            following = subscribe(
                engine, each.viewer, quick, f"subscription {{ {call} {{ {inner} }} }}"
            )
            if by_id and key == dataset.paul.id(Ticket):
                await following.aclose()  # their own: see test_shared_delivery.py
                continue
            if by_id or each.viewer.account is None or name != "accountEvents":
                first: Any = await _refusal(following)
            else:
                waiting = asyncio.ensure_future(anext(following))
                heard = replace(action, bus=quick.hub)
                await marie_works(dataset, heard)
                await _paul_works(dataset, heard)
                first = await asyncio.wait_for(waiting, PATIENCE)
                assert first["data"], first
            await following.aclose()
            assert leaked(dataset, each, key, text(sent(first))) == [], (each.name, key)


async def _head(dataset: Dataset) -> int:
    """The sequence of the latest event of Paul's company. Later events are delivered whenever the
    stream begins.
    """
    latest = (
        await Event.filter(stream=account_stream(dataset.paul.account.pk))
        .order_by("-sequence")
        .first()
    )
    return latest.sequence if latest else 0


async def _refusal(following: Any) -> dict[str, Any]:
    """The only event that a subscription without access receives: its error."""
    first: dict[str, Any] = await anext(following)
    assert first["errors"], first
    return first


async def _paul_works(dataset: Dataset, action: "Action") -> None:
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
    sent: set[str] = set()
    for document, _ in documents(["an id"]):
        info = TypeInfo(GRAPH)
        visit(parse(document), TypeInfoVisitor(info, _Noting(info, sent)))
    assert {each for each in _readable() if each not in sent} == ASKED_ELSEWHERE


ASKED_ELSEWHERE = {"Node.id"}  # each type under its own name


def _readable() -> set[str]:
    """Every field of every object that a query can reach."""
    assert GRAPH.query_type
    fields_found: dict[str, Any] = {}
    waiting: list[Any] = [GRAPH.query_type]
    while waiting:
        kind = waiting.pop()
        if kind.name in fields_found or not hasattr(kind, "fields"):
            continue
        fields_found[kind.name] = kind
        waiting += [get_named_type(field.type) for field in kind.fields.values()]
        waiting += GRAPH.get_possible_types(kind) if isinstance(kind, GraphQLInterfaceType) else []
    return {f"{name}.{field}" for name, kind in fields_found.items() for field in kind.fields}


class _Noting(Visitor):
    def __init__(self, info: TypeInfo, asked: set[str]) -> None:
        super().__init__()
        self.info, self.asked = info, asked

    def enter_field(self, node: Any, *_: Any) -> None:
        parent = self.info.get_parent_type()
        if parent:
            self.asked.add(f"{parent.name}.{node.name.value}")
