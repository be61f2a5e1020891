"""P3.4: files of billing behind signed links, sent while they are made."""

import csv
from collections.abc import AsyncIterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from pypdf import PdfReader

from auth.tokens import Purpose
from billing import charging
from models.billing.invoice import Invoice
from tests.billing.exports.fec_reader import read_fec
from tests.web.web_fixtures import Site, open_site, unconfirmed_payment

if TYPE_CHECKING:
    from tests.conftest import MovableClock


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        yield site


@pytest.fixture
async def invoice(site: Site) -> Invoice:
    """An invoice that Camille paid by card."""
    _, payment = await unconfirmed_payment(site)
    await site.services.gateway.decide(payment.provider_reference, is_approved=True)  # type: ignore[attr-defined] # the sandbox
    await charging.refresh(site.action(), site.checkout_services(), payment)
    return await Invoice.get()


def path(site: Site, **data: object) -> str:
    return f"/downloads/{site.sign(Purpose.DOWNLOAD, **data)}"


async def test_p3_4_movements_are_a_table_with_balances(site: Site, invoice: Invoice) -> None:
    address = path(
        site,
        movements=invoice.account_id,
        since="2026-11-01",
        before="2026-12-01",
        locale="fr",
    )
    response = await site.client.get(address)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "camcha-2026-11-01-2026-12-01.csv" in response.headers["content-disposition"]
    assert response.headers["cache-control"] == "private, no-store"
    rows = list(csv.reader(StringIO(response.content.decode("utf-8-sig")), delimiter=";"))
    assert rows[0] == ["Date", "Pièce", "Mouvement", "Montant (EUR)", "Solde dû (EUR)"]
    assert rows[1] == [
        "2026-11-23", invoice.number, f"Facture {invoice.number}", "34,80", "34,80",
    ]  # fmt: skip
    assert rows[2][2:] == ["Règlement reçu", "-34,80", "0,00"]
    head = await site.client.head(address)
    assert (head.status_code, head.content) == (200, b"")


async def test_movements_before_the_first_day_are_in_the_balance(
    site: Site, invoice: Invoice
) -> None:
    address = path(
        site, movements=invoice.account_id, since="2026-11-24", before="2026-12-01", locale="en"
    )
    response = await site.client.get(address)
    assert response.text.count("\r\n") == 1


async def test_p3_4_the_invoices_of_a_year_are_one_archive(site: Site, invoice: Invoice) -> None:
    address = path(site, invoices=invoice.account_id, year=2026, locale="en")
    response = await site.client.get(address)
    assert response.headers["content-type"] == "application/zip"
    with ZipFile(BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{invoice.number}.pdf", "index.csv"]
        pdf = archive.read(f"{invoice.number}.pdf")
        index = archive.read("index.csv").decode("utf-8-sig")
    assert invoice.number in PdfReader(BytesIO(pdf)).pages[0].extract_text()
    rows = list(csv.reader(StringIO(index), delimiter=";"))
    assert rows[1] == [
        f"{invoice.number}.pdf", invoice.number, "Invoice", "2026-11-23", "2026-11-23",
        "29.00", "5.80", "34.80",
    ]  # fmt: skip
    other_year = await site.client.get(
        path(site, invoices=invoice.account_id, year=2025, locale="en")
    )
    with ZipFile(BytesIO(other_year.content)) as archive:
        assert archive.namelist() == ["index.csv"]


async def test_p3_4_the_accounting_entries_of_a_year(site: Site, invoice: Invoice) -> None:
    response = await site.client.get(path(site, fec=2026))
    assert response.headers["content-type"] == "text/plain; charset=iso-8859-15"
    name = "404833048FEC20261231.txt"
    assert name in response.headers["content-disposition"]
    assert len(read_fec(name, response.content)) == 5


async def test_a_link_of_something_else_is_not_found(site: Site) -> None:
    assert (await site.client.get(path(site, movements="x"))).status_code == 404
    token = site.sign(Purpose.UPLOAD, fec=2026)
    assert (await site.client.get(f"/downloads/{token}")).status_code == 404
