"""The audit log: who did what to which object, from where. Entries are only ever appended, and chained so that tampering shows.

An entry holds the hash of the one before it, and the SHA-256 of itself with that. Whoever changes, removes, swaps or slips in
one must write all later ones anew, and the chain's end: an end that was noted elsewhere shows even that.

Entries are written at the very end of the transaction whose act they tell of (`Transaction.audit`): with it or not at all. The
chain's end is one row, taken last of all and kept until the commit. So numbers have no gap, two transactions never wait for
each other, and what is not audited, such as saying something in a ticket, never waits for what is.

An entry names rows by their keys: no person, no secret, no words of anybody's. See docs/security.md.
"""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import Role
from models.database.sql import rows
from models.identity.user import Staff

if TYPE_CHECKING:
    from models.viewer import Viewer

Detail = str | int | bool | None
BEGINNING = "0" * 64  # what the first entry of all has for the hash before it


class AuditAction(StrEnum):
    """What was done. The stored word never changes, and is never used for anything else."""

    ACCOUNT_CHANGE_ADDRESS = "account.change_address"
    ACCOUNT_CHANGE_IDENTIFIERS = "account.change_identifiers"
    ACCOUNT_CHANGE_LEGAL_NAME = "account.change_legal_name"
    ACCOUNT_CHANGE_TRADE_NAME = "account.change_trade_name"
    ACCOUNT_DEACTIVATE = "account.deactivate"
    ACCOUNT_DECLINE_REACTIVATION = "account.decline_reactivation"
    ACCOUNT_ERASE = "account.erase"
    ACCOUNT_LEAVE = "account.leave"
    ACCOUNT_REACTIVATE = "account.reactivate"
    ACCOUNT_REQUEST_LEGAL_NAME = "account.request_legal_name"
    ACCOUNT_SCHEDULE_DELETION = "account.schedule_deletion"
    ACCOUNT_SIGN_UP = "account.sign_up"
    ACCOUNT_TRANSFER_OWNERSHIP = "account.transfer_ownership"
    AUDIT_EXPIRE = "audit.expire"
    AUTHENTICATOR_REMOVE = "authenticator.remove"
    AUTHENTICATOR_RENAME = "authenticator.rename"
    CLOCK_ADVANCE = "clock.advance"
    EMAIL_CONFIRM_CHANGE = "email.confirm_change"
    EMAIL_REQUEST_CHANGE = "email.request_change"
    EMAIL_VERIFY = "email.verify"
    FILE_ANNOUNCE = "file.announce"
    FILE_INFECTED = "file.infected"
    INVITATION_ACCEPT = "invitation.accept"
    INVITATION_RESEND = "invitation.resend"
    INVITATION_REVOKE = "invitation.revoke"
    INVITATION_SEND = "invitation.send"
    INVOICE_ISSUE = "invoice.issue"
    EMAIL_RETRY = "letter.retry"
    LEGAL_NAME_CHANGE_ADD_EVIDENCE = "legal_name_change.add_evidence"
    LEGAL_NAME_CHANGE_CANCEL = "legal_name_change.cancel"
    LEGAL_NAME_CHANGE_DECIDE = "legal_name_change.decide"
    MEMBER_CHANGE_ROLE = "member.change_role"
    MEMBER_REMOVE = "member.remove"
    PASSKEY_REGISTER = "passkey.register"
    PASSWORD_CHANGE = "password.change"  # noqa: S105 - a word, no secret
    PASSWORD_REQUEST_RESET = "password.request_reset"  # noqa: S105 - a word, no secret
    PASSWORD_RESET = "password.reset"  # noqa: S105 - a word, no secret
    PAYMENT_CHANGE = "payment.change"
    POLICY_ACCEPT = "policy.accept"
    PURCHASE_CONFIRM_BILLING = "purchase.confirm_billing"
    PURCHASE_DRAFT = "purchase.draft"
    PURCHASE_PAY = "purchase.pay"
    RECOVERY_CODES_RENEW = "recovery_codes.renew"
    SECOND_FACTOR_RESET = "second_factor.reset"
    SESSION_END = "session.end"
    SESSION_END_ALL = "session.end_all"
    SESSION_END_OTHERS = "session.end_others"
    SESSION_REFRESH_REUSED = "session.refresh_reused"
    SESSION_REQUEST_UNLOCK = "session.request_unlock"
    SESSION_SIGN_IN = "session.sign_in"
    SESSION_SIGN_IN_FAILED = "session.sign_in_failed"
    SESSION_SIGN_OUT = "session.sign_out"
    SESSION_STEP_UP = "session.step_up"
    SESSION_STEP_UP_FAILED = "session.step_up_failed"
    SESSION_SWITCH_ACCOUNT = "session.switch_account"
    STAFF_CHANGE_ROLE = "staff.change_role"
    STAFF_DISMISS = "staff.dismiss"
    STAFF_HIRE = "staff.hire"
    TICKET_CLAIM = "ticket.claim"
    TICKET_MOVE = "ticket.move"
    TOTP_CONFIRM = "totp.confirm"
    TOTP_SET_UP = "totp.set_up"


