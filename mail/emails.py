"""The emails that we send: one function each, which stores a row in the outbox in the caller's
transaction.

So an email exists exactly when the transaction that it reports was committed. `mail/delivery.py`
sends it afterwards, and fills in the base URL of the site (`mail/message.py`). Each function is
named after its template.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

from babel.numbers import format_decimal

from mail.message import BASE_URL, PRIVACY_POLICY, WITHDRAWAL_PATH
from mail.query_report import QueryReport
from mail.rendering import render
from models.accounts.account import Account
from models.accounts.intervention import InterventionReason
from models.accounts.invitation import Invitation
from models.accounts.legal_name import LegalNameChange
from models.accounts.service_account import SCOPE_LABELS, ApiKey, ApiKeyScope, ServiceAccount
from models.action import Transaction
from models.analytics.query_schedule import QueryScheduleEnd
from models.billing.invoice import DocumentType, Invoice
from models.billing.invoice_recipient import InvoiceRecipient
from models.billing.money import Money
from models.billing.payment_method import PaymentMethod
from models.billing.purchase_change import PurchaseChange
from models.billing.territory import SIREN_COUNTRY_CODES
from models.clock import local_date
from models.content.article import Article
from models.countries import country_name
from models.identity.user import User
from models.locale import Locale
from models.operations.email import (
    ACCOUNT_ERASED,
    DATA_REQUEST,
    QUERY_REPORT,
    STAFF_WELCOME,
    TICKET_REPLIES,
    TICKET_TRANSCRIPT,
    Email,
    EmailPriority,
)
from models.operations.webhook import WebhookDisabling, WebhookEndpoint
from models.privacy.consent import PURPOSE_LABELS, ConsentPurpose
from models.privacy.data_request import KIND_LABELS, DataRequest
from models.privacy.erasure import Erasure
from models.privacy.incident import Incident
from models.privacy.incident_notice import PeopleContent
from models.privacy.mailing import Mailing
from models.support.escalation import Escalation
from models.support.message import Message
from models.support.rating import SCORE_LABELS
from models.support.scheduled_reply import ScheduledReplyProblem
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.tracing import current_traceparent
from models.translations import _, day, duration, text, time_of_day

SIGN_IN_URL = f"{BASE_URL}/"
_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Not those of initials: S.A.R.L., L. Martin.
_LINK_CHARACTERS = re.compile(r"(?<=\S)[.:/@。．｡]+(?=\w\w)")
_NAME_LENGTH = 60


class ChangeNotice(StrEnum):
    """What an email says about a change of a purchase."""

    SCHEDULED = "SCHEDULED"
    APPLIED = "APPLIED"
    UNDONE = "UNDONE"


class DataRequestNotice(StrEnum):
    """What an email says about a data request."""

    RECEIVED = "RECEIVED"
    EXTENDED = "EXTENDED"
    DECIDED = "DECIDED"
    LIFTED = "LIFTED"
    REMINDER = "REMINDER"


class IncomingEmailProblem(StrEnum):
    """What is wrong with an email that support received."""

    UNKNOWN_SENDER = "UNKNOWN_SENDER"
    FILES_REFUSED = "FILES_REFUSED"
    TOO_LARGE = "TOO_LARGE"


class MethodRefusal(StrEnum):
    """Why a payment method isn't charged again: the card has expired, or the bank refused it for
    good.
    """

    EXPIRED = "EXPIRED"
    REFUSED = "REFUSED"


class SecondFactorChange(StrEnum):
    """What happened to a second factor."""

    TURNED_ON = "TURNED_ON"
    ADDED = "ADDED"
    REMOVED = "REMOVED"
    TURNED_OFF = "TURNED_OFF"
    RECOVERY_CODES_RENEWED = "RECOVERY_CODES_RENEWED"


@dataclass(frozen=True)
class Recipient:
    """Somebody who gets an email, with or without being a user."""

    email: str
    locale: Locale
    name: str = ""
    user: User | None = None

    @classmethod
    def of(cls, user: User) -> "Recipient":
        """A user as a recipient."""
        return cls(user.email, user.locale, _greeting_name(user), user)


async def send_verification(tx: Transaction, user: User, token: str) -> Email:
    """Ask a new user to confirm their address, by the link or by sending the token to the API."""
    return await _store_for_user(
        tx, user, "verification", link=_page_url("verify", token), token=token
    )


async def send_already_registered(tx: Transaction, user: User) -> Email:
    """Tell a user that someone signed up with their address, and where to sign in."""
    return await _store_for_user(tx, user, "already_registered")


async def send_invoice_issued(
    tx: Transaction,
    user: User,
    invoice: Invoice,
    download_token: str,
    open_amount: Money | None = None,
) -> Email:
    """Send an invoice or a credit note: its totals, its PDF (attached when the email is sent) and a
    signed download link. `open_amount` is what is still due of an invoice.
    """
    issued_on = day(invoice.issued_on, user.locale)
    link = f"{BASE_URL}/downloads/{download_token}"
    return await _store_for_user(
        tx,
        user,
        "invoice_issued",
        invoice,
        link=link,
        invoice=invoice,
        credited_number=_original_number(invoice, DocumentType.CREDIT_NOTE),
        replaced_number=_original_number(invoice, DocumentType.CORRECTIVE_INVOICE),
        issued_on=issued_on,
        due_on=day(invoice.due_on, user.locale),
        open_amount=open_amount,
        stop_link="",
    )


def _original_number(invoice: Invoice, type_: DocumentType) -> str:
    """The number of the invoice that a document of this type cites, empty for another type."""
    originals = invoice.facts.get("originals") or [{"number": ""}]
    return str(originals[0]["number"]) if invoice.type == type_ else ""


async def send_invoice_to_recipient(
    tx: Transaction,
    recipient: InvoiceRecipient,
    account: Account,
    invoice: Invoice,
    download_token: str,
    recipient_token: str,
    open_amount: Money | None = None,
) -> Email:
    """Send an invoice to a recipient outside the company, with a link to unsubscribe."""
    return await _store(
        tx,
        recipient.email,
        recipient.locale,
        "",
        "invoice_issued",
        invoice,
        account_id=account.pk,
        link=f"{BASE_URL}/downloads/{download_token}",
        invoice=invoice,
        credited_number=_original_number(invoice, DocumentType.CREDIT_NOTE),
        replaced_number=_original_number(invoice, DocumentType.CORRECTIVE_INVOICE),
        issued_on=day(invoice.issued_on, recipient.locale),
        company=_without_links(account.legal_name),
        due_on=day(invoice.due_on, recipient.locale),
        open_amount=open_amount,
        stop_link=_page_url("invoices/stop", recipient_token),
    )


async def send_invoice_recipient(
    tx: Transaction, recipient: InvoiceRecipient, account: Account, token: str
) -> Email:
    """Ask the owner of an address to confirm that they want to receive a company's invoices.
    Contains no name in its greeting.
    """
    return await _store(
        tx,
        recipient.email,
        recipient.locale,
        "",
        "invoice_recipient",
        account_id=account.pk,
        company=_without_links(account.legal_name),
        link=_page_url("invoices/receive", token),
        stop_link=_page_url("invoices/stop", token),
    )


async def send_payment_confirmation_needed(
    tx: Transaction, user: User, confirmation_url: str, amount: Money
) -> Email:
    """Ask a customer to confirm a payment of this amount on their bank's page."""
    return await _store_for_user(
        tx, user, "payment_confirmation_needed", link=confirmation_url, amount=amount
    )


