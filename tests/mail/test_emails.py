"""Each email: what its recipient can do with it, in their language. Names that contain markup or
links are only text.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from markupsafe import escape

from mail import emails
from mail.emails import (
    DataRequestNotice,
    IncomingEmailProblem,
    MethodRefusal,
    Recipient,
    SecondFactorChange,
    WebinarOccasion,
)
from mail.query_report import QueryReport
from mail.rendering import PATHS
from models.accounts.account import Account, AccountStatus, Role
from models.accounts.intervention import InterventionReason
from models.accounts.invitation import Invitation
from models.accounts.legal_name import LegalNameChange, LegalNameStatus
from models.accounts.service_account import ApiKey, ServiceAccount
from models.action import Action, Transaction
from models.analytics.query_schedule import QueryScheduleEnd
from models.billing.invoice import Invoice
from models.billing.invoice_recipient import InvoiceRecipient
from models.billing.money import Money
from models.billing.payment_method import PaymentMethod
from models.billing.purchase_change import PurchaseChange, PurchaseChangeKind
from models.content.article import Article, ArticleTexts
from models.identity.user import Staff, User
from models.locale import Locale
from models.operations.email import Email
from models.operations.webhook import WebhookDisabling, WebhookEndpoint
from models.privacy.consent import ConsentPurpose
from models.privacy.data_request import DataRequest, DataRequestKind
from models.privacy.erasure import Erasure
from models.privacy.incident import Incident
from models.privacy.incident_notice import PeopleContent
from models.privacy.mailing import Mailing
from models.support.escalation import Escalation
from models.support.message import Message
from models.support.scheduled_reply import ScheduledReplyProblem
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from tests.mail.conftest import SITE, html_of, text_of

BANK_URL = "https://bank.example/confirm?payment=7&lang=fr"
HOSTILE_NAME = '<img src=x onerror=alert(1)>\r\nBcc: victim@example.org\u2028& "Zoé"'
in_each_language = pytest.mark.parametrize("locale", list(Locale))


def company(user: User, status: AccountStatus = AccountStatus.ACTIVE) -> Account:
    """A company with the user's name, which is to be deleted on 1 December 2026 when it is
    closing.
    """
    erases_at = datetime(2026, 12, 1, 9, tzinfo=UTC) if status is AccountStatus.CLOSING else None
    return Account(legal_name=user.name, status=status, erases_at=erases_at)


def company_in(country: str, user: User) -> Account:
    """A company with the user's name, in a country."""
    return Account(legal_name=user.name, country=country)


def legal_name_change(user: User, status: LegalNameStatus) -> LegalNameChange:
    """A change from "Lefèvre SARL" to the user's name."""
    return LegalNameChange(
        previous_name="Lefèvre SARL", legal_name=user.name, status=status, reason=user.name
    )


def late_invoice() -> Invoice:
    return Invoice(number="FA-2027-000012", due_on=date(2027, 2, 28), gross_cents=3_480)


async def send_webhook_disabled(reason: WebhookDisabling, tx: Transaction, user: User) -> Email:
    """An email about an endpoint that was disabled."""
    endpoint = WebhookEndpoint(url="https://hooks.example.fr/camcha", disabled_reason=reason)
    return await emails.send_webhook_disabled(tx, user, endpoint)


def accounting_key(*, is_used: bool = True) -> tuple[ServiceAccount, ApiKey]:
    """An API key of an accounting program, and its service account."""
    api_key = ApiKey(
        name="Production",
        prefix="cam_sk_4fQ81xZb",
        scopes=["READ_BILLING", "READ_SUPPORT"],
        expires_at=datetime(2026, 12, 31, 9, tzinfo=UTC),
        last_used_at=datetime(2026, 12, 1, 9, tzinfo=UTC) if is_used else None,
    )
    return ServiceAccount(name="Sage"), api_key


async def query_report(tx: Transaction, user: User, sender: User | None, left_out: int) -> Email:
    """A report with the user's name in each text, of which some is left out."""
    report = QueryReport(
        name=user.name,
        table="Tickets",
        days="1 - 31",
        head=(user.name, "A"),
        rows=((user.name, "12"),) if left_out else (),
        more_rows=left_out,
        more_measures=left_out,
        hidden=left_out,
        minimum_companies=5,
    )
    return await emails.send_query_report(tx, user, report, "TOKEN-123", tx.action.at, sender)


def expiring_card() -> PaymentMethod:
    """A card that expires at the end of the year."""
    return PaymentMethod(brand="visa", last_four="4242", expires_on=date(2026, 12, 31))


def ordered_changes() -> list[PurchaseChange]:
    """An upgrade, another billing day, a pause and its end."""
    day = date(2027, 3, 10)
    return [
        PurchaseChange(kind=PurchaseChangeKind.UPGRADE, is_immediate=True, effective_on=day),
        PurchaseChange(kind=PurchaseChangeKind.ANCHOR, effective_on=day, anchor=day),
        PurchaseChange(kind=PurchaseChangeKind.PAUSE, effective_on=day, resumes_on=day),
        PurchaseChange(kind=PurchaseChangeKind.RESUME, is_immediate=True, effective_on=day),
    ]


def invoice_recipient(user: User) -> InvoiceRecipient:
    """An accountant who reads the user's language."""
    return InvoiceRecipient(email="noe@example.fr", locale=user.locale)