class AuditEntry(Model):
    """One act. Its key is its number in the chain, without gaps. It refers to no row, so it outlives them all."""

    id = fields.BigIntField(primary_key=True, generated=False)
    at: datetime = fields.DatetimeField(db_index=True)
    actor_id: int | None = fields.BigIntField(null=True)
    staff = fields.CharField(max_length=10, null=True)
    account_id: int | None = fields.BigIntField(null=True)
    session_id: int | None = fields.BigIntField(null=True)
    action = fields.CharField(max_length=40)
    object_type = fields.CharField(max_length=40, null=True)
    object_id: int | None = fields.BigIntField(null=True)
    address = fields.CharField(max_length=45, null=True)
    details = fields.TextField()
    previous_hash = fields.CharField(max_length=64)
    hash = fields.CharField(max_length=64)

    class Meta:
        table = "audit_entry"
        indexes = (("account_id", "id"), ("actor_id", "id"), ("action", "id"), ("object_type", "object_id"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["AuditEntry"]:
        """The operator sees every entry, a company's owner those of the company."""
        if viewer.staff is Staff.OPERATOR:
            return QuerySet(cls)
        owned = viewer.account.pk if viewer.account and viewer.role is Role.OWNER else None
        return cls.filter(account_id=owned) if owned else cls.filter(id=None)


class AuditChain(Model):
    """Both ends of the chain, one row: the last entry that expired with its hash, and the last one of all with its own."""

    id = fields.IntField(primary_key=True, generated=False)
    expired_sequence = fields.BigIntField(default=0)
    expired_hash = fields.CharField(max_length=64, default=BEGINNING)
    last_sequence = fields.BigIntField(default=0)
    last_hash = fields.CharField(max_length=64, default=BEGINNING)

    class Meta:
        table = "audit_chain"


TOLD = ("at", "actor_id", "staff", "account_id", "session_id", "action", "object_type", "object_id", "address", "details")


def digest(sequence: int, told: Sequence[Any], previous: str) -> str:
    """An entry's hash: SHA-256 over a JSON list of its number, its columns in the order of TOLD, and the hash before it.

    Raises TypeError for values that no column of ours holds.
    """
    at, *others = told
    moment = at.astimezone(UTC).isoformat(" ") if isinstance(at, datetime) else at  # SQLite keeps and returns that very text
    return hashlib.sha256(orjson.dumps([sequence, moment, *others, previous])).hexdigest()


def detailed(details: Mapping[str, Detail]) -> str:
    """Details as they are stored: their JSON, the keys in order."""
    return orjson.dumps(details, option=orjson.OPT_SORT_KEYS).decode()


async def append(db: BaseDBAsyncClient, entries: Sequence[Mapping[str, Any]]) -> None:
    """Store entries (their columns TOLD) as the chain's next ones, just before the commit of what they tell of.

    One statement for several: how many companies a failed sign-in is told to must not show in its time.
    """
    end, previous = await _taken(db, len(entries))
    values: list[list[Any]] = []
    for sequence, entry in enumerate(entries, end - len(entries) + 1):
        told = [entry[column] for column in TOLD]
        following = digest(sequence, told, previous)
        values.append([sequence, *told, previous, following])
        previous = following
    for start in range(0, len(values), _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        await rows(f"{_INSERT} {', '.join([_PLACES] * len(part))}", *itertools.chain(*part), db=db)
    await rows("UPDATE audit_chain SET last_hash = ? WHERE id = 1", previous, db=db)


async def _taken(db: BaseDBAsyncClient, count: int) -> tuple[int, str]:
    """The last of the next `count` numbers, and the hash of the last entry; the chain's end is locked by it."""
    (end,) = await rows(
        "UPDATE audit_chain SET last_sequence = last_sequence + ? WHERE id = 1 RETURNING last_sequence, last_hash", count, db=db
    )
    return end["last_sequence"], end["last_hash"]


_COLUMNS = ("id", *TOLD, "previous_hash", "hash")
_INSERT = f"INSERT INTO audit_entry ({', '.join(_COLUMNS)}) VALUES"
_PLACES = f"({', '.join('?' * len(_COLUMNS))})"
_AT_ONCE = 100
