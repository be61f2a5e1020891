"""The outbox as an operator sees it: which letters arrived, and which were given up."""

from typing import Annotated

import strawberry
from tortoise.expressions import Q

from models.letter import Letter, LetterState
from resolvers.context import Info
from resolvers.ids import encode, key_of
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page
from resolvers.people_inputs import LetterRetryInput

LATEST = Order("id", descending=True)


def letters(
    info: Info,
    state: Annotated[list[LetterState] | None, strawberry.argument(description="Only in one of these states.")] = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> OnePage:  # fmt: skip
    """The letters that the viewer may see, the latest first."""
    viewer = info.context.viewer
    found = Letter.visible_to(viewer)
    if state is not None:
        found = found.filter(Q(*(each.letters for each in state), join_type=Q.OR)) if state else found.filter(id=None)
    return page(found, LATEST, Window(first, after, last, before), viewer)


async def retry(info: Info, input: LetterRetryInput) -> Letter:
    """Have a letter tried anew."""
    return await Letter.retry(info.context.action(), key_of(Letter, input.letter_id))


def letter_id(root: Letter) -> str:
    """What names a letter to an operator."""
    return encode("Letter", root.pk)
