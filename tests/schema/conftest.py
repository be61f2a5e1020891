"""Two companies with every kind of data, staff, and a fixture that executes GraphQL documents for
any viewer.
"""

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

import billing
from billing import checkout
from billing.document_requests import make_document
from billing.gateways.sandbox import Sandbox
from billing.seller import seller
from engine import Engine, Params, RequestError, encode_json
from models.accounts.account import Account, Membership, Role
from models.accounts.invitation import Invitation
from models.accounts.legal_name import LegalNameChange, LegalNameStatus, RegistryVerdict
from models.accounts.service_account import ApiKey, ServiceAccount
from models.action import Action
from models.analytics.query_schedule import QueryFrequency, QuerySchedule
from models.analytics.saved_query import SavedQuery
from models.audit import AuditEntry
from models.billing.bank import BankLine, BankLineStatus, BankStatement, StatementFormat
from models.billing.delivery import CollectionReport, InvoiceDelivery, PlatformStatus
from models.billing.dispute import Dispute, DisputeReason, DisputeStatus
from models.billing.invoice import Invoice, InvoiceDocument, InvoiceLine
from models.billing.invoice_recipient import InvoiceRecipient
from models.billing.ledger import LedgerEntry
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.payment import Payment
from models.billing.payment_method import PaymentMethod, PaymentMethodStatus
from models.billing.platform_status import PlatformStatusCode
from models.billing.promotion import Promotion, PromotionRedemption
from models.billing.provider_event import ProviderEvent
from models.billing.purchase import Purchase
from models.billing.purchase_change import PurchaseChange, PurchaseChangeKind
from models.billing.receivable import Allocation
from models.billing.refund import Refund, RefundStatus
from models.content.article import Article, ArticleCategory, ArticleKind
from models.content.article_feedback import ArticleFeedback
from models.content.article_version import ArticleVersion
from models.content.policy import (
    AcceptanceChannel,
    Policy,
    PolicyAcceptance,
    PolicyKind,
    content_sha256,
)
from models.content.webinar import WebinarSignUp
from models.database.connection import connect, disconnect, sqlite_path
from models.event import account_stream
from models.identity.authenticator import Authenticator, AuthenticatorKind
from models.identity.user import Staff, User, person_search_text
from models.locale import Locale
from models.operations.email import Email
from models.operations.webhook import WebhookDelivery, WebhookEndpoint
from models.privacy.buyer_erasure import BuyerErasure
from models.privacy.consent import ConsentChange, ConsentChannel, ConsentPurpose
from models.privacy.data_request import DataRequest, DataRequestKind
from models.privacy.erasure import Erasure
from models.privacy.incident import Incident
from models.privacy.incident_notice import (
    IncidentNotice,
    IncidentNoticeVersion,
    PeopleContent,
)
from models.privacy.mailing import Mailing
from models.support.automation import (
    Automation,
    AutomationEvent,
    AutomationRun,
    AutomationVersion,
    ConditionMatch,
)
from models.support.calendar import Calendar, Closure
from models.support.call import Call, CallDirection, CallOutcome
from models.support.canned_reply import CannedReply
from models.support.classification import Category, Channel, Priority
from models.support.draft import Draft
from models.support.escalation import Escalation
from models.support.file import File
from models.support.incoming_email import (
    IncomingEmail,
    IncomingEmailReason,
    IncomingEmailSource,
    IncomingEmailStatus,
)
from models.support.macro import Macro, MacroUse, macro_scope
from models.support.message import Message, MessageVersion
from models.support.note import Note
from models.support.opening_hours import HolidayCalendar
from models.support.phone_number import PhoneNumber
from models.support.push_device import PushDevice
from models.support.rating import TicketRating
from models.support.saved_filter import SavedFilter
from models.support.scheduled_reply import ScheduledReply
from models.support.sla_policy import SlaPolicy
from models.support.status_board import StatusBoard
from models.support.tag import TicketTag
from models.support.team import Team
from models.support.ticket import Ticket
from models.viewer import Viewer
from operations.analytics.options import AnalyticsOptions
from realtime.hub import Hub
from realtime.presence import Presence
from resolvers.context import Context, Services
from resolvers.ids import encode
from schema.errors import format_error
from schema.fields import batch_of, cost_of
from schema.key_access import authorize
from schema.root import schema
from tests.conftest import MovableClock, RecordingBus, new_clock
from tests.people import (
    OTHER_SIREN,
    SIREN,
    add_member,
    create_account,
    create_staff,
    create_staff_viewer,
    create_user,
    create_viewer,
)
from tests.quick_auth import quick_auth

