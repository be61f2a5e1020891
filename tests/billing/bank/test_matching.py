"""P2.3: transfers find what they pay, or wait for a person. Whatever happens, what is open on an
invoice is its amount minus its allocations, and a customer's balance is the ledger's.
"""

import asyncio
import random
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

import pytest

from billing.bank import matching
from billing.bank.importing import import_statement
from billing.bank.reference import payment_reference
from models.accounts.account import Account, AccountStatus
from models.action import Action
from models.audit import AuditEntry
from models.billing.bank import BankLine, BankLineMatch, BankLineProblem, BankLineStatus
from models.billing.invoice import Invoice
from models.billing.ledger import LedgerLine
from models.billing.payment import Payment
from models.billing.receivable import Allocation, InvoiceState, Receivable
from models.database import batches
from models.database.sql import execute
from models.errors import Refusal
from models.locale import Locale
from models.translations import text
from tests.billing.bank.statement_fixtures import (
    OTHER_PAYER_IBAN,
    PAYER_IBAN,
    Entry,
    Transfer,
    camt,
)
from tests.billing.bank.test_importing import ACCOUNT
from tests.billing.bank.unpaid_invoices import create_unpaid_invoice
from tests.people import OTHER_SIREN, create_account
from tests.waiting import wait_for_lock_waiters


@dataclass
class Bank:
    """Two companies, and the vendor's bank."""

    action: Action
    paul: Account
    marie: Account
    invoices: list[Invoice] = field(default_factory=list)
    statements: int = 0

    async def invoice(self, account: Account | None = None, cents: int = 3480) -> Invoice:
        invoice = await create_unpaid_invoice(self.action, account or self.paul, cents)
        self.invoices.append(invoice)
        return invoice

    async def receive(self, *entries: Entry | Transfer, **values: Any) -> list[BankLine]:
        """Imports a statement and matches its lines, which are returned in their order."""
        self.statements += 1
        content = camt(*entries, message_id=f"S-{self.statements}", **values)
        imported = await import_statement(self.action, ACCOUNT, name="a.xml", content=content)
        await matching.match_new_lines(self.action)
        return await BankLine.filter(statement_id=imported.statement.pk).order_by("position")

    async def receive_one(self, entry: Entry | Transfer) -> BankLine:
        (line,) = await self.receive(entry)
        return line

    async def open_cents(self, invoice: Invoice) -> int:
        receivable = await Receivable.get(invoice_id=invoice.pk)
        return int(receivable.open_cents)

    async def check(self) -> None:
        """The invariants of money."""
        for receivable in await Receivable.all():
            allocations = await Allocation.filter(invoice_id=receivable.invoice_id)
            allocated = sum(each.amount_cents for each in allocations)
            assert receivable.open_cents == receivable.gross_cents - allocated
            assert 0 <= receivable.open_cents <= receivable.gross_cents
        for account in (self.paul, self.marie):
            lines = await LedgerLine.filter(account_id=account.pk, code="411000")
            balance = sum(line.debit_cents - line.credit_cents for line in lines)
            owed = sum(each.gross_cents for each in self.invoices if each.account_id == account.pk)
            paid = sum(
                each.amount_cents
                for each in await BankLine.filter(account_id=account.pk, status="MATCHED")
            )
            assert balance == owed - paid
            allocations = await Allocation.filter(account_id=account.pk)
            assert sum(each.amount_cents for each in allocations) <= paid


@pytest.fixture
async def bank(db: str, action: Action) -> Bank:
    return await create_bank(action)


async def create_bank(action: Action) -> Bank:
    paul = await create_account(action)
    marie = await create_account(action, "Marie Textiles", OTHER_SIREN)
    return Bank(action, paul, marie)


def reference_of(invoice: Invoice) -> str:
    return payment_reference(invoice.number)


