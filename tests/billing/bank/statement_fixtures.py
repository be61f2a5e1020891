"""Statements as the seller's bank would export them: camt.053 in the versions that banks send. The
files were checked against ISO's schemas of these versions.
"""

from dataclasses import dataclass, field
from datetime import date
from xml.sax.saxutils import escape

IBAN = "FR7630006000011234567890189"
PAYER_IBAN = "FR1420041010050500013M02606"
OTHER_PAYER_IBAN = "DE89370400440532013000"
VERSIONS = ("001.02", "001.04", "001.08", "001.11")
DAY = date(2026, 11, 23)


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """A transaction of an entry. Amounts are in cents, and positive for a credit."""

    cents: int
    reference: str = ""
    text: str = ""
    payer: str = "Le Fournil d'Aubry"
    payer_iban: str = PAYER_IBAN
    end_to_end_id: str = "NOTPROVIDED"
    bank_reference: str = ""
    return_reason: str = ""
    foreign: str = ""  # the currency that the amount of the transaction is in


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry, by default the sum of its transactions."""

    transfers: tuple[Transfer, ...] = ()
    cents: int | None = None
    booked_on: date | None = DAY
    is_reversal: bool = False
    status: str = "BOOK"
    bank_reference: str = ""
    text: str = ""
    amount_text: str = ""

    @property
    def total(self) -> int:
        return sum(each.cents for each in self.transfers) if self.cents is None else self.cents


@dataclass(frozen=True, kw_only=True)
class CamtFile:
    """A file with one statement."""

    entries: tuple[Entry, ...]
    version: str = "001.08"
    iban: str = IBAN
    message_id: str = "STMT-2026-11-23"
    currency: str = "EUR"
    opening: int = 100_000
    difference: int = 0  # by which the closing balance is wrong
    other_header: str = field(default="", repr=False)

    def to_xml(self) -> bytes:
        booked = [entry for entry in self.entries if entry.status == "BOOK"]
        closing = self.opening + sum(entry.total for entry in booked) + self.difference
        text = f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.{self.version}">
<BkToCstmrStmt>
<GrpHdr><MsgId>{self.message_id}</MsgId><CreDtTm>2026-11-24T03:00:00+01:00</CreDtTm></GrpHdr>
<Stmt><Id>{self.message_id}</Id>{self.other_header}
<CreDtTm>2026-11-24T03:00:00+01:00</CreDtTm>
<Acct><Id><IBAN>{self.iban}</IBAN></Id><Ccy>{self.currency}</Ccy></Acct>
{self._balance("OPBD", self.opening)}
{self._balance("CLBD", closing)}
{"".join(map(self._entry, self.entries))}
</Stmt>
</BkToCstmrStmt>
</Document>"""
        return text.encode()

    @property
    def _is_modern(self) -> bool:
        return self.version >= "001.08"

    def _balance(self, code: str, cents: int) -> str:
        return (
            f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{self._amount(cents)}"
            f"<Dt><Dt>{DAY}</Dt></Dt></Bal>"
        )

    def _amount(self, cents: int, text: str = "") -> str:
        direction = "CRDT" if cents >= 0 else "DBIT"
        amount = text or f"{abs(cents) / 100:.2f}"
        return f'<Amt Ccy="{self.currency}">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>'

    def _entry(self, entry: Entry) -> str:
        status = f"<Cd>{entry.status}</Cd>" if self._is_modern else entry.status
        booked_on = f"<BookgDt><Dt>{entry.booked_on}</Dt></BookgDt>" if entry.booked_on else ""
        reversal = "<RvslInd>true</RvslInd>" if entry.is_reversal else ""
        details = "".join(self._transfer(each, entry.is_reversal) for each in entry.transfers)
        return f"""
<Ntry>{self._amount(entry.total, entry.amount_text)}{reversal}<Sts>{status}</Sts>{booked_on}
{_tag("AcctSvcrRef", entry.bank_reference)}
<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>
{f"<NtryDtls>{details}</NtryDtls>" if details else ""}{_tag("AddtlNtryInf", entry.text)}</Ntry>"""

    def _transfer(self, transfer: Transfer, is_reversal: bool) -> str:
        currency = transfer.foreign or self.currency
        amount = f'<Amt Ccy="{currency}">{abs(transfer.cents) / 100:.2f}</Amt>'
        direction = "CRDT" if transfer.cents >= 0 else "DBIT"
        if self.version == "001.02":
            amount = f"<AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>"
        else:
            amount += f"<CdtDbtInd>{direction}</CdtDbtInd>"
        # The payer of what came in, also where it goes back.
        role = "Dbtr" if (transfer.cents > 0) != is_reversal else "Cdtr"
        name = _tag("Nm", transfer.payer)
        name = f"<Pty>{name}</Pty>" if self._is_modern and name else name
        account = f"<Id><IBAN>{transfer.payer_iban}</IBAN></Id>" if transfer.payer_iban else ""
        parties = _raw(role, name) + _raw(f"{role}Acct", account)
        reference = _tag("Ref", transfer.reference)
        structured = (
            f"<CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp>{reference}</CdtrRefInf>"
            if reference
            else ""
        )
        remittance = _tag("Ustrd", transfer.text) + _raw("Strd", structured)
        reason = _raw("Rsn", _tag("Cd", transfer.return_reason))
        return (
            f"<TxDtls><Refs>{_tag('AcctSvcrRef', transfer.bank_reference)}"
            f"{_tag('EndToEndId', transfer.end_to_end_id)}</Refs>{amount}"
            f"{_raw('RltdPties', parties)}{_raw('RmtInf', remittance)}{_raw('RtrInf', reason)}"
            f"</TxDtls>"
        )


def camt(*entries: Entry | Transfer, **values: object) -> bytes:
    """A file with these entries; a transfer becomes an entry of its own."""
    wrapped = tuple(
        Entry(transfers=(each,)) if isinstance(each, Transfer) else each for each in entries
    )
    return CamtFile(entries=wrapped, **values).to_xml()  # type: ignore[arg-type] # the fields of the file


def _tag(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>" if text else ""


def _raw(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>" if content else ""
