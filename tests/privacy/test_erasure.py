"""P1.2: after the grace period, only what the law requires remains of a company and its members,
even if the process was killed during the erasure.
"""

import asyncio
import contextvars
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from tortoise import Tortoise

from accounts import lifecycle
from auth import sessions
from mail import emails
from mail.delivery import deliver_due
from mail.message import Sender
from mail.transport import transport_from_url
from models.accounts.account import Account, AccountStatus, Membership, Role
from models.accounts.invitation import Invitation
from models.action import Action, Transaction
from models.audit import AuditEntry
from models.billing.invoice import Invoice
from models.billing.invoice_recipient import InvoiceRecipient
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import Purchase, PurchaseStatus
from models.content.article import Article
from models.content.article_feedback import ArticleFeedback
from models.content.webinar import WebinarSignUp
from models.database import batches
from models.database.sql import execute as execute_sql
from models.idempotency import IdempotencyKey
from models.identity.access_links import EmailChange, PasswordReset, SignInUnlock
from models.identity.authenticator import Authenticator, AuthenticatorKind
from models.identity.session import Session
from models.identity.user import Staff, User
from models.locale import Locale
from models.operations.email import Email
from models.privacy.audit_actions import PrivacyAuditAction
from models.privacy.consent import ConsentChange, ConsentChannel, ConsentPurpose
from models.privacy.data_request import DataRequest, DataRequestKind
from models.privacy.erasure import Erasure
from models.privacy.incident import Incident, IncidentStatus
from models.support.call import Call
from models.support.classification import TicketKind
from models.support.draft import Draft
from models.support.file import File
from models.support.incoming_email import (
    IncomingEmail,
    IncomingEmailSource,
    IncomingEmailStatus,
)
from models.support.message import Message, MessageVersion
from models.support.note import Note
from models.support.phone_number import PhoneNumber
from models.support.rating import TicketRating
from models.support.reaction import Reaction, ReactionKind
from models.support.scheduled_reply import ScheduledReply
from models.support.status_board import BoardEntry, StatusBoard
from models.support.tag import TicketTag
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.viewer import Viewer
from privacy import erasure
from privacy.erasure import ErasureServices, erase_due_accounts
from resolvers.context import Services
from resolvers.ids import encode
from resolvers.privacy.erasures import erasure_services
from storage.store import FolderStore, StoreUnavailable
from support.search import index_new
from tests.people import add_member, create_account, create_staff_viewer, create_user, create_viewer
from tests.schema.conftest import Dataset
from tests.waiting import wait_for_lock_waiters

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Execute

MARK = "paulmark"
SENDER = Sender("CAMCHA <x@camcha.example>", "https://camcha.example")
# The buyer, as issued, and what was paid back.
KEPT_TABLES = {"invoice", "invoice_document", "billing_profile", "refund"}


async def dump_tables() -> dict[str, list[str]]:
    """Every row of every table, in lower case."""
    tables = [model._meta.db_table for model in Tortoise.apps["models"].values()]
    queries = {table: f'SELECT * FROM "{table}"' for table in sorted(tables)}  # noqa: S608 - our tables
    return {
        table: [str(row).lower() for row in await execute_sql(query)]
        for table, query in queries.items()
    }


async def tables_with_mark(mark: str = MARK) -> set[str]:
    """The tables that contain the mark."""
    return {
        table for table, rows in (await dump_tables()).items() if any(mark in row for row in rows)
    }


async def _store_file(store: FolderStore, name: str, text: str) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        yield text.encode()

    await store.put(name, chunks())
    return name


@pytest.fixture
async def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "files")


def files(store: FolderStore, tmp: Path) -> list[str]:
    return [path.read_text() for path in (tmp / "files").rglob("*") if path.is_file()]