def legal_request(user: User, status: TicketStatus) -> Ticket:
    """A ticket with the user's name as its subject."""
    opened_at = datetime(2026, 11, 1, 9, tzinfo=UTC)
    return Ticket(id=123, subject=user.name, status=status, created_at=opened_at)


async def invitation(tx: Transaction, inviter: User, account: Account) -> Email:
    """An invitation in the inviter's language to an address without an account."""
    expires_at = tx.action.at + timedelta(days=7)
    pending_invitation = Invitation(
        email="noe@example.fr", role=Role.BILLING, locale=inviter.locale, expires_at=expires_at
    )
    return await emails.send_invitation(tx, pending_invitation, inviter, account, "TOKEN-123")


async def ticket_replies(tx: Transaction, user: User, count: int, more: int) -> Email:
    """Replies, the first one with a file, of an agent with the user's name to their ticket."""
    ticket = Ticket(id=42, subject=user.name, created_at=tx.action.at)
    ticket.account_id = None  # type: ignore[assignment] # no company is stored
    replies = [
        Message(id=number, author=user, body=user.name, at=tx.action.at) for number in range(count)
    ]
    return await emails.send_ticket_replies(tx, user, ticket, replies, {0: ["devis.pdf"]}, more)


async def ticket_transcript(tx: Transaction, user: User, omitted: int) -> Email:
    """The transcript of a ticket that was opened by the user and answered by an agent with that
    name.
    """
    ticket = legal_request(user, TicketStatus.OPEN)
    ticket.account_id = None  # type: ignore[assignment] # no company is stored
    ticket.created_at = tx.action.at
    at = tx.action.at
    messages = [
        Message(id=0, author=user, body=user.name, at=at, from_staff=False),
        Message(id=1, author=user, body=user.name, at=at, from_staff=True),
        Message(id=2, author=user, body="", at=at, from_staff=True, deleted_at=at),
    ]
    return await emails.send_ticket_transcript(tx, user, ticket, messages, {1: ["a.pdf"]}, omitted)


async def deadline_reminder(
    tx: Transaction, operator: User, has_agent: bool, days_left: int
) -> Email:
    """A reminder about a company with the operator's name, which may have an agent of that name."""
    ticket = legal_request(operator, TicketStatus.OPEN)
    ticket.account_id = None  # type: ignore[assignment] # no company is stored
    ticket.deadline_at = tx.action.at + timedelta(days=days_left)
    agent = operator if has_agent else None
    return await emails.send_deadline_reminder(tx, operator, company(operator), ticket, agent)


def data_request(tx: Transaction, days: int) -> DataRequest:
    """A request whose deadline is in this many days."""
    return DataRequest(
        id=12,
        kind=DataRequestKind.PORTABILITY,
        received_at=tx.action.at,
        deadline_at=tx.action.at + timedelta(days=days),
        extension_reason="Beaucoup de messages.",
        answer="Archive remise.",
    )


def incident(
    tx: Transaction, hours_left: int = 72, *, is_decided: bool = False, ticket: int | None = None
) -> Incident:
    """An incident with this much time left."""
    deadline_at = tx.action.at + timedelta(hours=hours_left)
    return Incident(
        id=12,
        reported_at=tx.action.at,
        deadline_at=deadline_at,
        authority_required=True if is_decided else None,
        ticket_id=ticket,
    )


async def ticket_escalated(tx: Transaction, supervisor: User) -> Email:
    """An escalation with the supervisor's name in every text."""
    ticket = legal_request(supervisor, TicketStatus.OPEN)
    ticket.account_id = None  # type: ignore[assignment] # no company is stored
    escalation = Escalation(details=supervisor.name, steps_tried=supervisor.name, history=[1, 2])
    return await emails.send_ticket_escalated(
        tx, supervisor, company(supervisor), ticket, escalation
    )


async def rating_request(tx: Transaction, user: User, is_reminder: bool) -> Email:
    """A request to rate a ticket with the user's name."""
    ticket = legal_request(user, TicketStatus.SOLVED)
    ticket.account_id = None  # type: ignore[assignment] # no company is stored
    return await emails.send_rating_request(tx, user, ticket, "TOKEN-123", is_reminder=is_reminder)


async def webinar_notice(
    tx: Transaction, user: User, occasion: WebinarOccasion, *, is_waiting: bool = False
) -> Email:
    """The notice about a webinar with the user's name."""
    texts = ArticleTexts(title=user.name, summary="-", body="-")
    article = Article(
        slug="w",
        texts={"fr": texts, "en": texts},
        starts_at=datetime(2026, 12, 14, 13, tzinfo=UTC),
        duration_seconds=5_400,
        join_url="https://visio.example/seance?id=7&lang=fr",
    )
    return await emails.send_webinar_notice(
        tx, user, article, occasion, is_waiting=is_waiting, calendar=None
    )


async def escalation_received(tx: Transaction, user: User) -> Email:
    """The confirmation of an escalation of a ticket with the user's name."""
    ticket = legal_request(user, TicketStatus.OPEN)
    ticket.account_id = None  # type: ignore[assignment] # no company is stored
    return await emails.send_escalation_received(tx, user, ticket)


async def chat_deferred(tx: Transaction, user: User, *, is_promised: bool) -> Email:
    """The notice about a chat with the user's name that has become a ticket."""
    ticket = legal_request(user, TicketStatus.NEW)
    ticket.account_id = None  # type: ignore[assignment] # no company is stored
    return await emails.send_chat_deferred(tx, user, ticket, tx.action.at if is_promised else None)


