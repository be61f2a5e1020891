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
from mail import emails
from models.accounts.account import Account, AccountStatus, Membership, Role
from models.accounts.invitation import Invitation
from models.accounts.legal_name import LegalNameChange
from models.action import Action, Transaction
from models.billing.invoice import Invoice
from models.billing.payment import Payment
from models.billing.purchase import Purchase
from models.database.sql import execute
from models.idempotency import IdempotencyKey
from models.identity.access_links import void_links
from models.identity.session import Session
from models.identity.user import User
from models.operations.email import ACCOUNT_ERASED, Email
from models.privacy.audit_actions import PrivacyAuditAction
from models.privacy.erasure import ERASED, Erasure, Retention
from models.support.file import File
from models.support.ticket import Message, Ticket, TicketStatus
from storage.store import Store, StoreUnavailable

BATCH = 200
NOBODYS = "!"  # what no password hashes to

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class Eraser:
    """What an erasure needs: the file store and the legal retention periods."""

    store: Store
    retention: Retention


async def erase_due(action: Action, eraser: Eraser) -> int:
    """Erase the accounts whose grace period has ended, and continue those that were started.
    Returns how many were finished.

    An account with unsettled payments of the last days waits, because an invoice may still be
    issued. While the file store is unavailable, all wait.
    """
    due = (
        Erasure.filter(due_at__lte=action.at, canceled_at=None, finished_at=None)
        .order_by("due_at", "id")
        .limit(20)
    )
    finished = 0
    for erasure in await due:
        try:
            finished += await erase(action, eraser, erasure.pk)
        except StoreUnavailable:
            log.warning("store.unavailable", erasure=erasure.pk)
            break
        except Exception as fault:  # one that fails each time never holds up the others
            log.error(
                "erasure.failed", erasure=erasure.pk, error=type(fault).__name__, exc_info=fault
            )
    return finished


async def erase(action: Action, eraser: Eraser, erasure_id: int) -> bool:
    """Erase one account, continuing from whatever was done before. Returns whether it is
    finished.
    """
    erasure = await _start(action, eraser, erasure_id)
    if erasure is None:
        return False
    await _files(action, eraser, erasure)
    for kind, step in _STEPS.items():
        while await _run_step(action, erasure, kind, step):
            pass
    return await _finish(action, erasure)


async def _start(action: Action, eraser: Eraser, erasure_id: int) -> Erasure | None:
    """Start the erasure: from here on it can't be canceled. The owners are told what is kept, while
    their addresses are still known.
    """
    erasure = await Erasure.get(pk=erasure_id)
    async with action.transaction() as tx:
        account = await tx.locked(Account, erasure.account_id)
        erasure = await tx.locked(Erasure, erasure_id)
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
        await _record_start(tx, eraser, erasure)
        await Account.filter(pk=account.pk).using_db(tx.db).update(status=AccountStatus.ERASED)
        owners = (
            Membership.filter(account_id=account.pk, role=Role.OWNER)
            .using_db(tx.db)
            .select_related("user")
        )
        for membership in await owners.order_by("id"):
            await emails.account_erased(tx, membership.user, erasure)
    return erasure


async def _record_start(tx: Transaction, eraser: Eraser, erasure: Erasure) -> None:
    issued = Invoice.filter(account_id=erasure.account_id).using_db(tx.db)
    erasure.started_at, erasure.invoices_kept = tx.action.at, await issued.count()
    if latest := await issued.order_by("-issued_on").first():
        erasure.kept_until = eraser.retention.invoices_kept_until(latest.issued_on)
    await erasure.save(using_db=tx.db, update_fields=["started_at", "invoices_kept", "kept_until"])


Step = Callable[[Transaction, int], Awaitable[int]]


async def _run_step(action: Action, erasure: Erasure, kind: str, step: Step) -> int:
    """Run one batch of a step, and count it in the same transaction."""
    async with action.transaction() as tx:
        now = await tx.locked(Erasure, erasure.pk)
        if now.finished_at:
            return 0
        done = await step(tx, erasure.account_id)
        if done:
            now.removed = {**now.removed, kind: now.removed.get(kind, 0) + done}
            await now.save(using_db=tx.db, update_fields=["removed"])
    return done


async def _files(action: Action, eraser: Eraser, erasure: Erasure) -> None:
    """Delete files before the rows that refer to them: an interrupted erasure would otherwise leave
    files that nothing refers to.
    """
    account_id = erasure.account_id
    theirs = (
        Q(account_id=account_id)
        | Q(message__ticket__account_id=account_id)
        | Q(legal_name_change__account_id=account_id)
    )
    while files := await File.filter(theirs).limit(BATCH):
        for file in files:
            await eraser.store.delete(file.key)
        await _run_step(action, erasure, "files", partial(_file_rows, [file.pk for file in files]))


async def _file_rows(keys: list[int], tx: Transaction, account_id: int) -> int:
    return await File.filter(pk__in=keys).using_db(tx.db).delete()


async def _legal_names(tx: Transaction, account_id: int) -> int:
    return await LegalNameChange.filter(account_id=account_id).using_db(tx.db).delete()


