"""Changes of a company's legal name: requested by the company, compared with the company register,
and decided by an agent where the register doesn't settle it.

If the requested name is the one registered under the company's SIREN, it takes effect at once. In
every other case, including when the register doesn't respond, the company provides evidence (an
extract from the register, "Kbis") and an agent decides: an unavailable register never counts as a
match. A job repeats the lookup later (worker.py), and a match still counts as long as no agent has
decided. The change is stored before the register is queried, so that nothing is lost if the process
dies.

Invoices store a copy of the buyer when they are issued: only later invoices use the new name.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from accounts.details import invalidate_members, require_manager
from accounts.registry import RegisteredCompany, Registry, RegistryUnavailable
from auth import sessions, throttle
from auth.reauthentication import require_step_up
from auth.services import AuthServices
from mail import emails
from models.accounts.account import Account, Membership, Role, parse_siren
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.errors import AccountsErrorCode
from models.accounts.legal_name import (
    LegalNameChange,
    LegalNameStatus,
    RegistryVerdict,
    has_plain_characters,
    is_same_name,
)
from models.action import Action, Transaction
from models.checks import Checks, require_keys
from models.errors import CommonErrorCode, Refusal
from models.event import INBOX, EventKind, account_stream
from models.idempotency import earlier_result, store_result
from models.identity.session import Session
from models.identity.user import User
from models.support.file import File, FileStatus, attach_evidence
from models.text import client_key, line, message_text, optional_key
from models.translations import _

LEGAL_NAME_LENGTH = 200
REASON_LENGTH = 1_000
# How long a request to the register may take before the worker repeats it.
CHECK_TIMEOUT = timedelta(minutes=1)
MAX_RETRY_DELAY = timedelta(hours=1)
MAX_CHECKS = 50  # some two days


class LegalNameDecision(StrEnum):
    """An agent's decision on a change of legal name."""

    ACCEPT = "ACCEPT"
    REJECT = "REJECT"
    REQUEST_EVIDENCE = "REQUEST_EVIDENCE"


async def request(
    action: Action,
    auth: AuthServices,
    registry: Registry,
    session: Session,
    account: Account,
    *,
    legal_name: str,
    claimed_siren: str | None,
    file_ids: Sequence[int | None],
    key: str,
) -> LegalNameChange:
    """Request another legal name, with evidence if available. Returns the change after the lookup
    in the register.

    Raises STEP_UP_REQUIRED, BLANK, TOO_LONG, SIREN_INVALID, SIREN_MISMATCH for another company's
    number, VALUE_INVALID for the current name, CHANGE_IN_PROGRESS, FILE_REFUSED,
    IDEMPOTENCY_MISMATCH, Throttled, and Forbidden for those who can't manage the company.
    """
    await require_step_up(action, session)
    with Checks() as checks:
        name = checks(line, legal_name, "legalName", LEGAL_NAME_LENGTH)
        checks(_require_same_company, claimed_siren, account)
        files, key = checks(require_keys, file_ids, "fileIds"), checks(client_key, key)
    await auth.throttle.attempt(throttle.key(throttle.LEGAL_NAME, account.pk))
    async with action.transaction() as tx:
        user = await require_manager(tx, session, account.pk)
        owner = f"account:{account.pk}"
        if earlier_id := await earlier_result(
            tx, owner, "accountRequestLegalName", key, [name, sorted(files)]
        ):
            return await LegalNameChange.get(pk=earlier_id, using_db=tx.db)
        change = await _store_change(tx, user, account.pk, name)
        await attach_evidence(tx, change, user, files)
        await store_result(tx, owner, "accountRequestLegalName", key, change.pk)
        tx.audit(AccountsAuditAction.ACCOUNT_REQUEST_LEGAL_NAME, change, evidence=len(set(files)))
    return await check(action, registry, change)


def _require_same_company(claimed_siren: str | None, account: Account) -> None:
    if claimed_siren is not None and parse_siren(claimed_siren) != account.siren:
        raise Refusal(AccountsErrorCode.SIREN_MISMATCH, "input", "siren")