LEGAL_NAME_STATUSES = [
    LegalNameStatus.EVIDENCE_NEEDED,
    LegalNameStatus.ACCEPTED,
    LegalNameStatus.REJECTED,
]
ACCOUNT_STATUSES = [AccountStatus.DEACTIVATED, AccountStatus.CLOSING, AccountStatus.ACTIVE]
EmailFactory = Callable[[Transaction, User], Awaitable[Email]]
EMAILS_WITH_GREETING: dict[str, list[EmailFactory]] = {
    "verification": [lambda tx, user: emails.send_verification(tx, user, "TOKEN-123")],
    "already_registered": [emails.send_already_registered],
    "payment_confirmation_needed": [
        lambda tx, user: emails.send_payment_confirmation_needed(tx, user, BANK_URL, Money(3_480))
    ],
    "invoice_unpaid": [
        lambda tx, user, declined=declined, refusal=refusal: emails.send_invoice_unpaid(  # type: ignore[misc]
            tx,
            user,
            late_invoice(),
            Money(3_480),
            is_declined=declined,
            refusal=refusal,
            is_available=declined,
        )
        for declined, refusal in ((False, None), (True, None), *((True, r) for r in MethodRefusal))
    ],
    "purchase_suspended": [
        lambda tx, user, refusal=refusal: emails.send_purchase_suspended(  # type: ignore[misc]
            tx, user, late_invoice(), Money(3_480), refusal=refusal
        )
        for refusal in (None, *MethodRefusal)
    ],
    "purchase_ended_unpaid": [
        lambda tx, user: emails.send_purchase_ended_unpaid(tx, user, late_invoice(), Money(3_480))
    ],
    "order_canceled_unpaid": [
        lambda tx, user: emails.send_order_canceled_unpaid(tx, user, late_invoice(), Money(3_480))
    ],
    "purchase_restored": [lambda tx, user: emails.send_purchase_restored(tx, user)],
    "purchase_changed": [
        lambda tx, user, notice=notice, change=change: emails.send_purchase_changed(  # type: ignore[misc]
            tx, user, notice, change, offer="Essentiel", quantity=2, amount=Money(4_064)
        )
        for notice in emails.ChangeNotice
        for change in ordered_changes()
    ],
    "purchase_canceled": [
        lambda tx, user, ends_on=ends_on, has_change=has_change: emails.send_purchase_canceled(  # type: ignore[misc]
            tx,
            user,
            "Essentiel",
            ends_on,
            renews_on=date(2027, 2, 28),
            has_change=has_change,
        )
        for ends_on, has_change in ((date(2027, 2, 28), True), (None, False))
    ],
    "billing_details_changed": [
        lambda tx, user: emails.send_billing_details_changed(
            tx,
            user,
            company(user),
            {"street": "3 rue du Four", "postal_code": "69001", "city": "Lyon", "country": "FR"},
        )
    ],
    "refund_failed": [
        lambda tx, user: emails.send_refund_failed(
            tx, user, company(user).pk, Money(3_480), Ticket(id=7, created_at=tx.action.at)
        )
    ],
    "trial_ends": [
        lambda tx, user, amount=amount, method=method: emails.send_trial_ends(  # type: ignore[misc]
            tx, user, "Essentiel", date(2026, 12, 7), Money(amount), method
        )
        for amount, method in [
            (3_480, expiring_card()),
            (3_480, PaymentMethod()),
            (3_480, None),
            (0, None),
        ]
    ],
    "purchase_resumes": [
        lambda tx, user, is_charged=is_charged: emails.send_purchase_resumes(  # type: ignore[misc]
            tx, user, "Essentiel", date(2026, 12, 7), Money(3_480), is_charged=is_charged
        )
        for is_charged in (True, False)
    ],
    "trial_ended": [lambda tx, user: emails.send_trial_ended(tx, user, "Essentiel")],
    "api_key_created": [
        lambda tx, user: emails.send_api_key_created(tx, user, *accounting_key(), user)
    ],
    "api_key_expires": [
        lambda tx, user: emails.send_api_key_expires(tx, user, *accounting_key()),
        lambda tx, user: emails.send_api_key_expires(tx, user, *accounting_key(is_used=False)),
    ],
    "webhook_disabled": [
        partial(send_webhook_disabled, reason)
        for reason in (WebhookDisabling.FAILING, WebhookDisabling.GONE)
    ],
    "vat_number_invalid": [
        lambda tx, user, country=country: emails.send_vat_number_invalid(  # type: ignore[misc]
            tx, user, company_in(country, user), "BE0697449992"
        )
        for country in ("BE", "FR")
    ],
    "query_report": [
        lambda tx, user: query_report(tx, user, None, 0),
        lambda tx, user: query_report(tx, user, user, 1),
        lambda tx, user: query_report(tx, user, None, 2),
    ],
    "query_failed": [lambda tx, user: emails.send_query_failed(tx, user, user.name, 3)],
    "query_schedule_ended": [
        lambda tx, user, reason=reason: emails.send_query_schedule_ended(  # type: ignore[misc]
            tx, user, user.name, reason
        )
        for reason in QueryScheduleEnd
    ],
    "card_expires": [lambda tx, user: emails.send_card_expires(tx, user, expiring_card())],
    "password_reset": [lambda tx, user: emails.send_password_reset(tx, user, "TOKEN-123")],
    "sign_in_unlock": [lambda tx, user: emails.send_sign_in_unlock(tx, user, "TOKEN-123")],
    "sessions_ended": [
        lambda tx, user: emails.send_sessions_ended(tx, user, InterventionReason.SECURITY)
    ],
    "ownership_changed": [
        lambda tx, user: emails.send_ownership_changed(
            tx, user, company(user), new_owner=user, former_owner=user
        )
    ],
    "password_changed": [emails.send_password_changed],
    "second_factor_changed": [
        lambda tx, user, change=change: emails.send_second_factor_changed(tx, user, change)  # type: ignore[misc]
        for change in SecondFactorChange
    ],
    "second_factor_reset": [
        lambda tx, user: emails.send_second_factor_reset(tx, user, InterventionReason.SECURITY),
        lambda tx, user: emails.send_second_factor_reset(tx, user, None),
    ],
    "email_change_taken": [emails.send_email_change_taken],
    "email_change_requested": [
        lambda tx, user: emails.send_email_change_requested(
            tx, user, "new@example.fr", "TOKEN-123"
        ),
        lambda tx, user: emails.send_email_change_requested(tx, user, "new@example.fr", None),
    ],
    "email_changed": [lambda tx, user: emails.send_email_changed(tx, user, "new@example.fr")],
    "legal_name_status": [
        lambda tx, user, status=status: emails.send_legal_name_status(
            tx, user, legal_name_change(user, status)
        )  # type: ignore[misc]
        for status in LEGAL_NAME_STATUSES
    ],
    "account_status": [
        lambda tx, user, status=status: emails.send_account_status(tx, user, company(user, status))
        for status in ACCOUNT_STATUSES
    ]
    + [
        lambda tx, user: emails.send_account_status(
            tx,
            user,
            company(user, AccountStatus.DEACTIVATED),
            reason=InterventionReason.UNPAID,
            message=user.name,
        )
    ],
    "ticket_replies": [
        lambda tx, user: ticket_replies(tx, user, 1, 0),
        lambda tx, user: ticket_replies(tx, user, 2, 3),
    ],
    "reactivation_declined": [
        lambda tx, user: emails.send_reactivation_declined(tx, user, company(user), user.name)
    ],
    "request_closed": [
        lambda tx, user, staff=staff, status=status: emails.send_request_closed(
            tx,
            user,
            company(user),
            legal_request(user, status),
            actor=User(name=user.name, staff=staff),
            reason=user.name,
        )  # type: ignore[misc]
        for staff, status in [
            (None, TicketStatus.CLOSED),
            (Staff.AGENT, TicketStatus.CLOSED),
            (Staff.AGENT, TicketStatus.SOLVED),
        ]
    ],
    "deadline_reminder": [
        lambda tx, user, agent=agent, days=days: deadline_reminder(tx, user, agent, days)  # type: ignore[misc]
        for agent, days in [(True, 7), (False, -1)]
    ],
    "ticket_transcript": [
        lambda tx, user: ticket_transcript(tx, user, 0),
        lambda tx, user: ticket_transcript(tx, user, 2),
    ],
    "ticket_escalated": [ticket_escalated],
    "escalation_received": [escalation_received],
    "rating_request": [
        lambda tx, user: rating_request(tx, user, False),
        lambda tx, user: rating_request(tx, user, True),
    ],
    "replies_not_sent": [
        lambda tx, user, count=count: emails.send_replies_not_sent(  # type: ignore[misc]
            tx, user, [("CAM-2026-000007", each) for each in [*ScheduledReplyProblem][:count]]
        )
        for count in (1, 4)
    ],
    "chat_deferred": [
        lambda tx, user, is_promised=is_promised: chat_deferred(tx, user, is_promised=is_promised)  # type: ignore[misc]
        for is_promised in (True, False)
    ],
    "webinar_notice": [
        lambda tx, user, occasion=occasion, is_waiting=is_waiting: webinar_notice(  # type: ignore[misc]
            tx, user, occasion, is_waiting=is_waiting
        )
        for is_waiting, occasions in (
            (False, WebinarOccasion),
            (True, ("WAITING", "CHANGED", "CANCELED", "WITHDRAWN")),
        )
        for occasion in map(WebinarOccasion, occasions)
    ],
    "incident_reported": [
        lambda tx, user: emails.send_incident_reported(tx, Recipient.of(user), incident(tx))
    ],
    "incident_reminder": [
        lambda tx, user, hours=hours, is_decided=is_decided: emails.send_incident_reminder(  # type: ignore[misc]
            tx, Recipient.of(user), incident(tx, hours, is_decided=is_decided)
        )
        for hours, is_decided in [(24, False), (1, True), (0, False)]
    ],
    "incident_received": [
        lambda tx, user, ticket=ticket: emails.send_incident_received(  # type: ignore[misc]
            tx, Recipient.of(user), incident(tx, ticket=ticket)
        )
        for ticket in (None, 42)
    ],
    "data_request": [
        lambda tx, user, notice=notice, days=days: emails.send_data_request(  # type: ignore[misc]
            tx, user, data_request(tx, days), notice
        )
        for notice, days in [
            *((notice, 20) for notice in DataRequestNotice),
            (DataRequestNotice.REMINDER, 0),
        ]
    ],
    "mailing": [
        lambda tx, user: emails.send_mailing(
            tx,
            user,
            Mailing(
                purpose=ConsentPurpose.NEWSLETTER,
                subject_fr="Les nouveautés de novembre",
                subject_en="What’s new in November",
                body_fr="Les exports sont plus rapides.",
                body_en="Exports are faster.",
            ),
            "TOKEN-123",
        )
    ],
    "breach_message": [
        lambda tx, user: emails.send_breach_message(
            tx,
            user,
            incident(tx),
            PeopleContent(
                subject_fr="Un incident touche vos factures",
                body_fr=f"Bonjour {user.name}.\n\nCe qui s’est produit\nUne facture est partie.",
                subject_en="An incident concerns your data",
                body_en=f"Hello {user.name}.\n\nWhat happened\nAn invoice was sent.",
            ),
        )
    ],
    "breach_message_requested": [
        lambda tx, user: emails.send_breach_message_requested(
            tx, user, user, incident(tx), "Incident 12", 1_200
        )
    ],
    "account_unused": [
        lambda tx, user, has_company=has_company: emails.send_account_unused(  # type: ignore[misc]
            tx, user, date(2028, 11, 23), company(user) if has_company else None
        )
        for has_company in (True, False)
    ],
    "account_erased": [
        lambda tx, user: emails.send_account_erased(tx, user, Erasure(invoices_kept=0)),
        lambda tx, user: emails.send_account_erased(
            tx, user, Erasure(invoices_kept=0, ticket_id=12)
        ),
        lambda tx, user: emails.send_account_erased(
            tx, user, Erasure(invoices_kept=3, kept_until=date(2036, 12, 31))
        ),
    ],
}
EMAILS_WITHOUT_GREETING: dict[str, list[EmailFactory]] = {
    "invitation": [lambda tx, user: invitation(tx, user, company(user))],
    "email_change": [
        lambda tx, user: emails.send_email_change(tx, user, "new@example.fr", "TOKEN-123")
    ],
    "invoice_recipient": [
        lambda tx, user: emails.send_invoice_recipient(
            tx, invoice_recipient(user), company(user), "TOKEN-123"
        )
    ],
    "staff_welcome": [lambda tx, user: emails.send_staff_welcome(tx, user, "TOKEN-123")],
    "incoming_email_problem": [
        lambda tx, user, problem=problem: emails.send_incoming_email_problem(  # type: ignore[misc]
            tx, "noe@example.fr", user.locale, problem, files=["devis.exe", "plan.dwg"]
        )
        for problem in IncomingEmailProblem
    ],
}


