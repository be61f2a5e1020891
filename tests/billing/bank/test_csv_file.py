"""Exports of French banks in CSV, in their own layouts and encodings."""

from datetime import date

import pytest

from billing.bank.csv_file import CsvColumns, read_csv
from billing.bank.statement import StatementInvalid
from models.locale import Locale
from models.translations import text
from tests.billing.bank.statement_fixtures import IBAN, PAYER_IBAN

REFERENCE = "RF84FA2026000042"
# The layouts are those that the banks document or users publish; the movements are invented.
SOCIETE_GENERALE = f"""="0201900016400270";17/05/2026;23/11/2026;
date_comptabilisation;libellé_complet_operation;montant_operation;devise;
23/11/2026;VIR RECU    8527975563S DE: ACME SARL MOTIF: {REFERENCE};1 034,80;EUR;
22/11/2026;CARTE X7527 15/11 METRO    ;-14,90;EUR;
"""
CREDIT_AGRICOLE = f"""Téléchargement du 24/11/2026;

Compte Courant n° 12345678901;
Solde au 24/11/2026 1 234,56 €
Liste des opérations du compte entre le 01/11/2026 et le 24/11/2026;

Date;Libellé;Débit euros;Crédit euros;
23/11/2026;"VIREMENT EN VOTRE FAVEUR
ACME SARL
{REFERENCE} ";;1034,80;
22/11/2026;"PAIEMENT PAR CARTE
METRO ";14,90;;
"""
CIC = f"""Date d'opération,Date de valeur,Montant,Libellé,Solde
23/11/2026,23/11/2026,1034.80,VIREMENT ACME {REFERENCE},19261.85
22/11/2026,24/11/2026,-14.90,PAIEMENT CB METRO,18227.05
"""
CAISSE_D_EPARGNE = f"""Date de comptabilisation;Libelle simplifie;Libelle operation;Reference;\
Informations complementaires;Type operation;Categorie;Sous categorie;Debit;Credit;Date operation;\
Date de valeur;Pointage operation
23/11/2026;ACME;VIR SEPA ACME SARL;0M5EW1Q;{REFERENCE};Virement;Autres;Autres;;+1034,80;23/11/2026;\
23/11/2026;0
22/11/2026;METRO;CB METRO;0M5EW1R;;Carte;Autres;Autres;-14,90;;22/11/2026;22/11/2026;0
"""
BANQUE_POSTALE = f"""Numéro Compte   :\t1234567A033
Type         :\tCCP
Compte tenu en  :\teuros
Date            :\t24/11/2026
Solde (EUROS)   :\t2000,00

Date\tLibellé\tMontant(EUROS)
23/11/2026\t"VIREMENT DE ACME SARL {REFERENCE}"\t1034,80
22/11/2026\t"ACHAT CB METRO"\t-14,90
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize(
    "content", [SOCIETE_GENERALE, CREDIT_AGRICOLE, CIC, CAISSE_D_EPARGNE, BANQUE_POSTALE]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_exports_of_banks_are_read(content: str, encoding: str, newline: str) -> None:
    content = content.replace("\n", newline)
    first, second = read_csv(content.encode(encoding), IBAN).lines
    assert (first.booked_on, first.amount_cents) == (date(2026, 11, 23), 103_480)
    assert REFERENCE in first.text
    assert (second.booked_on, second.amount_cents) == (date(2026, 11, 22), -1490)
    assert first.iban == IBAN


def test_lines_say_where_they_are_although_texts_have_several() -> None:
    lines = read_csv(CREDIT_AGRICOLE.encode(), IBAN).lines
    assert [line.line for line in lines] == [8, 11]


def test_the_columns_of_the_sellers_file_come_first() -> None:
    content = (
        f"Tag;Betrag;Montant;Zweck;IBAN tiers\n23.11.2026;1.034,80;9,99;{REFERENCE};{PAYER_IBAN}\n"
    )
    columns = CsvColumns.from_config(
        {
            "booked_on": "Tag",
            "amount": ["Betrag"],
            "text": "Zweck",
            "counterparty_iban": "iban_tiers",
        }
    )
    (line,) = read_csv(content.encode(), IBAN, columns).lines
    assert (line.amount_cents, line.text, line.counterparty_iban) == (
        103_480,
        REFERENCE,
        PAYER_IBAN,
    )
    with pytest.raises(ValueError, match="zweck"):
        CsvColumns.from_config({"zweck": "x"})


@pytest.mark.parametrize("name", ["IBAN", "IBAN contrepartie"])
def test_the_sellers_own_account_is_never_a_payers(name: str) -> None:
    """Otherwise all lines would seem to be from one customer."""
    content = f"Date;Libellé;Montant;{name}\n23/11/2026;x;1,00;{IBAN}\n".encode()
    assert read_csv(content, IBAN).lines[0].counterparty_iban == ""
    other = "FR7610107001011234567890129"
    assert read_csv(content, other, own_ibans=(other, IBAN)).lines[0].counterparty_iban == ""


def test_a_column_iban_doesnt_say_whose_account_it_is() -> None:
    content = f"Date;Libellé;Montant;IBAN\n23/11/2026;x;1,00;{PAYER_IBAN}\n".encode()
    assert read_csv(content, IBAN).lines[0].counterparty_iban == ""
    columns = CsvColumns.from_config({"counterparty_iban": "IBAN"})
    assert read_csv(content, IBAN, columns).lines[0].counterparty_iban == PAYER_IBAN


@pytest.mark.parametrize(
    ("amount", "cents"),
    [
        ("12", 1200),
        ("12,5", 1250),
        ("-1\u202f234,56\u00a0€", -123_456),
        ("1.234,56", 123_456),
        ("1,234.56", 123_456),
        ("1.234.567", 123_456_700),
        ("12,00-", -1200),
        ("−12,00", -1200),
        ("1,234", None),
        ("1.2.3", None),
        ("12,345", None),
        ("1e3", None),
        ("--1", None),
        ("douze", None),
    ],
)
def test_amounts_are_read_as_banks_write_them_and_never_guessed(
    amount: str, cents: int | None
) -> None:
    content = f"Date;Libellé;Montant\n23/11/2026;x;{amount}\n".encode()
    if cents is None:
        assert "isn’t an amount" in faults(content)[0]
    else:
        assert read_csv(content, IBAN).lines[0].amount_cents == cents


def faults(content: bytes) -> list[str]:
    with pytest.raises(StatementInvalid) as error:
        read_csv(content, IBAN)
    return [
        text(fault.reason, Locale.EN, line=fault.line, **fault.values)
        for fault in error.value.faults
    ]


def test_all_faults_are_reported_at_once_with_their_lines() -> None:
    content = (
        "Date;Libellé;Débit;Crédit;Devise\n"
        "32/01/2026;x;;1,2x;EUR\n23/11/2026;y;1,00;1,00;EUR\n23/11/2026;z\n23/11/2026;z;;1,00;USD\n"
        "24/11/2026;coupé;1\n24/11/2026;bon;;2,00;EUR\n"
    ).encode()
    assert faults(content) == [
        "Line 2: “32/01/2026” isn’t a date.",
        "Line 2: “1,2x” isn’t an amount in euros and cents.",
        "Line 3: the row has no amount, or both a debit and a credit.",
        "Line 4: the row has 2 columns, but the header has 5.",
        "Line 5: the currency is USD. Only euros can be imported.",
        "Line 6: the row has 3 columns, but the header has 5.",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no row has the columns"),
        (b"Nom;Prix\nx;1\n", "no row has the columns"),
        (b"\x00\x01\x02Date;Montant", "isn’t text"),
        (b'Date;Montant\n"23/11/2026;1,00\n', "isn’t valid CSV"),
    ],
)
def test_a_file_that_is_not_a_statement_is_refused(content: bytes, message: str) -> None:
    assert message in faults(content)[0]


def test_a_footer_is_not_a_movement() -> None:
    content = "Date;Libellé;Montant\n23/11/2026;x;1,00\nTotal : 1,00\n".encode()
    assert len(read_csv(content, IBAN).lines) == 1