async def _messages(tx: Transaction, account_id: int) -> int:
    said = (
        Message.filter(ticket__account_id=account_id)
        .exclude(body=ERASED)
        .using_db(tx.db)
        .limit(BATCH)
    )
    keys = [int(str(key)) for key in await said.values_list("id", flat=True)]
    if keys:
        places = ", ".join("?" * len(keys))
        await execute(
            "UPDATE message SET body = ?, client_message_id = 'erased-' || id"  # noqa: S608 - places
            f" WHERE id IN ({places})",
            ERASED,
            *keys,
            db=tx.db,
        )
    return len(keys)


async def _tickets(tx: Transaction, account_id: int) -> int:
    """Close the tickets before their messages are deleted, so that no one posts in them anymore."""
    theirs = Ticket.filter(account_id=account_id).using_db(tx.db)
    closed = {"status": TicketStatus.CLOSED, "closed_at": tx.action.at, "reply_awaited_since": None}
    await theirs.exclude(status=TicketStatus.CLOSED).update(**closed)
    return await theirs.exclude(subject=ERASED).update(subject=ERASED)


async def _billing_details(tx: Transaction, account_id: int) -> int:
    somewhere = Q(street__isnull=False) | Q(postal_code__isnull=False) | Q(city__isnull=False)
    told = somewhere | Q(order_number__isnull=False) | Q(country__isnull=False)
    nothing = dict.fromkeys(("order_number", "street", "postal_code", "city", "country"))
    return await Purchase.filter(told, account_id=account_id).using_db(tx.db).update(**nothing)


async def _cards(tx: Transaction, account_id: int) -> int:
    """Remove the card details of payments. Amount, date and the provider's reference belong to the
    accounts.
    """
    known: dict[str, Any] = {
        "method": ERASED,
        "brand": None,
        "last_four": None,
        "confirmation_url": None,
    }
    return (
        await Payment.filter(account_id=account_id)
        .exclude(method=ERASED)
        .using_db(tx.db)
        .update(**known)
    )


async def _invitations(tx: Transaction, account_id: int) -> int:
    return await Invitation.filter(account_id=account_id).using_db(tx.db).delete()


async def _emails(tx: Transaction, account_id: int) -> int:
    about = Email.filter(Q(account_id=account_id) | Q(invoice__account_id=account_id))
    return await about.using_db(tx.db).delete()


async def _sessions(tx: Transaction, account_id: int) -> int:
    return await Session.filter(account_id=account_id).using_db(tx.db).delete()


async def _people(tx: Transaction, account_id: int) -> int:
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
    await tx.locked_where(Invitation.filter(email=address))
    user = await tx.locked(User, membership.user_id)
    await membership.delete(using_db=tx.db)
    if not await Membership.filter(user_id=user.pk).using_db(tx.db).exists():
        await _anonymize(tx, user)
    tx.streams[sessions.user_key(user.pk)] = None
    return 1


async def _anonymize(tx: Transaction, user: User) -> None:
    facts: dict[str, Any] = {
        "name": ERASED,
        "email": f"erased-{user.pk}@invalid",
        "password_hash": NOBODYS,
        "email_verified_at": None,
        "searched": None,
    }
    await User.filter(pk=user.pk).using_db(tx.db).update(**facts)
    await turn_off(tx, user)
    await Session.filter(user_id=user.pk).using_db(tx.db).delete()
    await void_links(user, tx.db)
    await IdempotencyKey.filter(owner=f"user:{user.pk}").using_db(tx.db).delete()
    written = Q(user_id=user.pk) | Q(recipient=user.email)  # another company invites an address
    await (
        Email.filter(written)
        .exclude(template__startswith=f"{ACCOUNT_ERASED}.")
        .using_db(tx.db)
        .delete()
    )
    await Invitation.filter(email=user.email).using_db(tx.db).delete()


_STEPS: dict[str, Step] = {
    "legal names": _legal_names,
    "tickets": _tickets,
    "messages": _messages,
    "billing details": _billing_details,
    "cards": _cards,
    "invitations": _invitations,
    "emails": _emails,
    "sessions": _sessions,
    "people": _people,
}


async def _finish(action: Action, erasure: Erasure) -> bool:
    async with action.transaction() as tx:
        account = await tx.locked(Account, erasure.account_id)
        now = await tx.locked(Erasure, erasure.pk)
        if now.finished_at:
            return False
        nothing: dict[str, Any] = {
            "legal_name": ERASED,
            "trade_name": None,
            "siren": "000000000",
            "nic": None,
            "vat_key": None,
            "street": "",
            "postal_code": "",
            "city": "",
            "country": "FR",
            "erases_at": None,
            "searched": None,
            "registry_verdict": None,
            "registry_due_at": None,
        }
        await Account.filter(pk=account.pk).using_db(tx.db).update(**nothing)
        await IdempotencyKey.filter(owner=f"account:{account.pk}").using_db(tx.db).delete()
        now.finished_at = action.at
        await now.save(using_db=tx.db, update_fields=["finished_at"])
        tx.audit(PrivacyAuditAction.ACCOUNT_ERASE, account, invoices_kept=now.invoices_kept)
    return True