async def add_personal_data(dataset: Dataset, action: Action, store: FolderStore) -> None:
    """Adds the data of a company that the fixture `dataset` doesn't create."""
    paul = dataset.paul
    owner, member = paul.owner.user, paul.member.user
    assert owner
    assert member
    for file in await File.filter(account_id=paul.account.pk):
        await _store_file(store, file.key, f"{paul.mark} bytes")
    await InvoiceRecipient.create(
        account=paul.account,
        email=f"{MARK}-accountant@camcha.example",
        locale=Locale.FR,
        created_at=action.at,
    )
    ticket = paul.row(Ticket)
    for status in (IncidentStatus.CLOSED, IncidentStatus.DISMISSED):
        await Incident.create(
            account=paul.account,
            reporter=owner,
            status=status,
            description=f"{MARK} breach",
            reported_at=action.at,
            aware_at=action.at,
            deadline_at=action.at,
        )
    for answer in ("", f"{MARK} answer"):
        await DataRequest.create(
            user=owner,
            kind=DataRequestKind.ACCESS,
            details=f"{MARK} request",
            extension_reason=f"{MARK} reason",
            answer=answer,
            received_at=action.at,
            deadline_at=action.at,
        )
    await Note.create(ticket=ticket, author=owner, body=f"{MARK} note", at=action.at)
    await TicketTag.create(ticket=ticket, tag=f"{MARK} tag")
    message = await Message.get(pk=paul.row(Message).pk)
    await MessageVersion.create(message=message, body=f"{MARK} version", replaced_at=action.at)
    await Reaction.create(message=message, user=owner, kind=ReactionKind.HEART)
    await Draft.create(
        ticket=ticket,
        user=owner,
        body=f"{MARK} draft",
        is_note=False,
        version=1,
        updated_at=action.at,
    )
    reply = await ScheduledReply.create(
        ticket=ticket,
        author=owner,
        body=f"{MARK} scheduled",
        send_at=action.at,
        at_next_opening=False,
        is_holdable=True,
        seen_sequence=0,
        created_at=action.at,
        scheduled_at=action.at,
    )
    await File.create(
        key=f"{MARK}-scheduled-0123456789",
        uploader=dataset.alice.user,
        scheduled_reply=reply,
        name=f"{MARK} scheduled.pdf",
        content_type="application/pdf",
        size=3,
        created_at=action.at,
    )
    await TicketRating.create(
        ticket=ticket, finished_at=action.at, score=2, comment=f"{MARK} comment", rater=owner
    )
    await StatusBoard.create(account=paul.account, token=f"{MARK} board", updated_at=action.at)
    await BoardEntry.create(
        day=action.day,
        account=paul.account,
        ticket=ticket,
        category=ticket.category,
        status=ticket.status,
        opened_at=action.at,
        updated_at=action.at,
    )
    await index_new()
    await EmailChange.create(
        user=owner,
        email=f"{MARK}-new@camcha.example",
        new_token_hash="x",
        session_id=1,
        expires_at=action.at,
    )
    for model in (PasswordReset, SignInUnlock):
        await model.create(user=member, token_hash=f"{model.__name__}", expires_at=action.at)
    await Authenticator.create(
        user=owner,
        kind=AuthenticatorKind.TOTP,
        name=f"{MARK} phone",
        created_at=action.at,
        confirmed_at=action.at,
        secret="s",
    )
    await Session.filter(user_id=owner.pk).update(device=f"{MARK} browser"[:60])
    for owner_key in (f"user:{owner.pk}", f"account:{paul.account.pk}"):
        await IdempotencyKey.create(
            owner=owner_key,
            operation="x",
            key=f"{MARK} {owner_key}",
            fingerprint="-",
            created_on="2026-11-23",
        )
    async with action.transaction() as tx:
        await emails.send_password_changed(tx, owner)
        await emails.send_email_change(tx, owner, f"{MARK}-new@camcha.example", "T")
        await emails.send_invitation(tx, paul.row(Invitation), owner, paul.account, "T")
        ticket = await Ticket.filter(account_id=paul.account.pk).first()
        assert ticket
        alice = dataset.alice.user
        assert alice
        response = await (await tx.lock(Ticket, ticket.pk)).post(
            tx, alice, f"Bonjour {MARK}", "alices"
        )
        response.ticket = ticket
    await add_incoming_emails(action, store, response)
    await add_calls(action, dataset, ticket)
    await add_library_rows(action, dataset)
    await File.create(
        key=await _store_file(store, "alices-file-0123456789", f"{MARK} answer"),
        uploader=alice,
        message=response,
        size=3,
        name=f"{MARK}.pdf",
        content_type="application/pdf",
        created_at=action.at,
        uploaded_at=action.at,
        cleared_at=action.at,
    )