async def send_card_expires(tx: Transaction, user: User, method: PaymentMethod) -> Email:
    """Tell a member who manages the billing that a card expires soon, and to replace it."""
    return await _store_for_user(
        tx,
        user,
        "card_expires",
        account_id=method.account_id,
        brand=(method.brand or "").title(),
        last_four=method.last_four,
        expires_on=day(method.expires_on, user.locale) if method.expires_on else "",
        link=SIGN_IN_URL,
    )


async def send_vat_number_invalid(
    tx: Transaction, user: User, account: Account, vat_number: str
) -> Email:
    """Tell a member who manages the billing that the tax authorities don't know the company's VAT
    number, and what this means for the next invoices: those of a company in another member state
    have VAT.
    """
    return await _store_for_user(
        tx,
        user,
        "vat_number_invalid",
        account_id=account.pk,
        company=_without_links(account.legal_name),
        vat_number=vat_number,
        is_taxed=account.country not in SIREN_COUNTRY_CODES and account.country != "MC",
        link=SIGN_IN_URL,
    )


async def send_invoice_unpaid(
    tx: Transaction,
    user: User,
    invoice: Invoice,
    open_amount: Money,
    *,
    is_declined: bool = False,
    refusal: MethodRefusal | None = None,
    is_available: bool = True,
) -> Email:
    """Remind a customer of an unpaid invoice, and say whether the bank has just declined its
    payment, why the payment method isn't charged again, and whether the service is still available.
    """
    return await _send_about_unpaid(
        tx,
        user,
        "invoice_unpaid",
        invoice,
        open_amount,
        is_declined=is_declined,
        refusal=refusal,
        is_available=is_available,
    )


async def send_purchase_suspended(
    tx: Transaction,
    user: User,
    invoice: Invoice,
    open_amount: Money,
    *,
    refusal: MethodRefusal | None = None,
) -> Email:
    """Tell a customer that a purchase is suspended until an invoice is paid, and why the payment
    method isn't charged again.
    """
    return await _send_about_unpaid(
        tx, user, "purchase_suspended", invoice, open_amount, refusal=refusal
    )


async def send_purchase_ended_unpaid(
    tx: Transaction, user: User, invoice: Invoice, open_amount: Money
) -> Email:
    """Tell a customer that a purchase has ended because an invoice wasn't paid."""
    return await _send_about_unpaid(tx, user, "purchase_ended_unpaid", invoice, open_amount)


async def send_order_canceled_unpaid(
    tx: Transaction, user: User, invoice: Invoice, open_amount: Money
) -> Email:
    """Tell a customer that a purchase that hadn't begun was canceled because its invoice wasn't
    paid, so that nothing is due any more.
    """
    return await _send_about_unpaid(tx, user, "order_canceled_unpaid", invoice, open_amount)


async def _send_about_unpaid(
    tx: Transaction, user: User, name: str, invoice: Invoice, open_amount: Money, **params: Any
) -> Email:
    return await _store_for_user(
        tx,
        user,
        name,
        invoice,
        invoice=invoice,
        due_on=day(invoice.due_on, user.locale),
        open_amount=open_amount,
        **params,
    )


