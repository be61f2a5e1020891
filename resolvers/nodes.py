"""Any row by its global id, as far as the viewer may see it."""

from collections import defaultdict
from typing import Annotated, Any

import strawberry
from tortoise.models import Model

from models.account import Account
from models.article import Article
from models.errors import BadInput
from models.file import File
from models.invoice import Invoice
from models.offer import Offer, Price
from models.payment import Payment
from models.purchase import Purchase
from models.ticket import Message, Ticket
from models.user import User
from resolvers.context import Info
from resolvers.ids import decode
from resolvers.paging import MOST

MODELS: dict[str, Any] = {
    model.__name__: model for model in (Account, Article, File, Invoice, Message, Offer, Payment, Price, Purchase, Ticket, User)
}


async def node(info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="A global id.")]) -> Model | None:
    """The row, null when it does not exist or is not the viewer's to see."""
    return (await nodes(info, [id]))[0]


async def nodes(
    info: Info,
    ids: Annotated[list[strawberry.ID], strawberry.argument(description="Global ids, at most 100.")],
) -> list[Model | None]:
    """One answer for each id, in their order: one statement for each type."""
    if len(ids) > MOST:
        raise BadInput("ids", f"0..{MOST}")
    wanted = [decode(each) for each in ids]
    keys: defaultdict[str, set[int]] = defaultdict(set)
    for each in wanted:
        if each and each[0] in MODELS:
            keys[each[0]].add(each[1])
    found = {
        (kind, row.pk): row
        for kind, of_kind in keys.items()
        for row in await MODELS[kind].visible_to(info.context.viewer).filter(pk__in=of_kind)
    }
    return [found.get(each) if each else None for each in wanted]