async def add_library_rows(action: Action, dataset: Dataset) -> None:
    """Adds two owners' feedback on an article, and their places in a webinar."""
    article = Article(slug="webinar", kind="WEBINAR", category="ACCOUNT", starts_at=action.at)
    texts: Any = {key: {"title": "t", "summary": "s", "body": "b"} for key in ("fr", "en")}
    article.set_texts(texts, action.at)
    await article.save()
    for viewer, comment in ((dataset.paul.owner, MARK), (dataset.marie.owner, "Merci")):
        assert viewer.user
        await ArticleFeedback.create(
            article=article,
            user=viewer.user,
            is_useful=True,
            comment=comment,
            version=1,
            at=action.at,
        )
        await WebinarSignUp.create(
            article=article, user=viewer.user, is_waiting=False, signed_up_at=action.at
        )
        async with action.transaction() as tx:
            await ConsentChange.record(
                tx,
                viewer.user,
                ConsentPurpose.OFFERS,
                given=True,
                channel=ConsentChannel.WEB,
            )


async def add_calls(action: Action, dataset: Dataset, ticket: Ticket) -> None:
    """Adds numbers of a member and of the company, a call in a ticket, and one that belongs to no
    ticket.
    """
    paul, number = dataset.paul, "+33142685300"
    columns: dict[str, Any] = {"created_at": action.at}
    await PhoneNumber.create(user=paul.owner.user, number=number, **columns)
    await PhoneNumber.create(account=paul.account, number="+33142685301", **columns)
    await PhoneNumber.create(user=dataset.marie.owner.user, number="+33142685302", **columns)
    values: dict[str, Any] = {"direction": "INBOUND", "outcome": "MISSED", "duration_seconds": 0}
    for key, of_ticket in (("1", ticket), ("2", None)):
        await Call.create(
            ticket=of_ticket,
            number=number,
            started_at=action.at,
            external_id=key,
            **values,
            **columns,
        )


async def add_incoming_emails(action: Action, store: FolderStore, message: Message) -> None:
    """Adds an email that became a message, and one from a member that didn't become a message."""
    for number, posted_message in enumerate([message, None]):
        await IncomingEmail.create(
            source=IncomingEmailSource.LMTP,
            raw_key=await _store_file(store, f"incoming-email-{number}", f"{MARK} wrote"),
            size=3,
            fingerprint=f"{number}",
            sender=(await User.filter(memberships__account_id=message.ticket.account_id))[0].email,
            subject=MARK,
            text=MARK,
            status=IncomingEmailStatus.POSTED if posted_message else IncomingEmailStatus.UNMATCHED,
            posted_message=posted_message,
            received_at=action.at,
        )


async def schedule_deletion(dataset: Dataset, action: Action, services: Services) -> Erasure:
    """Paul's owner requests the deletion and Alice schedules it."""
    owner, alice = dataset.paul.owner, dataset.alice
    assert owner.session
    assert alice.session
    until = action.at + timedelta(minutes=5)
    await Session.filter(pk__in=[owner.session.pk, alice.session.pk]).update(
        step_up_expires_at=until
    )
    ticket = await lifecycle.request(
        Action(owner.user, action.at, action.bus),
        services.auth,
        await Session.get(pk=owner.session.pk),
        dataset.paul.account.pk,
        TicketKind.ACCOUNT_DELETION,
        f"{MARK} leaves",
        "k",
    )
    await lifecycle.schedule_deletion(
        Action(alice.user, action.at, action.bus),
        await Session.get(pk=alice.session.pk),
        dataset.paul.account.pk,
        ticket.pk,
        timedelta(days=14),
    )
    return await Erasure.get()


@pytest.fixture
async def scheduled_erasure(
    dataset: Dataset, action: Action, services: Services, store: FolderStore
) -> Erasure:
    """The two companies. Paul's is to be deleted in two weeks."""
    await add_personal_data(dataset, action, store)
    return await schedule_deletion(dataset, action, services)


@pytest.fixture
def after_grace_period(clock: "MovableClock", action: Action) -> Action:
    """The time at which the grace period is over."""
    clock.advance(timedelta(days=14))
    return Action(None, clock.now(), action.bus)


