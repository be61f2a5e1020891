"""Importing statements: each movement is stored once, and nothing of a file with an error."""

import asyncio
import gzip
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.bank.account import BankAccount
from billing.bank.importing import MAX_BYTES, MAX_FAULTS, decode_file, import_statement
from models.action import Action
from models.audit import AuditEntry
from models.billing.bank import BankLine, BankLineStatus, BankStatement
from models.errors import Refusal
from tests.billing.bank.statement_fixtures import (
    IBAN,
    OTHER_PAYER_IBAN,
    PAYER_IBAN,
    Entry,
    Transfer,
    camt,
)

ACCOUNT = BankAccount(iban=IBAN, bic="BNKAFRPPXXX")
CSV = "Date;Libellé;Montant\n23/11/2026;VIR ACME;34,80\n23/11/2026;VIR ACME;34,80\n"


async def import_file(
    action: Action, content: bytes, name: str = "a.xml", **values: Any
) -> BankStatement:
    return (await import_statement(action, ACCOUNT, name=name, content=content, **values)).statement


async def test_the_same_file_changes_nothing(db: str, action: Action) -> None:
    content = camt(Transfer(cents=3480), Transfer(cents=3480), Transfer(cents=1200))
    first = await import_statement(action, ACCOUNT, name="a.xml", content=content)
    second = await import_statement(action, ACCOUNT, name="b.xml", content=content)
    assert (first.is_repeated, second.is_repeated) == (False, True)
    assert first.statement.pk == second.statement.pk
    assert (first.statement.line_count, first.statement.new_count) == (3, 3)
    assert await BankLine.all().count() == 3
    assert await AuditEntry.filter(action="bank_statement.import").count() == 2


async def test_two_imports_of_a_file_at_once_store_it_once(db: str, action: Action) -> None:
    content = camt(*(Transfer(cents=cents) for cents in range(1, 20)))
    results = await asyncio.gather(
        *(import_statement(action, ACCOUNT, name="a.xml", content=content) for _ in range(4))
    )
    assert sorted(result.is_repeated for result in results) == [False, True, True, True]
    assert await BankLine.all().count() == 19


async def test_a_line_that_another_file_contains_is_stored_once(db: str, action: Action) -> None:
    """One export is from the first to the fifteenth, the other of the whole month."""
    await import_file(action, camt(Transfer(cents=3480), Transfer(cents=1200)))
    longer = camt(
        Transfer(cents=1200), Transfer(cents=3480), Transfer(cents=3480), message_id="S-2"
    )
    statement = await import_file(action, longer)
    assert (statement.line_count, statement.new_count) == (3, 1)
    assert sorted(line.amount_cents for line in await BankLine.all()) == [1200, 3480, 3480]


async def test_two_imports_with_common_lines_at_once_dont_deadlock(db: str, action: Action) -> None:
    transfers = [Transfer(cents=cents) for cents in range(1, 40)]
    files = [camt(*transfers), camt(*transfers[::-1])]
    await asyncio.gather(*(import_file(action, content) for content in files))
    assert await BankLine.all().count() == 39


async def test_a_line_of_zero_and_a_repeated_statement_are_not_stored(
    db: str, action: Action
) -> None:
    """A payment of zero would be an accounting entry without a line."""
    content = camt(Transfer(cents=3480), Transfer(cents=3480), Transfer(cents=0, text="Info"))
    start, end = content.index(b"<Stmt>"), content.index(b"</BkToCstmrStmt>")
    statement = await import_file(action, content[:end] + content[start:])
    assert statement.new_count == 2
    assert [line.amount_cents for line in await BankLine.all()] == [3480, 3480]


async def test_nothing_is_stored_of_a_file_with_a_fault(db: str, action: Action) -> None:
    content = camt(Transfer(cents=1), Entry(transfers=(Transfer(cents=2),), amount_text="x"))
    with pytest.raises(Refusal, match="STATEMENT_INVALID"):
        await import_file(action, content)
    assert not await BankStatement.exists()
    assert not await BankLine.exists()


async def test_the_first_hundred_faults_are_reported(db: str, action: Action) -> None:
    content = "Date;Libellé;Montant\n" + "x;y;z\n" * 80
    with pytest.raises(Refusal) as error:
        await import_file(action, content.encode())
    assert len(error.value.refusals) == MAX_FAULTS
    assert error.value.refusals[0].values["line"] == 2


async def test_of_money_that_went_out_only_day_and_amount_are_stored(
    db: str, action: Action
) -> None:
    """Salaries and suppliers are none of our business."""
    salary = Transfer(
        cents=-240_000, payer="Jean Dupont", text="Salaire", end_to_end_id="E", bank_reference="B"
    )
    await import_file(action, camt(salary))
    line = await BankLine.get()
    assert line.status is BankLineStatus.OUTGOING
    assert line.amount_cents == -240_000
    assert texts_of(line) == [""] * 4
    returned = replace(salary, cents=240_000, return_reason="AC04")
    await import_file(action, camt(Entry(transfers=(returned,), is_reversal=True)))
    line = await BankLine.get(amount_cents=240_000)
    assert line.is_reversal
    assert texts_of(line) == [""] * 4


def texts_of(line: BankLine) -> list[str]:
    return [line.text, line.counterparty_name, line.counterparty_iban, line.end_to_end_id]


async def test_a_csv_file_is_of_the_account_for_transfers_unless_named(
    db: str, action: Action
) -> None:
    await import_file(action, CSV.encode(), name="a.csv")
    assert {line.iban for line in await BankLine.all()} == {IBAN}
    with pytest.raises(Refusal, match="BANK_ACCOUNT_UNKNOWN"):
        await import_file(action, CSV.encode(), iban=PAYER_IBAN)
    with pytest.raises(Refusal, match="BANK_ACCOUNT_UNKNOWN"):
        await import_statement(action, None, name="a.csv", content=CSV.encode())
    account = BankAccount(iban=IBAN, bic="BNKAFRPPXXX", other_ibans=(OTHER_PAYER_IBAN,))
    content = f"{CSV}24/11/2026;VIR ACME;1,00\n".encode()
    await import_statement(action, account, name="b.csv", content=content, iban=OTHER_PAYER_IBAN)
    assert await BankLine.filter(iban=OTHER_PAYER_IBAN).count() == 3


@given(st.binary(max_size=200))
def test_a_file_arrives_as_it_was_sent(content: bytes) -> None:
    assert decode_file(b64encode(gzip.compress(content)).decode()) == content
    if not content.startswith(b"\x1f\x8b"):
        assert decode_file(b64encode(content).decode()) == content


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("not Base64!", "VALUE_INVALID"),
        (b64encode(b"\x1f\x8b broken").decode(), "VALUE_INVALID"),
        (b64encode(gzip.compress(b"x" * 100)[:-9]).decode(), "VALUE_INVALID"),
        (b64encode(gzip.compress(b"x" * (MAX_BYTES + 1))).decode(), "STATEMENT_TOO_LARGE"),
    ],
    # Compressed data contains the time, and every worker has to collect the same names.
    ids=("not Base64", "not gzip", "cut off", "too large"),
)
def test_what_cant_be_unpacked_is_refused(content: str, code: str) -> None:
    with pytest.raises(Refusal, match=code):
        decode_file(content)
