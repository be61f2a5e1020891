"""What an operator does for one person who uses their rights: the restriction of processing
(GDPR, Article 18), an objection (Article 21), and the erasure of a person whose company stays, or
who belongs to none (Article 17).

Each is carried out for a request of the register, in one transaction with its decision, so the
register never says something that wasn't done.

- **Restriction**: support asks the person for no ratings, agents don't find them in searches, and
  the retention plan keeps their rows. It ends a week after an operator lifts it, because the person
  is told beforehand (Article 18(3)).
- **Objection**: every consent is withdrawn, and the person gets no more requests for ratings. What
  is left rests on the contract or the law.
- **Erasure**: nothing names the person anymore. What they wrote in their company's tickets belongs
  to the company and stays, without their name, as do invoices.
"""

from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any

from tortoise.expressions import Q
from tortoise.queryset import QuerySet

from auth import reauthentication, sessions
from mail import emails
from mail.emails import DataRequestNotice
from models.accounts.account import Account, Membership, Role
from models.accounts.errors import AccountsErrorCode
from models.accounts.invitation import Invitation
from models.action import Action, Transaction
from models.billing.invoice_recipient import InvoiceRecipient
from models.checks import Checks
from models.content.article_feedback import ArticleFeedback
from models.content.webinar import WebinarSignUp
from models.errors import CommonErrorCode, Refusal
from models.identity.session import Session
from models.identity.user import User
from models.privacy.audit_actions import PrivacyAuditAction
from models.privacy.consent import ConsentChange, ConsentChannel
from models.privacy.data_request import DataRequest, DataRequestDecision, DataRequestKind
from models.privacy.erasure import ERASED
from models.support.call import Call
from models.support.draft import Draft
from models.support.incoming_email import IncomingEmail, IncomingEmailStatus
from models.support.phone_number import PhoneNumber
from models.text import message_text
from models.translations import _
from privacy.data_requests import GDPR_APPLIES_FROM
from privacy.erasure import anonymize

NOTICE = timedelta(days=7)  # before a restriction ends
_IGNORED_EMAIL: dict[str, Any] = {
    "status": IncomingEmailStatus.IGNORED,
    "processed_at": GDPR_APPLIES_FROM,  # long enough ago to be deleted by the next run
    "next_attempt_at": None,
    "sender": "",
    "sender_name": "",
    "subject": "",
    "text": "",
    "html": "",
    "refused_files": [],
    "user_id": None,
}
_KINDS = (DataRequestKind.RESTRICTION, DataRequestKind.OBJECTION, DataRequestKind.ERASURE)


async def carry_out(
    action: Action, session: Session, loading: Awaitable[DataRequest], answer: str
) -> DataRequest:
    """Do what a request asks for, grant it, and tell the person. A repeat changes nothing.

    Raises BLANK, TOO_LONG, STEP_UP_REQUIRED, TRANSITION_ILLEGAL for a request that was decided
    otherwise, asks for something else or is of somebody on the staff, and LAST_OWNER for the
    erasure of the only owner of a company.
    """
    with Checks() as check:
        request = await check.wait(loading)
        answer = check(message_text, answer, "answer")
    if request.carried_out_at:
        return request
    await reauthentication.require_step_up(action, session)
    async with action.transaction() as tx:
        user = await _lock_person(tx, request)
        request = await tx.lock(DataRequest, request.pk)
        if request.carried_out_at:
            return request
        _require_open(request)
        await _require_customer(tx, user, request.kind)
        request.results = await _do(tx, user, request.kind)
        request.carried_out_at = action.at
        await _grant(tx, user, request, answer)
    return request


def _require_open(request: DataRequest) -> None:
    if request.decision:
        message = _("This request has already been decided.")
    elif request.kind not in _KINDS:
        message = _("Only restrictions, objections and erasures are carried out this way.")
    else:
        return
    raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "dataRequestId", message=message)


async def _lock_person(tx: Transaction, request: DataRequest) -> User:
    """The person, locked, and for an erasure with everything that it changes."""
    if request.kind != DataRequestKind.ERASURE:
        return await tx.lock(User, request.user_id)
    return await lock_person(tx, request.user_id)


async def lock_person(tx: Transaction, key: int) -> User:
    """A person, locked with everything that their erasure changes, in the order of
    models/lock_order.py.
    """
    user = await User.get(pk=key, using_db=tx.db)
    own = Q(user_id=user.pk)
    await tx.lock_rows(_received_emails(user))
    await tx.lock_rows(Account.filter(memberships__user_id=user.pk))
    await tx.lock_rows(Invitation.filter(email=user.email))
    await tx.lock_rows(InvoiceRecipient.filter(email=user.email))
    user = await tx.lock(User, user.pk)
    models: tuple[Any, ...] = (Membership, PhoneNumber, ArticleFeedback, WebinarSignUp, Session)
    for model in models:
        await tx.lock_rows(model.filter(own))
    await tx.lock_rows(await _calls(tx, user))
    await tx.lock_rows(DataRequest.filter(own))
    return user


