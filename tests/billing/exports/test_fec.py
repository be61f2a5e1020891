"""The file of accounting entries, read by another reader of the format."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from billing.bank.matching import match_by_hand
from billing.exports.fec import _letters_of, fec, fec_file_name
from billing.refunds import refund_pending
from models.accounts.account import AccountStatus
from models.action import Action
from models.billing.invoice import Invoice
from tests.billing.bank.statement_fixtures import Entry, Transfer
from tests.billing.bank.test_matching import Bank, create_bank, reference_of
from tests.billing.exports.fec_reader import FecLine, read_fec
from tests.billing.purchase_fixtures import Shop
from tests.billing.test_credit_notes import credit, operator

if TYPE_CHECKING:
    from tests.conftest import MovableClock

NAME = fec_file_name("404833048", date(2026, 12, 31))


@pytest.fixture
async def bank(db: str, action: Action) -> Bank:
    return await create_bank(action)


async def lines_of(year: int = 2026) -> list[FecLine]:
    content = b"".join([piece async for piece in fec(year)])
    return read_fec(NAME, content)


async def test_p3_4_every_entry_is_in_the_file(bank: Bank) -> None:
    invoice = await bank.invoice()
    await bank.receive(Transfer(cents=3480, reference=reference_of(invoice)))
    sale, revenue, vat, money, payment = await lines_of()
    assert [line["CompteNum"] for line in (sale, revenue, vat, money, payment)] == [
        "411000",
        "706000",
        "445710",
        "512000",
        "411000",
    ]
    assert [line["Debit"] for line in (sale, revenue, vat)] == ["34,80", "0,00", "0,00"]
    assert [line["Credit"] for line in (sale, revenue, vat)] == ["0,00", "29,00", "5,80"]
    assert (sale["JournalCode"], payment["JournalCode"]) == ("VE", "BQ")
    assert (sale["CompAuxLib"], revenue["CompAuxLib"]) == ("Le Fournil d'Aubry", "")
    assert (sale["PieceRef"], sale["PieceDate"]) == (invoice.number, "20261123")
    assert sale["EcritureLib"] == f"Facture {invoice.number}"
    assert sale["EcritureLet"] == payment["EcritureLet"] == "A"


async def test_only_what_is_settled_has_a_letter(bank: Bank) -> None:
    paid, open_invoice = await bank.invoice(), await bank.invoice()
    partly = await bank.invoice()
    await bank.receive(
        Transfer(cents=3480, reference=reference_of(paid)),
        Transfer(cents=1000, reference=reference_of(partly)),
    )
    letters = letters_of(await lines_of())
    assert letters[paid.number]
    assert not letters[open_invoice.number]
    assert not letters[partly.number]
    await bank.receive(Transfer(cents=2480, reference=reference_of(partly)))
    letters = letters_of(await lines_of())
    assert letters[partly.number] not in ("", letters[paid.number])


async def test_a_payment_of_several_invoices_gives_them_one_letter(bank: Bank) -> None:
    first, second = await bank.invoice(), await bank.invoice(cents=1200)
    text = f"{reference_of(first)} {reference_of(second)}"
    await bank.receive(Transfer(cents=4680, text=text))
    letters = letters_of(await lines_of())
    assert letters[first.number] == letters[second.number] != ""


async def test_a_reversed_payment_takes_the_letter_away(bank: Bank) -> None:
    invoice = await bank.invoice()
    paid = Transfer(cents=3480, reference=reference_of(invoice), end_to_end_id="E-1")
    await bank.receive(paid)
    back = Transfer(cents=-3480, end_to_end_id="E-1")
    await bank.receive(Entry(transfers=(back,), is_reversal=True))
    assert not letters_of(await lines_of())[invoice.number]


async def test_what_was_credited_and_refunded_has_a_letter_until_the_refund_comes_back(
    shop: Shop, action: Action, clock: "MovableClock"
) -> None:
    await shop.buy(action, "1", "pm_sandbox_refund_returned")
    invoice = await Invoice.get()
    await credit(shop, action, await operator(action), invoice)
    lines = [line for line in await lines_of() if line["CompAuxNum"]]
    assert [(line["EcritureLib"], line["EcritureLet"]) for line in lines] == [
        (f"Facture {invoice.number}", "A"),
        ("Règlement reçu", "A"),
        (f"Avoir {(await Invoice.get(original_id=invoice.pk)).number}", "A"),
        ("Remboursement", "A"),
    ]
    clock.advance(timedelta(hours=1))
    await refund_pending(replace(action, at=clock.now()), shop.services.gateway)
    assert {line["EcritureLet"] for line in await lines_of()} == {""}


def letters_of(lines: list[FecLine]) -> dict[str, str]:
    """The letters of the customers' lines, by invoice number."""
    return {line["PieceRef"]: line["EcritureLet"] for line in lines if line["CompAuxNum"]}