@pytest.fixture
async def completed_erasure(
    scheduled_erasure: Erasure, after_grace_period: Action, services: Services, store: FolderStore
) -> Erasure:
    """The two companies after the deletion of Paul's."""
    await erase_due_accounts(after_grace_period, erasure_services(services, store))
    return scheduled_erasure


async def test_p1_2_nothing_is_erased_during_the_grace_period(
    scheduled_erasure: Erasure, action: Action, services: Services, store: FolderStore
) -> None:
    before = await dump_tables()
    assert await erase_due_accounts(action, erasure_services(services, store)) == 0
    assert await dump_tables() == before


async def test_p1_2_only_data_required_by_law_remains(
    scheduled_erasure: Erasure,
    dataset: Dataset,
    after_grace_period: Action,
    services: Services,
    store: FolderStore,
    tmp_path: Path,
) -> None:
    before = await tables_with_mark()
    rows_before = await dump_tables()
    await Purchase.create(
        account=dataset.paul.account,
        price_id=dataset.paul.row(Purchase).price_id,
        status=PurchaseStatus.TRIALING,
        anchor=date(2027, 1, 1),
        next_period_index=0,
        bills_on=date(2027, 1, 1),
        created_at=after_grace_period.at,
    )
    invoice = await Invoice.get(account_id=dataset.paul.account.pk)
    assert {
        "account",
        "user",
        "ticket",
        "draft",
        "message_version",
        "note",
        "ticket_rating",
        "ticket_tag",
        "search_entry",
        "status_board",
        "message",
        "file",
        "email",
        "invitation",
        "billing_profile",
        "legal_name_change",
    } < before
    assert {"session", "authenticator", "idempotency_key", "email_change", *KEPT_TABLES} - {
        "invoice_document"
    } <= before
    assert await erase_due_accounts(after_grace_period, erasure_services(services, store)) == 1
    outbox = tmp_path / "mail"
    await deliver_due(
        transport_from_url(f"file:{outbox}"), after_grace_period.at, 100, sender=SENDER
    )
    assert await tables_with_mark() <= KEPT_TABLES
    assert files(store, tmp_path) == []
    assert await Invoice.get(pk=invoice.pk) == invoice
    assert (await Invoice.get(pk=invoice.pk)).facts == invoice.facts
    assert (await Account.get(pk=dataset.paul.account.pk)).status is AccountStatus.ERASED
    purchases = await Purchase.filter(account_id=dataset.paul.account.pk)
    assert {purchase.status for purchase in purchases} == {PurchaseStatus.CANCELED}
    assert {purchase.bills_on for purchase in purchases} == {None}
    rows_after = await dump_tables()
    for table in rows_before:  # no row of another company changed
        marie_rows = [
            [row for row in rows if "mariemark" in row]
            for rows in (rows_before[table], rows_after[table])
        ]
        assert len(marie_rows[0]) == len(marie_rows[1])
        assert table == "email" or marie_rows[0] == marie_rows[1]


async def test_p1_2_the_last_email_explains_what_is_kept_and_until_when(
    scheduled_erasure: Erasure, after_grace_period: Action, services: Services, store: FolderStore
) -> None:
    owner = await User.get(name="PAULMARK OWNER")
    await erase_due_accounts(after_grace_period, erasure_services(services, store))
    email = await Email.get(template="account_erased.fr")
    assert email.recipient == owner.email
    for words in ("sa facture jusqu’au 31 décembre 2036", "L123-22", "CNIL"):
        assert words in email.text.replace("\n", " ")
    await email.mark_sent(after_grace_period.at)
    email = await Email.get(pk=email.pk)
    assert (email.recipient, email.text, email.html, email.user_id) == ("", "", "", None)


