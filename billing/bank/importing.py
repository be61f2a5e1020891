"""Importing a statement: the file is read as a whole, and its lines are stored in one transaction,
each movement once. Nothing is stored of a file with an error.

Matching is a second step, one transaction for each line (billing/bank/matching.py), which a job
repeats for lines that a killed process left unmatched.
"""

import asyncio
import gzip
import hashlib
import zlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections import Counter
from dataclasses import dataclass, replace

import orjson

from billing.bank.account import BankAccount
from billing.bank.camt import read_camt
from billing.bank.csv_file import read_csv
from billing.bank.statement import Statement, StatementInvalid, StatementLine
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.bank import BankLineStatus, BankStatement, StatementFormat
from models.billing.errors import BillingErrorCode
from models.checks import Checks
from models.database.sql import execute
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, owner_of, store_result

MAX_BYTES = 20 * 1024 * 1024
MAX_FAULTS = 100
_GZIP = b"\x1f\x8b"
_XML_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<\x00", b"\xfe\xff\x00<")


@dataclass(frozen=True)
class ImportedStatement:
    """A stored statement, and whether it was stored before."""

    statement: BankStatement
    is_repeated: bool


def decode_file(content: str, field: str = "content") -> bytes:
    """The bytes of a file that was sent as Base64 (RFC 4648), unpacked when it is compressed with
    gzip. Raises VALUE_INVALID and STATEMENT_TOO_LARGE.
    """
    try:
        file = b64decode(content, validate=True)
        if file.startswith(_GZIP):
            unpacker = zlib.decompressobj(wbits=31)
            file = unpacker.decompress(file, MAX_BYTES + 1)
            if not unpacker.eof and len(file) <= MAX_BYTES:
                raise gzip.BadGzipFile
    except (Base64Error, ValueError, zlib.error, gzip.BadGzipFile):
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", field) from None
    if len(file) > MAX_BYTES:
        raise Refusal(
            BillingErrorCode.STATEMENT_TOO_LARGE, "input", field, limit=MAX_BYTES // 1024**2
        )
    return file


async def import_statement(
    action: Action,
    account: BankAccount | None,
    *,
    name: str,
    content: bytes,
    iban: str | None = None,
    key: str | None = None,
) -> ImportedStatement:
    """Store a file of one of the seller's accounts; `iban` is the account of a CSV file, by default
    the one for transfers. Importing a file or a line again changes nothing.

    Raises STATEMENT_INVALID for each error in the file, up to MAX_FAULTS, BANK_ACCOUNT_UNKNOWN, and
    IDEMPOTENCY_MISMATCH.
    """
    if account is None or (iban and iban not in account.ibans):
        raise Refusal(BillingErrorCode.BANK_ACCOUNT_UNKNOWN, "input", "iban")
    statement = await asyncio.to_thread(_read, account, content, iban or account.iban)
    # A line of zero moves no money, such as a bank's announcement: there is nothing to match.
    lines = tuple(line for line in statement.lines if line.amount_cents)
    statement = replace(statement, lines=lines)
    sha256 = hashlib.sha256(content).hexdigest()
    owner = owner_of(action)
    async with action.transaction() as tx:
        arguments = [name, sha256, iban]
        if earlier_id := await earlier_result(tx, owner, "bankStatementImport", key, arguments):
            return ImportedStatement(await BankStatement.get(pk=earlier_id, using_db=tx.db), True)
        statement_id = await _insert_statement(tx, name, sha256, statement)
        is_repeated = statement_id is None
        if statement_id is not None:
            new_count = await _insert_lines(tx, statement_id, statement.lines)
            await BankStatement.filter(pk=statement_id).using_db(tx.db).update(new_count=new_count)
        row = await BankStatement.get(sha256=sha256, using_db=tx.db)
        tx.audit(
            BillingAuditAction.BANK_STATEMENT_IMPORT,
            row,
            account_id=None,
            lines=row.line_count,
            new=0 if is_repeated else row.new_count,
        )
        await store_result(tx, owner, "bankStatementImport", key, row.pk)
    return ImportedStatement(row, is_repeated)