async def store_emails(
    action: Action, user: User, *kinds: dict[str, list[EmailFactory]]
) -> list[Email]:
    """One email of each variant of these kinds."""
    async with action.transaction() as tx:
        return [
            await create(tx, user)
            for kind in kinds
            for factories in kind.values()
            for create in factories
        ]


async def store_variants(action: Action, user: User, locale: Locale, name: str) -> list[Email]:
    """The variants of one kind, in a language."""
    user.locale = locale
    return await store_emails(
        action, user, {name: (EMAILS_WITH_GREETING | EMAILS_WITHOUT_GREETING)[name]}
    )


def assert_link(email: Email, url: str) -> None:
    """The text contains the URL on a line of its own, the HTML as a link."""
    assert f"\n{url}\n" in text_of(email)
    assert f'href="{escape(url)}"' in html_of(email)


def assert_token(email: Email, path: str) -> None:
    """The recipient can follow a link to a page, and doesn't have to type a token."""
    assert_link(email, f"{SITE}/{path}?token=TOKEN-123")
    assert "TOKEN-123" not in html_of(email).replace("?token=TOKEN-123", "")


@in_each_language
async def test_p1_4_a_new_user_can_confirm_their_address(
    action: Action, zoe: User, locale: Locale
) -> None:
    [email] = await store_variants(action, zoe, locale, "verification")
    assert_token(email, "verify")
    stored_email = await Email.get(pk=email.pk)
    assert (stored_email.template, stored_email.recipient) == (
        f"verification.{locale.value}",
        "zoe@example.fr",
    )
    assert stored_email.next_attempt_at == stored_email.created_at == action.at