URL = "https://camcha.example"
Execute = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(scope="session")
def engine() -> Engine:
    """One engine for all tests, because it caches the documents that they repeat."""
    return new_engine()


def new_engine() -> Engine:
    return Engine(
        schema._schema,
        format_error=format_error,
        cost_of=cost_of,
        batch_of=batch_of,
        authorize=authorize,
    )


@pytest.fixture
def services(clock: MovableClock) -> Iterator[Services]:
    services = create_services(clock)
    yield services
    services.auth.passwords.close()


def create_services(clock: MovableClock) -> Services:
    hub = Hub()
    terms = seller(Path(billing.__file__).with_name("seller.toml"))
    return Services(
        clock,
        hub,
        Presence(hub, clock),
        quick_auth(clock),
        Sandbox(URL, clock),
        terms,
        URL,
        analytics=AnalyticsOptions(min_companies=1),  # there are only two
    )


@pytest.fixture
def execute(engine: Engine, services: Services) -> Execute:
    """Executes a document for a viewer and returns the whole response."""

    async def execute_document(viewer: Viewer, query: str, /, **variables: Any) -> dict[str, Any]:
        operation = engine.prepare(Params(query=query, variables=variables), cost_limit=10**9)
        try:
            return decode_answer(await engine.execute(operation, Context(viewer, services)))
        except RequestError as error:  # of an API key
            return {"data": None, "errors": error.errors}

    return execute_document


def decode_answer(answer: dict[str, Any]) -> dict[str, Any]:
    """A response as its client reads it."""
    decoded_answer: dict[str, Any] = orjson.loads(encode_json(answer))
    return decoded_answer


@dataclass
class Company:
    """One customer's rows. Every text in them begins with the company's mark."""

    mark: str
    account: Account
    owner: Viewer
    member: Viewer
    document_hash: str = ""
    rows: list[Any] = field(default_factory=list)
    # About the company or its members, but hidden from the owner.
    restricted_rows: list[Any] = field(default_factory=list)

    @property
    def accepted_at(self) -> datetime:
        """When the members accepted the terms. No other row has this time."""
        return datetime(2026, 10, 1, 3, 7, len(self.mark), 123, tzinfo=UTC)

    @property
    def ids(self) -> list[str]:
        """The global ids of all its rows."""
        return [encode(type(row).__name__, row.pk) for row in [*self.rows, *self.restricted_rows]]

    def id(self, model: type[Any]) -> str:
        return next(encode(type(row).__name__, row.pk) for row in self.rows if type(row) is model)

    def row(self, model: type[Any]) -> Any:
        return next(row for row in self.rows if type(row) is model)


@dataclass
class Dataset:
    """Paul's and Marie's companies, the agent Alice and the analyst Nadia."""

    paul: Company
    marie: Company
    alice: Viewer
    alice_without_factor: Viewer
    nadia: Viewer


