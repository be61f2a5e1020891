"""Building blocks of CII and CDAR: elements in their namespaces, and dates and amounts in the
formats of the schemas.
"""

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from lxml import etree

from models.billing.money import to_decimal

_UNECE = "urn:un:unece:uncefact:data:standard:"
RSM = f"{_UNECE}CrossIndustryInvoice:100"
RAM = f"{_UNECE}ReusableAggregateBusinessInformationEntity:100"
UDT = f"{_UNECE}UnqualifiedDataType:100"
QDT = f"{_UNECE}QualifiedDataType:100"
CDAR = f"{_UNECE}CrossDomainAcknowledgementAndResponse:100"
NAMESPACES = {"rsm": RSM, "ram": RAM, "udt": UDT, "qdt": QDT}
CDAR_NAMESPACES = NAMESPACES | {"rsm": CDAR}
_PREFIXES = NAMESPACES | {"cdar": CDAR}

_NOT_XML = re.compile(r"[^\t\n\r\x20-\x7E\xA0-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")

Element: TypeAlias = etree._Element
Node: TypeAlias = Element | None
Child: TypeAlias = Node | str | Iterable[Node]


def element(name: str, *children: Child, **attributes: str) -> Node:
    """An element, in the namespace `ram` unless its name has a prefix; None when it would be empty,
    which PEPPOL and BR-FR reject.
    """
    prefix, _, local = name.rpartition(":")
    node = etree.Element(f"{{{_PREFIXES[prefix or 'ram']}}}{local}", attributes)
    for child in children:
        append_children(node, child)
    return node if len(node) or node.text else None


def append_children(element: Element, child: Child) -> None:
    """Put text, an element or a sequence of elements into an element. None is skipped."""
    if isinstance(child, str):
        element.text = remove_unprintable(child)
    elif isinstance(child, etree._Element):
        element.append(child)
    else:
        element.extend(node for node in child or () if node is not None)


def remove_unprintable(text: str) -> str:
    """The text without characters that XML 1.0 forbids (production Char) or discourages: control
    characters and lone surrogates.
    """
    return _NOT_XML.sub("", text)


def date_element(date_: date, prefix: str = "udt") -> Node:
    """A date in UNTDID 2379 format 102, YYYYMMDD."""
    return element(f"{prefix}:DateTimeString", f"{date_:%Y%m%d}", format="102")


def percent(basis_points: int) -> str:
    """Basis points as a percentage: 2000 is "20.00"."""
    return str(Decimal(basis_points).scaleb(-2))


def amount(cents: int) -> str:
    """Cents as a decimal: 2900 is "29.00"."""
    return str(to_decimal(cents))