@in_each_language
async def test_p1_4_the_owner_of_a_taken_address_can_sign_in(
    action: Action, zoe: User, locale: Locale
) -> None:
    [email] = await store_variants(action, zoe, locale, "already_registered")
    assert_link(email, f"{SITE}/")


@pytest.mark.parametrize(
    ("locale", "expected_texts"),
    [
        (
            Locale.FR,
            (
                "FA-2026-000042",
                "1er novembre 2026",
                "1\u202f481,40\u00a0€",
                "«\u00a0Mes factures et commandes\u00a0»",
            ),
        ),
        (Locale.EN, ("FA-2026-000042", "1 November 2026", "€1,481.40")),
    ],
)
async def test_p2_4_a_customer_can_read_and_download_their_invoice(
    action: Action, zoe: User, invoice: Invoice, locale: Locale, expected_texts: tuple[str, ...]
) -> None:
    zoe.locale = locale
    async with action.transaction() as tx:
        email = await emails.send_invoice_issued(tx, zoe, invoice, "TOKEN-123")
    assert_link(email, f"{SITE}/downloads/TOKEN-123")
    for expected_text in expected_texts:
        assert expected_text in email.text, expected_text
    assert "FA-2026-000042" in email.subject
    assert email.invoice_id == invoice.pk  # its PDF is attached when it is sent
    assert f'<html lang="{locale.value}">' in email.html