def _received_emails(user: User) -> QuerySet[IncomingEmail]:
    """The person's emails that became no message."""
    of_person = Q(user_id=user.pk) | Q(sender=user.email)
    return IncomingEmail.filter(of_person, posted_message_id=None)


async def _calls(tx: Transaction, user: User) -> QuerySet[Call]:
    numbers = await PhoneNumber.filter(user_id=user.pk).using_db(tx.db)
    return Call.filter(number__in=[row.number for row in numbers])


async def _require_customer(tx: Transaction, user: User, kind: DataRequestKind) -> None:
    """Raise a refusal when the person is on the staff, or is to be erased although their company
    would have no owner.
    """
    if user.staff:
        message = _("This person works for you. Remove them from the staff first.")
        raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "dataRequestId", message=message)
    if kind != DataRequestKind.ERASURE:
        return
    for owned in await Membership.filter(user_id=user.pk, role=Role.OWNER).using_db(tx.db):
        owners = Membership.filter(account_id=owned.account_id, role=Role.OWNER)
        if await owners.using_db(tx.db).count() == 1:
            raise Refusal(AccountsErrorCode.LAST_OWNER, "input", "dataRequestId")


async def _do(tx: Transaction, user: User, kind: DataRequestKind) -> dict[str, int]:
    if kind == DataRequestKind.ERASURE:
        return await erase_person(tx, user)
    rows = User.filter(pk=user.pk).using_db(tx.db)
    if kind == DataRequestKind.RESTRICTION:
        await rows.update(restricted_at=user.restricted_at or tx.action.at, restricted_until=None)
        return {}
    consents = await ConsentChange.withdraw_all(tx, user, ConsentChannel.OBJECTION)
    await rows.update(objected_at=user.objected_at or tx.action.at)
    return {"consents": consents}


async def erase_person(tx: Transaction, user: User) -> dict[str, int]:
    """Remove a person, who is locked by `lock_person`, from their companies, and everything that
    names them. Returns how much of each kind.
    """
    db, calls = tx.db, (await _calls(tx, user)).using_db(tx.db)
    recipients = InvoiceRecipient.filter(email=user.email).using_db(db)
    results = {
        # The job that deletes ignored emails deletes their files as well.
        "received emails": await _received_emails(user).using_db(db).update(**_IGNORED_EMAIL),
        "invoice recipients": await recipients.delete(),
        "memberships": await Membership.filter(user_id=user.pk).using_db(db).delete(),
        "drafts": await Draft.filter(user_id=user.pk).using_db(db).delete(),
        "calls": await calls.filter(ticket_id=None).delete() + await calls.update(number=None),
    }
    await anonymize(tx, user)
    tx.streams[sessions.user_key(user.pk)] = None
    return results


async def _grant(tx: Transaction, user: User, request: DataRequest, answer: str) -> None:
    actor = tx.action.actor
    assert actor, "an operator"  # noqa: S101
    is_erased = request.kind == DataRequestKind.ERASURE
    request.decision, request.answer = DataRequestDecision.GRANTED, answer
    request.decided_at, request.decider_id = tx.action.at, actor.pk
    request.reminder_at = None
    if user.email_verified_at:
        notice = DataRequestNotice.DECIDED
        await emails.send_data_request(tx, user, request, notice, is_erased=is_erased)
    if is_erased:
        request.details = request.answer = ERASED
        request.extension_reason = ""
    await request.save(using_db=tx.db)
    tx.audit(PrivacyAuditAction.DATA_REQUEST_CARRY_OUT, request, kind=request.kind.value)


async def lift(action: Action, loading: Awaitable[DataRequest], reason: str) -> DataRequest:
    """End a restriction in a week, and tell the person why beforehand (GDPR, Article 18(3)). A
    repeat changes nothing. Raises BLANK, TOO_LONG and TRANSITION_ILLEGAL.
    """
    with Checks() as check:
        request = await check.wait(loading)
        reason = check(message_text, reason, "reason")
    async with action.transaction() as tx:
        user = await tx.lock(User, request.user_id)
        request = await tx.lock(DataRequest, request.pk)
        is_restriction = request.kind == DataRequestKind.RESTRICTION and request.carried_out_at
        if not (is_restriction and user.restricted_at):
            message = _("This person’s data isn’t restricted because of this request.")
            raise Refusal(
                CommonErrorCode.TRANSITION_ILLEGAL, "input", "dataRequestId", message=message
            )
        if user.restricted_until:
            return request
        rows = User.filter(pk=user.pk).using_db(tx.db)
        await rows.update(restricted_until=action.at + NOTICE)
        tx.audit(PrivacyAuditAction.RESTRICTION_LIFT, request)
        if user.email_verified_at:
            notice = DataRequestNotice.LIFTED
            await emails.send_data_request(tx, user, request, notice, reason=reason)
    return request


async def end_restrictions(at: datetime) -> int:
    """End the restrictions whose time has come. Returns how many."""
    ended = User.filter(restricted_until__lte=at)
    return await ended.update(restricted_at=None, restricted_until=None)