async def test_p2_3_a_reference_with_the_amount_pays_the_invoice(bank: Bank) -> None:
    invoice, other = await bank.invoice(), await bank.invoice(bank.marie)
    line = await bank.receive_one(Transfer(cents=3480, reference=reference_of(invoice)))
    assert (line.status, line.match) == (
        BankLineStatus.MATCHED,
        BankLineMatch.REFERENCE_AND_AMOUNT,
    )
    assert line.account_id == bank.paul.pk
    receivable = await Receivable.get(invoice_id=invoice.pk)
    assert receivable.state is InvoiceState.PAID
    assert await bank.open_cents(other) == 3480
    payment = await Payment.get(pk=line.payment_id)
    assert (payment.amount_cents, payment.invoice_id) == (3480, invoice.pk)
    assert await AuditEntry.filter(action="bank_line.match", account_id=bank.paul.pk).count() == 1
    await bank.check()


@pytest.mark.parametrize("place", ["text", "end_to_end_id"])
async def test_the_reference_is_found_wherever_the_payer_wrote_it(bank: Bank, place: str) -> None:
    invoice = await bank.invoice()
    values: dict[str, Any] = {place: f"facture {reference_of(invoice).lower()}"}
    line = await bank.receive_one(Transfer(cents=3480, **values))
    assert line.match is BankLineMatch.REFERENCE_AND_AMOUNT


@pytest.mark.parametrize(
    ("cents", "open_cents", "state"),
    [(1000, 2480, InvoiceState.PARTIALLY_PAID), (5000, 0, InvoiceState.PAID)],
)
async def test_another_amount_with_the_reference_leaves_the_difference(
    bank: Bank, cents: int, open_cents: int, state: InvoiceState
) -> None:
    """Over- and underpayment stay on the customer's balance."""
    invoice = await bank.invoice()
    line = await bank.receive_one(Transfer(cents=cents, reference=reference_of(invoice)))
    assert line.match is BankLineMatch.REFERENCE
    receivable = await Receivable.get(invoice_id=invoice.pk)
    assert (receivable.open_cents, receivable.state) == (open_cents, state)
    await bank.check()


async def test_a_transfer_pays_several_invoices_of_one_customer(bank: Bank) -> None:
    invoices = [await bank.invoice(), await bank.invoice(cents=1200)]
    references = " ".join(map(reference_of, invoices))
    line = await bank.receive_one(Transfer(cents=4680, text=references))
    assert line.match is BankLineMatch.REFERENCE_AND_AMOUNT
    assert [await bank.open_cents(each) for each in invoices] == [0, 0]
    await bank.check()


async def test_a_second_payment_of_a_paid_invoice_stays_on_the_balance(bank: Bank) -> None:
    invoice = await bank.invoice()
    transfer = Transfer(cents=3480, reference=reference_of(invoice), bank_reference="B-1")
    await bank.receive(transfer)
    line = await bank.receive_one(
        Transfer(cents=3480, reference=reference_of(invoice), bank_reference="B-2")
    )
    assert (line.status, line.match) == (BankLineStatus.MATCHED, BankLineMatch.REFERENCE)
    await bank.check()


async def test_a_number_without_check_digits_needs_the_exact_amount(bank: Bank) -> None:
    invoice = await bank.invoice()
    wrong = await bank.receive_one(Transfer(cents=3481, text=f"Facture {invoice.number}"))
    assert (wrong.status, wrong.problem) == (
        BankLineStatus.UNMATCHED,
        BankLineProblem.AMOUNT_DIFFERS,
    )
    right = await bank.receive_one(Transfer(cents=3480, text=f"Facture {invoice.number}"))
    assert right.match is BankLineMatch.REFERENCE_AND_AMOUNT
    await bank.check()


async def test_the_iban_of_an_earlier_payment_needs_the_exact_amount(bank: Bank) -> None:
    first, second = await bank.invoice(), await bank.invoice(cents=1200)
    unknown = await bank.receive_one(Transfer(cents=1200))
    assert unknown.problem is BankLineProblem.NO_REFERENCE
    await bank.receive(Transfer(cents=3480, reference=reference_of(first)))
    known = await bank.receive_one(Transfer(cents=1200, bank_reference="B-2"))
    assert (known.match, known.account_id) == (BankLineMatch.IBAN_AND_AMOUNT, bank.paul.pk)
    assert await bank.open_cents(second) == 0
    other_amount = await bank.receive_one(Transfer(cents=1199))
    assert other_amount.status is BankLineStatus.UNMATCHED
    await bank.check()


