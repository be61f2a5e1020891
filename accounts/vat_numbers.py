"""Asking the tax authorities whether VAT numbers are valid, through VIES, the European Commission's
service.

It is behind an interface because it is another party's server. A number that has been entered is
pending until the service answers; until then, the company is taxed as if it had no number. The
answer is stored with its date and the consultation number, which proves that the seller asked
(Regulation 282/2011, Article 18), and the question is repeated from time to time, and in the week
before an invoice (billing/vat_checks.py). Those who manage a company's billing are told by email
when its number isn't valid any more.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson
import structlog

from accounts.contacts import billing_contacts
from auth.http_client import HttpClient, Unavailable, is_server_url
from mail import emails
from models.accounts.account import Account, AccountStatus
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.vat_number import (
    INVALID_RECHECK_INTERVAL,
    MAX_RETRY_DELAY,
    RECHECK_INTERVAL,
    RETRY_DELAY,
    VatCheck,
    VatNumberStatus,
)
from models.action import Action, Transaction
from models.text import clean_line

_TIMEOUT_SECONDS = 5.0
_MAX_NAME_LENGTH = 300
_MAX_CONSULTATION_LENGTH = 60
_UNDISCLOSED = "---"  # what VIES returns instead of a name that a member state doesn't disclose
_BATCH_SIZE = 20

log = structlog.stdlib.get_logger()


class VatServiceUnavailable(Exception):
    """The service, or the member state behind it, did not answer. The question can be repeated."""


@dataclass(frozen=True)
class VatAnswer:
    """What the tax authorities answered about a number."""

    is_valid: bool
    consultation_number: str | None = None
    registered_name: str | None = None


class VatNumberService(Protocol):
    """Asks the tax authorities about VAT numbers."""

    @property
    def is_configured(self) -> bool:
        """Whether a service is configured."""
        ...

    async def check(self, number: str) -> VatAnswer:
        """Whether a number such as DE136695976 is valid. Raises VatServiceUnavailable."""
        ...


class NoVatService:
    """The service when none is configured: no number is ever confirmed."""

    is_configured = False

    async def check(self, number: str) -> VatAnswer:
        raise VatServiceUnavailable


class Vies:
    """A server with the REST interface of VIES (`/ms/DE/vat/136695976`). `requester` is the
    seller's own VAT number, without which there is no consultation number.
    """

    is_configured = True

    def __init__(self, url: str, requester: str = "", timeout: float = _TIMEOUT_SECONDS) -> None:
        self._server = HttpClient(url, timeout, Accept="application/json")
        self._requester = requester

    async def check(self, number: str) -> VatAnswer:
        query = {}
        if self._requester:
            query["requesterMemberStateCode"] = self._requester[:2]
            query["requesterNumber"] = self._requester[2:]
        try:
            body = await self._server.get(f"ms/{number[:2]}/vat/{number[2:]}", query)
            return _parse(orjson.loads(body))
        except (Unavailable, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = error.reason if isinstance(error, Unavailable) else type(error).__name__
            log.warning("vat_service.unavailable", error=reason)
            raise VatServiceUnavailable from None


def _parse(body: dict[str, Any]) -> VatAnswer:
    """The answer. `userError` is VALID or INVALID, or why there is none, such as MS_UNAVAILABLE."""
    is_valid, state = body["isValid"], body.get("userError")
    if (is_valid, state) == (True, "VALID"):
        consultation_number = str(body.get("requestIdentifier") or "")[:_MAX_CONSULTATION_LENGTH]
        return VatAnswer(True, consultation_number or None, _clean_name(body.get("name")))
    if is_valid is False and state in ("INVALID", "INVALID_INPUT"):
        return VatAnswer(False)
    raise ValueError(state)


def _clean_name(name: object) -> str | None:
    if not isinstance(name, str) or name == _UNDISCLOSED:
        return None
    return clean_line(name[: 10 * _MAX_NAME_LENGTH])[:_MAX_NAME_LENGTH] or None


def vat_service_from_url(url: str | None, requester: str) -> VatNumberService:
    """The service at this URL; NoVatService without one."""
    return Vies(url, requester) if url else NoVatService()


def expected_vat_service_url(url: str) -> str | None:
    """The expected form when the URL of a service is invalid, else None."""
    return None if is_server_url(url) else "https://host/path"


async def store_vat_number(tx: Transaction, account: Account) -> None:
    """Schedule the check of an account's VAT number after it was changed, or drop the scheduled
    check when the number was removed.
    """
    await VatCheck.filter(account_id=account.pk).using_db(tx.db).delete()
    if account.vat_number:
        await VatCheck.create(
            using_db=tx.db,
            account_id=account.pk,
            vat_number=account.vat_number,
            due_at=tx.action.at,
        )


async def check_now(action: Action, service: VatNumberService, account_id: int) -> None:
    """Check an account's VAT number if a check is due, waiting no longer than the service's time
    limit. Call it outside of any transaction.
    """
    due = VatCheck.filter(account_id=account_id, due_at__lte=action.at)
    if service.is_configured and (check := await due.first()):
        await _check(action, service, check, is_awaited=True)


async def check_due_numbers(action: Action, service: VatNumberService) -> int:
    """Check the numbers that are due: new ones, those about which the service did not answer, and
    those checked too long ago. Returns how many were checked.
    """
    if not service.is_configured:
        return 0
    due = VatCheck.filter(due_at__lte=action.at).order_by("due_at", "id").limit(_BATCH_SIZE)
    return sum([await _check(action, service, check) for check in await due])


async def _check(
    action: Action, service: VatNumberService, check: VatCheck, *, is_awaited: bool = False
) -> bool:
    """Check one number, unless another process is doing so. `is_awaited` is whether a member is
    shown the answer about a new number at once.
    """
    claimed = VatCheck.filter(pk=check.pk, vat_number=check.vat_number, due_at=check.due_at)
    # From here on the number is due again later, whatever happens to this process.
    next_due_at = action.at + min(RETRY_DELAY * 2 ** min(check.failures, 10), MAX_RETRY_DELAY)
    if not await claimed.update(due_at=next_due_at, failures=check.failures + 1):
        return False
    try:
        answer = await service.check(check.vat_number)
    except VatServiceUnavailable:
        return True
    await _apply(action, check, answer, next_due_at, is_awaited=is_awaited)
    return True


async def _apply(
    action: Action, check: VatCheck, answer: VatAnswer, claimed_until: datetime, *, is_awaited: bool
) -> None:
    status = VatNumberStatus.VALID if answer.is_valid else VatNumberStatus.INVALID
    interval = RECHECK_INTERVAL if answer.is_valid else INVALID_RECHECK_INTERVAL
    async with action.transaction() as tx:
        rows = await tx.lock_rows(
            VatCheck.filter(pk=check.pk, vat_number=check.vat_number, due_at=claimed_until)
        )
        if not rows:  # the number was changed, or another process has asked since
            return
        current = rows[0]
        is_news = current.status is VatNumberStatus.VALID or not (is_awaited or current.checked_at)
        current.update_from_dict(
            {
                "status": status,
                "checked_at": action.at,
                "consultation_number": answer.consultation_number,
                "registered_name": answer.registered_name,
                "due_at": action.at + interval,
                "failures": 0,
            }
        )
        await current.save(using_db=tx.db)
        tx.audit(AccountsAuditAction.ACCOUNT_CHECK_VAT_NUMBER, current, status=status.value)
        if is_news and not answer.is_valid:
            await _announce_invalid(tx, current)


async def _announce_invalid(tx: Transaction, check: VatCheck) -> None:
    """Tell those who manage a company's billing that its number isn't valid, or no longer."""
    account = await Account.get(pk=check.account_id, using_db=tx.db)
    if account.status is not AccountStatus.ACTIVE:
        return
    for user in await billing_contacts(tx, account.pk):
        await emails.send_vat_number_invalid(tx, user, account, check.vat_number)