async def company(
    action: Action, services: Services, price: Price, mark: str, siren: str
) -> Company:
    """Creates a company with a purchase, a payment, an invoice, a ticket and a file."""
    account = await create_account(
        action,
        f"{mark} legal",
        siren,
        trade_name=f"{mark} trade",
        street="1 rue X",
        postal_code="75001",
        city="Paris",
    )
    viewers = {}
    for role in (Role.OWNER, Role.MEMBER):
        user = await create_user(
            action, f"{mark} {role}", email=f"{mark}-{role}@{mark}.example".lower()
        )
        await add_member(action, account, user, role)
        viewers[role] = await create_viewer(action, user, account)
    company_rows = Company(mark, account, viewers[Role.OWNER], viewers[Role.MEMBER])
    users = [viewer.user for viewer in viewers.values()]
    invitation = await Invitation.create(
        account=account,
        email=f"{mark}-guest@camcha.example",
        role=Role.MEMBER,
        locale=Locale.FR,
        inviter=users[0],
        token_hash=mark,
        created_at=action.at,
        sent_at=action.at,
        expires_at=action.at,
    )
    change = await LegalNameChange.create(
        account=account,
        requester=users[0],
        previous_name=f"{mark} former",
        legal_name=f"{mark} wanted",
        registered_name=f"{mark} registered",
        reason=f"{mark} reason",
        status=LegalNameStatus.REJECTED,
        verdict=RegistryVerdict.OTHER_NAME,
        created_at=action.at,
        updated_at=action.at,
        decided_at=action.at,
    )
    kbis = await File.create(
        key=f"{mark}-kbis-0123456789",
        uploader=users[0],
        account=account,
        name=f"{mark} kbis.pdf",
        legal_name_change=change,
        content_type="application/pdf",
        size=3,
        sha256=f"{mark} kbis sha",
        created_at=action.at,
        uploaded_at=action.at,
        cleared_at=action.at,
    )
    company_rows.rows += [change, kbis]
    await accept_terms(action, company_rows)
    company_rows.rows += [
        account,
        *users,
        invitation,
        *await create_purchase(action, services, price, company_rows),
        *await create_ticket(action, company_rows),
        *await Membership.filter(account=account),
    ]
    return company_rows


async def create_service_account(action: Action, company: Company) -> list[Any]:
    """A service account of a company with a key that was revoked."""
    service_account = await ServiceAccount.create(
        account=company.account,
        creator=company.owner.user,
        name=f"{company.mark} system",
        description=f"{company.mark} system description",
        created_at=action.at,
    )
    api_key = await ApiKey.create(
        service_account=service_account,
        creator=company.owner.user,
        revoker=company.owner.user,
        name=f"{company.mark} key",
        prefix=f"cam_sk_{company.mark}"[:16],
        key_hash=f"{company.mark} hash",
        scopes=["READ_BILLING"],
        created_at=action.at,
        expires_at=action.at + timedelta(days=90),
        last_used_at=action.at,
        revoked_at=action.at,
    )
    return [service_account, api_key]


