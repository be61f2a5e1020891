"""No viewer reads another company's data: every field of every type, requested by every viewer
without access.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_named_type,
    is_composite_type,
    is_required_argument,
)

from engine import Engine
from models.accounts.account import Account
from models.accounts.invitation import Invitation
from models.action import Action
from models.billing.invoice import Invoice
from models.billing.invoice_recipient import InvoiceRecipient
from models.billing.payment import Payment
from models.billing.purchase import Purchase
from models.identity.user import User
from models.operations.webhook import WebhookDelivery, WebhookEndpoint
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import decode, encode
from schema.root import schema
from tests.schema.conftest import create_private_rows
from tests.schema.outsiders import chosen, find_leaks, outsiders, text
from tests.schema.subscription_fixtures import subscribe

if TYPE_CHECKING:
    from tests.schema.conftest import Company, Dataset, Execute

GRAPH = schema._schema
# Below root fields, below rows by their ids, and below rows in other objects; `bin/check --long`
# goes deeper.
DEPTH, NODE_DEPTH, ROW_DEPTH = (4, 3, 3) if "CAMCHA_CASES" in os.environ else (3, 2, 0)
MAX_TOKENS = 1_900  # of a selection; a whole document may have 2,000
ARGUMENTS = {
    "automationDryRun": 'definition: {event: TICKET_OPENED, actions: {note: "x"}}',
    "offer": 'slug: "essentiel"',
    "article": 'slug: "essentiel"',
    "policy": "kind: TERMS",
    "analytics": "query: {tickets: {by: [DAY], measures: [{}]}}",
    "savedQueryAnswer": f'savedQueryId: "{encode("SavedQuery", 2)}"',
    "analyticsReport": 'token: "MARIEMARK report"',
    "ratingReport": "groupBy: [DAY]",
    "statusBoard": 'token: "MARIEMARK board"',
    "users": 'search: "mark"',
    "ticket": 'number: "CAM-2026-000002"',  # Marie's
    "invoice": 'number: "FA-2026-000002"',
    "invoiceCorrectionPreview": f'invoiceId: "{encode("Invoice", 1)}"',
    "purchaseQuote": f'priceId: "{encode("Price", 1)}"',
    "purchaseChangePreview": f'purchaseId: "{encode("Purchase", 2)}", quantity: 2',
    "purchaseResumePreview": f'purchaseId: "{encode("Purchase", 2)}"',
    "promotion": 'code: "MARIEMARK20"',
    "mailingPreview": 'input: {purpose: OFFERS, subjectFr: "s", subjectEn: "s", bodyFr: "b", '
    'bodyEn: "b"}',
    "purchase": f'id: "{encode("Purchase", 2)}"',
    "renderedReply": f'cannedReplyId: "{encode("CannedReply", 2)}", '
    f'ticketId: "{encode("Ticket", 2)}"',
    "scheduledReplyPreview": f'ticketId: "{encode("Ticket", 2)}"',
    "account": f'id: "{encode("Account", 2)}"',
    "articleSuggestions": 'text: "facture"',
    "caller": 'number: "+33142685399"',  # Marie's
}
BILLING_MODELS = (Purchase, Payment, Invoice)


@pytest.fixture
async def dataset(dataset: "Dataset", action: "Action") -> "Dataset":
    """The companies, with a row of every type that contains personal data."""
    for company in (dataset.paul, dataset.marie):
        await create_private_rows(action, company)
    return dataset


def selection(kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
    """Every field of a type that needs no argument, nested to the given depth."""
    services = ["__typename"]
    for name, each in kind.fields.items():
        field_type = get_named_type(each.type)
        if any(is_required_argument(argument) for argument in each.args.values()):
            continue
        if not is_composite_type(field_type):
            services.append(name)
        elif depth and isinstance(field_type, GraphQLObjectType):
            services.append(f"{name} {{ {selection(field_type, depth_below(field_type, depth))} }}")
    return " ".join(services)


def depth_below(kind: GraphQLObjectType, depth: int) -> int:
    """How deep to go into an object in a selection of this depth: less deep into a row, because it
    is also requested by its id.
    """
    is_row = GRAPH.type_map["Node"] in kind.interfaces
    return min(depth - 1, ROW_DEPTH) if is_row else depth - 1


def selections(kind: GraphQLObjectType, depth: int) -> Iterator[str]:
    """Every field of a type that needs no argument, nested to the given depth: in one selection, or
    in several when a document with it would have too many tokens.
    """
    full_selection = selection(kind, depth)
    if len(full_selection.split()) <= MAX_TOKENS:
        yield full_selection
        return
    yield selection(kind, 0)
    for name, each in kind.fields.items():
        field_type = get_named_type(each.type)
        if isinstance(field_type, GraphQLObjectType) and not any(
            is_required_argument(argument) for argument in each.args.values()
        ):
            below = depth_below(field_type, depth)
            yield from (f"{name} {{ {inner} }}" for inner in selections(field_type, below))


def documents(ids: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every root field, and every type by its id, as documents with their variables."""
    assert GRAPH.query_type is not None
    for name, root in GRAPH.query_type.fields.items():
        field_type = get_named_type(root.type)
        if isinstance(field_type, GraphQLObjectType):
            arguments = (
                f"({ARGUMENTS[name]})" if any(map(is_required_argument, root.args.values())) else ""
            )
            for fields in selections(field_type, DEPTH):
                yield f"{{ {name}{arguments} {{ {fields} }} }}", {}
        elif not any(map(is_required_argument, root.args.values())):
            yield f"{{ {name} }}", {}
    node = GRAPH.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    for kind in GRAPH.get_possible_types(node):
        for fields in selections(kind, NODE_DEPTH):
            inner = f"... on {kind.name} {{ {fields} }}"
            yield f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {inner} }} }}", {"ids": ids}
            single_node_query = f"query($id: ID!) {{ node(id: $id) {{ {inner} }} }}"
            yield from (
                (single_node_query, {"id": key}) for key in ids if kind_of(key) == kind.name
            )


