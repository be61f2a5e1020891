"""The erasure of a company whose deletion is due. What remains are the invoices, as long as the law
requires, and rows without personal data.

Invoices and their PDFs stay as issued (Code de commerce, Article L123-22; GDPR, Article 17(3)(b)),
invisible to agents. Everything else that the company and its members wrote, uploaded or are named
by is removed, in short transactions that each find what is left to do: a process that dies
continues where it stopped, and two concurrent ones do nothing twice. A user who belongs to another
company stays, and only leaves this one.

The audit log stays unchanged: it refers to rows by key, and its network addresses expire within
twelve months.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from tortoise.expressions import Q

from auth import sessions
from auth.factors.enrolment import turn_off
from billing.changes.applying import end_purchases
from mail import emails
from models.accounts.account import Account, AccountStatus, Membership, Role
from models.accounts.invitation import Invitation
from models.accounts.legal_name import LegalNameChange
from models.accounts.service_account import ServiceAccount
from models.accounts.vat_number import VatCheck
from models.action import Action, Transaction
from models.billing.billing_profile import BillingProfile
from models.billing.invoice import Invoice
from models.billing.invoice_recipient import InvoiceRecipient
from models.billing.payment import Payment
from models.billing.payment_method import PaymentMethod, PaymentMethodStatus
from models.billing.purchase import Purchase
from models.content.article_feedback import ArticleFeedback
from models.content.webinar import WebinarSignUp
from models.database.batches import keys_of
from models.database.sql import execute
from models.idempotency import IdempotencyKey
from models.identity.access_links import invalidate_links
from models.identity.session import Session
from models.identity.user import User
from models.operations.email import ACCOUNT_ERASED, Email
from models.operations.webhook import WebhookEndpoint
from models.privacy.audit_actions import PrivacyAuditAction
from models.privacy.consent import ConsentChange, ConsentChannel
from models.privacy.data_request import DataRequest
from models.privacy.erasure import ERASED, Erasure, Retention
from models.privacy.incident import FINISHED_STATUSES, Incident
from models.support.automation import AutomationRun, AutomationTimer
from models.support.call import Call
from models.support.draft import Draft
from models.support.escalation import Escalation
from models.support.file import File
from models.support.macro import MacroUse
from models.support.message import Message, MessageVersion
from models.support.note import Note
from models.support.phone_number import PhoneNumber
from models.support.rating import TicketRating
from models.support.reaction import Reaction
from models.support.scheduled_reply import ScheduledReply
from models.support.search_entry import SearchEntry
from models.support.sla_clock import cancel_clocks
from models.support.status_board import BoardEntry, StatusBoard
from models.support.tag import TicketTag
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from storage.file_service import delete_content
from storage.store import Store, StoreUnavailable
from support.incoming.retention import delete_emails

BATCH_SIZE = 200
UNUSABLE_PASSWORD_HASH = "!"  # noqa: S105 - no password hashes to it

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class ErasureServices:
    """What an erasure needs: the file store and the legal retention periods."""

    store: Store
    retention: Retention


async def erase_due_accounts(action: Action, services: ErasureServices) -> int:
    """Erase the accounts whose grace period has ended, and continue those that were started.
    Returns how many were finished.

    An account with unsettled payments of the last days waits, because an invoice may still be
    issued. While the file store is unavailable, all wait.
    """
    due = Erasure.filter(due_at__lte=action.at, canceled_at=None, finished_at=None)
    finished_count = 0
    async for key in keys_of(due):
        try:
            finished_count += await erase(action, services, key)
        except StoreUnavailable:
            log.warning("store.unavailable", erasure=key)
            break
        except Exception as error:  # one that fails each time never holds up the others
            log.error("erasure.failed", erasure=key, error=type(error).__name__, exc_info=error)
    return finished_count


async def erase(action: Action, services: ErasureServices, erasure_id: int) -> bool:
    """Erase one account, continuing from whatever was done before. Returns whether it is
    finished.
    """
    erasure = await _start(action, services, erasure_id)
    if erasure is None:
        return False
    await _delete_files(action, services, erasure)
    await _delete_incoming_emails(services, erasure.account_id)
    for kind, step in _STEPS.items():
        while await _run_step(action, erasure, kind, step):
            pass
    return await _finish(action, erasure)


async def _start(action: Action, services: ErasureServices, erasure_id: int) -> Erasure | None:
    """Start the erasure: from here on it can't be canceled. The owners are told what is kept, while
    their addresses are still known, and the company's purchases end.
    """
    erasure = await Erasure.get(pk=erasure_id)
    async with action.transaction() as tx:
        account = await tx.lock(Account, erasure.account_id)
        erasure = await tx.lock(Erasure, erasure_id)
        if erasure.canceled_at or erasure.finished_at:
            return None
        if erasure.started_at:
            return erasure
        if (
            await Payment.unsettled(action.at)
            .filter(account_id=account.pk)
            .using_db(tx.db)
            .exists()
        ):
            log.warning("erasure.waiting", erasure=erasure.pk)
            return None
        await _record_start(tx, services, erasure)
        await Account.filter(pk=account.pk).using_db(tx.db).update(status=AccountStatus.ERASED)
        owners = (
            Membership.filter(account_id=account.pk, role=Role.OWNER)
            .using_db(tx.db)
            .select_related("user")
        )
        for membership in await owners.order_by("id"):
            await emails.send_account_erased(tx, membership.user, erasure)
        await end_purchases(tx, account.pk)
    return erasure


async def _record_start(tx: Transaction, services: ErasureServices, erasure: Erasure) -> None:
    invoices = Invoice.filter(account_id=erasure.account_id).using_db(tx.db)
    erasure.started_at, erasure.invoices_kept = tx.action.at, await invoices.count()
    if last_invoice := await invoices.order_by("-issued_on").first():
        erasure.kept_until = services.retention.invoices_kept_until(last_invoice.issued_on)
    await erasure.save(using_db=tx.db, update_fields=["started_at", "invoices_kept", "kept_until"])


Step = Callable[[Transaction, int], Awaitable[int]]


async def _run_step(action: Action, erasure: Erasure, kind: str, step: Step) -> int:
    """Run one batch of a step, and count it in the same transaction."""
    async with action.transaction() as tx:
        current = await tx.lock(Erasure, erasure.pk)
        if current.finished_at:
            return 0
        count = await step(tx, erasure.account_id)
        if count:
            counts = current.removed_counts
            current.removed_counts = {**counts, kind: counts.get(kind, 0) + count}
            await current.save(using_db=tx.db, update_fields=["removed_counts"])
    return count


async def _delete_files(action: Action, services: ErasureServices, erasure: Erasure) -> None:
    """Delete files before the rows that refer to them: an interrupted erasure would otherwise leave
    files that nothing refers to.
    """
    account_id = erasure.account_id
    belongs_to_account = (
        Q(account_id=account_id)
        | Q(message__ticket__account_id=account_id)
        | Q(scheduled_reply__ticket__account_id=account_id)
        | Q(legal_name_change__account_id=account_id)
    )
    while files := await File.filter(belongs_to_account).limit(BATCH_SIZE):
        keys = [file.pk for file in files]
        await File.filter(pk__in=keys).update(abandoned_at=action.at)
        for file in files:
            await delete_content(services.store, file)
        await _run_step(action, erasure, "files", partial(_delete_file_rows, keys))


async def _delete_incoming_emails(services: ErasureServices, account_id: int) -> None:
    """Delete the emails that became messages of the company, and those of its members that didn't
    become messages.
    """
    memberships = Membership.filter(account_id=account_id)
    addresses = await memberships.values_list("user__email", flat=True)
    await delete_emails(
        services.store,
        Q(posted_message__ticket__account_id=account_id)
        | Q(posted_message_id=None, sender__in=[*addresses]),
    )


async def _delete_file_rows(keys: list[int], tx: Transaction, account_id: int) -> int:
    return await File.filter(pk__in=keys).using_db(tx.db).delete()


async def _delete_vat_checks(tx: Transaction, account_id: int) -> int:
    return await VatCheck.filter(account_id=account_id).using_db(tx.db).delete()


async def _delete_legal_name_changes(tx: Transaction, account_id: int) -> int:
    return await LegalNameChange.filter(account_id=account_id).using_db(tx.db).delete()


async def _erase_messages(tx: Transaction, account_id: int) -> int:
    messages = (
        Message.filter(ticket__account_id=account_id)
        .exclude(body=ERASED)
        .using_db(tx.db)
        .limit(BATCH_SIZE)
    )
    keys = [int(str(key)) for key in await messages.values_list("id", flat=True)]
    if keys:
        placeholders = ", ".join("?" * len(keys))
        await execute(
            "UPDATE message SET body = ?, client_message_id = 'erased-' || id"  # noqa: S608 - places
            f" WHERE id IN ({placeholders})",
            ERASED,
            *keys,
            db=tx.db,
        )
    return len(keys)


async def _delete_notes(tx: Transaction, account_id: int) -> int:
    """Delete what agents wrote for each other about the company, the logs of macros and
    automations, the search index, and the former texts of messages.
    """
    for message_model in (MessageVersion, Reaction):
        await message_model.filter(message__ticket__account_id=account_id).using_db(tx.db).delete()
    for model in (
        TicketTag,
        SearchEntry,
        Draft,
        MacroUse,
        ScheduledReply,
        AutomationTimer,
        AutomationRun,
    ):
        await model.filter(ticket__account_id=account_id).using_db(tx.db).delete()
    return await Note.filter(ticket__account_id=account_id).using_db(tx.db).delete()


async def _delete_calls(tx: Transaction, account_id: int) -> int:
    """Delete the calls of the company, also those that belong to no ticket, by their numbers."""
    numbers = await PhoneNumber.filter(
        Q(account_id=account_id) | Q(user__memberships__account_id=account_id)
    ).using_db(tx.db)
    of_company = Q(ticket__account_id=account_id) | Q(
        ticket_id=None, number__in=[row.number for row in numbers]
    )
    return await Call.filter(of_company).using_db(tx.db).delete()


async def _delete_phone_numbers(tx: Transaction, account_id: int) -> int:
    return await PhoneNumber.filter(account_id=account_id).using_db(tx.db).delete()


async def _delete_escalations(tx: Transaction, account_id: int) -> int:
    return await Escalation.filter(ticket__account_id=account_id).using_db(tx.db).delete()


async def _erase_ratings(tx: Transaction, account_id: int) -> int:
    """Remove who rated tickets and what they added. The scores are figures about our agents."""
    ratings = TicketRating.filter(ticket__account_id=account_id)
    await ratings.filter(score=None).using_db(tx.db).delete()
    rows = ratings.filter(rater_id__not_isnull=True).using_db(tx.db)
    return await rows.update(comment=None, rater_id=None, request_at=None)


async def _delete_board(tx: Transaction, account_id: int) -> int:
    """Delete the link to the status board, and what its snapshots show of the company."""
    await StatusBoard.filter(account_id=account_id).using_db(tx.db).delete()
    return await BoardEntry.filter(account_id=account_id).using_db(tx.db).delete()


async def _erase_incidents(tx: Transaction, account_id: int) -> int:
    """Remove what people of the company reported. What was found out, decided and done stays in the
    register (GDPR, Articles 17(3)(b) and 33(5)), and so does an incident until it is closed.
    """
    incidents = Incident.filter(account_id=account_id, status__in=FINISHED_STATUSES)
    rows = incidents.exclude(description=ERASED).using_db(tx.db)
    return await rows.update(description=ERASED, reporter_name="", reporter_email="")


async def _erase_tickets(tx: Transaction, account_id: int) -> int:
    """Close the tickets before their messages are deleted, so that no one posts in them anymore."""
    tickets = Ticket.filter(account_id=account_id).using_db(tx.db)
    closed_values = {
        "status": TicketStatus.CLOSED,
        "closed_at": tx.action.at,
        "reply_awaited_since": None,
        "reply_email_pending_since": None,
    }
    await tickets.exclude(status=TicketStatus.CLOSED).update(**closed_values)
    await cancel_clocks(tx, Ticket.filter(account_id=account_id))
    return await tickets.exclude(subject=ERASED).update(subject=ERASED)


async def _clear_billing_details(tx: Transaction, account_id: int) -> int:
    """Delete the billing profiles that no invoice was issued to, and why purchases were
    canceled.
    """
    invoices = Invoice.filter(account_id=account_id).using_db(tx.db)
    kept = {*await invoices.values_list("billing_profile_id", flat=True)}
    profiles = await tx.lock_rows(BillingProfile.filter(account_id=account_id))
    keys = [profile.pk for profile in profiles if profile.pk not in kept]
    written = Q(billing_profile_id__not_isnull=True) | Q(cancel_reason__not_isnull=True)
    for purchase in await tx.lock_rows(Purchase.filter(written, account_id=account_id)):
        purchase.billing_profile_id = purchase.cancel_reason = None
        await purchase.save(using_db=tx.db, update_fields=["billing_profile_id", "cancel_reason"])
    return await BillingProfile.filter(pk__in=keys).using_db(tx.db).delete() if keys else 0


async def clear_card_details(tx: Transaction, account_id: int) -> int:
    """Remove the details of cards and mandates. Amount, date and the provider's reference of a
    payment are accounting records. The token stays until the method is removed at the provider
    (billing/payment_methods.py).
    """
    saved_values: dict[str, Any] = {
        "brand": None,
        "last_four": None,
        "iban_last_four": None,
        "mandate_reference": None,
        "status": PaymentMethodStatus.REMOVED,
        "is_default": False,
    }
    saved_methods = PaymentMethod.filter(account_id=account_id)
    await saved_methods.using_db(tx.db).update(**saved_values)
    erased_values: dict[str, Any] = {
        "method": ERASED,
        "brand": None,
        "last_four": None,
        "confirmation_url": None,
        "invoice_draft": None,
    }
    return (
        await Payment.filter(account_id=account_id)
        .exclude(method=ERASED)
        .using_db(tx.db)
        .update(**erased_values)
    )


async def _delete_invitations(tx: Transaction, account_id: int) -> int:
    return await Invitation.filter(account_id=account_id).using_db(tx.db).delete()


async def _delete_invoice_recipients(tx: Transaction, account_id: int) -> int:
    return await InvoiceRecipient.filter(account_id=account_id).using_db(tx.db).delete()


async def _delete_service_accounts(tx: Transaction, account_id: int) -> int:
    """Delete the company's service accounts with their keys, which don't work since the account was
    scheduled for deletion.
    """
    return await ServiceAccount.filter(account_id=account_id).using_db(tx.db).delete()


async def _delete_webhooks(tx: Transaction, account_id: int) -> int:
    """Delete the company's endpoints with what was or would be sent there."""
    endpoints = WebhookEndpoint.filter(account_id=account_id).using_db(tx.db)
    return await endpoints.delete()