async def create_private_rows(action: Action, company: Company) -> None:
    """Creates rows that only one user may read, and rows that only operators write."""
    for viewer, rows in ((company.owner, company.rows), (company.member, company.restricted_rows)):
        assert viewer.user and viewer.session  # noqa: PT018 - both are signed in
        authenticator = await Authenticator.create(
            user=viewer.user,
            kind=AuthenticatorKind.TOTP,
            name=f"{company.mark} app",
            created_at=action.at,
            confirmed_at=action.at,
        )
        device = await PushDevice.create(
            user=viewer.user,
            session=viewer.session,
            endpoint=f"https://fcm.googleapis.com/{company.mark}/{viewer.user_id}",
            service="fcm.googleapis.com",
            p256dh=f"{company.mark} key",
            auth=f"{company.mark} auth",
            name=f"{company.mark} phone",
            created_at=action.at,
            stream=account_stream(company.account.pk),
            sequence=0,
            next_attempt_at=action.at,
        )
        consent = await ConsentChange.create(
            user=viewer.user,
            purpose=ConsentPurpose.SURVEYS,
            given=True,
            at=company.accepted_at,
            channel=ConsentChannel.APP,
        )
        request = await DataRequest.create(
            user=viewer.user,
            kind=DataRequestKind.ACCESS,
            details=f"{company.mark} request",
            received_at=company.accepted_at,
            deadline_at=company.accepted_at,
        )
        rows.append(request)
        rows += [viewer.session, authenticator, device, consent]
        rows.append(await PolicyAcceptance.get(user=viewer.user))
    company.restricted_rows.append(
        await BuyerErasure.create(
            operator=company.owner.user,
            reason=f"{company.mark} reason",
            until=date(2015, 12, 31),
            created_at=action.at,
            planned_counts={},
        )
    )
    company.restricted_rows.append(
        await Mailing.create(
            purpose=ConsentPurpose.OFFERS,
            sender=company.owner.user,
            subject_fr=f"{company.mark} subject",
            subject_en=f"{company.mark} subject",
            body_fr=f"{company.mark} body",
            body_en=f"{company.mark} body",
            created_at=action.at,
        )
    )
    company.restricted_rows.append(
        await IncomingEmail.create(
            source=IncomingEmailSource.LMTP,
            size=3,
            fingerprint=company.mark,
            sender=f"{company.mark}@elsewhere.example",
            sender_name=f"{company.mark} sender",
            subject=f"{company.mark} subject",
            text=f"{company.mark} text",
            html=f"<p>{company.mark} text</p>",
            refused_files=[{"name": f"{company.mark}.exe", "reason": "UNSUPPORTED"}],
            user=company.owner.user,
            posted_message=company.row(Message),
            status=IncomingEmailStatus.POSTED,
            reason=IncomingEmailReason.REPLY,
            received_at=action.at,
            processed_at=action.at,
        )
    )
    erasure = await Erasure.create(
        account=company.account,
        ticket=company.row(Ticket),
        scheduler=company.owner.user,
        requested_at=action.at,
        deadline=action.day,
        scheduled_at=action.at,
        due_at=action.at,
        canceled_at=action.at,
    )
    email = await Email.create(
        template="invitation.fr",
        recipient=f"{company.mark}@camcha.example",
        subject=company.mark,
        text=company.mark,
        html=company.mark,
        account=company.account,
        created_at=action.at,
        sent_at=action.at,
    )
    recipient = await InvoiceRecipient.create(
        account=company.account,
        email=f"{company.mark}-accountant@camcha.example",
        locale=Locale.FR,
        adder=company.owner.user,
        created_at=action.at,
        confirmed_at=action.at,
    )
    method = await PaymentMethod.create(
        account=company.account,
        provider="sandbox",
        token=f"{company.mark} token",
        brand=f"{company.mark} brand",
        mandate_reference=f"{company.mark} mandate",
        status=PaymentMethodStatus.ACTIVE,
        created_at=action.at,
    )
    company.rows += [recipient, method]
    endpoint = await WebhookEndpoint.create(
        account=company.account,
        creator=company.owner.user,
        url=f"https://{company.mark}.example.fr/hooks".lower(),
        description=f"{company.mark} endpoint",
        kinds=["MESSAGE_POSTED"],
        secret=f"{company.mark} secret",
        stream=account_stream(company.account.pk),
        sequence=0,
        created_at=action.at,
        failing_since=action.at,
    )
    delivery = await WebhookDelivery.create(
        endpoint=endpoint,
        message_id=f"{company.mark} message",
        type="message.posted",
        subject="test",
        body=f'{{"mark": "{company.mark}"}}',
        created_at=action.at,
        started_at=action.at,
        last_attempt_at=action.at,
        succeeded_at=action.at,
        response_status=200,
        failure="no response in time",
    )
    company.rows += [endpoint, delivery, *await create_service_account(action, company)]
    event = await ProviderEvent.create(
        provider="sandbox",
        event_id=f"{company.mark} event",
        type=f"{company.mark} type",
        subject="OTHER",
        reference=f"{company.mark} reference",
        body=company.mark.encode(),
        received_at=action.at,
    )
    statement, bank_line = await create_bank_line(action, company)
    company.rows.append(
        await Escalation.create(
            ticket=company.row(Ticket),
            escalator=company.owner.user,
            details=f"{company.mark} details",
            steps_tried=f"{company.mark} steps",
            history=[company.row(Ticket).pk],
            at=action.at,
            resolved_at=action.at,
        )
    )
    await StatusBoard.create(
        account=company.account, token=f"{company.mark} board", updated_at=action.at
    )
    company.rows.append(
        await TicketRating.create(
            ticket=company.row(Ticket),
            agent=company.owner.user,
            finished_at=action.at,
            score=3,
            comment=f"{company.mark} comment",
            rater=company.owner.user,
            rated_at=action.at,
            rated_on=action.day,
            updated_at=action.at,
        )
    )
    incident = await Incident.create(
        account=company.account,
        reporter=company.owner.user,
        ticket=company.row(Ticket),
        description=f"{company.mark} breach",
        reported_at=action.at,
        aware_at=action.at,
        deadline_at=action.at,
    )
    notice = await IncidentNotice.create(
        incident=incident,
        audience="PEOPLE",
        number=1,
        created_at=action.at,
        reference=f"{company.mark} reference",
    )
    await IncidentNoticeVersion.create(
        notice=notice,
        number=1,
        at=action.at,
        author=company.owner.user,
        content=PeopleContent(subject_fr=f"{company.mark} subject").to_json(),
    )
    company.restricted_rows += [erasure, email, event, statement, bank_line, incident, notice]
    promotion = await Promotion.create(
        code=f"{company.mark}20", basis_points=2_000, valid_from=action.at, created_at=action.at
    )
    redemption = await PromotionRedemption.create(
        promotion=promotion,
        purchase=company.row(Purchase),
        account=company.account,
        company=f"{company.mark} hash",
        redeemed_at=action.at,
    )
    company.restricted_rows += [promotion, redemption]
    calendar = await Calendar.create(
        name=f"{company.mark} calendar",
        time_zone="Europe/Paris",
        week=[[]] * 7,
        holidays=HolidayCalendar.NONE,
        created_at=action.at,
    )
    closure = await Closure.create(
        calendar=calendar,
        starts_at=action.at,
        ends_at=action.at,
        reason=f"{company.mark} reason",
        created_at=action.at,
    )
    policy = await SlaPolicy.create(
        channel=Channel.PHONE,
        priority=Priority.HIGH if company.mark == "PAULMARK" else Priority.LOW,
        updated_at=action.at,
    )
    company.restricted_rows += [calendar, closure, policy]
    dispute = await Dispute.create(
        account=company.account,
        invoice=company.row(Invoice),
        ticket=company.row(Ticket),
        reason=DisputeReason.PRICE,
        status=DisputeStatus.REJECTED,
        created_at=action.at,
        decided_at=action.at,
    )
    company.rows.append(dispute)
    company.restricted_rows += await create_internal_rows(action, company)
    company.rows += await create_delivery(action, company)
    company.rows += await LedgerEntry.filter(account_id=company.account.pk)
    company.rows += await AuditEntry.filter(account_id=company.account.pk)


