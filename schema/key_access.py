"""What API keys may read: the fields of the schema that are open to them, and with which scopes.

A key reads only what is listed here. So a new field, type or root field is closed to keys until
somebody decides otherwise, also one that everybody else may read. Nothing here opens rows: those
that a key sees are in each model's `visible_to`, by `billing_account_id` and `support_account_id`
of the viewer, and the rules of root fields name the same scopes.

Left out on purpose: addresses and phone numbers of people, members and invitations, saved payment
methods, recipients of invoices, what agents write for each other, calls, the audit log, webhooks
and keys other than the one in use, and every mutation.
"""

from collections.abc import Awaitable, Iterator, Mapping
from functools import cache

from auth.api_keys import MIN_POINTS, allowance_key
from engine import Operation, RequestError, field_coordinates
from models.accounts.service_account import ApiKey, ApiKeyScope
from models.errors import KeyForbidden, KeyReadsOnly, Throttled
from resolvers.context import Context
from schema.errors import error_body
from schema.root import schema

Scopes = frozenset[ApiKeyScope]
EVERY_KEY: Scopes = frozenset()
BILLING: Scopes = frozenset({ApiKeyScope.READ_BILLING})
SUPPORT: Scopes = frozenset({ApiKeyScope.READ_SUPPORT})
MAX_ERRORS = 20

# By type and by the scopes that are required together, the names of fields.
FIELDS: Mapping[str, Mapping[Scopes, str]] = {
    "Query": {
        EVERY_KEY: "account apiKey node nodes streamEpoch",
        BILLING: "invoice invoices moneyMovements purchase purchases",
        SUPPORT: "ticket tickets",
    },
    "Subscription": {SUPPORT: "ticketEvents", BILLING | SUPPORT: "accountEvents"},
    # Common
    "Node": {EVERY_KEY: "id"},
    "PageInfo": {EVERY_KEY: "endCursor hasNextPage hasPreviousPage startCursor"},
    "Money": {EVERY_KEY: "amountCents currency formatted"},
    "PostalAddress": {EVERY_KEY: "city country postalCode street"},
    # Accounts
    "Account": {
        EVERY_KEY: "address createdAt id legalName organization registrationNumber siren siret "
        "status tradeName vatNumber",
        BILLING: "balance disputes entitlements invoices moneyMovements purchases vatNumberCheck",
        SUPPORT: "tickets",
    },
    "VatNumberCheck": {BILLING: "checkedAt consultationNumber registeredName status"},
    "ServiceAccount": {EVERY_KEY: "account id name"},
    "ApiKey": {EVERY_KEY: "createdAt expiresAt id name prefix scopes serviceAccount"},
    # Billing
    "Offer": {BILLING: "description id name segment slug"},
    "Price": {BILLING: "id interval net offer taxCategory trialDays"},
    "Purchase": {
        BILLING: "activatedAt anchor billingAddress billsOn cancelAtPeriodEnd canceledAt changes "
        "createdAt discount endedOn expiresAt id invoices orderNumber pastDueSince pausedAt "
        "payments pendingChange periods price quantity resumesOn status suspendedAt trialEndsOn"
    },
    "PurchaseChange": {
        BILLING: "anchor appliedAt canceledAt createdAt effectiveOn formerPrice formerQuantity id "
        "invoice isImmediate kind payments price quantity resumesOn status"
    },
    "PurchaseDiscount": {BILLING: "amount code percentBasisPoints periodsLeft"},
    "Period": {BILLING: "end index start"},
    "Entitlement": {BILLING: "endsOn offer quantity since status until"},
    "Invoice": {
        BILLING: "buyerErasedAt correctiveInvoice creditNotes creditedAmount delivery disputes "
        "downloadUrl dueOn gross id issuedOn lines net number openAmount original purchase "
        "refunds sha256 state transfer type vat"
    },
    "InvoiceLine": {BILLING: "description id label net position quantity unitNet vatRate"},
    "TransferInstructions": {BILLING: "amount bic dueOn holder iban reference"},
    "InvoiceDelivery": {
        BILLING: "channel id invoice invoiceNumber reason reasonCode sentAt state status statusAt "
        "statuses"
    },
    "PlatformStatus": {BILLING: "at id number reason reasonCode status"},
    "Payment": {BILLING: "amount brand createdAt declineCode id lastFour refunds settledAt status"},
    "Refund": {BILLING: "amount createdAt creditNote failureCode id payment settledAt status"},
    "Dispute": {
        BILLING: "account code createdAt creditNote decidedAt id invoice reason status",
        SUPPORT: "ticket",
    },
    "MoneyMovement": {BILLING: "amount balance day document id invoice kind payment"},
    # Support
    "Ticket": {
        SUPPORT: "account assignee category channel closedAt createdAt deadlineAt firstResponseAt "
        "follows id kind lastMessage lastSequence mergedInto mergedTickets messages number rating "
        "requester splitFrom status subject updatedAt"
    },
    "Message": {SUPPORT: "at author body deletedAt editedAt files fromStaff id reactions sequence"},
    "Reaction": {SUPPORT: "count emoji kind users"},
    "File": {SUPPORT: "contentType downloadUrl id name sha256 size status uploadedAt"},
    "TicketRating": {SUPPORT: "comment id ratedAt rater score ticket updatedAt"},
    "User": {SUPPORT: "fromStaff id name"},
    "TicketEvent": {SUPPORT: "actor at epoch kind message sequence status ticket"},
    "AccountEvent": {
        EVERY_KEY: "at epoch kind sequence",
        SUPPORT: "message ticket",
        BILLING: "invoice purchase",
    },
}