async def test_an_iban_pays_all_open_invoices_together_but_chooses_none_of_two(
    bank: Bank,
) -> None:
    first = await bank.invoice()
    await bank.receive(Transfer(cents=3480, reference=reference_of(first)))
    invoices = [await bank.invoice(), await bank.invoice()]
    either = await bank.receive_one(Transfer(cents=3480, bank_reference="B-2"))
    assert either.status is BankLineStatus.UNMATCHED
    both = await bank.receive_one(Transfer(cents=6960))
    assert both.match is BankLineMatch.IBAN_AND_AMOUNT
    assert [await bank.open_cents(each) for each in invoices] == [0, 0]
    await bank.check()


async def test_an_iban_that_paid_for_two_customers_identifies_none(bank: Bank) -> None:
    """For example, an accountant pays for several companies."""
    for account in (bank.paul, bank.marie):
        invoice = await bank.invoice(account)
        await bank.receive(Transfer(cents=3480, reference=reference_of(invoice)))
    await bank.invoice()
    line = await bank.receive_one(Transfer(cents=3480, bank_reference="B-3"))
    assert line.status is BankLineStatus.UNMATCHED


async def test_what_the_rules_cant_decide_waits_for_a_person(bank: Bank) -> None:
    paul, marie = await bank.invoice(), await bank.invoice(bank.marie)
    lines = await bank.receive(
        Transfer(cents=6960, text=f"{reference_of(paul)} {reference_of(marie)}"),
        Transfer(cents=100, reference=payment_reference("FA-2026-999999")),
        Transfer(cents=100, text="merci"),
    )
    assert [line.problem for line in lines] == [
        BankLineProblem.SEVERAL_CUSTOMERS,
        BankLineProblem.UNKNOWN_REFERENCE,
        BankLineProblem.NO_REFERENCE,
    ]
    await Account.filter(pk=bank.marie.pk).update(status=AccountStatus.ERASED)
    erased = await bank.receive_one(Transfer(cents=3480, reference=reference_of(marie)))
    assert erased.problem is BankLineProblem.ACCOUNT_ERASED
    await bank.check()


async def test_the_same_movement_in_another_format_isnt_paid_twice(bank: Bank) -> None:
    invoice = await bank.invoice()
    await bank.receive(Transfer(cents=3480, reference=reference_of(invoice)))
    export = f"Date;Libellé;Montant\n23/11/2026;VIR {reference_of(invoice)};34,80\n"
    imported = await import_statement(bank.action, ACCOUNT, name="a.csv", content=export.encode())
    await matching.match_new_lines(bank.action)
    line = await BankLine.get(statement_id=imported.statement.pk)
    assert line.problem is BankLineProblem.POSSIBLE_DUPLICATE
    await bank.check()


async def test_a_line_becomes_one_payment_whoever_matches_it(bank: Bank) -> None:
    """Two jobs and two operators try at the same time."""
    invoice = await bank.invoice()
    content = camt(Transfer(cents=3480, reference=reference_of(invoice)))
    await import_statement(bank.action, ACCOUNT, name="a.xml", content=content)
    line = await BankLine.get()
    results = await asyncio.gather(
        matching.match_line(bank.action, line.pk),
        matching.match_new_lines(bank.action),
        matching.match_by_hand(bank.action, line.pk, None, [(invoice.pk, None)]),
        matching.match_by_hand(bank.action, line.pk, None, [(invoice.pk, None)]),
        return_exceptions=True,
    )
    assert any(isinstance(result, Refusal) for result in results)
    assert await Payment.filter(provider_reference=matching.provider_reference(line)).count() == 1
    assert await bank.open_cents(invoice) == 0
    await bank.check()