async def send_refund_failed(
    tx: Transaction, user: User, account_id: int, amount: Money, ticket: Ticket
) -> Email:
    """Tell a customer that a refund failed and is now on their balance, and in which ticket they
    can ask for another way to be refunded.
    """
    return await _store_for_user(
        tx,
        user,
        "refund_failed",
        account_id=account_id,
        amount=amount,
        number=ticket.number,
    )


async def send_purchase_restored(tx: Transaction, user: User) -> Email:
    """Tell a customer that a suspended purchase is active again."""
    return await _store_for_user(tx, user, "purchase_restored")


async def send_trial_ends(
    tx: Transaction,
    user: User,
    offer: str,
    ends_on: date,
    amount: Money,
    method: PaymentMethod | None,
) -> Email:
    """Tell a member who manages the billing when a trial ends, what is charged then, and how to
    cancel; without a payment method, that the purchase ends then.
    """
    return await _store_for_user(
        tx,
        user,
        "trial_ends",
        offer=offer,
        ends_on=day(ends_on, user.locale),
        amount=amount,
        has_method=method is not None,
        brand=((method.brand or "").title() if method else ""),
        last_four=((method.last_four or method.iban_last_four or "") if method else ""),
    )


async def send_trial_ended(tx: Transaction, user: User, offer: str) -> Email:
    """Tell a member who manages the billing that a trial has ended without a payment method."""
    return await _store_for_user(tx, user, "trial_ended", offer=offer)


async def send_purchase_resumes(
    tx: Transaction, user: User, offer: str, resumes_on: date, amount: Money, *, is_charged: bool
) -> Email:
    """Tell a member who manages the billing when a pause ends, what the period that begins then
    costs, and whether it is charged or only invoiced.
    """
    return await _store_for_user(
        tx,
        user,
        "purchase_resumes",
        offer=offer,
        resumes_on=day(resumes_on, user.locale),
        amount=amount,
        is_charged=is_charged,
    )


async def send_purchase_changed(
    tx: Transaction,
    user: User,
    notice: ChangeNotice,
    change: PurchaseChange,
    *,
    offer: str,
    quantity: int,
    amount: Money | None,
) -> Email:
    """Tell a customer about a change of a purchase: what changes, when, and what it costs. `amount`
    is the total of the invoice of the change, or of the first period with the change.
    """
    return await _store_for_user(
        tx,
        user,
        "purchase_changed",
        notice=notice.value,
        kind=change.kind.value,
        is_immediate=change.is_immediate,
        offer=offer,
        quantity=quantity,
        amount=amount,
        on=day(change.effective_on, user.locale),
        resumes_on=day(change.resumes_on, user.locale) if change.resumes_on else "",
        anchor=day(change.anchor, user.locale) if change.anchor else "",
    )


async def send_purchase_canceled(
    tx: Transaction,
    user: User,
    offer: str,
    ends_on: date | None,
    *,
    renews_on: date | None = None,
    has_change: bool = False,
) -> Email:
    """Confirm a cancellation with the day on which the purchase ends, or that a cancellation was
    undone (`ends_on` is None). `has_change` is whether a change was canceled with it.
    """
    return await _store_for_user(
        tx,
        user,
        "purchase_canceled",
        offer=offer,
        ends_on=day(ends_on, user.locale) if ends_on else "",
        renews_on=day(renews_on, user.locale) if renews_on else "",
        has_change=has_change,
    )


async def send_billing_details_changed(
    tx: Transaction, user: User, account: Account, address: Mapping[str, str]
) -> Email:
    """Tell a customer which billing address the next invoices have."""
    return await _store_for_user(
        tx,
        user,
        "billing_details_changed",
        account_id=account.pk,
        street=_without_links(address["street"]),
        city=_without_links(f"{address['postal_code']} {address['city']}"),
        country=country_name(address["country"], user.locale),
    )


async def send_invitation(
    tx: Transaction, invitation: Invitation, inviter: User, account: Account, token: str
) -> Email:
    """Invite an address to join an account, by the link or by sending the token to the API.
    Contains no name in its greeting.
    """
    until = day(local_date(invitation.expires_at), invitation.locale)
    return await _store(
        tx,
        invitation.email,
        invitation.locale,
        "",
        "invitation",
        account_id=account.pk,
        link=_page_url("invitation", token),
        token=token,
        until=until,
        inviter=_without_links(inviter.name),
        company=_without_links(account.legal_name),
        role=text(invitation.role.label, invitation.locale),
    )


async def send_password_reset(tx: Transaction, user: User, token: str) -> Email:
    """Let a user choose a new password, by the link or by sending the token to the API."""
    return await _store_for_user(
        tx, user, "password_reset", link=_page_url("reset", token), token=token
    )


async def send_sign_in_unlock(tx: Transaction, user: User, token: str) -> Email:
    """Let a user sign in at once while others' failed attempts throttle sign-ins, by the link or
    the token.
    """
    return await _store_for_user(
        tx, user, "sign_in_unlock", link=_page_url("unlock", token), token=token
    )


async def send_staff_welcome(tx: Transaction, user: User, token: str) -> Email:
    """Welcome a new member of staff, and link to the page where they choose a password."""
    return await _store(
        tx,
        user.email,
        user.locale,
        "",
        STAFF_WELCOME,
        user=user,
        link=_page_url("reset", token),
        token=token,
    )


async def send_sessions_ended(tx: Transaction, user: User, reason: InterventionReason) -> Email:
    """Tell a user that support has signed out all their devices, and why."""
    return await _store_for_user(tx, user, "sessions_ended", cause=text(reason.label, user.locale))


