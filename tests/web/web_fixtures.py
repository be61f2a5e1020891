"""The HTTP routes with a real store, their users, and a purchase whose payment awaits the bank."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from starlette.applications import Starlette

import billing.seller
from auth.tokens import Purpose
from billing import checkout
from billing.checkout_services import CheckoutServices
from billing.gateways.sandbox import Sandbox
from mail.customer_space import CustomerSpace
from models.accounts.account import Role
from models.action import Action
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.payment import Payment
from models.billing.purchase import Purchase
from models.locale import Locale
from models.support.file import File
from models.viewer import Viewer
from realtime.hub import Hub
from realtime.presence import Presence
from resolvers.context import Services
from storage.content import content_kind
from storage.file_service import FileService
from storage.scanner import Scanner
from storage.store import FolderStore, random_key
from support.telephone import TelephoneSystem
from tests.people import add_member, create_account, create_user, create_viewer
from tests.quick_auth import quick_auth
from web import (
    access,
    consents,
    files,
    home,
    invoice_recipients,
    library,
    pages,
    payment_confirmation,
    policies,
    rating,
    sandbox,
    status_board,
    telephone,
    webhooks,
    webinars,
)

if TYPE_CHECKING:
    from tests.conftest import MovableClock

BASE_URL = "https://camcha.example"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
FRENCH, ENGLISH = {"Accept-Language": "fr-FR,fr;q=0.9"}, {"Accept-Language": "en-GB"}


async def in_chunks(content: bytes, chunk_size: int = 1) -> AsyncIterator[bytes]:
    """Yields the content in pieces."""
    for start in range(0, len(content), chunk_size):
        yield content[start : start + chunk_size]


class Site:
    """The routes, their services and a client."""

    def __init__(
        self, services: Services, file_service: FileService, folder: Path, client: httpx.AsyncClient
    ) -> None:
        self.services = services
        self.file_service = file_service
        self.folder = folder
        self.client = client

    def action(self) -> Action:
        return Action(None, self.services.clock.now(), self.services.hub)

    def sign(self, purpose: Purpose, **facts: object) -> str:
        return self.services.auth.signer.sign(purpose, self.services.clock.now(), **facts)

    def checkout_services(self) -> CheckoutServices:
        return self.services.checkout

    def stored_files(self) -> dict[str, bytes]:
        """What the store contains, including partial files."""
        return {path.name: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}

    async def upload(self, file: File, content: bytes, **headers: str) -> httpx.Response:
        """Uploads the content of an announced file."""
        token = self.sign(Purpose.UPLOAD, file=file.pk)
        return await self.client.put(f"/uploads/{token}", content=content, headers=headers)


def create_app(services: Services, file_service: FileService) -> Starlette:
    """An application that consists only of these routes."""
    return Starlette(
        routes=[
            *home.routes(services),
            *pages.routes(services),
            *payment_confirmation.routes(services),
            *access.routes(services),
            *invoice_recipients.routes(services),
            *policies.routes(services),
            *consents.routes(services),
            *rating.routes(services),
            *status_board.routes(services),
            *files.routes(services, file_service),
            *sandbox.routes(services),
            *webhooks.routes(services),
            *telephone.routes(services),
            *webinars.routes(services),
            *library.routes(services, file_service),
        ]
    )


@asynccontextmanager
async def open_site(
    clock: "MovableClock",
    folder: Path,
    scanner: Scanner | None = None,
    customer_space: CustomerSpace | None = None,
    telephone_system: TelephoneSystem | None = None,
) -> AsyncIterator[Site]:
    """The routes, with a store in this folder."""
    hub, auth = Hub(), quick_auth(clock)
    seller = billing.seller.seller(Path(billing.seller.__file__).parent / "seller.toml")
    services = Services(
        clock,
        hub,
        Presence(hub, clock),
        auth,
        Sandbox(BASE_URL, clock),
        seller,
        BASE_URL,
        customer_space=customer_space or CustomerSpace(),
        telephone=telephone_system,
    )
    file_service = FileService(FolderStore(folder), scanner)
    transport = httpx.ASGITransport(create_app(services, file_service))
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        yield Site(services, file_service, folder, client)
    auth.passwords.close()


async def camille(action: Action) -> Viewer:
    """Camille, who owns a bakery and has yet to verify her address."""
    user = await create_user(action, locale=Locale.FR, email_verified_at=None)
    account = await create_account(action)
    await add_member(action, account, user, Role.OWNER)
    return await create_viewer(action, user, account)


async def announce_file(
    action: Action, content: bytes = PNG, name: str = "photo.png", content_type: str = "image/png"
) -> File:
    """A file that Camille announced."""
    viewer = await camille(action)
    assert content_kind(content_type)
    return await File.create(
        key=random_key(),
        uploader=viewer.user,
        account=viewer.account,
        name=name,
        content_type=content_type,
        size=len(content),
        created_at=action.at,
    )


async def unconfirmed_payment(site: Site) -> tuple[Purchase, Payment]:
    """A purchase of 34.80 EUR whose payment awaits the bank."""
    viewer, action = await camille(site.action()), site.action()
    assert viewer.account
    assert viewer.user
    viewer.user.email_verified_at = action.at  # who has not verified it gets no invoices
    await viewer.user.save(update_fields=["email_verified_at"])
    texts = {"name": "Essentiel", "description": "-", "features": [], "advantages": []}
    offer = await Offer.create(
        slug="essentiel", segment=Segment.TPE, texts={"fr": texts, "en": texts}
    )
    price = await Price.create(
        offer=offer, interval=Interval.MONTH, net_cents=2900, vat_rate=2000, valid_from=action.at
    )
    purchase = await checkout.draft(action, viewer.account, viewer.user, price, "draft")
    billing_address = {
        "street": "3 place du Marché",
        "postal_code": "69001",
        "city": "Lyon",
        "country": "FR",
    }
    purchase = await purchase.confirm_billing(action, billing_address)
    return purchase, await checkout.pay(
        action, site.checkout_services(), purchase, "pm_sandbox_confirmation", "pay"
    )