async def _delete_emails(tx: Transaction, account_id: int) -> int:
    matching_emails = Email.filter(Q(account_id=account_id) | Q(invoice__account_id=account_id))
    return await matching_emails.using_db(tx.db).delete()


async def _delete_sessions(tx: Transaction, account_id: int) -> int:
    return await Session.filter(account_id=account_id).using_db(tx.db).delete()


async def _remove_member(tx: Transaction, account_id: int) -> int:
    """Remove one member at a time from the company, and erase the user unless they belong to
    another one.
    """
    membership = (
        await Membership.filter(account_id=account_id).using_db(tx.db).order_by("id").first()
    )
    if membership is None:
        return 0
    address = (await User.get(pk=membership.user_id, using_db=tx.db)).email
    # Before the user, in the same order as accepting one.
    await tx.lock_rows(Invitation.filter(email=address))
    user = await tx.lock(User, membership.user_id)
    await membership.delete(using_db=tx.db)
    if not await Membership.filter(user_id=user.pk).using_db(tx.db).exists():
        await anonymize(tx, user)
    tx.streams[sessions.user_key(user.pk)] = None
    return 1


async def anonymize(tx: Transaction, user: User) -> None:
    """Remove everything that names a person who belongs to no company, except for what belongs to
    the companies that they have left.
    """
    erased_values: dict[str, Any] = {
        "name": ERASED,
        "email": f"erased-{user.pk}@invalid",
        "password_hash": UNUSABLE_PASSWORD_HASH,
        "email_verified_at": None,
        "search_text": None,
        "erased_at": tx.action.at,
    }
    await User.filter(pk=user.pk).using_db(tx.db).update(**erased_values)
    await ConsentChange.withdraw_all(tx, user, ConsentChannel.ERASURE)
    await PhoneNumber.filter(user_id=user.pk).using_db(tx.db).delete()
    for model in (ArticleFeedback, WebinarSignUp):
        await model.filter(user_id=user.pk).using_db(tx.db).delete()
    await turn_off(tx, user)
    await Session.filter(user_id=user.pk).using_db(tx.db).delete()
    await invalidate_links(user, tx.db)
    await IdempotencyKey.filter(owner=f"user:{user.pk}").using_db(tx.db).delete()
    requests = DataRequest.filter(user_id=user.pk).using_db(tx.db)
    await requests.update(details=ERASED, extension_reason="")
    await requests.exclude(answer="").update(answer=ERASED)
    # another company's invitation has an address instead of a user
    is_recipient = Q(user_id=user.pk) | Q(recipient=user.email)
    await (
        Email.filter(is_recipient)
        .exclude(template__startswith=f"{ACCOUNT_ERASED}.")
        .using_db(tx.db)
        .delete()
    )
    await Invitation.filter(email=user.email).using_db(tx.db).delete()