@in_each_language
async def test_a_recipient_outside_of_the_company_can_stop_the_invoices(
    action: Action, zoe: User, invoice: Invoice, locale: Locale
) -> None:
    zoe.locale = locale
    async with action.transaction() as tx:
        email = await emails.send_invoice_to_recipient(
            tx, invoice_recipient(zoe), company(zoe), invoice, "TOKEN-123", "STOP-123"
        )
    assert_link(email, f"{SITE}/downloads/TOKEN-123")
    assert_link(email, f"{SITE}/invoices/stop?token=STOP-123")
    assert (email.invoice_id, email.user_id) == (invoice.pk, None)
    [question] = await store_variants(action, zoe, locale, "invoice_recipient")
    assert_link(question, f"{SITE}/invoices/receive?token=TOKEN-123")
    assert_link(question, f"{SITE}/invoices/stop?token=TOKEN-123")


@in_each_language
async def test_p2_3_a_customer_can_confirm_a_payment_at_their_bank(
    action: Action, zoe: User, locale: Locale
) -> None:
    [email] = await store_variants(action, zoe, locale, "payment_confirmation_needed")
    assert_link(email, BANK_URL)
    assert Money(3_480).formatted(locale.value) in html_of(email)


@in_each_language
async def test_an_invoice_that_is_open_says_until_when_it_is_to_be_paid(
    action: Action, zoe: User, invoice: Invoice, locale: Locale
) -> None:
    zoe.locale, invoice.due_on = locale, date(2026, 12, 24)
    async with action.transaction() as tx:
        unpaid = await emails.send_invoice_issued(tx, zoe, invoice, "TOKEN-123", Money(3_480))
        paid = await emails.send_invoice_issued(tx, zoe, invoice, "TOKEN-123", Money(0))
    day = {Locale.FR: "24 décembre 2026", Locale.EN: "24 December 2026"}[locale]
    assert day in unpaid.text
    assert day not in paid.text


@pytest.mark.parametrize(
    ("locale", "expected_texts"),
    [
        (Locale.FR, ("facturation", "30 novembre 2026")),
        (Locale.EN, ("billing", "30 November 2026")),
    ],
)
async def test_p1_4_an_invited_person_can_join_a_company(
    action: Action, zoe: User, locale: Locale, expected_texts: tuple[str, ...]
) -> None:
    [email] = await store_variants(action, zoe, locale, "invitation")
    assert_token(email, "invitation")
    assert email.recipient == "noe@example.fr"
    for expected_text in ("Zoé Lefèvre", *expected_texts):
        assert expected_text in email.text, expected_text


@in_each_language
async def test_p4_3_a_user_who_forgot_their_password_can_choose_a_new_one(
    action: Action, zoe: User, locale: Locale
) -> None:
    [email] = await store_variants(action, zoe, locale, "password_reset")
    assert_token(email, "reset")


@in_each_language
async def test_p3_5_a_user_can_sign_in_without_waiting(
    action: Action, zoe: User, locale: Locale
) -> None:
    [email] = await store_variants(action, zoe, locale, "sign_in_unlock")
    assert_token(email, "unlock")


@in_each_language
async def test_p4_3_new_staff_can_choose_a_password(
    action: Action, zoe: User, locale: Locale
) -> None:
    [email] = await store_variants(action, zoe, locale, "staff_welcome")
    assert_token(email, "reset")
    assert email.user_id == zoe.pk


@in_each_language
@pytest.mark.parametrize(
    "name", ["sessions_ended", "password_changed", "second_factor_changed", "second_factor_reset"]
)
async def test_p4_3_a_user_learns_of_a_change_to_their_sign_in_and_can_react(
    action: Action, zoe: User, locale: Locale, name: str
) -> None:
    variants = await store_variants(action, zoe, locale, name)
    for email in variants:
        assert f"{SITE}/" in text_of(email).split()
        assert f'href="{SITE}/"' in html_of(email)
    assert len({email.text for email in variants}) == len(variants)  # each change is told apart


@in_each_language
async def test_p1_4_owners_learn_who_owns_the_company_and_can_react(
    action: Action, zoe: User, john: User, locale: Locale
) -> None:
    zoe.locale = locale
    account = Account(legal_name="Le Fournil")
    async with action.transaction() as tx:
        with_both_owners = await emails.send_ownership_changed(
            tx, zoe, account, new_owner=john, former_owner=zoe
        )
        with_new_owner = await emails.send_ownership_changed(
            tx, zoe, account, new_owner=john, former_owner=None
        )
    assert ("John Smith" in with_both_owners.text, ": Zoé Lefèvre\n" in with_both_owners.text) == (
        True,
        True,
    )
    assert ("John Smith" in with_new_owner.text, ": Zoé Lefèvre\n" in with_new_owner.text) == (
        True,
        False,
    )
    for email in (with_both_owners, with_new_owner):
        assert "\nLe Fournil\n" in email.text
        assert f"{SITE}/" in text_of(email).split()


@in_each_language
async def test_p1_3_the_new_address_can_be_confirmed(
    action: Action, zoe: User, locale: Locale
) -> None:
    [email] = await store_variants(action, zoe, locale, "email_change")
    assert_token(email, "email")
    assert email.recipient == "new@example.fr"


@in_each_language
async def test_p1_3_the_owner_of_an_address_is_told_about_a_request_for_it(
    action: Action, zoe: User, locale: Locale
) -> None:
    [email] = await store_variants(action, zoe, locale, "email_change_taken")
    assert_link(email, f"{SITE}/")