def authorize(operation: Operation, context: Context) -> Awaitable[None] | None:
    """Refuse what the viewer's API key may not do: the engine's hook. Fields are checked at once,
    then the operation is counted. People are let pass.

    Raises RequestError: FORBIDDEN for a mutation and for each field that the key may not read, and
    RATE_LIMITED when its allowance is used up.
    """
    api_key = context.viewer.api_key
    if api_key is None:
        return None
    if operation.kind == "mutation":
        raise RequestError([error_body(KeyReadsOnly(), context)])
    coordinates = field_coordinates(schema._schema, operation.document, operation.definition)
    refused = refused_fields(coordinates, context.viewer.scopes)
    if refused:
        raise RequestError([error_body(error, context) for error in refused[:MAX_ERRORS]])
    return _count(operation, context, api_key)


def refused_fields(coordinates: frozenset[str], scopes: Scopes) -> list[KeyForbidden]:
    """An error for each of these fields that a key with these scopes may not read."""
    required = required_scopes()
    return [
        KeyForbidden(required.get(each, EVERY_KEY) - scopes, each)
        for each in sorted(coordinates)
        if not _is_introspection(each) and not (each in required and required[each] <= scopes)
    ]


@cache
def required_scopes() -> Mapping[str, Scopes]:
    """The scopes that each open field requires, by its coordinate (`Type.field`)."""
    return dict(_listed_fields())


def _listed_fields() -> Iterator[tuple[str, Scopes]]:
    types = schema._schema.type_map
    for name, fields in FIELDS.items():
        for scopes, text in fields.items():
            yield from ((f"{name}.{field}", scopes) for field in text.split())
        # A list is as open as the field that returns it.
        for kind in filter(types.__contains__, (f"{name}Connection", f"{name}Edge")):
            yield from ((f"{kind}.{field}", EVERY_KEY) for field in types[kind].fields)  # type: ignore[attr-defined] # an object


def _is_introspection(coordinate: str) -> bool:
    """Whether a field describes the schema, which is public to those who develop for it."""
    type_name, _, field = coordinate.partition(".")
    return type_name.startswith("__") or field.startswith("__")


async def _count(operation: Operation, context: Context, api_key: ApiKey) -> None:
    points = 0 if operation.dry_run else operation.cost
    try:
        await context.services.auth.throttle.attempt(
            allowance_key(api_key.pk), weight=max(points, MIN_POINTS)
        )
    except Throttled as error:
        raise RequestError([error_body(error, context)]) from None