def kind_of(key: str) -> str:
    """The type that a global id names."""
    parts = decode(key)
    assert parts
    return parts[0]


def secrets(company: "Company") -> list[str]:
    """The texts that other companies must not read."""
    invoice: Invoice = company.row(Invoice)
    accepted = f"{company.accepted_at:%Y-%m-%dT%H:%M:%S}"
    return [
        company.mark,
        company.mark[:6] + "pc",
        str(company.account.siren),
        invoice.number,
        company.document_hash,
        accepted,
    ]


async def read_all(execute: "Execute", viewers: Sequence[Viewer], ids: list[str]) -> list[str]:
    """All responses that each viewer gets from the whole schema."""
    texts: list[list[str]] = [[] for _ in viewers]
    for query, variables in documents(ids):
        for responses, viewer in zip(texts, viewers, strict=True):
            responses.append(orjson.dumps(await execute(viewer, query, **variables)).decode())
    return ["\n".join(responses) for responses in texts]


async def test_outsiders_cannot_read_a_company(
    db: str, execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    viewers = await outsiders(dataset, action)
    for number, (query, variables) in enumerate(documents(dataset.marie.ids)):
        request_text = query + orjson.dumps(variables).decode()
        for each in chosen(db, number, viewers):
            response = text(await execute(each.viewer, query, **variables))
            leaks = find_leaks(dataset, each, request_text, response)
            assert leaks == [], (each.name, request_text)


INTERNAL_MARKS = ("team", "tag", "note", "scheduled")  # of create_internal_rows


async def test_p6_2_members_and_agents_read_what_their_role_allows(
    execute: "Execute", dataset: "Dataset"
) -> None:
    marie = dataset.marie
    owner, member, agent = await read_all(
        execute, [marie.owner, marie.member, dataset.alice], marie.ids
    )
    check_internal_texts(marie, [owner, member], agent)
    check_texts_of_the_company(marie, owner, agent)
    check_texts_of_a_member(marie, member)


def check_internal_texts(marie: "Company", customers: list[str], agent: str) -> None:
    """Customers don't read what agents write for each other."""
    texts = [f"{marie.mark} {each}" for each in INTERNAL_MARKS]
    # A draft is its author's, if they are an agent, and versions are for supervisors.
    for responses in customers:
        internal_texts = [*texts, "URGENT", f"{marie.mark} draft", f"{marie.mark} version"]
        assert [each for each in internal_texts if each in responses] == []
    assert [each for each in texts if each not in agent] == []


def check_texts_of_the_company(marie: "Company", owner: str, agent: str) -> None:
    """Owners and agents read all of a company."""
    texts = [
        f"{marie.mark} {each}"
        for each in ("legal", "trade", "subject", "body", "file.pdf", "client id", "bills order")
    ]
    for responses in (owner, agent):
        *others, accepted = [*texts, *secrets(marie)]
        assert [each for each in others if each not in responses] == []
        # P4.4: acceptances are visible only to their user.
        assert (accepted in responses) == (responses is owner)
        # Invitations are not visible to staff.
        assert (f"{marie.mark}-guest" in responses) == (responses is owner)


def check_texts_of_a_member(marie: "Company", member: str) -> None:
    """Members don't read what was bought, paid and invoiced, or who is invited."""
    assert f"{marie.mark} body" in member
    assert f"{marie.mark}-guest" not in member
    invoices = [f"{marie.mark} bills", marie.row(Invoice).number, marie.document_hash]
    invoices += [encode(model.__name__, marie.row(model).pk) for model in BILLING_MODELS]
    invoices.append(f"{marie.mark}-accountant")
    assert [each for each in invoices if each in member] == []


async def test_p1_4_a_session_does_not_reach_the_users_other_company(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    """P1.4: Wanda belongs to both companies and acts for Paul's. Of Marie's she reads only what she
    needs to switch to it, as the outsider "of both" shows.
    """
    wanda = next(each for each in await outsiders(dataset, action) if each.name == "of both")
    response = await execute(wanda.viewer, "{ tickets { nodes { subject } } }")
    subjects = [each["subject"] for each in response["data"]["tickets"]["nodes"]]
    assert subjects == [f"{dataset.paul.mark} subject"]
    viewer_data = (
        await execute(wanda.viewer, "{ viewer { companies { accountId legalName role current } } }")
    )["data"]["viewer"]
    assert [tuple(each.values()) for each in viewer_data["companies"]] == [
        (encode("Account", dataset.paul.account.pk), "PAULMARK legal", "MEMBER", True),
        (encode("Account", dataset.marie.account.pk), "MARIEMARK legal", "OWNER", False),
    ]


@pytest.mark.parametrize(
    ("name", "kind", "model", "field", "other_fields"),
    [
        (
            "purchaseConfirmBilling",
            "PurchaseConfirmBillingInput",
            Purchase,
            "purchaseId",
            {"billingAddress": {"street": "x", "postalCode": "75001", "city": "x"}},
        ),
        (
            "purchasePay",
            "PurchasePayInput",
            Purchase,
            "purchaseId",
            {"paymentMethod": "pm_sandbox_success", "idempotencyKey": "x"},
        ),
        ("paymentRefresh", "PaymentRefreshInput", Payment, "paymentId", {}),
        (
            "invitationResend",
            "InvitationResendInput",
            Invitation,
            "invitationId",
            {"idempotencyKey": "x"},
        ),
        ("invitationRevoke", "InvitationRevokeInput", Invitation, "invitationId", {}),
        ("memberChangeRole", "MemberChangeRoleInput", User, "userId", {"role": "MEMBER"}),
        ("memberRemove", "MemberRemoveInput", User, "userId", {}),
        ("accountTransferOwnership", "AccountTransferOwnershipInput", User, "userId", {}),
        ("sessionSwitchAccount", "SessionSwitchAccountInput", Account, "accountId", {}),
        (
            "ticketReply",
            "TicketReplyInput",
            Ticket,
            "ticketId",
            {"body": "x", "clientMessageId": "x"},
        ),
        ("ticketClose", "TicketCloseInput", Ticket, "ticketId", {}),
        ("ticketTyping", "TicketTypingInput", Ticket, "ticketId", {}),
        (
            "invoiceRecipientRemove",
            "InvoiceRecipientRemoveInput",
            InvoiceRecipient,
            "recipientId",
            {},
        ),
        (
            "webhookEndpointUpdate",
            "WebhookEndpointUpdateInput",
            WebhookEndpoint,
            "webhookEndpointId",
            {"enabled": False},
        ),
        (
            "webhookDeliveryReplay",
            "WebhookDeliveryReplayInput",
            WebhookDelivery,
            "webhookDeliveryId",
            {},
        ),
    ],
)
async def test_outsiders_cannot_change_a_company(
    execute: "Execute",
    dataset: "Dataset",
    name: str,
    kind: str,
    model: Any,
    field: str,
    other_fields: dict[str, Any],
) -> None:
    query = (
        f"mutation($input: {kind}!) {{ {name}(input: $input) {{ userErrors {{ code field }} }} }}"
    )
    # Forbidden and missing rows get the same error.
    for key in (dataset.marie.id(model), encode(model.__name__, 999_999)):
        response = await execute(dataset.paul.owner, query, input={field: key, **other_fields})
        assert response["data"] == {
            name: {"userErrors": [{"code": "NOT_FOUND", "field": ["input", field]}]}
        }


@pytest.mark.parametrize("name", ["ticketEvents", "ticketTyping", "ticketChat", "ticketPositions"])
async def test_outsiders_cannot_subscribe_to_a_companys_ticket(
    engine: Engine, services: Services, dataset: "Dataset", name: str
) -> None:
    query = f"subscription($id: ID!) {{ {name}(ticketId: $id) {{ __typename }} }}"
    for viewer in (dataset.paul.owner, dataset.paul.member):
        async with aclosing(
            subscribe(engine, viewer, services, query, id=dataset.marie.id(Ticket))
        ) as results:
            response = await anext(results)
        assert [error["extensions"]["code"] for error in response["errors"]] == ["NOT_FOUND"]