async def create_internal_rows(action: Action, company: Company) -> list[Any]:
    """Creates what agents have added to the company's ticket for each other. No customer may read
    it.
    """
    ticket = company.row(Ticket)
    team = await Team.create(name=f"{company.mark} team", created_at=action.at)
    tag = await TicketTag.create(ticket=ticket, tag=f"{company.mark} tag")
    await Ticket.filter(pk=ticket.pk).update(team_id=team.pk, priority=Priority.URGENT)
    note = await Note.create(
        ticket=ticket, author=company.owner.user, body=f"{company.mark} note", at=action.at
    )
    number = "+33142685300" if company.mark == "PAULMARK" else "+33142685399"
    call = await Call.create(
        ticket=ticket,
        note=note,
        direction=CallDirection.INBOUND,
        outcome=CallOutcome.MISSED,
        number=number,
        started_at=action.at,
        duration_seconds=0,
        created_at=action.at,
    )
    article = await Article.first() or await create_webinar(action)
    feedback = await ArticleFeedback.create(
        article=article,
        user=company.owner.user,
        is_useful=False,
        comment=f"{company.mark} comment",
        version=1,
        at=action.at,
    )
    article_version = await ArticleVersion.create(
        article=article,
        number=2 if company.mark == "PAULMARK" else 3,
        texts={
            locale: {"title": f"{company.mark} draft title", "summary": "s", "body": "b"}
            for locale in ("fr", "en")
        },
        created_at=action.at,
    )
    place = await WebinarSignUp.create(
        article=article, user=company.owner.user, is_waiting=False, signed_up_at=action.at
    )
    phone_number = await PhoneNumber.create(
        user=company.owner.user, number=number, created_at=action.at
    )
    draft = await Draft.create(
        ticket=ticket,
        user=company.owner.user,
        body=f"{company.mark} draft",
        is_note=False,
        version=1,
        updated_at=action.at,
    )
    reply = await CannedReply.create(
        scope="all" if company.mark == "PAULMARK" else f"team:{team.pk}",
        team_id=None if company.mark == "PAULMARK" else team.pk,
        shortcut="x",
        name=f"{company.mark} reply",
        body_fr=f"{company.mark} {{company.name}}",
        search_text="x",
        updated_at=action.at,
    )
    version = await MessageVersion.create(
        message=company.row(Message), body=f"{company.mark} version", replaced_at=action.at
    )
    saved_filter = await SavedFilter.create(
        user=company.owner.user,
        name=f"{company.mark} filter",
        conditions={"tags": [f"{company.mark} tag"]},
        updated_at=action.at,
    )
    saved_query = await SavedQuery.create(
        owner=company.owner.user,
        name=f"{company.mark} query",
        query={"fact": f"{company.mark} fact"},
        created_at=action.at,
        updated_at=action.at,
    )
    schedule = await QuerySchedule.create(
        saved_query=saved_query,
        owner=company.owner.user,
        recipient=company.owner.user,
        frequency=QueryFrequency.DAILY,
        hour=8,
        created_at=action.at,
    )
    macro = await Macro.create(
        scope=macro_scope(company.owner.user_id),
        name=f"{company.mark} macro",
        owner=company.owner.user,
        actions={"note": f"{company.mark} note", "team_id": team.pk},
        created_at=action.at,
        updated_at=action.at,
    )
    macro_file = await File.create(
        key=f"{company.mark}-macro-file",
        uploader=await User.get(email="alice@camcha.example"),
        macro=macro,
        name=f"{company.mark} note.pdf",
        content_type="application/pdf",
        size=1,
        created_at=action.at,
        uploaded_at=action.at,
        cleared_at=action.at,
    )
    macro_use = await MacroUse.create(
        macro=macro,
        ticket=ticket,
        user=company.owner.user,
        note=note,
        kinds=["NOTE"],
        at=action.at,
    )
    scheduled_reply = await ScheduledReply.create(
        ticket=ticket,
        author=company.owner.user,
        body=f"{company.mark} scheduled",
        send_at=action.at,
        at_next_opening=False,
        is_holdable=True,
        seen_sequence=0,
        created_at=action.at,
        scheduled_at=action.at,
    )
    automation = await Automation.create(
        name=f"{company.mark} automation",
        unique_name=f"{company.mark} automation".casefold(),
        position=1,
        created_at=action.at,
        updated_at=action.at,
    )
    automation_version = await AutomationVersion.create(
        automation=automation,
        number=1,
        event=AutomationEvent.TICKET_OPENED,
        match=ConditionMatch.ALL,
        conditions={"tags": [f"{company.mark} tag"]},
        actions={"note": f"{company.mark} note"},
        created_at=action.at,
    )
    automation_run = await AutomationRun.create(
        automation=automation,
        version=automation_version,
        ticket=ticket,
        event=AutomationEvent.TICKET_OPENED,
        root="event:1",
        happened_at=action.at,
        at=action.at,
        first_sequence=2,
        last_sequence=1,
        kinds=["NOTE"],
        refusals=[{"kind": "NOTE", "reason": "TEXT_TOO_LONG"}],
        note=note,
    )
    return [
        automation,
        automation_version,
        automation_run,
        macro,
        macro_file,
        macro_use,
        saved_filter,
        saved_query,
        schedule,
        scheduled_reply,
        team,
        tag,
        note,
        draft,
        call,
        phone_number,
        reply,
        version,
        feedback,
        place,
        article_version,
    ]