async def send_ownership_changed(
    tx: Transaction,
    user: User,
    account: Account,
    *,
    new_owner: User | None,
    former_owner: User | None,
) -> Email:
    """Tell an owner of an account who became an owner and who is no longer one, and what to do if
    that is unexpected.
    """
    return await _store_for_user(
        tx,
        user,
        "ownership_changed",
        account_id=account.pk,
        company=_without_links(account.legal_name),
        gained=_without_links(new_owner.name) if new_owner else None,
        lost=_without_links(former_owner.name) if former_owner else None,
    )


async def send_api_key_created(
    tx: Transaction,
    user: User,
    service_account: ServiceAccount,
    api_key: ApiKey,
    creator: User | None,
) -> Email:
    """Tell an owner of a company that somebody created an API key, and what to do if that is
    unexpected. The email doesn't contain the key.
    """
    return await _store_for_user(
        tx,
        user,
        "api_key_created",
        account_id=service_account.account_id,
        creator=_without_links(creator.name) if creator else "",
        **_key_values(service_account, api_key, user.locale),
    )


async def send_api_key_expires(
    tx: Transaction, user: User, service_account: ServiceAccount, api_key: ApiKey
) -> Email:
    """Remind an owner of a company that one of its API keys expires soon."""
    return await _store_for_user(
        tx,
        user,
        "api_key_expires",
        account_id=service_account.account_id,
        is_used=api_key.last_used_at is not None,
        **_key_values(service_account, api_key, user.locale),
    )


def _key_values(service_account: ServiceAccount, api_key: ApiKey, locale: Locale) -> dict[str, Any]:
    return {
        "service_account": _without_links(service_account.name),
        "key_name": _without_links(api_key.name),
        "prefix": api_key.prefix,
        "expires_on": day(local_date(api_key.expires_at), locale),
        "scopes": [text(SCOPE_LABELS[ApiKeyScope(each)], locale) for each in api_key.scopes],
    }


async def send_password_changed(tx: Transaction, user: User) -> Email:
    """Tell a user that their password was changed, and what to do if it wasn't them."""
    return await _store_for_user(tx, user, "password_changed")


async def send_second_factor_changed(
    tx: Transaction, user: User, change: SecondFactorChange
) -> Email:
    """Tell a user what happened to their second factor, and what to do if it wasn't them."""
    return await _store_for_user(tx, user, "second_factor_changed", change=change.value)


async def send_second_factor_reset(
    tx: Transaction, user: User, reason: InterventionReason | None
) -> Email:
    """Tell a user that support has turned off their second factor, and why. Without a reason, it
    was an owner of their account.
    """
    cause = text(reason.label, user.locale) if reason else None
    return await _store_for_user(tx, user, "second_factor_reset", cause=cause)


async def send_email_change(tx: Transaction, user: User, new_address: str, token: str) -> Email:
    """Ask the recipient at a new address to confirm it, by the link or by sending the token to the
    API.
    """
    return await _store(
        tx,
        new_address,
        user.locale,
        "",
        "email_change",
        user=user,
        link=_page_url("email", token),
        token=token,
    )


async def send_email_change_taken(tx: Transaction, user: User) -> Email:
    """Tell a user that someone requested their address for another user, without saying who."""
    return await _store_for_user(tx, user, "email_change_taken")


async def send_email_change_requested(
    tx: Transaction, user: User, new_address: str, token: str | None
) -> Email:
    """Tell the current address of a user about a requested change. With a token, also ask for
    confirmation.
    """
    link = _page_url("email", token) if token else SIGN_IN_URL
    return await _store_for_user(
        tx, user, "email_change_requested", email=new_address, link=link, token=token
    )


async def send_email_changed(tx: Transaction, user: User, new_address: str) -> Email:
    """Tell the previous address, which `user` still has, which one has replaced it."""
    return await _store_for_user(tx, user, "email_changed", email=new_address)


async def send_legal_name_status(tx: Transaction, user: User, change: LegalNameChange) -> Email:
    """Tell a member about the status of their account's legal name change: evidence is needed, or
    it is accepted or rejected.
    """
    return await _store_for_user(
        tx,
        user,
        "legal_name_status",
        account_id=change.account_id,
        status=change.status.value,
        reason=change.reason,
        previous_name=_one_line(change.previous_name),
        legal_name=_one_line(change.legal_name),
    )


async def send_ticket_replies(
    tx: Transaction,
    user: User,
    ticket: Ticket,
    messages: Sequence[Message],
    file_names: Mapping[int, list[str]],
    omitted_count: int,
    *,
    thread: Sequence[str] = (),
    accepts_answers: bool = False,
) -> Email:
    """Send a customer the replies to a ticket that they haven't read, whose authors must be
    fetched, with the names of the attached files by message. `omitted_count` replies are
    left out. `thread` has the Message-IDs of the emails before it, as Email.thread has them;
    `accepts_answers` is whether an answer to this email reaches the ticket.
    """
    replies = [
        _message_values(message, file_names.get(message.pk, []), user.locale)
        for message in messages
    ]
    return await _store_for_user(
        tx,
        user,
        TICKET_REPLIES,
        account_id=ticket.account_id,
        ticket=ticket,
        thread=thread,
        accepts_answers=accepts_answers,
        link=f"{BASE_URL}/tickets/{ticket.number}",
        number=ticket.number,
        topic=_one_line(ticket.subject),
        author=replies[0]["author"],
        replies=replies,
        omitted_count=omitted_count,
    )