async def test_a_rule_compares_the_amount_with_what_is_open_once_the_account_is_locked(
    bank: Bank, db: str
) -> None:
    """Two transfers of an invoice's amount name its number, which has no check digits, while
    another transaction holds the company's account.
    """
    invoice = await bank.invoice()
    content = camt(
        Transfer(cents=3480, text=invoice.number, bank_reference="B-1"),
        Transfer(cents=3480, text=invoice.number, bank_reference="B-2"),
    )
    await import_statement(bank.action, ACCOUNT, name="a.xml", content=content)
    lines = await BankLine.all()
    contexts = [copy_context() for _ in lines]  # outside of the transaction
    async with bank.action.transaction() as tx:
        await tx.lock(Account, bank.paul.pk)
        tasks = [
            asyncio.create_task(matching.match_line(bank.action, each.pk), context=context)
            for each, context in zip(lines, contexts, strict=True)
        ]
        await wait_for_lock_waiters(db, 2)
    assert sorted(await asyncio.gather(*tasks)) == [False, True]
    unmatched = await BankLine.get(status=BankLineStatus.UNMATCHED)
    assert unmatched.problem is BankLineProblem.AMOUNT_DIFFERS
    await bank.check()


async def test_a_line_that_fails_holds_up_no_other(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1)
    invoices = [await bank.invoice() for _ in range(2)]
    content = camt(*(Transfer(cents=3480, reference=reference_of(each)) for each in invoices))
    await import_statement(bank.action, ACCOUNT, name="a.xml", content=content)
    await execute("UPDATE bank_line SET problem = 'X' WHERE id = (SELECT MIN(id) FROM bank_line)")
    for expected_count in (1, 0):
        assert await matching.match_new_lines(bank.action) == expected_count


async def test_a_reversed_line_opens_the_invoice_again(bank: Bank) -> None:
    """A line that was matched can be reversed later."""
    invoice = await bank.invoice()
    paid = Transfer(cents=3480, reference=reference_of(invoice), end_to_end_id="E-1")
    line = await bank.receive_one(paid)
    taken_back = Transfer(cents=-3480, reference=reference_of(invoice), end_to_end_id="E-1")
    reversal = await bank.receive_one(Entry(transfers=(taken_back,), is_reversal=True))
    assert (reversal.status, reversal.original_id) == (BankLineStatus.REVERSAL, line.pk)
    await line.refresh_from_db()
    assert line.status is BankLineStatus.REVERSED
    receivable = await Receivable.get(invoice_id=invoice.pk)
    assert (receivable.open_cents, receivable.state) == (3480, InvoiceState.UNPAID)
    await bank.check()
    again = await bank.receive_one(Transfer(cents=3480, reference=reference_of(invoice)))
    assert again.status is BankLineStatus.MATCHED
    await bank.check()


async def test_a_reversal_that_could_be_of_two_lines_waits_for_a_person(bank: Bank) -> None:
    invoices = [await bank.invoice(), await bank.invoice()]
    lines = await bank.receive(
        *(Transfer(cents=3480, text=f"Facture {invoice.number}") for invoice in invoices)
    )
    taken_back = Transfer(cents=-3480, text="rejet")
    reversal = await bank.receive_one(Entry(transfers=(taken_back,), is_reversal=True))
    assert reversal.problem is BankLineProblem.ORIGINAL_NOT_FOUND
    decided = await matching.match_reversal_by_hand(bank.action, reversal.pk, lines[1].pk)
    assert decided.status is BankLineStatus.REVERSAL
    assert [await bank.open_cents(each) for each in invoices] == [0, 3480]
    repeated = await matching.match_reversal_by_hand(bank.action, reversal.pk, lines[1].pk)
    assert repeated.original_id == lines[1].pk
    with pytest.raises(Refusal, match="BANK_LINE_DECIDED"):
        await matching.match_reversal_by_hand(bank.action, reversal.pk, lines[0].pk)
    await bank.check()