async def create_webinar(action: Action) -> Article:
    """A published webinar."""
    article = Article(
        slug="webinaire",
        kind=ArticleKind.WEBINAR,
        category=ArticleCategory.BILLING,
        starts_at=action.at + timedelta(days=7),
        published_at=action.at,
    )
    texts: Any = {key: {"title": "t", "summary": "s", "body": "b"} for key in ("fr", "en")}
    article.set_texts(texts, action.at)
    await article.save()
    return article


async def create_delivery(action: Action, company: Company) -> list[Any]:
    """Creates the delivery of the company's invoice, with a status, and a report for the staff."""
    delivery = await InvoiceDelivery.get(account_id=company.account.pk)
    delivery.flow_id, delivery.status = f"{company.mark} flow", PlatformStatusCode.SUSPENDED
    delivery.reason_code, delivery.reason = f"{company.mark} code", f"{company.mark} reason"
    delivery.status_at = action.at
    await delivery.save()
    status = await PlatformStatus.create(
        delivery=delivery,
        flow_id=f"{company.mark} flow",
        status=PlatformStatusCode.SUSPENDED,
        at=action.at,
        reason_code=f"{company.mark} code",
        reason=f"{company.mark} reason",
        stored_at=action.at,
    )
    allocation = await Allocation.filter(account_id=company.account.pk).first()
    report = await CollectionReport.create(
        allocation=allocation,
        delivery=delivery,
        amount_cents=1,
        error=f"{company.mark} error",
        collected_at=action.at,
    )
    company.restricted_rows.append(report)
    return [delivery, status]