async def send_ticket_transcript(
    tx: Transaction,
    user: User,
    ticket: Ticket,
    messages: Sequence[Message],
    file_names: Mapping[int, list[str]],
    omitted_count: int,
    *,
    thread: Sequence[str] = (),
) -> Email:
    """Send a customer everything that was written in a ticket: its messages in their order, whose
    authors must be fetched, with the names of the attached files by message. `omitted_count`
    earlier messages are left out. `thread` has the Message-IDs of the emails before it.
    """
    return await _store_for_user(
        tx,
        user,
        TICKET_TRANSCRIPT,
        account_id=ticket.account_id,
        ticket=ticket,
        thread=thread,
        link=f"{BASE_URL}/tickets/{ticket.number}",
        number=ticket.number,
        topic=_one_line(ticket.subject),
        opened_on=day(local_date(ticket.created_at), user.locale),
        messages=[
            _message_values(message, file_names.get(message.pk, []), user.locale)
            | {"from_staff": message.from_staff, "deleted": message.deleted_at is not None}
            for message in messages
        ],
        omitted_count=omitted_count,
    )


def _message_values(message: Message, files: Sequence[str], locale: Locale) -> dict[str, Any]:
    """The values with which an email shows a message, whose author must be fetched."""
    return {
        "author": _one_line(message.author.name_in(locale)),
        "day": day(local_date(message.at), locale),
        "time": time_of_day(message.at, locale),
        "body": message.body,
        "files": [_one_line(name) for name in files],
    }


async def send_incoming_email_problem(
    tx: Transaction,
    recipient: str,
    locale: Locale,
    problem: IncomingEmailProblem,
    *,
    files: Sequence[str] = (),
    thread: Sequence[str] = (),
    user: User | None = None,
) -> Email:
    """Tell somebody who wrote to support what is wrong with their email: `files` are those that
    weren't accepted. Contains nothing that the sender wrote but the names of their files, and no
    name in its greeting.
    """
    return await _store(
        tx,
        recipient,
        locale,
        "",
        "incoming_email_problem",
        problem=problem.value,
        files=[_without_links(name) for name in files],
        thread=thread,
        user=user,
    )


async def send_account_status(
    tx: Transaction,
    user: User,
    account: Account,
    *,
    reason: InterventionReason | None = None,
    message: str | None = None,
) -> Email:
    """Tell an owner that the account is deactivated and why, active again, or will be erased on a
    certain day. `message` is an agent's.
    """
    erasure_date = day(local_date(account.erases_at), user.locale) if account.erases_at else ""
    return await _store_for_user(
        tx,
        user,
        "account_status",
        account_id=account.pk,
        company=_one_line(account.legal_name),
        status=account.status.value,
        on=erasure_date,
        cause=text(reason.label, user.locale) if reason else "",
        message=message,
    )


async def send_reactivation_declined(
    tx: Transaction, user: User, account: Account, reason: str
) -> Email:
    """Tell an owner why the account isn't reactivated, or what support needs to know first."""
    company = _one_line(account.legal_name)
    return await _store_for_user(
        tx, user, "reactivation_declined", account_id=account.pk, company=company, reason=reason
    )


async def send_request_closed(
    tx: Transaction,
    user: User,
    account: Account,
    ticket: Ticket,
    *,
    actor: User,
    reason: str | None,
) -> Email:
    """Tell the person who made a legal request that it was answered or closed, by whom and why, and
    what to do if that is unexpected.
    """
    return await _store_for_user(
        tx,
        user,
        "request_closed",
        account_id=account.pk,
        ticket=ticket,
        company=_one_line(account.legal_name),
        number=ticket.number,
        subject_line=_one_line(ticket.subject),
        solved=ticket.status is TicketStatus.SOLVED,
        member=None if actor.staff else _without_links(actor.name),
        reason=reason,
    )


async def send_deadline_reminder(
    tx: Transaction, operator: User, account: Account, ticket: Ticket, agent: User | None
) -> Email:
    """Remind an operator of the deadline of a legal request, or tell them that it has passed.
    `agent` is the agent to whom the ticket is assigned.
    """
    assert ticket.deadline_at is not None, "legal requests have one"  # noqa: S101
    return await _store_for_user(
        tx,
        operator,
        "deadline_reminder",
        account_id=ticket.account_id,
        company=_without_links(account.legal_name),
        number=ticket.number,
        on=day(local_date(ticket.deadline_at), operator.locale),
        time=time_of_day(ticket.deadline_at, operator.locale),
        has_passed=ticket.deadline_at <= tx.action.at,
        time_left=duration(ticket.deadline_at - tx.action.at, operator.locale),
        agent=agent and _one_line(agent.name),
    )


async def send_incident_reported(
    tx: Transaction, recipient: Recipient, incident: Incident
) -> Email:
    """Tell the security team that a suspected breach was reported, and by when it has to be
    notified. What the reporter wrote stays in the register.
    """
    return await _store_for_recipient(tx, recipient, "incident_reported", incident)


async def send_webhook_disabled(tx: Transaction, user: User, endpoint: WebhookEndpoint) -> Email:
    """Tell an owner of a company that nothing is sent to its webhook endpoint any more. The email
    names the endpoint's host only, because the URL may contain a secret.
    """
    return await _store_for_user(
        tx,
        user,
        "webhook_disabled",
        account_id=endpoint.account_id,
        host=urlsplit(endpoint.url).hostname or "",
        is_gone=endpoint.disabled_reason is WebhookDisabling.GONE,
    )


