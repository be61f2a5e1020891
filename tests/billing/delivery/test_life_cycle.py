"""Messages about the life cycle of invoices, and the moves that the standard allows."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from billing.delivery.collections import split
from billing.delivery.flows import ProcessingRule
from billing.delivery.life_cycle import collection_message, read_life_cycle
from billing.delivery.sending import processing_rule
from billing.documents.element import CDAR_NAMESPACES
from models.billing.dispute import DisputeReason
from models.billing.platform_status import PlatformStatusCode as Code
from tests.billing.documents.invoice_fixtures import invoice as invoice_facts

AT = datetime(2026, 9, 8, 10, 30, tzinfo=UTC)
# BR-FR-CDV-CL-09/MDT-113_207 of FNFE-MPE's schematron, version 1.4.0.
REASONS_OF_207 = frozenset(
    {
        "AUTRE",
        "COORD_BANC_ERR",
        "TX_TVA_ERR",
        "MONTANTTOTAL_ERR",
        "CALCUL_ERR",
        "NON_CONFORME",
        "DOUBLON",
        "DEST_INC",
        "DEST_ERR",
        "TRANSAC_INC",
        "EMMET_INC",
        "CONTRAT_TERM",
        "DOUBLE_FACT",
        "CMD_ERR",
        "ADR_ERR",
        "SIRET_ERR",
        "CODE_ROUTAGE_ERR",
        "REF_CT_ABSENT",
        "REF_ERR",
        "PU_ERR",
        "REM_ERR",
        "QTE_ERR",
        "ART_ERR",
        "MODPAI_ERR",
        "QUALITE_ERR",
        "LIVR_INCOMP",
    }
)


def test_p3_2_reasons_of_disputes_are_those_of_the_standard() -> None:
    assert {reason.code for reason in DisputeReason} <= REASONS_OF_207
    assert all(DisputeReason.of(reason.code) is reason for reason in DisputeReason)
    assert DisputeReason.of("SIRET_ERR") is DisputeReason.OTHER


def test_a_collected_payment_is_reported_by_vat_rate() -> None:
    facts = invoice_facts()
    message = collection_message(
        facts, ProcessingRule.B2B, "FA-1-7", date(2026, 9, 8), {2000: 1200, 550: -211}, AT
    )
    root = etree.fromstring(message)

    def values(path: str) -> list[str | None]:
        return [node.text for node in root.iterfind(f".//{path}", CDAR_NAMESPACES)]

    assert values("ram:IssuerAssignedID") == [facts.number]
    assert values("ram:ProcessConditionCode") == ["212"]
    # BR-FR-CDV-14: an amount and a rate in each; BR-FR-CDV-16: a number of the detail.
    assert values("ram:SequenceNumeric") == ["1"]
    assert values("ram:ValueAmount") == ["12.00", "-2.11"]
    assert values("ram:ValuePercent") == ["20.00", "5.50"]
    assert values("ram:SpecifiedDocumentCharacteristic/ram:TypeCode") == ["MEN", "MEN"]
    # BR-FR-CDV-CL-03, CL-07 and 08: the seller reports to the buyer, at the buyer's address.
    assert values("ram:IssuerTradeParty/ram:RoleCode") == ["SE", "SE"]
    assert values("ram:RecipientTradeParty/ram:RoleCode") == ["BY"]
    assert values("ram:URIID") == [facts.buyer.electronic_address]
    assert values("udt:DateTimeString")[0] == "20260908123000"  # in Paris
    assert [(each.number, each.code, each.at) for each in read_life_cycle(message)] == [
        (facts.number, Code.COLLECTED, AT)
    ]


@pytest.mark.parametrize(
    ("country", "siren", "rule", "process"),
    [
        ("FR", "123456782", ProcessingRule.B2B, "REGULATED"),
        ("RE", "123456782", ProcessingRule.B2B, "REGULATED"),
        ("FR", "", ProcessingRule.B2C, "B2C"),
        ("MC", "", ProcessingRule.B2B_INTERNATIONAL, "B2BINT"),
        ("NC", "", ProcessingRule.B2B_INTERNATIONAL, "B2BINT"),
        ("DE", "", ProcessingRule.B2B_INTERNATIONAL, "B2BINT"),
    ],
)
def test_sales_outside_of_electronic_invoicing_are_reported_to_the_platform(
    country: str, siren: str, rule: ProcessingRule, process: str
) -> None:
    facts = invoice_facts()
    address = replace(facts.buyer.address, country=country)
    facts = replace(facts, buyer=replace(facts.buyer, siren=siren, siret="", address=address))
    assert processing_rule(facts) is rule
    root = etree.fromstring(
        collection_message(facts, rule, "FA-1-7", date(2026, 9, 8), {2000: 1200}, AT)
    )
    context = ".//ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID"
    assert root.findtext(context, namespaces=CDAR_NAMESPACES) == process
    role = root.findtext(".//ram:RecipientTradeParty/ram:RoleCode", namespaces=CDAR_NAMESPACES)
    assert role == ("BY" if siren else "WK")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<a/>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b'<r:CrossDomainAcknowledgementAndResponse xmlns:r="urn:un:unece:uncefact:data:standard:'
        b'CrossDomainAcknowledgementAndResponse:100"/>',
    ],
)
def test_what_is_no_message_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_life_cycle(content)


HOUR = timedelta(hours=1)
MOVES = [
    (None, Code.AVAILABLE, HOUR, True),
    (Code.DEPOSITED, Code.RECEIVED, HOUR, True),
    (Code.AVAILABLE, Code.RECEIVED, HOUR, False),  # came late
    (Code.DEPOSITED, Code.ROUTING_ERROR, HOUR, True),
    (Code.ROUTING_ERROR, Code.RECEIVED, HOUR, True),
    (Code.RECEIVED, Code.REJECTED, HOUR, True),
    (Code.APPROVED, Code.REJECTED, HOUR, False),
    (Code.AVAILABLE, Code.TAKEN_OVER, -HOUR, True),
    (Code.APPROVED, Code.TAKEN_OVER, HOUR, False),
    (Code.APPROVED, Code.DISPUTED, HOUR, True),
    (Code.APPROVED, Code.DISPUTED, -HOUR, False),
    (Code.DISPUTED, Code.APPROVED, HOUR, True),
    (Code.DISPUTED, Code.REFUSED, HOUR, True),
    (Code.DISPUTED, Code.DISPUTED, HOUR, True),
    (Code.DISPUTED, Code.DISPUTED, timedelta(0), False),
    (Code.PAYMENT_SENT, Code.REFUSED, HOUR, False),
    (None, Code.COLLECTED, HOUR, False),
    (Code.APPROVED, Code.COLLECTED, HOUR, False),
    (Code.REFUSED, Code.APPROVED, HOUR, False),
    (Code.INADMISSIBLE, Code.DEPOSITED, HOUR, False),
]


@pytest.mark.parametrize(("current", "code", "later", "is_allowed"), MOVES)
def test_a_status_moves_as_the_standard_allows(
    current: Code | None, code: Code, later: timedelta, is_allowed: bool
) -> None:
    since = AT if current else None
    assert code.may_follow(AT + later, current, since) is is_allowed


@given(
    st.dictionaries(st.sampled_from([0, 210, 550, 1000, 2000]), st.integers(0, 10**7)),
    st.integers(-(10**7), 10**7),
)
def test_an_amount_is_split_to_the_cent(weights: dict[int, int], cents: int) -> None:
    parts = split(cents, weights)
    total = sum(weights.values())
    assert sum(parts.values()) == (cents if total else 0)
    assert split(total, weights) == (weights if total else {})