async def _store_change(tx: Transaction, user: User, account_id: int, name: str) -> LegalNameChange:
    account = await Account.get(pk=account_id, using_db=tx.db)
    if account.legal_name == name:
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            "input",
            "legalName",
            message=_("This is already the company’s legal name."),
        )
    if await LegalNameChange.undecided_changes(account_id).using_db(tx.db).exists():
        raise Refusal(AccountsErrorCode.CHANGE_IN_PROGRESS, "input", "legalName")
    return await LegalNameChange.create(
        using_db=tx.db,
        account_id=account_id,
        requester=user,
        previous_name=account.legal_name,
        legal_name=name,
        status=LegalNameStatus.CHECKING,
        created_at=tx.action.at,
        updated_at=tx.action.at,
        next_check_at=tx.action.at + CHECK_TIMEOUT,
    )


async def check(action: Action, registry: Registry, change: LegalNameChange) -> LegalNameChange:
    """Query the register and apply the result. A concurrent check of the same change finds nothing
    left to do.
    """
    account = await Account.get(pk=change.account_id)
    verdict, company = await _registry_verdict(registry, account.siren, change.legal_name)
    async with action.transaction() as tx:
        account = await tx.lock(Account, change.account_id)
        current = next(iter(await tx.lock_rows(LegalNameChange.filter(pk=change.pk))), None)
        if current is None:  # the company was erased meanwhile
            return change
        if not current.is_undecided or current.next_check_at != change.next_check_at:
            return current
        current.verdict, current.checks, current.updated_at = verdict, current.checks + 1, action.at
        current.registered_name = company.names[0][:300] if company and company.names else None
        delay = min(CHECK_TIMEOUT * 2 ** min(current.checks, 10), MAX_RETRY_DELAY)
        should_retry = verdict is RegistryVerdict.UNAVAILABLE and current.checks < MAX_CHECKS
        current.next_check_at = action.at + delay if should_retry else None
        await current.save(
            using_db=tx.db,
            update_fields=["verdict", "checks", "updated_at", "registered_name", "next_check_at"],
        )
        await _apply_result(tx, account, current)
    return current


async def _registry_verdict(
    registry: Registry, siren: str | None, name: str
) -> tuple[RegistryVerdict, RegisteredCompany | None]:
    if not registry.is_configured or siren is None:
        return RegistryVerdict.UNKNOWN, None
    try:
        company = await registry.find(siren)
    except RegistryUnavailable:
        return RegistryVerdict.UNAVAILABLE, None
    if company is None:
        return RegistryVerdict.NOT_FOUND, None
    if not company.is_active:
        return RegistryVerdict.CEASED, company
    is_match = has_plain_characters(name) and any(
        is_same_name(name, registered_name) for registered_name in company.names
    )
    return RegistryVerdict.MATCH if is_match else RegistryVerdict.OTHER_NAME, company


async def _apply_result(tx: Transaction, account: Account, change: LegalNameChange) -> None:
    if change.verdict is RegistryVerdict.MATCH:
        change.decider_id = change.reason = None  # whoever asked for better evidence did not decide
        await change.save(using_db=tx.db, update_fields=["decider_id", "reason"])
        await _accept(tx, account, change)
    elif change.status is LegalNameStatus.CHECKING:
        has_evidence = await File.filter(legal_name_change_id=change.pk).using_db(tx.db).exists()
        await _set_status(
            tx,
            change,
            LegalNameStatus.IN_REVIEW if has_evidence else LegalNameStatus.EVIDENCE_NEEDED,
        )
        if not has_evidence:
            await _notify(tx, change)


async def check_due_changes(action: Action, registry: Registry) -> int:
    """Repeat due lookups of changes, after the register was unavailable or a process died. Returns
    how many were repeated.
    """
    changes = (
        await LegalNameChange.filter(next_check_at__lte=action.at)
        .order_by("next_check_at")
        .limit(20)
    )
    for change in changes:
        if change.is_undecided:
            await check(action, registry, change)
        else:
            await LegalNameChange.filter(pk=change.pk).update(next_check_at=None)
    return len(changes)


