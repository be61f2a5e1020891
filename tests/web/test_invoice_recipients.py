"""The pages where an accountant agrees to receive a company's invoices, or unsubscribes."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from auth.tokens import Purpose
from billing.invoice_emails import recipient_token
from models.audit import AuditEntry
from models.billing.invoice_recipient import InvoiceRecipient, InvoiceRecipientStatus
from models.locale import Locale
from tests.web.web_fixtures import ENGLISH, FRENCH, Site, camille, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        yield site


@pytest.fixture
async def recipient(site: Site) -> InvoiceRecipient:
    viewer = await camille(site.action())
    return await InvoiceRecipient.create(
        account=viewer.account,
        email="noe@accountant.example",
        locale=Locale.FR,
        adder=viewer.user,
        created_at=site.action().at,
    )


def link(site: Site, recipient: InvoiceRecipient, page: str) -> str:
    token = recipient_token(site.services.auth.signer, recipient, site.action().at)
    return f"/invoices/{page}?token={token}"


async def status() -> InvoiceRecipientStatus:
    return (await InvoiceRecipient.get()).status


async def test_only_the_button_confirms_and_another_one_stops(
    site: Site, recipient: InvoiceRecipient
) -> None:
    receive, stop = (link(site, recipient, page) for page in ("receive", "stop"))
    for page in (receive, stop):
        response = await site.client.get(page, headers=FRENCH)
        assert response.status_code == 200
        assert "Le Fournil d&#39;Aubry" in response.text
    assert await status() is InvoiceRecipientStatus.PENDING
    for _ in range(2):
        response = await site.client.post(receive, data={"outcome": "receive"}, headers=ENGLISH)
        assert "You will receive the invoices" in response.text
    assert await status() is InvoiceRecipientStatus.CONFIRMED
    for _ in range(2):
        response = await site.client.post(stop, data={"outcome": "stop"}, headers=FRENCH)
        assert "Vous ne recevrez plus de factures" in response.text
    assert await status() is InvoiceRecipientStatus.REFUSED
    assert (await site.client.post(receive)).status_code == 404  # a refusal is final
    assert await status() is InvoiceRecipientStatus.REFUSED
    entries = await AuditEntry.filter(action="invoice_recipient.answer").order_by("id")
    assert [entry.details for entry in entries] == ['{"accepted":true}', '{"accepted":false}']
    assert {entry.account_id for entry in entries} == {recipient.account_id}


@pytest.mark.parametrize("page", ["receive", "stop"])
async def test_other_links_change_nothing(
    site: Site, recipient: InvoiceRecipient, page: str, clock: "MovableClock"
) -> None:
    valid_link = link(site, recipient, page)
    other_account = InvoiceRecipient(id=recipient.pk, account_id=999, email=recipient.email)
    invalid_links = [
        f"/invoices/{page}",
        # not the last character, of which the signature doesn't use all bits
        f"{valid_link[:-2]}{'a' if valid_link[-2] != 'a' else 'b'}{valid_link[-1]}",
        f"/invoices/{page}?token={site.sign(Purpose.DOWNLOAD, recipient=recipient.pk)}",
        link(site, other_account, page),
    ]
    for url in invalid_links:
        for method in ("GET", "POST"):
            assert (await site.client.request(method, url)).status_code == 404
    assert await status() is InvoiceRecipientStatus.PENDING
    clock.advance(timedelta(days=1_000))  # an invoice of years ago can still be answered
    assert (await site.client.get(valid_link)).status_code == 200
    await recipient.delete()
    for method in ("GET", "POST"):
        assert (await site.client.request(method, valid_link)).status_code == 404
