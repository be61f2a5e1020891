"""Messages about the life cycle of invoices: UN/CEFACT CDAR as AFNOR XP Z12-012, annexe A, sheet
"CDV FE - CDAR" profiles it. "MDT-n" is the standard's name of a field; the rules BR-FR-CDV are
those of FNFE-MPE's schematron BR-FR-CDV-Schematron-CDAR, version 1.4.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from lxml import etree

from billing.delivery.flows import ProcessingRule
from billing.documents.element import (
    CDAR,
    CDAR_NAMESPACES,
    Node,
    amount,
    append_children,
    date_element,
    element,
    percent,
)
from billing.documents.facts import InvoiceFacts, Party
from models.billing.platform_status import PlatformStatusCode
from models.clock import PARIS
from models.text import clean_line

_PROFILE = "urn.cpro.gouv.fr:1p0:CDV:invoice"
_PROCESSES = {
    ProcessingRule.B2B: "REGULATED",
    ProcessingRule.B2B_INTERNATIONAL: "B2BINT",
    ProcessingRule.B2C: "B2C",
}  # MDT-2
_PROCESSING_PHASE = "23"  # MDT-77
_PAID = "47"  # MDT-88 (UNTDID 1373)
_COLLECTED_AMOUNT = "MEN"  # MDT-207
_MAX_REASON_LENGTH = 500
_MAX_CODE_LENGTH = 40


@dataclass(frozen=True)
class LifeCycle:
    """A status of one invoice, as a message states it."""

    number: str
    code: PlatformStatusCode
    at: datetime
    reason_code: str | None = None
    reason: str | None = None


def collection_message(
    facts: InvoiceFacts,
    rule: ProcessingRule,
    identifier: str,
    collected_on: date,
    bands: Mapping[int, int],
    at: datetime,
) -> bytes:
    """The message that a part of an invoice was collected (212): amounts in cents with VAT, by VAT
    rate in basis points (BR-FR-CDV-14), negative when they were paid back.
    """
    root = etree.Element(f"{{{CDAR}}}CrossDomainAcknowledgementAndResponse", nsmap=CDAR_NAMESPACES)
    message_time = element("IssueDateTime", _time_element(at))
    append_children(
        root,
        (
            element(
                "cdar:ExchangedDocumentContext",
                element(
                    "BusinessProcessSpecifiedDocumentContextParameter",
                    element("ID", _PROCESSES[rule]),
                ),
                element("GuidelineSpecifiedDocumentContextParameter", element("ID", _PROFILE)),
            ),
            element(
                "cdar:ExchangedDocument",
                element("ID", identifier),
                message_time,
                element("SenderTradeParty", element("RoleCode", "SE")),
                element("IssuerTradeParty", *_party(facts.seller), element("RoleCode", "SE")),
                _recipient(facts.buyer, rule),
            ),
            _acknowledgement(facts, collected_on, bands, at),
        ),
    )
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _party(party: Party) -> tuple[Node, Node]:
    scheme, number = party.legal_identifier
    schemes = {"schemeID": scheme} if scheme else {}
    return element("GlobalID", number, **schemes), element("Name", party.name)


def _recipient(buyer: Party, rule: ProcessingRule) -> Node:
    """The buyer, if they have an address on the platforms (BR-FR-CDV-08), else our platform, which
    reports to the tax office.
    """
    if rule is not ProcessingRule.B2B:
        return element("RecipientTradeParty", element("RoleCode", "WK"))
    address = element("URIID", buyer.electronic_address, schemeID=buyer.electronic_scheme)
    return element(
        "RecipientTradeParty",
        *_party(buyer),
        element("RoleCode", "BY"),
        element("URIUniversalCommunication", address),
    )


def _acknowledgement(
    facts: InvoiceFacts, collected_on: date, bands: Mapping[int, int], at: datetime
) -> Node:
    code = PlatformStatusCode.COLLECTED
    return element(
        "cdar:AcknowledgementDocument",
        element("MultipleReferencesIndicator", element("udt:Indicator", "false")),
        element("TypeCode", _PROCESSING_PHASE),
        element("IssueDateTime", _time_element(at)),
        element(
            "ReferenceReferencedDocument",
            element("IssuerAssignedID", facts.number),
            element("StatusCode", _PAID),
            element("TypeCode", str(facts.type.value)),
            element("FormattedIssueDateTime", date_element(facts.issued_on, "qdt")),
            element("ProcessConditionCode", str(code.number)),
            element("ProcessCondition", "Encaissée"),
            element("IssuerTradeParty", _party(facts.seller)[0], element("RoleCode", "SE")),
            element(
                "SpecifiedDocumentStatus",
                element("SequenceNumeric", "1"),
                (
                    _collected(rate, cents, facts.currency, collected_on)
                    for rate, cents in bands.items()
                ),
            ),
        ),
    )


def _collected(rate: int, cents: int, currency: str, collected_on: date) -> Node:
    return element(
        "SpecifiedDocumentCharacteristic",
        element("TypeCode", _COLLECTED_AMOUNT),
        element("ValueAmount", amount(cents), currencyID=currency),
        element("ValueDateTime", date_element(collected_on)),
        element("ValuePercent", percent(rate)),
    )


def _time_element(at: datetime) -> Node:
    """A local time in UNTDID 2379 format 204, YYYYMMDDhhmmss."""
    text = f"{at.astimezone(PARIS):%Y%m%d%H%M%S}"
    return element("udt:DateTimeString", text, format="204")


def read_life_cycle(content: bytes) -> list[LifeCycle]:
    """The statuses that a message states, without those that don't concern a seller. Raises
    ValueError for anything but CDAR.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError("not XML") from error
    has_doctype = bool(root.getroottree().docinfo.doctype)  # type: ignore[union-attr] # not in the stubs
    if has_doctype or root.tag != f"{{{CDAR}}}CrossDomainAcknowledgementAndResponse":
        raise ValueError("not CDAR")
    document = root.find("rsm:AcknowledgementDocument", CDAR_NAMESPACES)
    if document is None:
        raise ValueError("no AcknowledgementDocument")
    at = _time(document, root.find("rsm:ExchangedDocument", CDAR_NAMESPACES))
    return [
        status
        for each in document.findall("ram:ReferenceReferencedDocument", CDAR_NAMESPACES)
        if (status := _status(each, at))
    ]


def _time(*nodes: Node) -> datetime:
    """When the status was set (MDT-78), or else when the message was made (MDT-8)."""
    for node in nodes:
        text = "" if node is None else _text(node, "ram:IssueDateTime/udt:DateTimeString")
        if text:
            return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=PARIS).astimezone(UTC)
    raise ValueError("no IssueDateTime")


def _status(node: etree._Element, at: datetime) -> LifeCycle | None:
    number = _text(node, "ram:ProcessConditionCode")
    code = PlatformStatusCode.of(int(number)) if number.isascii() and number.isdecimal() else None
    if code is None:
        return None
    detail = "ram:SpecifiedDocumentStatus"
    return LifeCycle(
        number=_text(node, "ram:IssuerAssignedID"),
        code=code,
        at=at,
        reason_code=_text(node, f"{detail}/ram:ReasonCode")[:_MAX_CODE_LENGTH] or None,
        reason=_text(node, f"{detail}/ram:Reason")[:_MAX_REASON_LENGTH] or None,
    )


def _text(node: etree._Element, path: str) -> str:
    return clean_line(node.findtext(path, default="", namespaces=CDAR_NAMESPACES) or "")