async def send_query_report(
    tx: Transaction,
    user: User,
    report: QueryReport,
    token: str,
    due_at: datetime,
    sender: User | None,
) -> Email:
    """Send an analyst the answer to a saved query as it was when it was due, with a link to all of
    it. `sender` is the analyst who had it sent, None when the recipient did.
    """
    link = f"{BASE_URL}/analytics?report={token}"
    return await _store_for_user(
        tx,
        user,
        QUERY_REPORT,
        report=report,
        title=_one_line(report.name),
        at=f"{day(local_date(due_at), user.locale)}, {time_of_day(due_at, user.locale)}",
        sender=_one_line(sender.name) if sender else "",
        link=link,
        csv_link=f"{link}#csv",
    )


async def send_query_failed(tx: Transaction, user: User, name: str, max_failures: int) -> Email:
    """Tell the owner of a schedule that the answer to a saved query couldn't be computed, and after
    how many failures in a row nothing is sent any more.
    """
    return await _store_for_user(
        tx, user, "query_failed", title=_one_line(name), max_failures=max_failures, link=_CHARTS_URL
    )


async def send_query_schedule_ended(
    tx: Transaction, user: User, name: str, reason: QueryScheduleEnd
) -> Email:
    """Tell an analyst that the answers to a saved query aren't sent any more, and why."""
    return await _store_for_user(
        tx,
        user,
        "query_schedule_ended",
        title=_one_line(name),
        explanation=text(_SCHEDULE_ENDS[reason], user.locale),
        link=_CHARTS_URL,
    )


_CHARTS_URL = f"{BASE_URL}/analytics"
_SCHEDULE_ENDS = {
    QueryScheduleEnd.RECIPIENT_LEFT: _("Its recipient is no longer an analyst."),
    QueryScheduleEnd.OWNER_LEFT: _("The person who had it sent to you is no longer an analyst."),
    QueryScheduleEnd.QUERY_NOT_SHARED: _("The query is no longer shared."),
    QueryScheduleEnd.QUERY_DELETED: _("The query was deleted."),
    QueryScheduleEnd.FAILING: _("Its result couldn’t be computed several times in a row."),
}


async def send_incident_reminder(
    tx: Transaction, recipient: Recipient, incident: Incident
) -> Email:
    """Remind the security team of the deadline of an incident, or tell them that it has passed."""
    return await _store_for_recipient(
        tx,
        recipient,
        "incident_reminder",
        incident,
        has_passed=incident.deadline_at <= tx.action.at,
        time_left=duration(incident.deadline_at - tx.action.at, recipient.locale),
        is_decided=incident.authority_required is not None,
    )


async def send_incident_received(
    tx: Transaction, recipient: Recipient, incident: Incident
) -> Email:
    """Confirm to the reporter that their report arrived. It contains nothing of what they wrote,
    because the address may be somebody else's.
    """
    return await _store_for_recipient(
        tx, recipient, "incident_received", incident, has_ticket=incident.ticket_id is not None
    )


async def send_breach_message_requested(
    tx: Transaction,
    operator: User,
    requester: User,
    incident: Incident,
    subject: str,
    recipient_count: int,
) -> Email:
    """Tell an operator that another one asked for a message about a breach to be sent, which
    somebody else has to confirm. `subject` is the message's, in the operator's language.
    """
    return await _store_for_recipient(
        tx,
        Recipient.of(operator),
        "breach_message_requested",
        incident,
        requester=requester.name,
        title=_one_line(subject),
        count=format_decimal(recipient_count, locale=operator.locale.value),
    )


async def _store_for_recipient(
    tx: Transaction, recipient: Recipient, name: str, incident: Incident, **params: Any
) -> Email:
    locale, deadline_at = recipient.locale, incident.deadline_at
    return await _store(
        tx,
        recipient.email,
        locale,
        recipient.name,
        name,
        user=recipient.user,
        number=incident.number,
        reported_on=day(local_date(incident.reported_at), locale),
        reported_time=time_of_day(incident.reported_at, locale),
        on=day(local_date(deadline_at), locale),
        time=time_of_day(deadline_at, locale),
        **params,
    )


async def send_ticket_escalated(
    tx: Transaction, supervisor: User, account: Account, ticket: Ticket, escalation: Escalation
) -> Email:
    """Tell a supervisor that a ticket was escalated to them."""
    return await _store_for_user(
        tx,
        supervisor,
        "ticket_escalated",
        account_id=ticket.account_id,
        company=_without_links(account.legal_name),
        number=ticket.number,
        topic=_one_line(ticket.subject),
        details=escalation.details,
        steps_tried=escalation.steps_tried,
        earlier=len(escalation.history) - 1,
    )


async def send_escalation_received(tx: Transaction, user: User, ticket: Ticket) -> Email:
    """Confirm to a customer that their ticket was escalated."""
    return await _store_for_user(
        tx,
        user,
        "escalation_received",
        account_id=ticket.account_id,
        number=ticket.number,
        topic=_one_line(ticket.subject),
    )