async def test_a_mistaken_reversal_can_be_undone_and_made_right(bank: Bank) -> None:
    invoices = [await bank.invoice(), await bank.invoice()]
    wrong, right = await bank.receive(
        *(Transfer(cents=3480, text=f"Facture {invoice.number}") for invoice in invoices)
    )
    taken_back = Transfer(cents=-3480, text="rejet")
    reversal = await bank.receive_one(Entry(transfers=(taken_back,), is_reversal=True))
    await matching.match_reversal_by_hand(bank.action, reversal.pk, wrong.pk)
    for decision in (
        matching.undo(bank.action, wrong.pk),
        matching.match_by_hand(bank.action, wrong.pk, None, [(invoices[0].pk, None)]),
        matching.dismiss(bank.action, wrong.pk, BankLineStatus.DISMISSED),
    ):
        with pytest.raises(Refusal, match="BANK_LINE_DECIDED") as error:
            await decision
        assert "Undo the reversal first" in text(error.value.message, Locale.EN)
    for _ in range(2):
        undone = await matching.undo(bank.action, reversal.pk)
        await wrong.refresh_from_db()
        for line in (undone, wrong):
            assert (line.status, line.problem) == (
                BankLineStatus.UNMATCHED,
                BankLineProblem.UNDONE,
            )
    assert undone.original_id is None
    await bank.check()
    await matching.match_by_hand(bank.action, wrong.pk, None, [(invoices[0].pk, None)])
    await matching.match_reversal_by_hand(bank.action, reversal.pk, right.pk)
    assert [await bank.open_cents(each) for each in invoices] == [0, 3480]
    await bank.check()


async def test_a_refusal_says_what_is_possible_instead(bank: Bank) -> None:
    outgoing = await bank.receive_one(Transfer(cents=-3480, text="Fournisseur"))
    taken_back = Transfer(cents=-100, text="rejet")
    reversal = await bank.receive_one(Entry(transfers=(taken_back,), is_reversal=True))
    for decision, message in (
        (matching.undo(bank.action, outgoing.pk), "This money went out"),
        (
            matching.match_by_hand(bank.action, reversal.pk, bank.paul.pk, []),
            "Match it with that line",
        ),
    ):
        with pytest.raises(Refusal, match="BANK_LINE_DECIDED") as error:
            await decision
        assert message in text(error.value.message, Locale.EN)


async def test_a_person_divides_a_line_between_invoices(bank: Bank) -> None:
    first, second = await bank.invoice(), await bank.invoice(cents=1200)
    line = await bank.receive_one(Transfer(cents=5000, text="merci"))
    matched = await matching.match_by_hand(
        bank.action, line.pk, None, [(second.pk, 700), (first.pk, None)], key="k"
    )
    assert (matched.match, matched.account_id) == (BankLineMatch.MANUAL, bank.paul.pk)
    assert [await bank.open_cents(each) for each in (first, second)] == [0, 500]
    await matching.match_by_hand(
        bank.action, line.pk, None, [(second.pk, 700), (first.pk, None)], key="k"
    )
    assert await Payment.all().count() == 1
    await bank.check()


async def test_a_person_puts_a_line_on_a_customers_balance(bank: Bank) -> None:
    line = await bank.receive_one(Transfer(cents=5000, text="acompte"))
    matched = await matching.match_by_hand(bank.action, line.pk, bank.marie.pk, [])
    assert matched.account_id == bank.marie.pk
    await bank.check()


async def test_a_match_by_hand_never_exceeds_the_line_or_the_invoice(bank: Bank) -> None:
    first, other = await bank.invoice(), await bank.invoice(bank.marie)
    line = await bank.receive_one(Transfer(cents=3000, text="merci"))
    for invoices, code in (
        ([(first.pk, 3001)], "BANK_MATCH_TOO_LARGE"),
        ([(first.pk, 3481)], "BANK_MATCH_TOO_LARGE"),
        ([(first.pk, 0)], "BANK_MATCH_TOO_LARGE"),
        ([(first.pk, -1)], "BANK_MATCH_TOO_LARGE"),
        ([(first.pk, None), (other.pk, None)], "BANK_MATCH_OTHER_CUSTOMER"),
        ([(10**6, None)], "NOT_FOUND"),
        ([], "NOT_FOUND"),
    ):
        with pytest.raises(Refusal, match=code):
            await matching.match_by_hand(bank.action, line.pk, None, invoices)
    with pytest.raises(Refusal, match="BANK_MATCH_OTHER_CUSTOMER"):
        await matching.match_by_hand(bank.action, line.pk, bank.marie.pk, [(first.pk, None)])
    assert not await Payment.exists()


