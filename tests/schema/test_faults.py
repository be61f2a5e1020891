"""All independent errors of an input are reported at once, each with the path of its field, and
nothing is written.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from graphql import GraphQLInputObjectType, GraphQLNamedType, get_named_type

from auth.passwords.change import RESET_LIFETIME
from auth.sessions import token_hash
from engine import Engine, Params
from models.action import Action
from models.audit import AuditEntry
from models.billing.offer import Price
from models.identity.access_links import PasswordReset
from models.identity.authenticator import WebauthnChallenge
from models.identity.user import Staff
from models.operations.email import Email
from models.support.message import Message
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Context, Services
from tests.people import create_staff_viewer
from tests.schema.audited_fixtures import (
    MUTATIONS,
    PEER,
    Scenario,
    agent_viewer,
    member_viewer,
    member_with_totp,
    operator_viewer,
    owner_viewer,
)
from tests.schema.conftest import Dataset

CreateViewer = Callable[[Scenario], Awaitable[Viewer]]
LONG, BAD_ID = "x" * 20_000, "VXNlcjo5OTk5"  # the id of a user who doesn't exist


async def anonymous(scenario: Scenario) -> Viewer:
    return Viewer()


async def owner(scenario: Scenario) -> Viewer:
    return scenario.owner


async def supervisor(scenario: Scenario) -> Viewer:
    return await create_staff_viewer(scenario.action, "Sophie", Staff.SUPERVISOR)


# The texts of a notification of the authority: lines and longer texts, all of them faulty.
NOTICE_TEXTS = {
    "earlierReference": LONG,
    "contactName": " ",
    "contactRole": LONG,
    "contactEmail": "",
    "contactPhone": LONG,
    "delayReason": LONG,
    "circumstances": " ",
    "peopleCategories": LONG,
    "dataCategories": "",
    "priorMeasures": LONG,
    "consequences": LONG,
    "measures": " ",
    "peopleInformed": LONG,
    "processors": LONG,
    "otherCountries": LONG,
}


async def nadia(scenario: Scenario) -> Viewer:
    return scenario.dataset.nadia


ADDRESS = {"street": "", "postalCode": LONG, "city": " ", "country": "ZZ"}
ADDRESS_PATHS: set[tuple[str, ...]] = {("street",), ("postalCode",), ("city",), ("country",)}
GOOD_TEXTS = {"name": "N", "description": "D", "features": ["F"], "advantages": ["A"]}
BAD_QUERY = {"tickets": {"measures": [], "first": 0}}
BAD_QUERY_FIELDS = {("query", "tickets", "measures"), ("query", "tickets", "first")}
BAD_ACTIONS = {
    "replyFr": "{a.b}",
    "replyEn": LONG,
    "note": " ",
    "category": "SECURITY",
    "addTags": ["a", " "],
    "removeTags": [LONG],
    "teamId": BAD_ID,
    "assigneeId": BAD_ID,
    "assignToViewer": True,
    "status": "NEW",
    "snoozeMinutes": 0,
}
BAD_ACTION_FIELDS = {
    *(("actions", name) for name in BAD_ACTIONS if not name.endswith("Tags")),
    ("actions", "addTags", "1"),
    ("actions", "removeTags", "0"),
}
BAD_DEFINITION = {
    "event": "CUSTOMER_REPLIED",
    "delayMinutes": 0,
    "conditions": {"tags": [" "], "contains": ["!"], "country": ["ZZ"], "teamIds": ["x"]},
    "exceptions": {"assigneeIds": ["x"], "offerIds": ["x"]},
    "actions": BAD_ACTIONS,
}
BAD_DEFINITION_FIELDS = {
    ("definition", "delayMinutes"),
    *(
        ("definition", "conditions", each, "0")
        for each in ("tags", "contains", "country", "teamIds")
    ),
    *(("definition", "exceptions", each, "0") for each in ("assigneeIds", "offerIds")),
    *(("definition", *path) for path in BAD_ACTION_FIELDS),
}
BAD_TEXTS = {"name": "", "description": LONG, "features": ["F", ""], "advantages": ["A"] * 21}
BAD_TEXT_PATHS: set[tuple[str, ...]] = {
    ("name",),
    ("description",),
    ("features", "1"),
    ("advantages",),
}
FAULTY_INPUTS: dict[str, tuple[CreateViewer, dict[str, Any], set[tuple[str, ...]]]] = {
    "offerCreate": (
        operator_viewer,
        {
            "slug": "É",
            "segment": "TPE",
            "fr": BAD_TEXTS,
            "en": GOOD_TEXTS | {"name": " "},
            "idempotencyKey": "",
        },
        {
            ("slug",),
            *(("fr", *path) for path in BAD_TEXT_PATHS),
            ("en", "name"),
            ("idempotencyKey",),
        },
    ),
    "offerUpdate": (
        operator_viewer,
        {"offerId": BAD_ID, "fr": BAD_TEXTS, "en": BAD_TEXTS},
        {("offerId",), *((name, *path) for name in ("fr", "en") for path in BAD_TEXT_PATHS)},
    ),
    "offerPublish": (
        operator_viewer,
        {"offerId": BAD_ID, "on": "2020-01-01"},
        {("offerId",), ("on",)},
    ),
    "offerWithdraw": (
        operator_viewer,
        {"offerId": BAD_ID, "on": "2120-01-01"},
        {("offerId",), ("on",)},
    ),
    "priceCreate": (
        operator_viewer,
        {
            "offerId": BAD_ID,
            "interval": "MONTH",
            "netCents": 0,
            "trialDays": 366,
            "validFrom": "2020-01-01",
            "idempotencyKey": "",
        },
        {("offerId",), ("netCents",), ("trialDays",), ("validFrom",), ("idempotencyKey",)},
    ),
    "priceEnd": (
        operator_viewer,
        {"priceId": BAD_ID, "on": "2020-01-01"},
        {("priceId",), ("on",)},
    ),
    "promotionCreate": (
        operator_viewer,
        {
            "code": "É",
            "percentBasisPoints": 10_001,
            "periods": 0,
            "maxRedemptions": 0,
            "minimumQuantity": 0,
            "validFrom": "2020-01-01",
            "offerIds": ["x"],
            "idempotencyKey": "",
        },
        {
            ("code",),
            ("percentBasisPoints",),
            ("periods",),
            ("maxRedemptions",),
            ("minimumQuantity",),
            ("validFrom",),
            ("offerIds", "0"),
            ("idempotencyKey",),
        },
    ),
    "purchaseApplyPromotion": (
        owner,
        {"purchaseId": BAD_ID, "promotionCode": "NOSUCH"},
        {("purchaseId",), ("promotionCode",)},
    ),
    "purchaseStart": (
        owner,
        {"purchaseId": BAD_ID, "paymentMethodId": BAD_ID, "idempotencyKey": ""},
        {("purchaseId",), ("paymentMethodId",), ("idempotencyKey",)},
    ),
    "purchasePayByTransfer": (
        owner,
        {"purchaseId": BAD_ID, "idempotencyKey": ""},
        {("purchaseId",), ("idempotencyKey",)},
    ),
    "accountExportMovements": (
        owner,
        {"accountId": BAD_ID, "since": "2026-02-01", "until": "2026-01-01"},
        {("accountId",), ("until",)},
    ),
    "accountExportInvoices": (
        owner,
        {"accountId": BAD_ID, "year": 1900},
        {("accountId",), ("year",)},
    ),
    "bankStatementImport": (
        operator_viewer,
        {"fileName": "", "content": "?", "iban": "x", "idempotencyKey": ""},
        {("fileName",), ("content",), ("iban",), ("idempotencyKey",)},
    ),
    "bankLineMatch": (
        operator_viewer,
        {
            "lineId": BAD_ID,
            "accountId": BAD_ID,
            "invoices": [{"invoiceId": "x"}, {"invoiceId": BAD_ID, "amountCents": 1}],
            "idempotencyKey": "",
        },
        {
            ("lineId",),
            ("accountId",),
            ("invoices", "0", "invoiceId"),
            ("invoices", "1", "invoiceId"),
            ("idempotencyKey",),
        },
    ),
    "invoiceCredit": (
        agent_viewer,
        {
            "invoiceId": BAD_ID,
            "lines": [{"lineId": "x", "quantity": 1}],
            "reason": " ",
            "idempotencyKey": "",
        },
        {("invoiceId",), ("lines", "0", "lineId"), ("reason",), ("idempotencyKey",)},
    ),
    "invoiceCorrect": (
        agent_viewer,
        {
            "invoiceId": BAD_ID,
            "lines": [{"lineId": "x"}],
            "orderNumber": LONG,
            "reason": " ",
            "idempotencyKey": "",
        },
        {
            ("invoiceId",),
            ("lines", "0", "lineId"),
            ("orderNumber",),
            ("reason",),
            ("idempotencyKey",),
        },
    ),
    "invoiceDispute": (
        owner,
        {
            "invoiceId": BAD_ID,
            "reason": "PRICE",
            "body": " ",
            "fileIds": ["x"],
            "idempotencyKey": "",
        },
        {("invoiceId",), ("body",), ("fileIds", "0"), ("idempotencyKey",)},
    ),
    "disputeAccept": (
        agent_viewer,
        {
            "disputeId": BAD_ID,
            "lines": [{"lineId": "x", "quantity": 1}],
            "reason": " ",
            "idempotencyKey": "",
        },
        {("disputeId",), ("lines", "0", "lineId"), ("reason",), ("idempotencyKey",)},
    ),
    "disputeReject": (
        agent_viewer,
        {"disputeId": BAD_ID, "reason": " "},
        {("disputeId",), ("reason",)},
    ),
    "paymentReportNoAccess": (
        owner,
        {"paymentId": BAD_ID, "body": " ", "idempotencyKey": ""},
        {("paymentId",), ("body",), ("idempotencyKey",)},
    ),
    "refundMarkSent": (
        operator_viewer,
        {"refundId": BAD_ID, "reference": ""},
        {("refundId",), ("reference",)},
    ),
    "incomingEmailLink": (
        agent_viewer,
        {
            "incomingEmailId": BAD_ID,
            "accountId": BAD_ID,
            "requesterId": BAD_ID,
            "ticketId": "x",
        },
        {("incomingEmailId",), ("accountId",), ("requesterId",), ("ticketId",)},
    ),
    "bankLineMatchReversal": (
        operator_viewer,
        {"lineId": BAD_ID, "originalId": "x"},
        {("lineId",), ("originalId",)},
    ),
    "accountSignUp": (
        anonymous,
        {
            "email": "x",
            "password": "short",
            "name": " ",
            "legalName": LONG,
            "siren": "1",
            "acceptedPolicyIds": ["x", BAD_ID],
            "idempotencyKey": "",
        },
        {
            ("email",),
            ("password",),
            ("name",),
            ("legalName",),
            ("siren",),
            ("acceptedPolicyIds", "0"),
            ("acceptedPolicyIds", "1"),
            ("idempotencyKey",),
        },
    ),
    "invitationAccept": (
        anonymous,
        {"token": "x", "name": LONG, "password": "short", "acceptedPolicyIds": ["x"]},
        {("token",), ("name",), ("password",), ("acceptedPolicyIds", "0")},
    ),
    "invitationSend": (
        owner,
        {"email": "x", "role": "OWNER", "idempotencyKey": ""},
        {("email",), ("role",), ("idempotencyKey",)},
    ),
    "invitationResend": (
        owner,
        {"invitationId": BAD_ID, "idempotencyKey": "\n"},
        {("invitationId",), ("idempotencyKey",)},
    ),
    "passwordReset": (anonymous, {"token": "x", "password": "short"}, {("token",), ("password",)}),
    "passwordChange": (
        member_viewer,
        {"currentPassword": "x", "newPassword": "short"},
        {("currentPassword",), ("newPassword",)},
    ),
    "totpSetUp": (member_viewer, {"password": "x", "name": " "}, {("password",), ("name",)}),
    "passkeyRegister": (owner_viewer, {"passkey": "{}", "name": LONG}, {("passkey",), ("name",)}),
    "authenticatorRename": (
        owner,
        {"authenticatorId": BAD_ID, "name": ""},
        {("authenticatorId",), ("name",)},
    ),
    "accountChangeAddress": (
        owner,
        {"address": ADDRESS},
        {("address", *path) for path in ADDRESS_PATHS},
    ),
    "accountChangeIdentifiers": (
        owner,
        {"siret": "1", "vatNumber": "2"},
        {("siret",), ("vatNumber",)},
    ),
    "accountRequestLegalName": (
        owner_viewer,
        {"legalName": "", "siren": "1", "fileIds": ["x", BAD_ID], "idempotencyKey": ""},
        {("legalName",), ("siren",), ("fileIds", "0"), ("fileIds", "1"), ("idempotencyKey",)},
    ),
    "legalNameChangeAddEvidence": (
        owner,
        {"changeId": BAD_ID, "fileIds": ["x"]},
        {("changeId",), ("fileIds", "0")},
    ),
    "legalNameChangeDecide": (
        agent_viewer,
        {"changeId": BAD_ID, "decision": "REJECT", "reason": " ", "idempotencyKey": ""},
        {("changeId",), ("reason",), ("idempotencyKey",)},
    ),
    "accountRequestDeactivation": (
        owner_viewer,
        {"message": "", "idempotencyKey": ""},
        {("message",), ("idempotencyKey",)},
    ),
    "accountRequestDeletion": (
        owner_viewer,
        {"message": "", "accountId": BAD_ID, "idempotencyKey": ""},
        {("message",), ("accountId",), ("idempotencyKey",)},
    ),
    "accountRequestReactivation": (
        owner,
        {"message": "", "accountId": BAD_ID, "idempotencyKey": ""},
        {("message",), ("accountId",), ("idempotencyKey",)},
    ),
    "accountDeactivate": (
        agent_viewer,
        {"accountId": BAD_ID, "reason": "SECURITY", "message": ""},
        {("accountId",), ("message",)},
    ),
    "accountDeclineReactivation": (
        agent_viewer,
        {"accountId": BAD_ID, "reason": "", "idempotencyKey": ""},
        {("accountId",), ("reason",), ("idempotencyKey",)},
    ),
    "accountScheduleDeletion": (
        agent_viewer,
        {"accountId": BAD_ID, "ticketId": BAD_ID},
        {("accountId",), ("ticketId",)},
    ),
    # An owner can assign every role.
    "memberChangeRole": (owner, {"userId": BAD_ID, "role": "OWNER"}, {("userId",)}),
    "staffHire": (
        operator_viewer,
        {"email": "x", "name": "", "role": "AGENT", "idempotencyKey": ""},
        {("email",), ("name",), ("idempotencyKey",)},
    ),
    "purchaseDraft": (
        owner,
        {"priceId": BAD_ID, "quantity": 0, "idempotencyKey": LONG},
        {("priceId",), ("quantity",), ("idempotencyKey",)},
    ),
    "purchaseDiscard": (owner, {"purchaseId": BAD_ID}, {("purchaseId",)}),
    "purchaseCancel": (
        owner,
        {"purchaseId": BAD_ID, "reason": LONG},
        {("purchaseId",), ("reason",)},
    ),
    "purchaseChange": (
        owner,
        {
            "purchaseId": BAD_ID,
            "priceId": BAD_ID,
            "quantity": 0,
            "anchor": "2027-01-01",
            "expectedGrossCents": 1,
            "paymentMethod": "",
            "renewWithPaymentMethod": True,
            "idempotencyKey": "",
            "returnUrl": "x",
        },
        {
            ("paymentMethod",),
            ("renewWithPaymentMethod",),
            ("purchaseId",),
            ("priceId",),
            ("quantity",),
            ("anchor",),
            ("idempotencyKey",),
            ("returnUrl",),
        },
    ),
    "purchaseResume": (
        owner,
        {
            "purchaseId": BAD_ID,
            "expectedGrossCents": 1,
            "paymentMethodId": BAD_ID,
            "idempotencyKey": "",
            "returnUrl": "x",
        },
        {("purchaseId",), ("paymentMethodId",), ("idempotencyKey",), ("returnUrl",)},
    ),
    "purchasePause": (owner, {"purchaseId": BAD_ID}, {("purchaseId",)}),
    "purchaseCancelChange": (owner, {"purchaseId": BAD_ID}, {("purchaseId",)}),
    "purchaseUpdateBilling": (
        owner,
        {"purchaseId": BAD_ID, "billingAddress": ADDRESS, "orderNumber": LONG},
        {("purchaseId",), ("orderNumber",)} | {("billingAddress", *path) for path in ADDRESS_PATHS},
    ),
    "purchaseUndoCancellation": (owner, {"purchaseId": BAD_ID}, {("purchaseId",)}),
    "invoicePay": (
        owner,
        {"invoiceId": BAD_ID, "paymentMethod": "", "idempotencyKey": "", "returnUrl": "x"},
        {("invoiceId",), ("paymentMethod",), ("idempotencyKey",), ("returnUrl",)},
    ),
    "invoiceRetryPayment": (
        agent_viewer,
        {"invoiceId": BAD_ID, "idempotencyKey": ""},
        {("invoiceId",), ("idempotencyKey",)},
    ),
    "purchaseReprice": (owner, {"purchaseId": BAD_ID, "grossCents": 1}, {("purchaseId",)}),
    "paymentCancel": (owner, {"paymentId": BAD_ID}, {("paymentId",)}),
    "purchaseConfirmBilling": (
        owner,
        {"purchaseId": BAD_ID, "billingAddress": ADDRESS, "orderNumber": LONG},
        {("purchaseId",), ("orderNumber",)} | {("billingAddress", *path) for path in ADDRESS_PATHS},
    ),
    "purchasePay": (
        owner,
        {"purchaseId": BAD_ID, "paymentMethod": "", "idempotencyKey": "", "returnUrl": "x"},
        {("purchaseId",), ("paymentMethod",), ("idempotencyKey",), ("returnUrl",)},
    ),
    "paymentConfirm": (
        owner,
        {"paymentId": BAD_ID, "returnUrl": "x"},
        {("paymentId",), ("returnUrl",)},
    ),
    "paymentMethodAdd": (
        owner_viewer,
        {"token": "", "returnUrl": "x", "idempotencyKey": ""},
        {("token",), ("returnUrl",), ("idempotencyKey",)},
    ),
    "paymentMethodReplace": (
        owner_viewer,
        {"paymentMethodId": BAD_ID, "token": "", "returnUrl": "x", "idempotencyKey": ""},
        {("paymentMethodId",), ("token",), ("returnUrl",), ("idempotencyKey",)},
    ),
    "invoiceRecipientAdd": (
        owner,
        {"email": "x", "idempotencyKey": ""},
        {("email",), ("idempotencyKey",)},
    ),
    "serviceAccountCreate": (
        owner,
        {"name": " ", "description": " ", "idempotencyKey": ""},
        {("name",), ("description",), ("idempotencyKey",)},
    ),
    "serviceAccountUpdate": (
        owner,
        {"serviceAccountId": BAD_ID, "name": " ", "description": " "},
        {("serviceAccountId",), ("name",), ("description",)},
    ),
    "apiKeyCreate": (
        owner,
        {
            "serviceAccountId": BAD_ID,
            "name": " ",
            "scopes": [],
            "expiresInDays": 366,
            "idempotencyKey": "",
        },
        {("serviceAccountId",), ("name",), ("scopes",), ("expiresInDays",), ("idempotencyKey",)},
    ),
    "webhookEndpointCreate": (
        owner,
        {"url": "http://x", "kinds": [], "description": " ", "idempotencyKey": ""},
        {("url",), ("kinds",), ("description",), ("idempotencyKey",)},
    ),
    "webhookEndpointUpdate": (
        owner,
        {"webhookEndpointId": BAD_ID, "url": "x", "kinds": [], "description": " "},
        {("webhookEndpointId",), ("url",), ("kinds",), ("description",)},
    ),
    "webhookEndpointRotateSecret": (
        owner,
        {"webhookEndpointId": BAD_ID, "idempotencyKey": ""},
        {("webhookEndpointId",), ("idempotencyKey",)},
    ),
    "webhookEndpointTest": (
        owner,
        {"webhookEndpointId": BAD_ID, "idempotencyKey": ""},
        {("webhookEndpointId",), ("idempotencyKey",)},
    ),
    "calendarCreate": (
        operator_viewer,
        {
            "name": " ",
            "timeZone": "Europe/Nowhere",
            "weeklyHours": [
                {"weekday": "MONDAY", "opens": "9", "closes": "24:01"},
                {"weekday": "MONDAY", "opens": "18:00", "closes": "18:00"},
            ],
            "idempotencyKey": "",
        },
        {
            ("name",),
            ("timeZone",),
            ("weeklyHours", "0", "opens"),
            ("weeklyHours", "0", "closes"),
            ("weeklyHours", "1", "closes"),
            ("idempotencyKey",),
        },
    ),
    "calendarUpdate": (
        operator_viewer,
        {
            "calendarId": BAD_ID,
            "name": LONG,
            "timeZone": "",
            "weeklyHours": [
                {"weekday": "SUNDAY", "opens": "08:00", "closes": "12:00"},
                {"weekday": "SUNDAY", "opens": "11:59", "closes": "14:00"},
            ],
        },
        {("calendarId",), ("name",), ("timeZone",), ("weeklyHours",)},
    ),
    "closureAdd": (
        operator_viewer,
        {
            "calendarId": BAD_ID,
            "startsAt": "2026-12-24T12:00:00Z",
            "endsAt": "2026-12-24T12:00:00Z",
            "reason": "",
            "idempotencyKey": "",
        },
        {("calendarId",), ("endsAt",), ("reason",), ("idempotencyKey",)},
    ),
    "slaPolicySet": (
        operator_viewer,
        {
            "channel": "EMAIL",
            "firstResponseMinutes": 0,
            "nextResponseMinutes": 525_601,
            "resolutionMinutes": -1,
            "calendarId": BAD_ID,
            "promisedHours": 1_001,
            "promisedHoursFrom": 1_002,
        },
        {
            ("firstResponseMinutes",),
            ("nextResponseMinutes",),
            ("resolutionMinutes",),
            ("calendarId",),
            ("promisedHours",),
            ("promisedHoursFrom",),
        },
    ),
    "ticketOpen": (
        owner,
        {"subject": "", "body": LONG, "channel": "PHONE", "idempotencyKey": ""},
        {("subject",), ("body",), ("channel",), ("idempotencyKey",)},
    ),
    "ticketReply": (
        owner,
        {"ticketId": BAD_ID, "body": LONG, "clientMessageId": "", "fileIds": [BAD_ID]},
        {("ticketId",), ("body",), ("clientMessageId",), ("fileIds", "0")},
    ),
    "ticketMove": (
        agent_viewer,
        {"ticketId": BAD_ID, "status": "SOLVED", "reason": LONG},
        {("ticketId",), ("reason",)},
    ),
    "ticketTransfer": (
        agent_viewer,
        {"ticketId": BAD_ID, "userId": "x", "teamId": BAD_ID},
        {("ticketId",), ("userId",), ("teamId",)},
    ),
    "noteAdd": (
        agent_viewer,
        {"ticketId": BAD_ID, "body": " ", "mentionedUserIds": ["x"], "idempotencyKey": ""},
        {("ticketId",), ("body",), ("mentionedUserIds", "0"), ("idempotencyKey",)},
    ),
    "articleCreate": (
        supervisor,
        {
            "slug": "É",
            "kind": "FAQ",
            "category": "ACCOUNT",
            "fr": {"title": " ", "summary": LONG, "body": " "},
            "en": {"title": LONG, "summary": " ", "body": " "},
            "idempotencyKey": "",
        },
        {
            ("slug",),
            ("fr", "title"),
            ("fr", "summary"),
            ("fr", "body"),
            ("en", "title"),
            ("en", "summary"),
            ("en", "body"),
            ("idempotencyKey",),
        },
    ),
    "articleUpdate": (
        supervisor,
        {
            "articleId": BAD_ID,
            "version": 1,
            "fr": {"title": " ", "summary": "s", "body": "b"},
            "en": {"title": "t", "summary": " ", "body": "b"},
            "position": -1,
            "videoUrl": "x",
            "videoFileId": "x",
        },
        {
            ("articleId",),
            ("fr", "title"),
            ("en", "summary"),
            ("position",),
            ("videoUrl",),
            ("videoFileId",),
        },
    ),
    "articlePublish": (
        supervisor,
        {"articleId": BAD_ID, "at": "2020-01-01T00:00:00Z"},
        {("articleId",), ("at",)},
    ),
    "articleGiveFeedback": (
        anonymous,
        {
            "articleId": BAD_ID,
            "isUseful": True,
            "reason": "WRONG",
            "comment": LONG,
            "visitorId": "",
        },
        {("articleId",), ("reason",), ("comment",), ("visitorId",)},
    ),
    "webinarSchedule": (
        supervisor,
        {
            "articleId": BAD_ID,
            "startsAt": "2020-01-01T00:00:00Z",
            "durationSeconds": 0,
            "capacity": 0,
            "joinUrl": LONG,
        },
        {("articleId",), ("startsAt",), ("durationSeconds",), ("capacity",), ("joinUrl",)},
    ),
    "callLog": (
        agent_viewer,
        {
            "target": {"accountId": BAD_ID, "requesterId": "x", "subject": LONG},
            "direction": "INBOUND",
            "outcome": "ANSWERED",
            "startedAt": "2020-01-01T00:00:00Z",
            "durationSeconds": 86_401,
            "number": "x",
            "notes": LONG,
            "idempotencyKey": "",
        },
        {
            ("target", "accountId"),
            ("target", "requesterId"),
            ("target", "subject"),
            ("durationSeconds",),
            ("number",),
            ("notes",),
            ("idempotencyKey",),
        },
    ),
    "callLink": (
        agent_viewer,
        {"callId": BAD_ID, "target": {"ticketId": BAD_ID}},
        {("callId",), ("target", "ticketId")},
    ),
    "phoneNumberAdd": (
        owner,
        {"number": "x", "accountId": BAD_ID},
        {("number",), ("accountId",)},
    ),
    "ticketExport": (
        owner,
        {"ticketId": BAD_ID, "format": "PDF", "includeNotes": True},
        {("ticketId",), ("includeNotes",)},
    ),
    "ticketSendTranscript": (
        owner,
        {"ticketId": BAD_ID, "idempotencyKey": ""},
        {("ticketId",), ("idempotencyKey",)},
    ),
    "messageEdit": (owner, {"messageId": BAD_ID, "body": LONG}, {("messageId",), ("body",)}),
    "cannedReplyCreate": (
        agent_viewer,
        {
            "shortcut": "é è",
            "name": LONG,
            "bodyFr": "{customer.nom} {x.y}",
            "bodyEn": LONG,
            "teamId": BAD_ID,
            "idempotencyKey": "",
        },
        {("shortcut",), ("name",), ("bodyFr",), ("bodyEn",), ("teamId",), ("idempotencyKey",)},
    ),
    "cannedReplyUpdate": (
        agent_viewer,
        {"cannedReplyId": BAD_ID, "shortcut": "", "name": " "},
        {("cannedReplyId",), ("shortcut",), ("name",), ("bodyFr",)},
    ),
    "draftSave": (
        agent_viewer,
        {"ticketId": BAD_ID, "body": LONG, "version": 1},
        {("ticketId",), ("body",)},
    ),
    "teamSetCalendar": (
        operator_viewer,
        {"teamId": BAD_ID, "calendarId": BAD_ID},
        {("teamId",), ("calendarId",)},
    ),
    "scheduledReplyCreate": (
        agent_viewer,
        {
            "ticketId": BAD_ID,
            "body": LONG,
            "fileIds": ["x"],
            "sendAt": "2020-01-01T00:00:00Z",
            "atNextOpening": True,
            "idempotencyKey": "",
        },
        {
            ("ticketId",),
            ("body",),
            ("fileIds", "0"),
            ("sendAt",),
            ("atNextOpening",),
            ("idempotencyKey",),
        },
    ),
    "scheduledReplyUpdate": (
        agent_viewer,
        {
            "scheduledReplyId": BAD_ID,
            "body": LONG,
            "fileIds": ["x"],
            "sendAt": "2020-01-01T00:00:00Z",
            "atNextOpening": True,
        },
        {("scheduledReplyId",), ("body",), ("fileIds", "0"), ("sendAt",), ("atNextOpening",)},
    ),
    "ticketMerge": (
        agent_viewer,
        {"ticketId": BAD_ID, "intoTicketId": BAD_ID},
        {("ticketId",), ("intoTicketId",)},
    ),
    "automationCreate": (
        operator_viewer,
        {"name": "", "definition": BAD_DEFINITION, "idempotencyKey": ""},
        {("name",), ("idempotencyKey",), *BAD_DEFINITION_FIELDS},
    ),
    "automationUpdate": (
        operator_viewer,
        {"automationId": BAD_ID, "name": LONG, "definition": BAD_DEFINITION},
        {("automationId",), ("name",), *BAD_DEFINITION_FIELDS},
    ),
    "automationMove": (
        operator_viewer,
        {"automationId": BAD_ID, "position": 0},
        {("automationId",), ("position",)},
    ),
    "macroCreate": (
        agent_viewer,
        {
            "name": "",
            "actions": BAD_ACTIONS,
            "teamId": BAD_ID,
            "fileIds": ["x"],
            "idempotencyKey": "",
        },
        {
            ("name",),
            ("teamId",),
            ("fileIds", "0"),
            ("idempotencyKey",),
            *BAD_ACTION_FIELDS,
        },
    ),
    "macroUpdate": (
        agent_viewer,
        {"macroId": BAD_ID, "name": LONG, "actions": {}, "fileIds": ["x"]},
        {("macroId",), ("name",), ("actions",), ("fileIds", "0")},
    ),
    "macroApply": (
        agent_viewer,
        {"macroId": BAD_ID, "ticketId": BAD_ID, "idempotencyKey": ""},
        {("macroId",), ("ticketId",), ("idempotencyKey",)},
    ),
    "pushDeviceSubscribe": (
        owner,
        {"endpoint": "http://x", "p256dh": "x", "auth": "x", "kinds": ["MENTION"]},
        {("endpoint",), ("p256dh",), ("auth",), ("kinds", "0")},
    ),
    "pushDeviceUpdate": (
        owner,
        {"pushDeviceId": BAD_ID, "kinds": ["TICKET_REPLY", "MENTION"]},
        {("pushDeviceId",), ("kinds", "1")},
    ),
    "savedQueryCreate": (
        nadia,
        {"name": "", "query": BAD_QUERY, "idempotencyKey": ""},
        {("name",), *BAD_QUERY_FIELDS, ("idempotencyKey",)},
    ),
    "savedQueryUpdate": (
        nadia,
        {"savedQueryId": BAD_ID, "name": LONG, "query": BAD_QUERY},
        {("savedQueryId",), ("name",), *BAD_QUERY_FIELDS},
    ),
    "queryScheduleCreate": (
        nadia,
        {
            "savedQueryId": BAD_ID,
            "frequency": "WEEKLY",
            "hour": 24,
            "dayOfMonth": 0,
            "recipientEmail": "",
            "idempotencyKey": "",
        },
        {
            ("savedQueryId",),
            ("hour",),
            ("dayOfMonth",),
            ("weekday",),
            ("recipientEmail",),
            ("idempotencyKey",),
        },
    ),
    "queryScheduleUpdate": (
        nadia,
        {"queryScheduleId": BAD_ID, "hour": 24, "dayOfMonth": 0},
        {("queryScheduleId",), ("hour",), ("dayOfMonth",)},
    ),
    "savedFilterCreate": (
        agent_viewer,
        {
            "name": "",
            "conditions": {"tags": ["a", " "], "teamIds": ["x"], "assigneeIds": ["x"]},
            "idempotencyKey": "",
        },
        {
            ("name",),
            ("conditions", "tags", "1"),
            ("conditions", "teamIds", "0"),
            ("conditions", "assigneeIds", "0"),
            ("idempotencyKey",),
        },
    ),
    "savedFilterUpdate": (
        agent_viewer,
        {"savedFilterId": BAD_ID, "name": LONG, "conditions": {"tags": [""]}},
        {("savedFilterId",), ("name",), ("conditions", "tags", "0")},
    ),
    "ticketSplit": (
        agent_viewer,
        {
            "ticketId": BAD_ID,
            "messageIds": [],
            "subject": "",
            "category": "BUG",
            "idempotencyKey": "",
        },
        {("ticketId",), ("messageIds",), ("subject",), ("idempotencyKey",)},
    ),
    "ticketRate": (
        owner,
        {"ticketId": BAD_ID, "score": 6, "comment": LONG},
        {("ticketId",), ("score",), ("comment",)},
    ),
    "ticketSnooze": (
        agent_viewer,
        {"ticketId": BAD_ID, "until": "2020-01-01T00:00:00Z"},
        {("ticketId",), ("until",)},
    ),
    "ticketUpdate": (
        agent_viewer,
        {"ticketId": BAD_ID, "addTags": ["", LONG], "removeTags": ["a", " "]},
        {("ticketId",), ("addTags", "0"), ("addTags", "1"), ("removeTags", "1")},
    ),
    "teamCreate": (
        operator_viewer,
        {"name": "", "memberIds": ["x", BAD_ID], "idempotencyKey": ""},
        {("name",), ("memberIds", "0"), ("memberIds", "1"), ("idempotencyKey",)},
    ),
    "teamUpdate": (
        operator_viewer,
        {"teamId": BAD_ID, "name": LONG, "memberIds": ["x"]},
        {("teamId",), ("name",), ("memberIds", "0")},
    ),
    "agentUpdate": (
        operator_viewer,
        {"userId": BAD_ID, "chatCapacity": 21},
        {("userId",), ("chatCapacity",)},
    ),
    "ticketClose": (
        owner,
        {"ticketId": BAD_ID, "reason": LONG},
        {("ticketId",), ("reason",)},
    ),
    "ticketResolveEscalation": (
        supervisor,
        {"ticketId": BAD_ID, "outcome": LONG},
        {("ticketId",), ("outcome",)},
    ),
    "ticketEscalate": (
        owner,
        {"ticketId": BAD_ID, "details": " ", "stepsTried": LONG, "idempotencyKey": ""},
        {("ticketId",), ("details",), ("stepsTried",), ("idempotencyKey",)},
    ),
    "breachReport": (
        anonymous,
        {
            "description": " ",
            "noticedAt": "2999-01-01T00:00:00Z",
            "name": LONG,
            "email": "nobody",
            "idempotencyKey": "",
        },
        {("description",), ("noticedAt",), ("name",), ("email",), ("idempotencyKey",)},
    ),
    "dataRequestMake": (
        owner,
        {"kind": "ACCESS", "details": " ", "idempotencyKey": ""},
        {("details",), ("idempotencyKey",)},
    ),
    "dataRequestRecord": (
        operator_viewer,
        {
            "userId": BAD_ID,
            "kind": "ACCESS",
            "details": LONG,
            "receivedAt": "2999-01-01T00:00:00Z",
            "idempotencyKey": "",
        },
        {("userId",), ("details",), ("receivedAt",), ("idempotencyKey",)},
    ),
    "dataRequestExtend": (
        operator_viewer,
        {"dataRequestId": BAD_ID, "reason": " "},
        {("dataRequestId",), ("reason",)},
    ),
    "dataRequestCarryOut": (
        operator_viewer,
        {"dataRequestId": BAD_ID, "answer": LONG},
        {("dataRequestId",), ("answer",)},
    ),
    "restrictionLift": (
        operator_viewer,
        {"dataRequestId": BAD_ID, "reason": " "},
        {("dataRequestId",), ("reason",)},
    ),
    "dataRequestDecide": (
        operator_viewer,
        {"dataRequestId": BAD_ID, "decision": "REFUSED", "answer": LONG},
        {("dataRequestId",), ("answer",)},
    ),
    "buyerErasureStart": (
        operator_viewer,
        {"digest": "0", "reason": " ", "idempotencyKey": ""},
        {("reason",), ("idempotencyKey",)},
    ),
    "mailingSend": (
        operator_viewer,
        {
            "purpose": "OFFERS",
            "subjectFr": " ",
            "subjectEn": LONG,
            "bodyFr": "",
            "bodyEn": LONG,
            "idempotencyKey": "",
        },
        {("subjectFr",), ("subjectEn",), ("bodyFr",), ("bodyEn",), ("idempotencyKey",)},
    ),
    "incidentUpdate": (
        operator_viewer,
        {
            "incidentId": BAD_ID,
            "awareAt": "2999-01-01T00:00:00Z",
            "dataCategories": " ",
            "peopleCount": -1,
            "recordCount": -1,
            "consequences": LONG,
            "measures": "",
        },
        {
            ("incidentId",),
            ("awareAt",),
            ("dataCategories",),
            ("peopleCount",),
            ("recordCount",),
            ("consequences",),
            ("measures",),
        },
    ),
    "incidentMove": (
        operator_viewer,
        {"incidentId": BAD_ID, "status": "CLOSED", "reason": " "},
        {("incidentId",), ("reason",)},
    ),
    "incidentNote": (
        operator_viewer,
        {"incidentId": BAD_ID, "text": LONG, "idempotencyKey": ""},
        {("incidentId",), ("text",), ("idempotencyKey",)},
    ),
    "incidentDecide": (
        operator_viewer,
        {"incidentId": BAD_ID, "audience": "PEOPLE", "required": True, "reason": ""},
        {("incidentId",), ("reason",)},
    ),
    "incidentRecordNotification": (
        operator_viewer,
        {
            "incidentId": BAD_ID,
            "audience": "AUTHORITY",
            "notifiedAt": "2999-01-01T00:00:00Z",
            "reference": LONG,
            "delayReason": LONG,
        },
        {("incidentId",), ("notifiedAt",), ("reference",), ("delayReason",)},
    ),
    "incidentNoticeDraft": (
        operator_viewer,
        {"incidentId": BAD_ID, "audience": "PEOPLE", "stage": "INITIAL", "idempotencyKey": ""},
        {("incidentId",), ("stage",), ("idempotencyKey",)},
    ),
    "incidentAuthorityNoticeEdit": (
        operator_viewer,
        {
            "noticeId": BAD_ID,
            "version": 1,
            **NOTICE_TEXTS,
            "startedAt": "2999-01-01T00:00:00Z",
            "endedAt": "2999-01-01T00:00:00Z",
            "discoveredAt": "2999-01-01T00:00:00Z",
            "peopleCount": -1,
            "recordCount": -1,
        },
        {
            ("noticeId",),
            *((name,) for name in NOTICE_TEXTS),
            ("startedAt",),
            ("endedAt",),
            ("discoveredAt",),
            ("peopleCount",),
            ("recordCount",),
        },
    ),
    "incidentPeopleNoticeEdit": (
        operator_viewer,
        {
            "noticeId": BAD_ID,
            "version": 1,
            "subjectFr": " ",
            "bodyFr": LONG,
            "subjectEn": LONG,
            "bodyEn": "",
        },
        {("noticeId",), ("subjectFr",), ("bodyFr",), ("subjectEn",), ("bodyEn",)},
    ),
    "incidentNoticeExport": (
        operator_viewer,
        {"noticeId": BAD_ID, "version": 1, "format": "PDF"},
        {("noticeId",)},
    ),
    "incidentNoticeRecordSent": (
        operator_viewer,
        {"noticeId": BAD_ID, "sentAt": "2999-01-01T00:00:00Z", "reference": LONG},
        {("noticeId",), ("sentAt",), ("reference",)},
    ),
    "incidentNoticeRequestSending": (
        operator_viewer,
        {
            "noticeId": BAD_ID,
            "version": 1,
            "everybody": True,
            "accountIds": [BAD_ID],
            "userIds": [BAD_ID],
        },
        {("noticeId",), ("everybody",), ("accountIds", "0"), ("userIds", "0")},
    ),
    "incidentNoticeConfirmSending": (
        operator_viewer,
        {"noticeId": BAD_ID, "version": 1},
        {("noticeId",)},
    ),
    "fileAnnounce": (
        owner,
        {"name": "", "contentType": "x", "size": 0, "idempotencyKey": ""},
        {("name",), ("contentType",), ("size",), ("idempotencyKey",)},
    ),
}
for _name in ("userEndSessions", "userResetSecondFactor"):
    FAULTY_INPUTS[_name] = (
        operator_viewer,
        {"userId": "x", "reason": "SECURITY", "idempotencyKey": ""},
        {("userId",), ("idempotencyKey",)},
    )
FAULTY_INPUTS["memberResetSecondFactor"] = (
    owner_viewer,
    {"userId": "x", "idempotencyKey": ""},
    {("userId",), ("idempotencyKey",)},
)
FAULTY_INPUTS["emailRequestChange"] = (
    owner_viewer,
    {"email": "x", "idempotencyKey": ""},
    {("email",), ("idempotencyKey",)},
)
for _name in ("emailRequestVerification", "passwordRequestReset", "sessionRequestUnlock"):
    FAULTY_INPUTS[_name] = (
        anonymous,
        {"email": "x", "idempotencyKey": ""},
        {("email",), ("idempotencyKey",)},
    )
SINGLE_ERROR_MUTATIONS = {
    "sessionSignIn": "which of address, password, code and company is wrong must not be told "
    "before the others are right",
    "sessionSignInWithPasskey": "the company is looked at once it is known who signs in",
    "sessionStepUp": "the second factor is asked for after the password only",
}


@pytest.fixture
def scenario(
    dataset: Dataset, services: Services, engine: Engine, price: Price, action: Action
) -> Scenario:
    return Scenario(dataset, services, engine, price, action)


def _checkable_fields(name: str) -> list[str]:
    """The input fields that can have an invalid value: those whose type doesn't already exclude
    every one.
    """
    arguments = MUTATIONS[name].args
    return _text_fields(get_named_type(arguments["input"].type)) if arguments else []


def _text_fields(kind: GraphQLNamedType) -> list[str]:
    names: list[str] = []
    for field, each in cast("GraphQLInputObjectType", kind).fields.items():
        type_ = get_named_type(each.type)
        if isinstance(type_, GraphQLInputObjectType):
            names += _text_fields(type_)
        elif type_.name in ("String", "ID", "Int"):
            names.append(field)
    return names


def _is_number(name: str, path: list[str]) -> bool:
    """Whether the field of an input at this path is a number."""
    type_ = get_named_type(MUTATIONS[name].args["input"].type)
    for part in path[1:]:
        if isinstance(type_, GraphQLInputObjectType) and part in type_.fields:
            type_ = get_named_type(type_.fields[part].type)
    return type_.name in ("Int", "BigInt")


def test_every_mutation_with_several_fields_is_in_the_table() -> None:
    mutations = {name for name in MUTATIONS if len(_checkable_fields(name)) > 1}
    assert mutations - FAULTY_INPUTS.keys() - SINGLE_ERROR_MUTATIONS.keys() == set()


PASSWORD_MUTATIONS = {"passwordChange", "totpSetUp"}


def _mutations_by_viewer() -> dict[str, list[str]]:
    """The mutations that the same viewer sends in one test. A wrong password slows down the next
    one.
    """
    groups: dict[str, list[str]] = {}
    for name, (create_viewer, _, _) in FAULTY_INPUTS.items():
        group = name if name in PASSWORD_MUTATIONS else create_viewer.__name__
        groups.setdefault(group, []).append(name)
    return groups


MUTATIONS_BY_VIEWER = _mutations_by_viewer()


@pytest.mark.parametrize("group", MUTATIONS_BY_VIEWER)
async def test_all_errors_are_reported_together(scenario: Scenario, group: str) -> None:
    names = MUTATIONS_BY_VIEWER[group]
    viewer = await FAULTY_INPUTS[names[0]][0](scenario)
    counts = [await model.all().count() for model in (Email, Message, Ticket, AuditEntry)]
    errors = {name: await _errors(scenario, viewer, name) for name in names}
    assert {name: sorted(tuple(each["field"]) for each in errors[name]) for name in names} == {
        name: sorted(("input", *path) for path in FAULTY_INPUTS[name][2]) for name in names
    }
    assert all(error["message"] for name in names for error in errors[name])
    unlimited = [
        (name, error["field"])
        for name in names
        for error in errors[name]
        if error["code"] == "VALUE_INVALID"
        and _is_number(name, error["field"])
        and not any(map(str.isdigit, error["message"]))
    ]
    assert unlimited == []  # an error of a number names what is allowed
    new_counts = [await model.all().count() for model in (Email, Message, Ticket, AuditEntry)]
    # A wrong password is recorded in the audit log.
    assert new_counts == [*counts[:3], counts[3] + (group in PASSWORD_MUTATIONS)]


async def _errors(scenario: Scenario, viewer: Viewer, name: str) -> list[dict[str, Any]]:
    kind = MUTATIONS[name].args["input"].type
    query = (
        f"mutation($i: {kind}) {{ {name}(input: $i) {{ userErrors {{ field code message }} }} }}"
    )
    variables = {"i": FAULTY_INPUTS[name][1]}
    operation = scenario.engine.prepare(Params(query, variables=variables))
    response = await scenario.engine.execute(operation, Context(viewer, scenario.services, PEER))
    assert "errors" not in response, (name, response)
    return list(response["data"][name]["userErrors"])


async def test_an_input_error_does_not_use_up_a_recovery_code_or_a_challenge(
    scenario: Scenario,
) -> None:
    user = (await member_with_totp(scenario)).user_id
    await PasswordReset.create(
        user_id=user, token_hash=token_hash("t"), expires_at=scenario.action.at + RESET_LIFETIME
    )
    input_value = {"token": "t", "password": "short"}
    query = (
        "mutation($i: PasswordResetInput!) { passwordReset(input: $i) { userErrors { field code } "
        "} }"
    )
    operation = scenario.engine.prepare(Params(query, variables={"i": input_value}))
    response = await scenario.engine.execute(operation, Context(Viewer(), scenario.services, PEER))
    assert response["data"]["passwordReset"]["userErrors"] == [
        {"field": ["input", "password"], "code": "PASSWORD_WEAK"},
        {"field": ["input", "code"], "code": "SECOND_FACTOR_REQUIRED"},
    ]
    assert await PasswordReset.all().count() == 1
    viewer = await owner_viewer(scenario)
    assert viewer.user
    expires_at = scenario.action.at + timedelta(minutes=5)
    await WebauthnChallenge.create(
        challenge_hash="c", registers_id=viewer.user.pk, expires_at=expires_at
    )
    await scenario.mutate(viewer, "passkeyRegister", passkey="{}", name=" ")
    assert await WebauthnChallenge.all().count() == 1