def _read(account: BankAccount, content: bytes, iban: str) -> Statement:
    try:
        if content.lstrip()[:4].startswith(_XML_STARTS):
            return read_camt(content, account.ibans)
        return read_csv(content, iban, account.columns, account.ibans)
    except StatementInvalid as invalid:
        with Checks() as check:
            for fault in invalid.faults[:MAX_FAULTS]:
                refusal = Refusal(
                    BillingErrorCode.STATEMENT_INVALID,
                    "input",
                    "content",
                    message=fault.reason,
                    line=fault.line,
                    **fault.values,
                )
                check.refuse(refusal)
        raise AssertionError("an invalid statement has a fault") from invalid


async def _insert_statement(
    tx: Transaction, name: str, sha256: str, statement: Statement
) -> int | None:
    """Store the file, after waiting for a concurrent import of it. None when it was stored
    before.
    """
    rows = await execute(
        "INSERT INTO bank_statement (sha256, name, format, importer_id, created_at, line_count, "
        "new_count, pending_count) VALUES (?, ?, ?, ?, ?, ?, 0, ?) ON CONFLICT (sha256) DO NOTHING "
        "RETURNING id",
        sha256,
        name,
        StatementFormat(statement.format).value,
        tx.action.actor.pk if tx.action.actor else None,
        tx.action.at,
        len(statement.lines),
        statement.pending_count,
        db=tx.db,
    )
    return int(rows[0]["id"]) if rows else None


_COLUMNS = (
    "iban", "booked_on", "value_on", "amount_cents", "is_reversal", "bank_reference",
    "end_to_end_id", "structured_reference", "text", "counterparty_name", "counterparty_iban",
    "return_reason",
)  # fmt: skip
_OUTGOING_COLUMNS = frozenset(_COLUMNS[:6])
_INSERT = (
    f"INSERT INTO bank_line (statement_id, position, fingerprint, status, created_at, "  # noqa: S608 - column names
    f"{', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?{', ?' * len(_COLUMNS)}) "
    f"ON CONFLICT (fingerprint) DO NOTHING RETURNING id"
)


async def _insert_lines(
    tx: Transaction, statement_id: int, lines: tuple[StatementLine, ...]
) -> int:
    """Store the lines that aren't known yet. Returns how many."""
    occurrences: Counter[bytes] = Counter()
    new_count = 0
    fingerprints = {}
    for line in lines:
        identity = _identity(line)
        occurrences[identity] += 1
        fingerprints[fingerprint(identity, occurrences[identity])] = line
    # In the order of the unique index, so that two imports with common lines don't deadlock.
    for print_, line in sorted(fingerprints.items()):
        is_outgoing = line.amount_cents < 0 and not line.is_reversal
        is_returned = line.amount_cents > 0 and line.is_reversal  # what had gone out comes back
        columns = _OUTGOING_COLUMNS if is_outgoing or is_returned else _COLUMNS
        values = (getattr(line, column) if column in columns else "" for column in _COLUMNS)
        status = BankLineStatus.OUTGOING if is_outgoing else BankLineStatus.NEW
        new_count += len(
            await execute(
                _INSERT,
                statement_id,
                line.line,
                print_,
                status.value,
                tx.action.at,
                *values,
                db=tx.db,
            )
        )
    return new_count


def _identity(line: StatementLine) -> bytes:
    """What identifies a movement across files: all that the bank states about it, but not its
    position in the file.
    """
    return orjson.dumps(
        [
            line.iban,
            line.booked_on,
            line.amount_cents,
            line.is_reversal,
            line.bank_reference,
            line.end_to_end_id,
            line.structured_reference,
            line.text,
            line.counterparty_iban,
        ]
    )


def fingerprint(identity: bytes, occurrence: int) -> str:
    """The hash of a movement. Equal movements in a file are told apart by their order: if two files
    each contain two of them, they contain the same two.
    """
    return hashlib.sha256(b"%d %b" % (occurrence, identity)).hexdigest()