async def test_p1_2_operators_see_what_was_erased_and_what_is_kept(
    execute: "Execute",
    completed_erasure: Erasure,
    dataset: Dataset,
    after_grace_period: Action,
) -> None:
    document = """{ erasures { nodes { account { id } scheduler { name }
        requestedAt deadline dueAt finishedAt canceledAt
        removedCounts { kind count } invoicesKept keptUntil } } }"""
    omar = await create_staff_viewer(after_grace_period, "Omar", Staff.OPERATOR)
    [entries] = (await execute(omar, document))["data"]["erasures"]["nodes"]
    assert entries["account"]["id"] == encode("Account", dataset.paul.account.pk)
    assert (entries["scheduler"], entries["canceledAt"]) == ({"name": "Alice"}, None)
    assert (entries["deadline"], entries["invoicesKept"], entries["keptUntil"]) == (
        "2026-12-23",
        1,
        "2036-12-31",
    )
    removed_counts = {each["kind"]: each["count"] for each in entries["removedCounts"]}
    assert removed_counts["people"] == 2
    assert removed_counts["files"] == 4
    assert removed_counts["messages"] == 3
    assert removed_counts["calls"] == 2
    assert await Call.all().count() == 0
    assert await ArticleFeedback.all().count() == await WebinarSignUp.all().count() == 1
    assert [row.number for row in await PhoneNumber.all()] == ["+33142685302"]
    consents = [
        (row.user_id, row.given, row.channel) for row in await ConsentChange.all().order_by("id")
    ]
    assert consents == [
        (dataset.paul.owner.user_id, True, ConsentChannel.WEB),
        (dataset.marie.owner.user_id, True, ConsentChannel.WEB),
        (dataset.paul.owner.user_id, False, ConsentChannel.ERASURE),
    ]
    assert (
        await AuditEntry.filter(
            action=PrivacyAuditAction.ACCOUNT_ERASE, object_id=dataset.paul.account.pk
        ).count()
        == 1
    )
    for viewer in (Viewer(), dataset.marie.owner, dataset.alice, dataset.nadia):
        assert "errors" in await execute(viewer, document)


async def test_p1_2_agents_cannot_see_invoices_kept_only_by_law(
    execute: "Execute",
    scheduled_erasure: Erasure,
    dataset: Dataset,
    after_grace_period: Action,
    services: Services,
    store: FolderStore,
) -> None:
    document = """query($account: ID!, $invoice: ID!) {
        node(id: $invoice) { id } invoices { nodes { number } } account: node(id: $account) {
        ... on Account { legalName status invoices { nodes { number } }
        purchases { nodes { invoices { number } } } } } }"""
    paul = dataset.paul
    ids = {"account": encode("Account", paul.account.pk), "invoice": paul.id(Invoice)}
    before = (await execute(dataset.alice, document, **ids))["data"]
    assert before["node"]
    assert before["account"]["purchases"]["nodes"][0]["invoices"]
    await erase_due_accounts(after_grace_period, erasure_services(services, store))
    assert dataset.alice.user
    alice = await create_viewer(after_grace_period, dataset.alice.user, second_factor=True)
    rows_after = (await execute(alice, document, **ids))["data"]
    assert rows_after["node"] is None
    assert rows_after["account"] == {
        "legalName": "[effacé]",
        "status": "ERASED",
        "invoices": {"nodes": []},
        "purchases": {"nodes": [{"invoices": []}]},
    }
    assert len(rows_after["invoices"]["nodes"]) == len(before["invoices"]["nodes"]) - 1
    # Those who answer the tax administration read them, and nothing else.
    operator = await create_staff_viewer(after_grace_period, "Omar", Staff.OPERATOR)
    document = "{ invoices { nodes { number lines { label } downloadUrl } } }"
    [kept] = (await execute(operator, document))["data"]["invoices"]["nodes"]
    assert kept["number"] == paul.row(Invoice).number
    assert kept["downloadUrl"]


async def test_p1_2_tickets_are_closed_and_accept_no_messages(
    execute: "Execute",
    completed_erasure: Erasure,
    dataset: Dataset,
    after_grace_period: Action,
) -> None:
    tickets = await Ticket.filter(account_id=dataset.paul.account.pk)
    assert {ticket.status for ticket in tickets} == {TicketStatus.CLOSED}
    assert {ticket.reply_awaited_since for ticket in tickets} == {None}
    assert all(ticket.closed_at for ticket in tickets)
    alice = await create_viewer(after_grace_period, dataset.alice.user, second_factor=True)
    document = """mutation($i: TicketReplyInput!) { ticketReply(input: $i) { message { id }
        userErrors { code field } } }"""
    input_fields = {
        "ticketId": encode("Ticket", tickets[0].pk),
        "body": "Il y a quelqu'un ?",
        "clientMessageId": "late",
    }
    response = (await execute(alice, document, i=input_fields))["data"]["ticketReply"]
    assert response == {
        "message": None,
        "userErrors": [{"code": "TRANSITION_ILLEGAL", "field": ["input", "ticketId"]}],
    }
    assert await Ticket.filter(account_id=dataset.paul.account.pk).count() == len(tickets)