async def test_a_match_by_hand_names_each_invoice_once(bank: Bank) -> None:
    invoice, other = await bank.invoice(), await bank.invoice(cents=1200)
    line = await bank.receive_one(Transfer(cents=3000, text="merci"))
    amounts = [(invoice.pk, 1000), (other.pk, None), (invoice.pk, 2000)]
    with pytest.raises(Refusal, match="VALUE_INVALID") as error:
        await matching.match_by_hand(bank.action, line.pk, None, amounts)
    assert error.value.field == ("input", "invoices", "2", "invoiceId")
    assert not await Payment.exists()


async def test_what_is_set_aside_can_be_taken_up_again(bank: Bank) -> None:
    invoice = await bank.invoice()
    line = await bank.receive_one(Transfer(cents=3480, text="merci"))
    for status in (BankLineStatus.DISMISSED, BankLineStatus.TO_RETURN, BankLineStatus.TO_RETURN):
        assert (await matching.dismiss(bank.action, line.pk, status)).status is status
    with pytest.raises(Refusal, match="BANK_LINE_DECIDED"):
        await matching.match_by_hand(bank.action, line.pk, None, [(invoice.pk, None)])
    undone = await matching.undo(bank.action, line.pk)
    assert (undone.status, undone.problem) == (BankLineStatus.UNMATCHED, BankLineProblem.UNDONE)
    await matching.match_by_hand(bank.action, line.pk, None, [(invoice.pk, None)])
    with pytest.raises(Refusal, match="BANK_LINE_DECIDED"):
        await matching.dismiss(bank.action, line.pk, BankLineStatus.DISMISSED)


async def test_a_mistaken_match_can_be_undone_and_made_right(bank: Bank) -> None:
    wrong, right = await bank.invoice(), await bank.invoice(bank.marie)
    line = await bank.receive_one(Transfer(cents=3480, text="merci"))
    await matching.match_by_hand(bank.action, line.pk, None, [(wrong.pk, None)])
    await matching.undo(bank.action, line.pk)
    assert await bank.open_cents(wrong) == 3480
    await bank.check()
    await matching.match_by_hand(bank.action, line.pk, None, [(right.pk, None)])
    assert [await bank.open_cents(each) for each in (wrong, right)] == [3480, 0]
    assert await Payment.all().count() == 2
    await bank.check()
    await matching.undo(bank.action, line.pk)
    assert (await matching.undo(bank.action, line.pk)).status is BankLineStatus.UNMATCHED
    await bank.check()


@pytest.mark.parametrize("seed", range(4))
async def test_any_sequence_of_lines_and_matches_keeps_the_sums(bank: Bank, seed: int) -> None:
    choices = random.Random(seed)
    for account, cents in ((bank.paul, 3480), (bank.paul, 1200), (bank.marie, 3480)):
        await bank.invoice(account, cents)
    for number in range(40):
        kind = choices.choice(["pay", "pay", "unknown", "reverse", "hand", "undo", "dismiss"])
        invoice, cents = choices.choice(bank.invoices), choices.randint(1, 5000)
        if kind == "pay" and choices.random() < 0.5:
            cents = await bank.open_cents(invoice) or cents
        transfer = Transfer(
            cents=cents,
            payer_iban=choices.choice([PAYER_IBAN, OTHER_PAYER_IBAN]),
            reference=reference_of(invoice) if kind == "pay" else "",
            end_to_end_id=f"E-{number}",
        )
        lines = await BankLine.filter(**({} if kind == "undo" else {"amount_cents__gt": 0}))
        if kind in ("pay", "unknown"):
            await bank.receive(transfer)
        elif lines:
            await decide(bank, kind, choices.choice(lines), invoice, cents)
        await bank.check()


async def decide(bank: Bank, kind: str, line: BankLine, invoice: Invoice, cents: int) -> None:
    try:
        if kind == "hand":
            await matching.match_by_hand(bank.action, line.pk, None, [(invoice.pk, cents)])
        elif kind == "undo":
            await matching.undo(bank.action, line.pk)
        elif kind == "dismiss":
            await matching.dismiss(bank.action, line.pk, BankLineStatus.DISMISSED)
        else:
            back = Transfer(cents=-line.amount_cents, end_to_end_id=line.end_to_end_id)
            await bank.receive(Entry(transfers=(back,), is_reversal=True))
    except Refusal:
        return
