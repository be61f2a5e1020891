"""Reads camt.053 statements (ISO 20022 BankToCustomerStatement, versions 001.01 to 001.14).

The versions differ in their namespace and in where a few values are: parties moved into `Pty` and
the status into `Cd` with 001.08, the amount of a transaction out of `AmtDtls` with 001.03. Each
place is looked at, whatever the version says, because banks mix them.

An entry with several transactions (a batch) becomes one line for each, when the file gives their
amounts and these add up to the entry; otherwise it stays one line without a reference, for a person
to match. The entries of a statement have to add up to its balances.

pycamt was tried first: it takes the first `Amt` and `CdtDbtInd` anywhere below a transaction, which
is often that of an original or of a charge, and knows neither the parties of 001.08 nor lines.
"""

from collections.abc import Iterable, Iterator
from datetime import date

from lxml import etree

from billing.bank.statement import (
    CURRENCY,
    NAME_LENGTH,
    Statement,
    StatementFault,
    StatementInvalid,
    StatementLine,
    clean_iban,
    clean_text,
    parse_cents,
    parse_day,
)
from models.billing.bank import StatementFormat
from models.billing.money import to_decimal
from models.translations import Translatable, _

_MESSAGE = "BkToCstmrStmt"
_OTHER_MESSAGES = ("BkToCstmrAcctRpt", "BkToCstmrDbtCdtNtfctn")
_ABSENT = {"NOTPROVIDED", "NONREF", "NOT PROVIDED"}  # what banks write where there is nothing
_OPENING, _CLOSING = ("OPBD", "PRCD"), ("CLBD",)

_NOT_XML = _("Line %(line)s: the file isn’t valid XML (%(error)s).")
_NO_DOCTYPE = _("Line %(line)s: the file declares a document type, which statements don’t have.")
_NOT_CAMT = _("Line %(line)s: this isn’t a camt.053 statement.")
_NO_STATEMENT = _("Line %(line)s: the file contains no statement.")
_REPORT = _(
    "Line %(line)s: this is a camt.052 report or a camt.054 notification. Import the camt.053 "
    "statement of the day."
)
_OTHER_ACCOUNT = _("Line %(line)s: the account “%(account)s” isn’t one of the seller’s accounts.")
_OTHER_CURRENCY = _("Line %(line)s: the currency is %(currency)s. Only euros can be imported.")
_NO_DIRECTION = _("Line %(line)s: the entry is neither a credit nor a debit (CdtDbtInd).")
_BAD_AMOUNT = _("Line %(line)s: “%(amount)s” isn’t an amount in euros and cents.")
_BAD_DATE = _("Line %(line)s: “%(date)s” isn’t a date.")
_NO_DATE = _("Line %(line)s: the entry has no date.")
_BALANCE = _(
    "Line %(line)s: the entries don’t add up to the balances: %(difference)s euros are missing. "
    "The file is incomplete."
)


class _Faults:
    def __init__(self) -> None:
        self.faults: list[StatementFault] = []

    def add(self, element: etree._Element, reason: Translatable, **values: object) -> None:
        self.faults.append(StatementFault(_line_number(element), reason, values))


def read_camt(content: bytes, ibans: Iterable[str]) -> Statement:
    """Read a file with statements of these accounts. Raises StatementInvalid with every error."""
    root, faults = _root(content), _Faults()
    messages = list(root.iter(_MESSAGE))
    if not messages:
        has_other = any(next(root.iter(name), None) is not None for name in _OTHER_MESSAGES)
        raise StatementInvalid(
            [StatementFault(_line_number(root), _REPORT if has_other else _NOT_CAMT)]
        )
    statements = _distinct(
        statement for message in messages for statement in message.iterfind("Stmt")
    )
    if not statements:
        faults.add(messages[0], _NO_STATEMENT)
    lines: list[StatementLine] = []
    pending_count = 0
    for statement in statements:
        iban = _account(statement, tuple(ibans), faults)
        booked = [entry for entry in statement.iterfind("Ntry") if _is_booked(entry)]
        pending_count += len(statement.findall("Ntry")) - len(booked)
        for entry in booked:
            lines += _entry_lines(entry, statement, iban, faults)
        if iban and not faults.faults:
            _check_balances(statement, booked, faults)
    if faults.faults:
        raise StatementInvalid(faults.faults)
    return Statement(StatementFormat.CAMT_053, tuple(lines), pending_count)


def _distinct(statements: Iterable[etree._Element]) -> list[etree._Element]:
    """The statements of a file, each once: a bank that is asked for several days, or whoever joins
    its files, may repeat one. Equal movements within a statement stay two movements.
    """
    by_content: dict[bytes, etree._Element] = {}
    for statement in statements:
        content = etree.tostring(statement, method="c14n", with_tail=False)
        by_content.setdefault(content, statement)
    return list(by_content.values())