@in_each_language
async def test_p1_3_the_current_address_can_confirm_a_change_or_is_only_notified(
    action: Action, zoe: User, locale: Locale
) -> None:
    with_token, without_token = await store_variants(action, zoe, locale, "email_change_requested")
    assert_token(with_token, "email")
    assert with_token.recipient == without_token.recipient == "zoe@example.fr"
    assert "\nnew@example.fr\n" in with_token.text
    assert "\nnew@example.fr\n" in without_token.text
    assert "token" not in without_token.text + without_token.html


@in_each_language
async def test_p1_3_the_previous_address_is_told_the_new_one(
    action: Action, zoe: User, locale: Locale
) -> None:
    [email] = await store_variants(action, zoe, locale, "email_changed")
    assert email.recipient == "zoe@example.fr"
    assert "\nnew@example.fr\n" in email.text


@pytest.mark.parametrize(
    ("locale", "phrases"),
    [
        (Locale.FR, ("extrait Kbis", "prochaines factures", "Nous n’avons pas pu")),
        (Locale.EN, ("Kbis extract", "next invoices", "We couldn’t register")),
    ],
)
async def test_p1_1_a_company_learns_the_outcome_of_its_change_of_name(
    action: Action, zoe: User, locale: Locale, phrases: tuple[str, ...]
) -> None:
    variants = await store_variants(action, zoe, locale, "legal_name_status")
    for email, phrase in zip(variants, phrases, strict=True):
        assert phrase in email.text.replace("\n", " ")
        assert "\nZoé Lefèvre\n" in email.text
        assert f"{SITE}/" in text_of(email).split()
    assert len({email.subject for email in variants}) == 3


@pytest.mark.parametrize(
    ("locale", "phrases"),
    [
        (Locale.FR, ("Zoé Lefèvre, le 23 novembre 2026 à", "Fichier joint", "3 autres messages")),
        (Locale.EN, ("Zoé Lefèvre, 23 November 2026 at", "Attached file", "3 more messages")),
    ],
)
async def test_p5_2_a_customer_reads_replies_and_can_open_the_conversation(
    action: Action, zoe: User, locale: Locale, phrases: tuple[str, ...]
) -> None:
    single_reply_email, several_replies_email = await store_variants(
        action, zoe, locale, "ticket_replies"
    )
    for phrase in phrases:
        assert phrase in several_replies_email.text.replace("\n", " "), phrase
    assert "devis.pdf" in single_reply_email.text
    assert phrases[2] not in single_reply_email.text
    assert len({single_reply_email.subject, several_replies_email.subject}) == 2
    for email in (single_reply_email, several_replies_email):
        assert "CAM-2026-000042" in email.subject
        assert_link(email, f"{SITE}/")


@pytest.mark.parametrize(
    ("locale", "phrases"),
    [
        (
            Locale.FR,
            (
                "désactivé",
                "supprimé le 1er décembre 2026",
                "de nouveau actif",
                "Motif : des factures impayées.",
            ),
        ),
        (
            Locale.EN,
            (
                "deactivated",
                "deleted on 1 December 2026",
                "active again",
                "Reason: unpaid invoices.",
            ),
        ),
    ],
)
async def test_p1_2_owners_learn_the_status_of_the_account_and_can_ask_to_change_it(
    action: Action, zoe: User, locale: Locale, phrases: tuple[str, ...]
) -> None:
    variants = await store_variants(action, zoe, locale, "account_status")
    for email, phrase in zip(variants, phrases, strict=True):
        assert phrase in " ".join(email.text.split())
        assert email.user_id == zoe.pk
        assert_link(email, f"{SITE}/")
    assert len({email.subject for email in variants}) == 3


@in_each_language
async def test_p1_2_an_owner_learns_why_an_account_is_not_reactivated_and_can_ask_again(
    action: Action, zoe: User, locale: Locale
) -> None:
    zoe.locale = locale
    async with action.transaction() as tx:
        email = await emails.send_reactivation_declined(
            tx, zoe, company(zoe), "Please settle your invoices."
        )
    assert "\nPlease settle your invoices.\n" in email.text
    assert_link(email, f"{SITE}/")


@pytest.mark.parametrize(
    ("locale", "retention_end"), [(Locale.FR, "31 décembre 2036"), (Locale.EN, "31 December 2036")]
)
async def test_p1_2_an_owner_is_told_what_is_kept_of_an_erased_company(
    action: Action, zoe: User, locale: Locale, retention_end: str
) -> None:
    unused, requested, invoices_kept = await store_variants(action, zoe, locale, "account_erased")
    assert retention_end in invoices_kept.text
    assert retention_end not in unused.text
    assert unused.text != requested.text
    assert unused.user_id is None


async def test_a_trial_with_a_free_first_period_announces_no_charge(
    action: Action, john: User
) -> None:
    charged, *_, free = await store_variants(action, john, Locale.EN, "trial_ends")
    assert "will be charged on that day" in html_of(charged)
    assert "€0.00 will be charged" not in html_of(free)