async def test_p1_2_members_of_another_company_keep_their_user(
    scheduled_erasure: Erasure,
    dataset: Dataset,
    after_grace_period: Action,
    services: Services,
    store: FolderStore,
) -> None:
    member = dataset.paul.member.user
    assert member
    await add_member(after_grace_period, dataset.marie.account, member, Role.BILLING)
    await erase_due_accounts(after_grace_period, erasure_services(services, store))
    assert (await User.get(pk=member.pk)).email == member.email
    memberships = await Membership.filter(user_id=member.pk)
    assert [membership.account_id for membership in memberships] == [dataset.marie.account.pk]
    assert await Session.filter(account_id=dataset.paul.account.pk).count() == 0


async def test_p1_2_an_erased_address_can_sign_up_again_with_a_new_password(
    scheduled_erasure: Erasure,
    dataset: Dataset,
    after_grace_period: Action,
    services: Services,
    store: FolderStore,
) -> None:
    owner = dataset.paul.owner.user
    assert owner
    await erase_due_accounts(after_grace_period, erasure_services(services, store))
    assert await User.filter(email=owner.email).count() == 0
    erased_user = await User.get(pk=owner.pk)
    assert not await services.auth.passwords.matches(erased_user.password_hash, "!")
    assert (erased_user.email_verified_at, erased_user.second_factor_at) == (None, None)


class SimulatedKill(BaseException):
    """The process was killed."""


class InterruptedAction(Action):
    """An action whose process is killed before its n-th transaction."""

    remaining_transactions = [0]

    @asynccontextmanager
    async def transaction(self, *, is_repeatable: bool = False) -> AsyncIterator[Transaction]:
        if self.remaining_transactions[0] == 0:
            raise SimulatedKill
        self.remaining_transactions[0] -= 1
        async with super().transaction(is_repeatable=is_repeatable) as tx:
            yield tx


async def test_p1_2_an_erasure_completes_after_a_kill_at_any_point(
    scheduled_erasure: Erasure,
    after_grace_period: Action,
    services: Services,
    store: FolderStore,
    tmp_path: Path,
) -> None:
    """P1.2: killed before each of its transactions in turn, the erasure still completes and counts
    nothing twice.
    """
    interrupted_action, interruptions = (
        InterruptedAction(None, after_grace_period.at, after_grace_period.bus),
        0,
    )
    while True:
        InterruptedAction.remaining_transactions[0] = interruptions + 1
        try:
            assert (
                await erase_due_accounts(interrupted_action, erasure_services(services, store)) == 1
            )
            break
        except SimulatedKill:
            interruptions += 1
    assert interruptions > 10
    completed_erasure = await Erasure.get()
    assert Counter(completed_erasure.removed_counts)["people"] == 2
    assert await Email.filter(template="account_erased.fr").count() == 1
    assert await tables_with_mark() <= KEPT_TABLES | {"email"}
    assert files(store, tmp_path) == []


async def test_p1_2_concurrent_processes_erase_once(
    scheduled_erasure: Erasure, after_grace_period: Action, services: Services, store: FolderStore
) -> None:
    erased_counts = await asyncio.gather(
        *(
            erase_due_accounts(after_grace_period, erasure_services(services, store))
            for _ in range(3)
        )
    )
    assert sum(erased_counts) == 1
    assert (await Erasure.get()).removed_counts["people"] == 2
    assert await AuditEntry.filter(action=PrivacyAuditAction.ACCOUNT_ERASE).count() == 1
    assert await Email.filter(template="account_erased.fr").count() == 1