def _root(content: bytes) -> etree._Element:
    """The root element, with all names stripped of their namespaces."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True,
        remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        fault = StatementFault(error.lineno or 1, _NOT_XML, {"error": error.msg or ""})
        raise StatementInvalid([fault]) from None
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr] # not in the stubs
        raise StatementInvalid([StatementFault(1, _NO_DOCTYPE)])
    for element in root.iter():
        element.tag = etree.QName(element).localname
    return root


def _account(statement: etree._Element, ibans: tuple[str, ...], faults: _Faults) -> str:
    """The account of a statement, by its IBAN or, from some French banks, by the RIB in it. When it
    isn't one of ours, the text is empty and an error is added.
    """
    element = statement.find("Acct")
    element = statement if element is None else element
    currency = _text(element, "Ccy") or CURRENCY
    if currency != CURRENCY:
        faults.add(element, _OTHER_CURRENCY, currency=currency)
    number = _text(element, "Id/IBAN") or _text(element, "Id/Othr/Id")
    compact = "".join(number.split()).upper()
    for iban in ibans:
        if compact and compact in (iban, iban[4:]):
            return iban
    faults.add(element, _OTHER_ACCOUNT, account=number)
    return ""


def _is_booked(entry: etree._Element) -> bool:
    status = _text(entry, "Sts/Cd") or _text(entry, "Sts/Prtry") or _text(entry, "Sts")
    return status in ("", "BOOK")


def _entry_lines(
    entry: etree._Element, statement: etree._Element, iban: str, faults: _Faults
) -> list[StatementLine]:
    fault_count = len(faults.faults)
    cents = _signed_cents(entry, entry.find("Amt"), entry, faults)
    booked_on = _booking_day(entry, statement, faults)
    value_on = _day(entry.find("ValDt"), faults)
    if len(faults.faults) > fault_count or booked_on is None or cents is None:
        return []
    details = entry.findall("NtryDtls/TxDtls")
    amounts = [cents] if len(details) == 1 else _detail_amounts(entry, details)
    if not details or sum(amounts) != cents:
        details, amounts = [entry], [cents]
    return [
        _line(entry, detail, iban, booked_on, value_on, amount)
        for detail, amount in zip(details, amounts, strict=True)
    ]


def _detail_amounts(entry: etree._Element, details: list[etree._Element]) -> list[int]:
    """The amounts of a batch's transactions. Empty when one of them isn't given in euros."""
    amounts, ignored = [], _Faults()
    for detail in details:
        element = detail.find("Amt")
        if element is None:
            element = detail.find("AmtDtls/TxAmt/Amt")
        cents = _signed_cents(detail, element, entry, ignored)
        if cents is None:
            return []
        amounts.append(cents)
    return amounts


def _signed_cents(
    element: etree._Element,
    amount: etree._Element | None,
    entry: etree._Element,
    faults: _Faults,
) -> int | None:
    """The amount with its sign; a transaction that states no direction has that of its entry."""
    direction = _text(element, "CdtDbtInd") or _text(entry, "CdtDbtInd")
    if direction not in ("CRDT", "DBIT"):
        faults.add(entry, _NO_DIRECTION)
        return None
    if amount is None:
        faults.add(entry, _BAD_AMOUNT, amount="")
        return None
    if (currency := amount.get("Ccy", CURRENCY)) != CURRENCY:
        faults.add(amount, _OTHER_CURRENCY, currency=currency)
        return None
    try:
        cents = parse_cents(amount.text or "")
        if cents < 0:
            raise ValueError(amount.text)
    except ValueError:
        faults.add(amount, _BAD_AMOUNT, amount=(amount.text or "").strip()[:40])
        return None
    return cents if direction == "CRDT" else -cents


def _booking_day(entry: etree._Element, statement: etree._Element, faults: _Faults) -> date | None:
    """The day of booking; if missing, the value date; if that is missing too, the day of the
    statement.
    """
    places = ("BookgDt", "ValDt"), ("FrToDt/ToDtTm", "CreDtTm")
    for path in places[0]:
        if (element := entry.find(path)) is not None:
            return _day(element, faults)
    for path in places[1]:
        if (element := statement.find(path)) is not None:
            return _day(element, faults)
    faults.add(entry, _NO_DATE)
    return None


def _day(element: etree._Element | None, faults: _Faults) -> date | None:
    if element is None:
        return None
    text = _text(element, "Dt") or _text(element, "DtTm") or (element.text or "").strip()
    try:
        return parse_day(text)
    except ValueError:
        faults.add(element, _BAD_DATE, date=text[:40])
        return None


def _line(
    entry: etree._Element,
    detail: etree._Element,
    iban: str,
    booked_on: date,
    value_on: date | None,
    cents: int,
) -> StatementLine:
    is_reversal = _text(entry, "RvslInd") in ("true", "1") or detail.find("RtrInf") is not None
    name, counterparty_iban = _counterparty(detail, iban, is_payer=(cents > 0) != is_reversal)
    # A batch that can't be divided has no reference: it would pay one invoice with all the money.
    is_whole_batch = detail is entry and len(entry.findall("NtryDtls/TxDtls")) > 1
    return StatementLine(
        line=_line_number(detail),
        iban=iban,
        booked_on=booked_on,
        value_on=value_on,
        amount_cents=cents,
        is_reversal=is_reversal,
        bank_reference=_reference(_text(detail, "Refs/AcctSvcrRef") or _text(entry, "AcctSvcrRef")),
        end_to_end_id=_reference(_text(detail, "Refs/EndToEndId")),
        structured_reference=clean_text(
            " ".join(_texts(detail, "RmtInf/Strd/CdtrRefInf/Ref")), NAME_LENGTH
        ),
        text="" if is_whole_batch else clean_text(" ".join(_remittance(entry, detail))),
        counterparty_name=name,
        counterparty_iban=counterparty_iban,
        return_reason=clean_text(
            _text(detail, "RtrInf/Rsn/Cd") or _text(detail, "RtrInf/Rsn/Prtry"), 35
        ),
    )


def _remittance(entry: etree._Element, detail: etree._Element) -> Iterator[str]:
    """What the payer wrote, or else what the bank printed."""
    texts = [
        *_texts(detail, "RmtInf/Ustrd"),
        *_texts(detail, "RmtInf/Strd/RfrdDocInf/Nb"),
        *_texts(detail, "RmtInf/Strd/AddtlRmtInf"),
    ]
    yield from texts or [_text(detail, "AddtlTxInf"), _text(entry, "AddtlNtryInf")]


def _counterparty(detail: etree._Element, own_iban: str, is_payer: bool) -> tuple[str, str]:
    """The name and the IBAN of the other party: who paid the money that came in, or who gets the
    money that goes out.
    """
    parties = detail.find("RltdPties")
    if parties is None:
        return "", ""
    for role in ("Dbtr", "Cdtr") if is_payer else ("Cdtr", "Dbtr"):
        iban = clean_iban(_text(parties, f"{role}Acct/Id/IBAN"))
        name = (
            _text(parties, f"{role}/Pty/Nm")
            or _text(parties, f"{role}/Nm")
            or _text(parties, f"Ultmt{role}/Pty/Nm")
            or _text(parties, f"Ultmt{role}/Nm")
        )
        if iban != own_iban and (iban or name):
            return clean_text(name, NAME_LENGTH), iban
    return "", ""


def _check_balances(
    statement: etree._Element, booked: list[etree._Element], faults: _Faults
) -> None:
    """Check that the booked entries add up to the difference between the balances. A statement of
    several pages isn't checked.
    """
    balances = {_text(balance, "Tp/CdOrPrtry/Cd"): balance for balance in statement.iterfind("Bal")}
    opening = next((balances[code] for code in _OPENING if code in balances), None)
    closing = next((balances[code] for code in _CLOSING if code in balances), None)
    message = statement.getparent()
    page = statement.find("StmtPgntn")
    if page is None and message is not None:
        page = message.find("GrpHdr/MsgPgntn")
    is_page = page is not None and (
        _text(page, "PgNb") != "1" or _text(page, "LastPgInd") != "true"
    )
    if opening is None or closing is None or is_page:
        return
    ignored = _Faults()
    before, after = (
        _signed_cents(balance, balance.find("Amt"), balance, ignored)
        for balance in (opening, closing)
    )
    if before is None or after is None:
        return
    total = sum(_signed_cents(entry, entry.find("Amt"), entry, ignored) or 0 for entry in booked)
    if before + total != after:
        faults.add(closing, _BALANCE, difference=to_decimal(after - before - total))


def _line_number(element: etree._Element) -> int:
    return int(element.sourceline or 1)  # type: ignore[call-overload, no-any-return] # wrong in the stubs


def _reference(text: str) -> str:
    return "" if text.upper() in _ABSENT else clean_text(text, NAME_LENGTH)


def _text(element: etree._Element, path: str) -> str:
    """The text at a path, empty when there is none."""
    return (element.findtext(path) or "").strip()


def _texts(element: etree._Element, path: str) -> Iterator[str]:
    return (text for found in element.iterfind(path) if (text := (found.text or "").strip()))