@pytest.mark.parametrize(
    ("legal_name", "expected_name"),
    [
        ("S.A.R.L. L. Martin", "S.A.R.L. L. Martin"),
        ("Gagnez sur https://spam.example/go", "Gagnez sur https spam example go"),
        ("écrivez à moi@spam.example", "écrivez à moi spam example"),
        ("Voyez x.com et gagner-4-u.com", "Voyez x com et gagner-4-u com"),
        ("spam。example", "spam example"),
        ("camcha:/invitation", "camcha invitation"),
        ("x" * 200, "x" * 60),
    ],
)
async def test_an_invitation_contains_no_advertisement(
    action: Action, zoe: User, legal_name: str, expected_name: str
) -> None:
    async with action.transaction() as tx:
        email = await invitation(tx, zoe, Account(legal_name=legal_name))
    assert email.subject == f"{expected_name} vous invite sur CAMCHA"


async def test_p1_4_an_unverified_address_gets_no_text_from_the_sign_up(
    action: Action, zoe: User
) -> None:
    zoe.name, zoe.email_verified_at = "Achetez sur spam.example", None
    async with action.transaction() as tx:
        email = await emails.send_verification(tx, zoe, "TOKEN-123")
    assert "spam" not in email.text + email.html
    assert email.text.startswith("Bonjour,\n")


async def test_p1_3_a_new_address_gets_no_text_from_the_account(action: Action, zoe: User) -> None:
    zoe.name = "Achetez sur spam.example"
    async with action.transaction() as tx:
        email = await emails.send_email_change(tx, zoe, "new@example.fr", "TOKEN-123")
    assert email.text.startswith("Bonjour,\n")
    assert "spam" not in email.text + email.html
    assert zoe.email not in email.text + email.html


async def test_p4_3_the_content_of_an_email_with_a_token_is_deleted_once_it_was_sent(
    action: Action, zoe: User
) -> None:
    async with action.transaction() as tx:
        reset = await emails.send_password_reset(tx, zoe, "TOKEN-123")
        notice = await emails.send_password_changed(tx, zoe)
        failed_email = await emails.send_email_change(tx, zoe, "new@example.fr", "TOKEN-123")
    for email in (reset, notice):
        await email.mark_sent(action.at)
    await failed_email.mark_failed(action.at, permanent=False)
    assert [bool(email.text) for email in await Email.all().order_by("id")] == [False, True, True]
    await failed_email.mark_failed(action.at, permanent=True)
    assert "TOKEN-123" not in str(await Email.all().values())


async def test_an_email_is_rolled_back_with_its_transaction(action: Action, zoe: User) -> None:
    async def store_and_fail() -> None:
        async with action.transaction() as tx:
            await emails.send_password_changed(tx, zoe)
            raise LookupError

    with pytest.raises(LookupError):
        await store_and_fail()
    assert not await Email.exists()


@in_each_language
async def test_hostile_names_stay_text(action: Action, zoe: User, locale: Locale) -> None:
    zoe.name, zoe.locale = HOSTILE_NAME, locale
    for email in await store_emails(action, zoe, EMAILS_WITH_GREETING):
        assert "<img" not in email.html
        assert (
            "&lt;img src=x onerror=alert(1)&gt; Bcc: victim@example.org &amp; &#34;Zoé&#34;,"
            in email.html
        )
        assert '<img src=x onerror=alert(1)> Bcc: victim@example.org & "Zoé",\n' in email.text
        assert not re.search("[\r\n]", email.subject)
    invitation_email = (await store_emails(action, zoe, EMAILS_WITHOUT_GREETING))[0]
    assert "<img" not in invitation_email.html
    assert (
        "&lt;img src=x onerror=alert(1)&gt; Bcc: victim example org &amp; &#34;Zoé&#34;"
        in invitation_email.html
    )
    assert not re.search("[\r\n]", invitation_email.subject)


async def test_hostile_urls_and_tokens_stay_inside_their_attribute(
    action: Action, zoe: User
) -> None:
    async with action.transaction() as tx:
        payment = await emails.send_payment_confirmation_needed(
            tx, zoe, 'https://x/"><script>', Money(3_480)
        )
        reset = await emails.send_password_reset(tx, zoe, '"><b>')
    assert "<script" not in payment.html
    assert "<b>" not in reset.html


@in_each_language
async def test_emails_load_nothing_and_read_well_as_text(
    action: Action, zoe: User, locale: Locale
) -> None:
    zoe.locale = locale
    for email in await store_emails(action, zoe, EMAILS_WITH_GREETING, EMAILS_WITHOUT_GREETING):
        assert not re.search(r"<(img|script|link|iframe)|url\(|@import", email.html)
        assert "{{" not in email.text + email.html
        assert "\n\n\n" not in email.text
        assert all(len(line) <= 85 for line in email.text.splitlines())


async def test_french_punctuation_never_wraps(action: Action, zoe: User) -> None:
    for email in await store_emails(action, zoe, EMAILS_WITH_GREETING, EMAILS_WITHOUT_GREETING):
        for text in (email.subject, email.text, re.sub(r"<[^>]*>", "", email.html)):
            assert not re.search(r" [:;!?»]|« |\w[!?»](?=\s)|'", text), text


async def test_english_emails_contain_no_french(action: Action, john: User) -> None:
    for email in await store_emails(action, john, EMAILS_WITH_GREETING, EMAILS_WITHOUT_GREETING):
        assert not re.search("[éèàçù]", email.text.replace("Lefèvre SARL", "")), email.template


def test_every_template_is_rendered_by_these_tests() -> None:
    assert set(PATHS) == {*EMAILS_WITH_GREETING, *EMAILS_WITHOUT_GREETING, "invoice_issued"}