async def check_due_accounts(action: Action, registry: Registry) -> int:
    """Look up companies that have not been looked up yet, such as new ones; agents see the result.
    No one waits for it, and while the register is unavailable the result stays unknown, which
    doesn't count as a match. Returns how many were looked up.
    """
    if not registry.is_configured:
        return 0
    accounts = (
        Account.filter(registry_due_at__lte=action.at, siren__isnull=False)
        .order_by("registry_due_at", "id")
        .limit(20)
    )
    checked_count = 0
    for account in await accounts:
        verdict, _ = await _registry_verdict(registry, account.siren, account.legal_name)
        is_unavailable = verdict is RegistryVerdict.UNAVAILABLE
        values = (
            {"registry_due_at": action.at + MAX_RETRY_DELAY}
            if is_unavailable
            else {"registry_verdict": verdict, "registry_due_at": None}
        )
        unchanged_account = Account.filter(
            pk=account.pk, legal_name=account.legal_name, siren=account.siren
        )
        # The answer is about this name only.
        await unchanged_account.filter(registry_due_at=account.registry_due_at).update(**values)
        checked_count += 1
        if is_unavailable:
            break
    return checked_count


async def add_evidence(
    action: Action,
    session: Session,
    account: Account,
    change_id: int | None,
    file_ids: Sequence[int | None],
) -> LegalNameChange:
    """Add evidence to a change in progress, for an agent to review. Raises NOT_FOUND, FILE_REFUSED
    and TRANSITION_ILLEGAL.
    """
    async with action.transaction() as tx:
        user = await require_manager(tx, session, account.pk)
        with Checks() as checks:
            change = await checks.wait(_lock_undecided_change(tx, account.pk, change_id))
            files = checks(_require_evidence, file_ids)
        await attach_evidence(tx, change, user, files)
        tx.audit(
            AccountsAuditAction.LEGAL_NAME_CHANGE_ADD_EVIDENCE, change, evidence=len(set(files))
        )
        if change.status is LegalNameStatus.EVIDENCE_NEEDED:
            await _set_status(tx, change, LegalNameStatus.IN_REVIEW)
    return change


def _require_evidence(file_ids: Sequence[int | None]) -> tuple[int, ...]:
    if not file_ids:
        raise Refusal(CommonErrorCode.BLANK, "input", "fileIds")
    return require_keys(file_ids, "fileIds")


async def cancel(
    action: Action, session: Session, account: Account, change_id: int | None
) -> LegalNameChange:
    """Cancel a change. A repeat changes nothing. Raises NOT_FOUND and TRANSITION_ILLEGAL."""
    async with action.transaction() as tx:
        await require_manager(tx, session, account.pk)
        change = await _lock_undecided_change(tx, account.pk, change_id, LegalNameStatus.CANCELED)
        if change.is_undecided:
            await _set_status(tx, change, LegalNameStatus.CANCELED)
            tx.audit(AccountsAuditAction.LEGAL_NAME_CHANGE_CANCEL, change)
    return change


async def decide(
    action: Action,
    session: Session,
    change_id: int | None,
    decision: LegalNameDecision,
    reason: str | None,
    key: str | None = None,
) -> LegalNameChange:
    """Accept a change based on its evidence, reject it, or ask for other evidence, as an agent. A
    repeat changes nothing.

    Raises STEP_UP_REQUIRED, because it decides what invoices print, NOT_FOUND, TRANSITION_ILLEGAL
    when it was decided differently, EVIDENCE_MISSING when it is accepted without evidence, and
    BLANK and TOO_LONG for the reason, which the customer reads.
    """
    await require_step_up(action, session)
    with Checks() as checks:
        change = await LegalNameChange.get_or_none(pk=change_id or 0)
        if change is None:
            checks.refuse(Refusal(CommonErrorCode.NOT_FOUND, "input", "changeId"))
        has_reason = reason or decision is not LegalNameDecision.ACCEPT
        text = checks(message_text, reason or "", "reason", REASON_LENGTH) if has_reason else None
        key = checks(optional_key, key)
    assert change is not None, "the checks have passed"  # noqa: S101
    async with action.transaction() as tx:
        account = await tx.lock(Account, change.account_id)
        agent = await sessions.lock_user(tx, session)
        owner, arguments = f"user:{agent.pk}", [change.pk, decision.value, text]
        if await earlier_result(tx, owner, "legalNameChangeDecide", key, arguments) is not None:
            return await LegalNameChange.get(pk=change.pk, using_db=tx.db)
        await store_result(tx, owner, "legalNameChangeDecide", key, change.pk)
        change = await _lock_undecided_change(
            tx, account.pk, change.pk, _RESULTING_STATUS[decision]
        )
        if change.status is _RESULTING_STATUS[decision]:
            return change
        if decision is LegalNameDecision.ACCEPT and not await _has_evidence(tx, change):
            raise Refusal(AccountsErrorCode.EVIDENCE_MISSING, "input", "changeId")
        change.decider_id, change.reason = agent.pk, text
        await change.save(using_db=tx.db, update_fields=["decider_id", "reason"])
        tx.audit(AccountsAuditAction.LEGAL_NAME_CHANGE_DECIDE, change, decision=decision.value)
        if decision is LegalNameDecision.ACCEPT:
            await _accept(tx, account, change)
        else:
            await _set_status(tx, change, _RESULTING_STATUS[decision])
            await _notify(tx, change)
    return change