async def test_a_year_begins_with_the_balances_of_the_year_before(bank: Bank) -> None:
    paid = await bank.invoice()
    await bank.invoice(bank.marie)
    await bank.receive(Transfer(cents=3480, reference=reference_of(paid)))
    lines = await lines_of(2027)
    assert {line["JournalCode"] for line in lines} == {"AN"}
    assert {line["EcritureDate"] for line in lines} == {"20270101"}
    amounts = {line["CompteNum"]: line.amount for line in lines}
    assert {code: str(amount) for code, amount in amounts.items()} == {
        "411000": "34.80",
        "445710": "-11.60",
        "512000": "34.80",
        "120000": "-58.00",
    }
    customers = [line["CompAuxLib"] for line in lines if line["CompteNum"] == "411000"]
    assert customers == ["Marie Textiles"]


async def test_what_is_open_at_the_end_of_a_year_is_carried_forward_by_document(
    bank: Bank,
) -> None:
    """It settles with what is paid in the next year. The file of the year before stays the same,
    whenever it is generated.
    """
    paid, late, partly = await bank.invoice(), await bank.invoice(), await bank.invoice()
    await bank.receive(
        Transfer(cents=3480, reference=reference_of(paid)),
        Transfer(cents=1000, reference=reference_of(partly)),
    )
    before = [line.values for line in await lines_of()]
    bank.action = replace(bank.action, at=datetime(2027, 2, 1, 9, tzinfo=UTC))
    await bank.receive(
        Transfer(cents=3480, reference=reference_of(late)),
        Transfer(cents=2480, reference=reference_of(partly)),
    )
    assert [line.values for line in await lines_of()] == before
    lines = [line for line in await lines_of(2027) if line["CompAuxNum"]]
    assert [
        (line["JournalCode"], line["PieceRef"], line["PieceDate"], str(line.amount))
        for line in lines
        if line["JournalCode"] == "AN" and line.amount > 0
    ] == [
        ("AN", late.number, "20261123", "34.80"),
        ("AN", partly.number, "20261123", "34.80"),
    ]
    letters = letters_of(lines)
    assert letters[late.number] != letters[partly.number]
    assert all(line["EcritureLet"] for line in lines)
    assert {line["DateLet"] for line in lines} == {"20270201"}
    assert [line for line in await lines_of(2028) if line["CompAuxNum"]] == []