_STEPS: dict[str, Step] = {
    "legal names": _delete_legal_name_changes,
    "VAT checks": _delete_vat_checks,
    "tickets": _erase_tickets,
    "messages": _erase_messages,
    "calls": _delete_calls,
    "phone numbers": _delete_phone_numbers,
    "notes": _delete_notes,
    "escalations": _delete_escalations,
    "ratings": _erase_ratings,
    "status board": _delete_board,
    "incidents": _erase_incidents,
    "billing details": _clear_billing_details,
    "cards": clear_card_details,
    "invitations": _delete_invitations,
    "invoice recipients": _delete_invoice_recipients,
    "service accounts": _delete_service_accounts,
    "webhooks": _delete_webhooks,
    "emails": _delete_emails,
    "sessions": _delete_sessions,
    "people": _remove_member,
}


async def _finish(action: Action, erasure: Erasure) -> bool:
    async with action.transaction() as tx:
        account = await tx.lock(Account, erasure.account_id)
        current = await tx.lock(Erasure, erasure.pk)
        if current.finished_at:
            return False
        erased_values: dict[str, Any] = {
            "legal_name": ERASED,
            "trade_name": None,
            "siren": "000000000",
            "nic": None,
            "vat_number": None,
            "registration_number": None,
            "street": "",
            "postal_code": "",
            "city": "",
            "country": "FR",
            "erases_at": None,
            "search_text": None,
            "registry_verdict": None,
            "registry_due_at": None,
        }
        await Account.filter(pk=account.pk).using_db(tx.db).update(**erased_values)
        await IdempotencyKey.filter(owner=f"account:{account.pk}").using_db(tx.db).delete()
        current.finished_at = action.at
        await current.save(using_db=tx.db, update_fields=["finished_at"])
        tx.audit(PrivacyAuditAction.ACCOUNT_ERASE, account, invoices_kept=current.invoices_kept)
    return True