async def create_bank_line(action: Action, company: Company) -> list[Any]:
    """An imported statement with a transfer of the company."""
    statement = await BankStatement.create(
        sha256=sha256(f"{company.mark} statement".encode()).hexdigest(),
        name=f"{company.mark} statement.xml",
        format=StatementFormat.CAMT_053,
        created_at=action.at,
        line_count=1,
        new_count=1,
        pending_count=0,
    )
    line = await BankLine.create(
        statement=statement,
        position=1,
        fingerprint=sha256(f"{company.mark} line".encode()).hexdigest(),
        iban="FR7630006000011234567890189",
        booked_on=action.day,
        amount_cents=4_711,
        text=f"{company.mark} text",
        counterparty_name=f"{company.mark} payer",
        status=BankLineStatus.UNMATCHED,
        account=company.account,
        created_at=action.at,
    )
    return [statement, line]


async def accept_terms(action: Action, company: Company) -> None:
    """Records that both members accepted the terms, at a time that differs between the
    companies.
    """
    policy = await Policy.get(kind=PolicyKind.TERMS)
    for viewer in (company.owner, company.member):
        await PolicyAcceptance.create(
            user=viewer.user,
            policy=policy,
            accepted_at=company.accepted_at,
            locale=Locale.FR,
            channel=AcceptanceChannel.SETTINGS,
        )


async def create_purchase(
    action: Action, services: Services, price: Price, company: Company
) -> list[Any]:
    assert company.owner.user is not None
    purchase = await checkout.draft(action, company.account, company.owner.user, price, "k")
    billing_address = {
        "street": f"{company.mark} bills street",
        "postal_code": f"{company.mark[:6]}pc",
        "city": f"{company.mark} bills city",
        "country": "FR",
    }
    purchase = await purchase.confirm_billing(
        action, billing_address, f"{company.mark} bills order"
    )
    checkout_services = services.checkout
    payment = await checkout.pay(action, checkout_services, purchase, "pm_sandbox_success", "k")
    invoice = await Invoice.get(purchase_id=purchase.pk)
    await make_document(action, services.auth.signer, invoice)
    company.document_hash = (await InvoiceDocument.get(invoice_id=invoice.pk)).sha256
    lines = await InvoiceLine.filter(invoice_id=invoice.pk)
    refund = await Refund.create(
        account=company.account,
        payment=payment,
        amount_cents=100,
        status=RefundStatus.FAILED,
        failure_code=f"{company.mark} refund",
        created_at=action.at,
    )
    change = await PurchaseChange.create(
        purchase=purchase,
        kind=PurchaseChangeKind.QUANTITY,
        price=price,
        quantity=7,
        effective_on=action.day,
        created_at=action.at,
        canceled_at=action.at,
    )
    return [
        await Purchase.get(pk=purchase.pk),
        change,
        await Payment.get(pk=payment.pk),
        refund,
        invoice,
        *lines,
    ]