async def send_rating_request(
    tx: Transaction, user: User, ticket: Ticket, token: str, *, is_reminder: bool
) -> Email:
    """Ask the requester of a solved ticket how satisfied they are, with a link for each score."""
    page = _page_url("rate", token)
    scores = [
        (score, text(label, user.locale), f"{page}&score={score}")
        for score, label in reversed(SCORE_LABELS.items())
    ]
    return await _store_for_user(
        tx,
        user,
        "rating_request",
        account_id=ticket.account_id,
        ticket=ticket,
        number=ticket.number,
        topic=_one_line(ticket.subject),
        link=f"{BASE_URL}/tickets/{ticket.number}",
        scores=scores,
        is_reminder=is_reminder,
    )


async def send_chat_deferred(
    tx: Transaction, user: User, ticket: Ticket, due_at: datetime | None
) -> Email:
    """Tell a customer that their chat has become a ticket, and by when it will be answered, if that
    is promised.
    """
    return await _store_for_user(
        tx,
        user,
        "chat_deferred",
        account_id=ticket.account_id,
        ticket=ticket,
        number=ticket.number,
        topic=_one_line(ticket.subject),
        on=day(local_date(due_at), user.locale) if due_at else "",
        time=time_of_day(due_at, user.locale) if due_at else "",
    )


async def send_replies_not_sent(
    tx: Transaction, agent: User, replies: Sequence[tuple[str, ScheduledReplyProblem]]
) -> Email:
    """Tell an agent which scheduled replies couldn't be sent: the number of the ticket of each, and
    why.
    """
    return await _store_for_user(
        tx,
        agent,
        "replies_not_sent",
        replies=[(number, text(_PROBLEMS[problem], agent.locale)) for number, problem in replies],
    )


_PROBLEMS = {
    ScheduledReplyProblem.TICKET_CLOSED: _("The ticket was closed."),
    ScheduledReplyProblem.TICKET_MERGED: _("The ticket was merged into another one."),
    ScheduledReplyProblem.AUTHOR_LEFT: _("Its author no longer answers customers."),
    ScheduledReplyProblem.FILE_REFUSED: _("The virus scan found malware in a file."),
}


class WebinarOccasion(StrEnum):
    """Why somebody gets an email about a webinar."""

    SIGNED_UP = "SIGNED_UP"
    PROMOTED = "PROMOTED"
    WAITING = "WAITING"
    DAY_BEFORE = "DAY_BEFORE"
    SAME_DAY = "SAME_DAY"
    HOUR_BEFORE = "HOUR_BEFORE"
    CHANGED = "CHANGED"
    CANCELED = "CANCELED"
    WITHDRAWN = "WITHDRAWN"


_WITH_LINK = {
    WebinarOccasion.SIGNED_UP,
    WebinarOccasion.PROMOTED,
    WebinarOccasion.DAY_BEFORE,
    WebinarOccasion.SAME_DAY,
    WebinarOccasion.HOUR_BEFORE,
    WebinarOccasion.CHANGED,
}


async def send_webinar_notice(
    tx: Transaction,
    user: User,
    article: Article,
    occasion: WebinarOccasion,
    *,
    is_waiting: bool,
    calendar: str | None,
) -> Email:
    """Notify a person about a webinar. `calendar` is the calendar file to attach, and `is_waiting`
    is whether they are, or were, on the waiting list.
    """
    assert article.starts_at, "webinars have a date"  # noqa: S101
    assert article.ends_at, "and an end"  # noqa: S101
    has_link = occasion in _WITH_LINK and not is_waiting
    return await _store_for_user(
        tx,
        user,
        "webinar_notice",
        calendar=calendar,
        occasion=occasion.value,
        is_waiting=is_waiting,
        title=_one_line(article.text(user.locale)["title"]),
        on=day(local_date(article.starts_at), user.locale),
        time=time_of_day(article.starts_at, user.locale),
        length=duration(article.ends_at - article.starts_at, user.locale),
        join_url=article.join_url if has_link else None,
    )


async def send_data_request(
    tx: Transaction,
    user: User,
    request: DataRequest,
    notice: DataRequestNotice,
    *,
    reason: str = "",
    is_erased: bool = False,
) -> Email:
    """Tell a person about their data request, or remind an operator of its deadline. An operator
    doesn't get what the person wrote. `reason` is why a restriction ends.

    The row of somebody who was erased refers to no user, and its content is deleted once it was
    sent.
    """
    words = {
        DataRequestNotice.EXTENDED: request.extension_reason,
        DataRequestNotice.DECIDED: request.answer,
        DataRequestNotice.LIFTED: reason,
    }
    return await _store(
        tx,
        user.email,
        user.locale,
        _greeting_name(user),
        DATA_REQUEST,
        user=None if is_erased else user,
        notice=notice.value,
        number=request.number,
        kind=text(KIND_LABELS[request.kind], user.locale),
        on=day(local_date(request.deadline_at), user.locale),
        has_passed=request.deadline_at <= tx.action.at,
        time_left=duration(request.deadline_at - tx.action.at, user.locale),
        words=words.get(notice, ""),
    )


async def send_mailing(
    tx: Transaction, user: User, mailing: Mailing, withdrawal_token: str
) -> Email:
    """Send a mailing to somebody who consented to its purpose, with a link to withdraw the
    consent.
    """
    return await _store_for_user(
        tx,
        user,
        "mailing",
        mailing_id=mailing.pk,
        purpose=mailing.purpose,
        withdrawal_token=withdrawal_token,
        **_mailing_values(mailing, user.locale, withdrawal_token),
    )


def render_mailing(mailing: Mailing, reader: User, locale: Locale) -> tuple[str, str, str]:
    """The subject, the text and the HTML of a mailing in one language, as it would be sent to this
    person. Its link to withdraw the consent doesn't work.
    """
    values = _mailing_values(mailing, locale, "")
    return _render("mailing", locale, _greeting_name(reader), **values)