async def test_p1_2_a_cancelled_deletion_erases_nothing_and_a_started_one_cannot_be_cancelled(
    scheduled_erasure: Erasure,
    dataset: Dataset,
    after_grace_period: Action,
    services: Services,
    store: FolderStore,
) -> None:
    alice = await create_viewer(after_grace_period, dataset.alice.user, second_factor=True)
    assert alice.session
    alice.session.step_up_expires_at = after_grace_period.at + timedelta(minutes=5)
    await alice.session.save()
    action = Action(alice.user, after_grace_period.at, after_grace_period.bus)
    cancellation = lifecycle.reactivate(action, alice.session, dataset.paul.account.pk)
    results = await asyncio.gather(
        cancellation,
        erase_due_accounts(after_grace_period, erasure_services(services, store)),
        return_exceptions=True,
    )
    completed_erasure = await Erasure.get()
    assert (
        (completed_erasure.finished_at is None)
        == (completed_erasure.canceled_at is not None)
        == (not isinstance(results[0], Exception))
    )
    assert results[1] == (completed_erasure.finished_at is not None)
    status = (await Account.get(pk=dataset.paul.account.pk)).status
    assert status is (
        AccountStatus.ACTIVE if completed_erasure.canceled_at else AccountStatus.ERASED
    )


async def test_p1_2_an_erasure_waits_for_pending_payments(
    scheduled_erasure: Erasure,
    dataset: Dataset,
    after_grace_period: Action,
    services: Services,
    store: FolderStore,
) -> None:
    payment = await Payment.filter(account_id=dataset.paul.account.pk).get()
    recent_time = after_grace_period.at - timedelta(days=6)
    await Payment.filter(pk=payment.pk).update(
        status=PaymentStatus.REQUIRES_ACTION, created_at=recent_time, next_check_at=recent_time
    )
    assert await erase_due_accounts(after_grace_period, erasure_services(services, store)) == 0
    assert (await Erasure.get()).started_at is None
    await Payment.filter(pk=payment.pk).update(status=PaymentStatus.SUCCEEDED, next_check_at=None)
    assert await erase_due_accounts(after_grace_period, erasure_services(services, store)) == 1


async def test_p1_2_an_unconfirmed_payment_does_not_block_the_erasure(
    scheduled_erasure: Erasure, after_grace_period: Action, services: Services, store: FolderStore
) -> None:
    """No bank waits longer than seven days for a confirmation, and the law allows a month for the
    erasure.
    """
    await Payment.all().update(
        status=PaymentStatus.REQUIRES_ACTION, next_check_at=after_grace_period.at
    )
    assert await erase_due_accounts(after_grace_period, erasure_services(services, store)) == 1


async def test_p1_2_invitations_from_other_companies_are_erased_too(
    scheduled_erasure: Erasure,
    dataset: Dataset,
    action: Action,
    after_grace_period: Action,
    services: Services,
    store: FolderStore,
) -> None:
    member, marie = dataset.paul.member.user, dataset.marie
    assert member
    assert marie.owner.user
    invitation = marie.row(Invitation)
    await Invitation.filter(pk=invitation.pk).update(email=member.email)
    invitation = await Invitation.get(pk=invitation.pk)
    async with action.transaction() as tx:
        await emails.send_invitation(tx, invitation, marie.owner.user, marie.account, "T")
    assert await erase_due_accounts(after_grace_period, erasure_services(services, store)) == 1
    assert not any(
        member.email.lower() in row for rows in (await dump_tables()).values() for row in rows
    )


async def test_p1_2_the_erasure_does_not_deadlock_with_an_invitation(
    db: str,
    scheduled_erasure: Erasure,
    dataset: Dataset,
    after_grace_period: Action,
    services: Services,
    store: FolderStore,
) -> None:
    """The erasure locks the company, the invitation and the user, in the same order as accepting an
    invitation does.
    """
    member, marie = dataset.paul.member.user, dataset.marie
    assert member
    await Invitation.filter(pk=marie.row(Invitation).pk).update(email=member.email)
    outer_context = contextvars.copy_context()
    async with after_grace_period.transaction() as tx:
        await tx.lock(Account, marie.account.pk)
        await tx.lock(Invitation, marie.row(Invitation).pk)
        erasure_task = asyncio.create_task(
            erase_due_accounts(after_grace_period, erasure_services(services, store)),
            context=outer_context,
        )
        await wait_for_lock_waiters(db)
        await tx.lock(User, member.pk)
    assert await erasure_task == 1