async def test_a_payment_that_comes_back_in_the_next_year_opens_its_invoice_in_that_one(
    bank: Bank,
) -> None:
    invoice = await bank.invoice()
    await bank.receive(Transfer(cents=3480, reference=reference_of(invoice), end_to_end_id="E-1"))
    bank.action = replace(bank.action, at=datetime(2027, 1, 4, 9, tzinfo=UTC))
    back = Transfer(cents=-3480, end_to_end_id="E-1")
    await bank.receive(Entry(transfers=(back,), is_reversal=True))
    assert letters_of(await lines_of())[invoice.number]
    (reversal,) = [line for line in await lines_of(2027) if line["CompAuxNum"]]
    assert (str(reversal.amount), reversal["EcritureLet"]) == ("34.80", "")
    carried = [line for line in await lines_of(2028) if line["CompAuxNum"]]
    assert [str(line.amount) for line in carried] == ["34.80", "-34.80", "34.80"]
    bank.action = replace(bank.action, at=datetime(2028, 1, 4, 9, tzinfo=UTC))
    again = Transfer(cents=3480, reference=reference_of(invoice), end_to_end_id="E-2")
    await bank.receive(again)
    lines = [line for line in await lines_of(2028) if line["CompAuxNum"]]
    assert {line["EcritureLet"] for line in lines} == {"A"}


async def test_a_payment_of_nothing_that_goes_back_has_a_letter(bank: Bank) -> None:
    line = await bank.receive_one(Transfer(cents=9900, end_to_end_id="E-1"))
    await match_by_hand(bank.action, line.pk, bank.paul.pk, ())
    assert [each["EcritureLet"] for each in await lines_of() if each["CompAuxNum"]] == [""]
    back = Transfer(cents=-9900, end_to_end_id="E-1")
    await bank.receive(Entry(transfers=(back,), is_reversal=True))
    letters = [each["EcritureLet"] for each in await lines_of() if each["CompAuxNum"]]
    assert letters == ["P1", "P1"]


async def test_an_erased_company_keeps_the_name_of_its_invoices(shop: Shop, action: Action) -> None:
    await shop.buy(action, "1")
    shop.account.legal_name, shop.account.status = "[effacé]", AccountStatus.ERASED
    await shop.account.save()
    names = {line["CompAuxLib"] for line in await lines_of() if line["CompAuxNum"]}
    assert names == {"Le Fournil d'Aubry"}


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Łódź\tÉté\n€ 東京", "Lódz Été € ??"),
        ("L’Épi | “Œuvres” – Cie", 'L\'Épi | "Œuvres" - Cie'),
        ("E\u0301te\u0301 Ștefan Çağlar", "Été Stefan Çaglar"),
    ],
)
async def test_names_fit_the_encoding_and_the_columns(bank: Bank, name: str, written: str) -> None:
    bank.paul.legal_name = name
    await bank.paul.save()
    await bank.invoice()
    assert (await lines_of())[0]["CompAuxLib"] == written


async def test_more_entries_than_a_page_are_all_in_order(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.exports.fec._PAGE_SIZE", 3)
    invoices: list[Invoice] = [await bank.invoice() for _ in range(7)]
    await bank.receive(
        *(Transfer(cents=3480, reference=reference_of(invoice)) for invoice in invoices)
    )
    lines = await lines_of()
    assert len(lines) == 7 * 5
    assert len({line["EcritureLet"] for line in lines if line["CompAuxNum"]}) == 7


async def test_an_empty_year_has_the_names_of_the_columns_only(bank: Bank) -> None:
    assert await lines_of() == []


def test_letters_count_like_columns_of_a_spreadsheet() -> None:
    assert [_letters_of(n) for n in (1, 26, 27, 702, 703)] == ["A", "Z", "AA", "ZZ", "AAA"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"34,80", b"34.80"),
        (b"34,80", b"34,81"),
        (b"20261123", b"2026-11-23"),
        (b"EcritureLet", b"Lettrage"),
        (b"411000", b"C1"),
    ],
)
async def test_the_reader_refuses_what_the_article_forbids(
    bank: Bank, old: bytes, new: bytes
) -> None:
    await bank.invoice()
    content = b"".join([piece async for piece in fec(2026)])
    read_fec(NAME, content)
    with pytest.raises(ValueError, match=r"line|balance|named"):
        read_fec(NAME, content.replace(old, new, 1))