def _mailing_values(mailing: Mailing, locale: Locale, withdrawal_token: str) -> dict[str, Any]:
    return {
        "title": _one_line(mailing.subject(locale)),
        "paragraphs": [each for each in re.split(r"\n\s*\n", mailing.body(locale)) if each],
        "consent": text(PURPOSE_LABELS[mailing.purpose], locale),
        "stop_link": _page_url(WITHDRAWAL_PATH, withdrawal_token),
    }


async def send_breach_message(
    tx: Transaction, user: User, incident: Incident, content: PeopleContent
) -> Email:
    """Tell somebody about a breach that concerns their data (GDPR, Article 34): in their language,
    then in the other one. The law requires it, so it needs no consent.
    """
    other = Locale.EN if user.locale is Locale.FR else Locale.FR
    return await _store_for_user(
        tx,
        user,
        "breach_message",
        number=incident.number,
        title=_one_line(content.subject(user.locale)),
        sections=_sections(content.body(user.locale)),
        other_title=_one_line(content.subject(other)),
        other_sections=_sections(content.body(other)),
        other_locale=other.value,
    )


def _sections(body: str) -> list[tuple[str, list[str]]]:
    """The paragraphs of a text, each with its heading: the first line of several."""
    paragraphs = [each.strip().split("\n") for each in re.split(r"\n\s*\n", body) if each.strip()]
    return [
        (lines[0] if len(lines) > 1 else "", lines[1:] if len(lines) > 1 else lines)
        for lines in paragraphs
    ]


async def send_account_unused(
    tx: Transaction, user: User, erased_on: date, account: Account | None = None
) -> Email:
    """Warn an owner of a company that nobody uses, or somebody who belongs to none, that the
    account is erased on a day unless somebody signs in.
    """
    return await _store_for_user(
        tx,
        user,
        "account_unused",
        account_id=account.pk if account else None,
        company=account.legal_name if account else "",
        on=day(erased_on, user.locale),
    )


async def send_account_erased(tx: Transaction, user: User, erasure: Erasure) -> Email:
    """Tell an owner that the account is erased, and what is kept, why and until when (GDPR, art.
    12).

    The row refers to no user, and its content is deleted once it was sent, because nothing else
    about its recipient is kept.
    """
    until = day(erasure.kept_until, user.locale) if erasure.kept_until else ""
    return await _store(
        tx,
        user.email,
        user.locale,
        _greeting_name(user),
        ACCOUNT_ERASED,
        invoices=erasure.invoices_kept,
        until=until,
        is_unused=erasure.ticket_id is None,
    )


def _page_url(path: str, token: str) -> str:
    return f"{BASE_URL}/{path}?token={token}"


async def _store_for_user(
    tx: Transaction, user: User, name: str, attached_invoice: Invoice | None = None, **params: Any
) -> Email:
    return await _store(
        tx,
        user.email,
        user.locale,
        _greeting_name(user),
        name,
        attached_invoice,
        user=user,
        **params,
    )


async def _store(
    tx: Transaction,
    recipient: str,
    locale: Locale,
    greeting_name: str,
    name: str,
    attached_invoice: Invoice | None = None,
    user: User | None = None,
    account_id: int | None = None,
    ticket: Ticket | None = None,
    mailing_id: int | None = None,
    thread: Sequence[str] = (),
    calendar: str | None = None,
    purpose: ConsentPurpose | None = None,
    withdrawal_token: str | None = None,
    **params: Any,
) -> Email:
    subject, text, html = _render(name, locale, greeting_name, **params)
    return await Email.create(
        using_db=tx.db,
        template=f"{name}.{locale.value}",
        recipient=recipient,
        subject=subject,
        text=text,
        html=html,
        invoice_id=attached_invoice.pk if attached_invoice else None,
        user=user,
        account_id=account_id,
        ticket_id=ticket.pk if ticket else None,
        mailing_id=mailing_id,
        message_key=f"email-{token_hex(16)}",
        thread=" ".join(thread) or None,
        calendar=calendar,
        purpose=purpose,
        withdrawal_token=withdrawal_token,
        priority=EmailPriority.for_template(name),
        created_at=tx.action.at,
        next_attempt_at=tx.action.at,
        traceparent=current_traceparent(),
    )


def _render(name: str, locale: Locale, greeting_name: str, **params: Any) -> tuple[str, str, str]:
    """The subject, the text and the HTML of an email."""
    links = {"privacy_policy": PRIVACY_POLICY, "sign_in_url": SIGN_IN_URL}
    return render(name, locale, name=greeting_name, **links, **params)


def _one_line(text: str) -> str:
    return _LINE_BREAKS.sub(" ", text).strip()


def _greeting_name(user: User) -> str:
    """The user's name on one line; empty until their address is verified.

    Anyone can sign up with someone else's address and put an advertisement into the name: our
    emails must not deliver it. For the same reason, an email to another address than the user's own
    contains no name in its greeting.
    """
    return _one_line(user.name) if user.email_verified_at else ""


def _without_links(name: str) -> str:
    """A name that a customer chose, on one short line in which no mail program finds a link.

    Anyone can sign up and invite any address: our emails must not deliver advertisements.
    """
    return _LINK_CHARACTERS.sub(" ", _one_line(name))[:_NAME_LENGTH]
