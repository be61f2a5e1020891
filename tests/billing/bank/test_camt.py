"""Statements in camt.053, in each version that banks send."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from billing.bank.camt import read_camt
from billing.bank.statement import StatementInvalid, StatementLine
from models.locale import Locale
from models.translations import text
from tests.billing.bank.statement_fixtures import (
    DAY,
    IBAN,
    OTHER_PAYER_IBAN,
    PAYER_IBAN,
    VERSIONS,
    CamtFile,
    Entry,
    Transfer,
    camt,
)

REFERENCE = "RF84FA2026000042"


def faults(content: bytes) -> list[tuple[int, str]]:
    """The line and the text of each fault of a file."""
    with pytest.raises(StatementInvalid) as error:
        read_camt(content, [IBAN])
    return [
        (fault.line, text(fault.reason, Locale.EN, line=fault.line, **fault.values))
        for fault in error.value.faults
    ]


def line(content: bytes) -> StatementLine:
    (only_line,) = read_camt(content, [IBAN]).lines
    return only_line


@pytest.mark.parametrize("version", VERSIONS)
def test_a_transfer_is_read_in_every_version(version: str) -> None:
    transfer = Transfer(
        cents=3480,
        reference=REFERENCE,
        text="Facture de novembre",
        end_to_end_id="E2E-1",
        bank_reference="B-1",
    )
    read_line = line(camt(transfer, version=version))
    assert read_line == StatementLine(
        line=read_line.line,
        iban=IBAN,
        booked_on=DAY,
        amount_cents=3480,
        bank_reference="B-1",
        end_to_end_id="E2E-1",
        structured_reference=REFERENCE,
        text="Facture de novembre",
        counterparty_name="Le Fournil d'Aubry",
        counterparty_iban=PAYER_IBAN,
    )
    assert read_line.line > 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_batch_becomes_one_line_for_each_transaction(version: str) -> None:
    batch = Entry(
        transfers=(
            Transfer(cents=3480, reference=REFERENCE),
            Transfer(cents=1200, payer_iban=OTHER_PAYER_IBAN, text="FA-2026-000043"),
        ),
        bank_reference="BATCH-1",
    )
    lines = read_camt(camt(batch, version=version), [IBAN]).lines
    assert [(each.amount_cents, each.counterparty_iban) for each in lines] == [
        (3480, PAYER_IBAN),
        (1200, OTHER_PAYER_IBAN),
    ]
    assert {each.bank_reference for each in lines} == {"BATCH-1"}


@pytest.mark.parametrize(
    "transfers",
    [
        (Transfer(cents=3480, reference=REFERENCE), Transfer(cents=1)),
        (Transfer(cents=3480, reference=REFERENCE, foreign="USD"), Transfer(cents=1200)),
    ],
)
def test_a_batch_whose_amounts_dont_add_up_stays_one_line_without_reference(
    transfers: tuple[Transfer, ...],
) -> None:
    read_line = line(camt(Entry(transfers=transfers, cents=4680)))
    assert read_line.amount_cents == 4680
    assert read_line.structured_reference == read_line.text == ""


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reversal_names_the_payer_that_the_money_goes_back_to(version: str) -> None:
    transfer = Transfer(cents=-3480, reference=REFERENCE, return_reason="AC04")
    reversal = line(camt(Entry(transfers=(transfer,), is_reversal=True), version=version))
    assert reversal.is_reversal
    assert reversal.amount_cents == -3480
    assert reversal.counterparty_iban == PAYER_IBAN
    assert reversal.return_reason == "AC04"


def test_an_entry_without_details_has_the_text_of_the_bank() -> None:
    read_line = line(camt(Entry(cents=3480, text=f"VIR SEPA ACME {REFERENCE}")))
    assert read_line.text == f"VIR SEPA ACME {REFERENCE}"
    assert read_line.counterparty_iban == read_line.end_to_end_id == ""


def test_only_booked_entries_are_read() -> None:
    statement = read_camt(
        camt(Transfer(cents=100), Entry(transfers=(Transfer(cents=200),), status="PDNG")), [IBAN]
    )
    assert [each.amount_cents for each in statement.lines] == [100]
    assert statement.pending_count == 1


def test_an_entry_without_a_date_has_that_of_the_statement() -> None:
    read_line = line(camt(Entry(transfers=(Transfer(cents=100),), booked_on=None)))
    assert read_line.booked_on == date(2026, 11, 24)


def test_amounts_of_originals_and_charges_are_not_taken_for_the_amount() -> None:
    content = camt(Transfer(cents=3480)).replace(
        b"<RltdPties>",
        b'<AmtDtls><InstdAmt><Amt Ccy="USD">99.00</Amt></InstdAmt></AmtDtls>'
        b'<Chrgs><Rcrd><Amt Ccy="EUR">7.00</Amt><CdtDbtInd>DBIT</CdtDbtInd></Rcrd></Chrgs>'
        b"<RltdPties>",
    )
    assert line(content).amount_cents == 3480


def test_a_french_account_may_be_given_without_its_country() -> None:
    content = camt(Transfer(cents=100)).replace(
        f"<IBAN>{IBAN}</IBAN>".encode(), f"<Othr><Id>{IBAN[4:]}</Id></Othr>".encode(), 1
    )
    assert line(content).iban == IBAN


def test_a_prefixed_namespace_in_an_envelope_and_another_encoding_are_read() -> None:
    content = camt(Transfer(cents=100, payer="Café Ångström")).decode()
    body = content.partition("?>")[2].replace("<", "<n:").replace("<n:/", "</n:")
    body = body.replace('Document xmlns="', 'Document xmlns:n="')
    enveloped = f"<?xml version='1.0' encoding='ISO-8859-15'?><Envelope>{body}</Envelope>"
    assert line(enveloped.encode("iso-8859-15")).counterparty_name == "Café Ångström"


def test_all_faults_are_reported_at_once_with_their_lines() -> None:
    content = camt(
        Entry(transfers=(Transfer(cents=100),), amount_text="1.005"),
        Transfer(cents=100),
        Entry(transfers=(Transfer(cents=100),), amount_text="abc"),
    ).replace(b"<BookgDt><Dt>2026-11-23", b"<BookgDt><Dt>2026-13-23")
    reported = faults(content)
    assert [message.partition(": ")[2] for _, message in reported] == [
        "“1.005” isn’t an amount in euros and cents.",
        "“2026-13-23” isn’t a date.",
        "“2026-13-23” isn’t a date.",
        "“abc” isn’t an amount in euros and cents.",
        "“2026-13-23” isn’t a date.",
    ]
    lines = content.decode().splitlines()
    assert "1.005" in lines[reported[0][0] - 1]
    assert all(
        number == sorted(n for n, _ in reported)[i] for i, (number, _) in enumerate(reported)
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Date;Montant", "isn’t valid XML"),
        (b"<Document/>", "isn’t a camt.053 statement"),
        (b"<Document><BkToCstmrStmt/></Document>", "contains no statement"),
        (b"<Document><BkToCstmrAcctRpt/></Document>", "camt.052 report"),
        (b"<Document><BkToCstmrDbtCdtNtfctn/></Document>", "camt.054 notification"),
        (camt(Transfer(cents=1), iban=OTHER_PAYER_IBAN), "isn’t one of the seller’s accounts"),
        (camt(Transfer(cents=1), currency="CHF"), "the currency is CHF"),
        (camt(Transfer(cents=1), difference=-200), "-2.00 euros are missing"),
        (camt(Transfer(cents=1)).replace(b">CRDT<", b">X<"), "neither a credit nor a debit"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><Document>&b;</Document>', "declares a document type"),
    ],
)
def test_a_file_that_is_not_a_statement_of_ours_is_refused(content: bytes, message: str) -> None:
    assert message in faults(content)[0][1]


def test_a_page_of_a_statement_need_not_add_up() -> None:
    page = "<StmtPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>"
    content = camt(Transfer(cents=100), difference=500, other_header=page)
    assert line(content).amount_cents == 100


def test_card_numbers_and_control_characters_never_leave_the_reader() -> None:
    content = camt(Transfer(cents=100, text="carte 4242 4242 4242 4242 merci"))
    assert "4242 4242 4242" not in line(content).text


def test_a_statement_of_10_000_entries_is_read() -> None:
    entries: Any = [Transfer(cents=n, bank_reference=f"B-{n}") for n in range(1, 10_001)]
    file = CamtFile(entries=tuple(Entry(transfers=(each,)) for each in entries))
    lines = read_camt(replace(file, version="001.02").to_xml(), [IBAN]).lines
    assert sum(each.amount_cents for each in lines) == 50_005_000
    assert lines[-1].line > 40_000
