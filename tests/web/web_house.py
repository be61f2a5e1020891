"""The plain HTTP routes with a real store, the people who use them, and a purchase that waits for the bank."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from starlette.applications import Starlette

import billing.seller
from auth.guard import Guard
from auth.tokens import Purpose
from billing import checkout
from billing.checkout import Till
from billing.sandbox import Sandbox
from models.account import Account, Membership, Role
from models.act import Act
from models.content import kind
from models.file import File
from models.locale import Locale
from models.offer import Interval, Offer, Price, Segment
from models.payment import Payment
from models.purchase import Purchase
from models.scanner import Scanner
from models.store import FolderStore, random_key
from models.user import User
from models.vault import Vault
from models.viewer import Viewer
from realtime.hub import Hub
from realtime.presence import Presence
from resolvers.context import Parts
from web import access, files, pages, policies

if TYPE_CHECKING:
    from tests.conftest import MovableClock

BASE_URL = "https://camcha.example"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
FRENCH, ENGLISH = {"Accept-Language": "fr-FR,fr;q=0.9"}, {"Accept-Language": "en-GB"}


async def bytewise(content: bytes, at_once: int = 1) -> AsyncIterator[bytes]:
    """The content in pieces."""
    for start in range(0, len(content), at_once):
        yield content[start : start + at_once]


class Site:
    """The routes, their parts and a client."""

    def __init__(self, parts: Parts, vault: Vault, folder: Path, client: httpx.AsyncClient) -> None:
        self.parts, self.vault, self.folder, self.client = parts, vault, folder, client

    def act(self) -> Act:
        return Act(None, self.parts.clock.now(), self.parts.hub)

    def sign(self, purpose: Purpose, **facts: object) -> str:
        return self.parts.guard.signer.sign(purpose, self.parts.clock.now(), **facts)

    def till(self) -> Till:
        return Till(self.parts.gateway, self.parts.seller, self.parts.guard.signer, self.parts.base_url)

    def bytes_kept(self) -> dict[str, bytes]:
        """What lies in the store, half files included."""
        return {path.name: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}

    async def put(self, file: File, content: bytes, **headers: str) -> httpx.Response:
        """Upload to an announced file."""
        token = self.sign(Purpose.UPLOAD, file=file.pk)
        return await self.client.put(f"/uploads/{token}", content=content, headers=headers)


def app(parts: Parts, vault: Vault) -> Starlette:
    """An application of nothing but these routes."""
    return Starlette(routes=[*pages.routes(parts), *access.routes(parts), *policies.routes(parts), *files.routes(parts, vault)])


@asynccontextmanager
async def site(clock: "MovableClock", folder: Path, scanner: Scanner | None = None) -> AsyncIterator[Site]:
    """The routes with a store in this folder."""
    hub, guard = Hub(), Guard.of("a secret key of a test, long enough", clock)
    seller = billing.seller.seller(Path(billing.seller.__file__).parent / "seller.toml")
    parts = Parts(clock, hub, Presence(hub, clock), guard, Sandbox(BASE_URL), seller, BASE_URL)
    vault = Vault(FolderStore(folder), scanner)
    transport = httpx.ASGITransport(app(parts, vault))
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        yield Site(parts, vault, folder, client)
    guard.passwords.close()


async def camille(act: Act) -> Viewer:
    """Camille, who owns a bakery."""
    user = await User.create(
        email="camille@fournil.example", name="Camille Aubry", locale=Locale.FR, password_hash="-", created_at=act.at
    )
    account = await Account.create(legal_name="Le Fournil d'Aubry", siren="404833048", created_at=act.at)
    await Membership.create(user=user, account=account, role=Role.OWNER, created_at=act.at)
    return Viewer(user, account, Role.OWNER)


async def announced(act: Act, content: bytes = PNG, name: str = "photo.png", content_type: str = "image/png") -> File:
    """A file that Camille announced."""
    viewer = await camille(act)
    assert kind(content_type)
    return await File.create(
        key=random_key(), uploader=viewer.user, account=viewer.account, name=name, content_type=content_type,
        size=len(content), created_at=act.at,
    )  # fmt: skip


async def waiting_payment(site: Site) -> tuple[Purchase, Payment]:
    """A purchase of 34.80 EUR whose payment waits for the bank."""
    viewer, act = await camille(site.act()), site.act()
    assert viewer.account
    assert viewer.user
    texts = {"name": "Essentiel", "description": "-", "features": [], "advantages": []}
    offer = await Offer.create(slug="essentiel", segment=Segment.TPE, texts={"fr": texts, "en": texts})
    price = await Price.create(offer=offer, interval=Interval.MONTH, net_cents=2900, vat_rate=2000, valid_from=act.at)
    purchase = await checkout.draft(act, viewer.account, viewer.user, price, "draft")
    where = {"street": "3 place du Marché", "postal_code": "69001", "city": "Lyon", "country": "FR"}
    purchase = await purchase.confirm_billing(act, where)  # type: ignore[arg-type] # str fits str | None
    return purchase, await checkout.pay(act, site.till(), purchase, "pm_sandbox_confirmation", "pay")