_RESULTING_STATUS = {
    LegalNameDecision.ACCEPT: LegalNameStatus.ACCEPTED,
    LegalNameDecision.REJECT: LegalNameStatus.REJECTED,
    LegalNameDecision.REQUEST_EVIDENCE: LegalNameStatus.EVIDENCE_NEEDED,
}


_DECIDED_MESSAGES = {
    LegalNameStatus.ACCEPTED: _("This change was accepted and can no longer be modified."),
    LegalNameStatus.REJECTED: _(
        "This change was rejected and can no longer be modified. A new one can be requested."
    ),
    LegalNameStatus.CANCELED: _(
        "This change was canceled and can no longer be modified. A new one can be requested."
    ),
}


async def _has_evidence(tx: Transaction, change: LegalNameChange) -> bool:
    files = await File.filter(legal_name_change_id=change.pk).using_db(tx.db)
    return any(file.status is FileStatus.AVAILABLE for file in files)


async def _lock_undecided_change(
    tx: Transaction,
    account_id: int,
    change_id: int | None,
    allowed_status: LegalNameStatus | None = None,
) -> LegalNameChange:
    """Lock the company's change, which must be in progress or already have `allowed_status`.
    Raises NOT_FOUND and TRANSITION_ILLEGAL.
    """
    changes = LegalNameChange.filter(pk=change_id or 0, account_id=account_id)
    change = next(iter(await tx.lock_rows(changes)), None)
    if change is None:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "changeId")
    if not change.is_undecided and change.status is not allowed_status:
        raise Refusal(
            CommonErrorCode.TRANSITION_ILLEGAL,
            "input",
            "changeId",
            message=_DECIDED_MESSAGES[change.status],
        )
    return change


async def _accept(tx: Transaction, account: Account, change: LegalNameChange) -> None:
    account.legal_name = change.legal_name
    # Nothing is known about this name yet.
    is_unknown = change.verdict in (RegistryVerdict.UNAVAILABLE, RegistryVerdict.UNKNOWN, None)
    account.registry_verdict = None if is_unknown else change.verdict
    account.registry_due_at = tx.action.at if is_unknown and account.siren else None
    await account.save(
        using_db=tx.db, update_fields=["legal_name", "registry_verdict", "registry_due_at"]
    )
    await _set_status(tx, change, LegalNameStatus.ACCEPTED)
    decided_by = change.verdict.value if change.verdict and change.decider_id is None else "AGENT"
    tx.audit(
        AccountsAuditAction.ACCOUNT_CHANGE_LEGAL_NAME,
        account,
        change=change.pk,
        decided_by=decided_by,
    )
    await invalidate_members(tx, account.pk)
    await _notify(tx, change)


async def _set_status(tx: Transaction, change: LegalNameChange, status: LegalNameStatus) -> None:
    change.status, change.updated_at = status, tx.action.at
    if not change.is_undecided:
        change.decided_at, change.next_check_at = tx.action.at, None
    await change.save(
        using_db=tx.db, update_fields=["status", "updated_at", "decided_at", "next_check_at"]
    )
    await tx.append(
        account_stream(change.account_id), EventKind.LEGAL_NAME_CHANGED, status=status.value
    )
    if status is LegalNameStatus.IN_REVIEW:
        await tx.append(INBOX, EventKind.LEGAL_NAME_REVIEW_AWAITED)


async def _notify(tx: Transaction, change: LegalNameChange) -> None:
    """Notify the requester, if they can still manage the company, and its owners by email."""
    memberships = (
        await Membership.filter(account_id=change.account_id)
        .using_db(tx.db)
        .select_related("user")
        .order_by("id")
    )
    for membership in memberships:
        is_requester = membership.user_id == change.requester_id and membership.role.manages_members
        if is_requester or membership.role is Role.OWNER:
            await emails.send_legal_name_status(tx, membership.user, change)