async def test_p1_2_erased_tickets_accept_no_messages(
    execute: "Execute",
    scheduled_erasure: Erasure,
    dataset: Dataset,
    after_grace_period: Action,
    services: Services,
    store: FolderStore,
) -> None:
    tickets = await Ticket.filter(account_id=dataset.paul.account.pk)
    assert await erase_due_accounts(after_grace_period, erasure_services(services, store)) == 1
    alice = await create_viewer(after_grace_period, dataset.alice.user, second_factor=True)
    document = (
        "mutation($input: TicketReplyInput!) { ticketReply(input: $input) { userErrors { code } } }"
    )
    for ticket in tickets:
        input_fields = {
            "ticketId": encode("Ticket", ticket.pk),
            "body": f"About {MARK}",
            "clientMessageId": "late",
        }
        response = await execute(alice, document, input=input_fields)
        assert response["data"]["ticketReply"]["userErrors"] == [{"code": "TRANSITION_ILLEGAL"}]
    assert await Ticket.filter(account_id=dataset.paul.account.pk).count() == len(tickets)
    assert "message" not in await tables_with_mark()


class FailingStore(FolderStore):
    """A store that fails with an unexpected error."""

    remaining_failures = 1

    async def delete(self, key: str) -> None:
        self.remaining_failures -= 1
        if self.remaining_failures == 0:
            raise RuntimeError(key)
        await super().delete(key)


async def test_p1_2_a_failing_erasure_does_not_block_others(
    scheduled_erasure: Erasure,
    dataset: Dataset,
    after_grace_period: Action,
    services: Services,
    store: FolderStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1)
    ticket = await Ticket.filter(account_id=dataset.marie.account.pk).first()
    assert ticket
    assert dataset.alice.user
    await Account.filter(pk=dataset.marie.account.pk).update(status=AccountStatus.CLOSING)
    await Payment.filter(account_id=dataset.marie.account.pk).update(status=PaymentStatus.SUCCEEDED)
    await Erasure.create(
        account=dataset.marie.account,
        ticket=ticket,
        scheduler=dataset.alice.user,
        requested_at=scheduled_erasure.requested_at,
        deadline=scheduled_erasure.deadline,
        scheduled_at=scheduled_erasure.scheduled_at,
        due_at=scheduled_erasure.due_at,
    )
    failing_store = FailingStore(tmp_path / "files")
    with capture_logs() as logged:
        assert (
            await erase_due_accounts(after_grace_period, erasure_services(services, failing_store))
            == 1
        )
    assert [(each["event"], each.get("error")) for each in logged] == [
        ("erasure.failed", "RuntimeError")
    ]
    assert (
        await erase_due_accounts(after_grace_period, erasure_services(services, failing_store)) == 1
    )


class UnavailableStore(FolderStore):
    """A store that doesn't answer."""

    async def delete(self, key: str) -> None:
        raise StoreUnavailable


async def test_p1_2_while_the_store_is_unavailable_no_file_row_is_deleted(
    scheduled_erasure: Erasure,
    after_grace_period: Action,
    services: Services,
    store: FolderStore,
    tmp_path: Path,
) -> None:
    count = await File.all().count()
    assert (
        await erase_due_accounts(
            after_grace_period, erasure_services(services, UnavailableStore(tmp_path / "files"))
        )
        == 0
    )
    assert await File.all().count() == count
    assert await erase_due_accounts(after_grace_period, erasure_services(services, store)) == 1
    assert files(store, tmp_path) == []


async def test_p1_2_a_company_without_invoices_is_erased_completely(
    action: Action, db: str, services: Services, store: FolderStore
) -> None:
    account = await create_account(action, "Rien", status=AccountStatus.CLOSING)
    user = await create_user(action, "Zoe")
    user.locale = Locale.EN
    await user.save()
    await add_member(action, account, user, Role.OWNER)
    async with action.transaction() as tx:
        ticket = await Ticket.open(
            tx, account, user, subject="x", channel="WEB", category="ACCOUNT"
        )
    due_erasure = await Erasure.create(
        account=account,
        ticket=ticket,
        scheduler=user,
        requested_at=action.at,
        deadline=date(2026, 12, 23),
        scheduled_at=action.at,
        due_at=action.at,
    )
    assert await erasure.erase(
        action, ErasureServices(store, services.seller.retention_on(action.day)), due_erasure.pk
    )
    assert not await erasure.erase(action, erasure_services(services, store), due_erasure.pk)
    assert "we keep none" in (await Email.get(template="account_erased.en")).text
    assert (await Erasure.get()).kept_until is None
    assert await sessions.valid_sessions(action.at).count() == 0