async def create_ticket(action: Action, company: Company) -> list[Any]:
    user = company.owner.user
    assert user is not None
    async with action.transaction() as tx:
        ticket = await Ticket.open(
            tx,
            company.account,
            user,
            subject=f"{company.mark} subject",
            channel=Channel.CHAT,
            category=Category.USAGE,
        )
    file = await File.create(
        key=f"{company.mark}-key-0123456789",
        uploader=user,
        account=company.account,
        name=f"{company.mark} file.pdf",
        content_type="application/pdf",
        size=3,
        sha256=f"{company.mark} sha",
        created_at=action.at,
        uploaded_at=action.at,
        cleared_at=action.at,
    )
    message: Message = await ticket.reply(
        action, user, f"{company.mark} body", f"{company.mark} client id", (file.pk,)
    )
    return [ticket, message, file]


async def outdated_search_texts() -> list[str]:
    """Rows whose search text no longer matches their names, so that a search would miss them."""
    people = [
        each.email
        for each in await User.all()
        if each.search_text != person_search_text(each.name, each.email)
    ]
    return people + [
        each.legal_name
        for each in await Account.all()
        if each.search_text != each.build_search_text()
    ]


@pytest.fixture
async def price(request: pytest.FixtureRequest, db: str, action: Action) -> Price:
    """The price that the companies of `dataset` pay."""
    if "dataset" in request.fixturenames:
        return await Price.get().select_related("offer")
    return await create_price(action)


async def create_price(action: Action) -> Price:
    texts: Any = {
        locale: {
            "name": "Essentiel",
            "description": "Une offre",
            "features": ["a"],
            "advantages": ["b"],
        }
        for locale in ("fr", "en")
    }
    offer = await Offer.create(slug="essentiel", segment=Segment.TPE, position=1, texts=texts)
    return await Price.create(
        offer=offer, interval=Interval.MONTH, net_cents=2900, vat_rate=2000, valid_from=action.at
    )


_pickled_datasets: dict[str, bytes] = {}


@pytest.fixture(scope="session")
def fill_dataset() -> Callable[[str, str], None]:
    """Stores the rows of `dataset` in the database of a kind with this URL. That takes as long as
    most tests, so it is done once, and each test gets a copy.
    """

    async def store(kind: str, url: str) -> None:
        await connect(url)
        services = create_services(new_clock())
        _pickled_datasets[kind] = pickle.dumps(await create_dataset(services))
        services.auth.passwords.close()
        await disconnect()

    return lambda kind, url: asyncio.run(store(kind, url))


@pytest.fixture
async def dataset(db: str) -> Dataset:
    pickled = _pickled_datasets["sqlite" if sqlite_path(db) else "postgres"]
    stored: Dataset = pickle.loads(pickled)  # noqa: S301 - from this process
    return stored


async def create_dataset(services: Services) -> Dataset:
    action = Action(None, services.clock.now(), RecordingBus())
    price = await create_price(action)
    text = "# Conditions\n\nTexte.\n"
    await Policy.create(
        kind=PolicyKind.TERMS,
        version="1.0",
        effective_on=date(2026, 1, 1),
        text_fr=text,
        text_en=text,
        sha256=content_sha256(text, text),
        installed_at=action.at,
    )
    alice = await create_staff(action, "Alice", Staff.AGENT)
    return Dataset(
        await company(action, services, price, "PAULMARK", SIREN),
        await company(action, services, price, "MARIEMARK", OTHER_SIREN),
        await create_viewer(action, alice, second_factor=True),
        await create_viewer(action, alice),
        await create_staff_viewer(action, "Nadia", Staff.ANALYST),
    )
