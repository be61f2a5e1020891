"""Tags, by which agents group tickets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model

from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.text import line

if TYPE_CHECKING:
    from models.support.ticket import Ticket

TAG_LENGTH = 40
MAX_TAGS = 20  # of one ticket


class TicketTag(Model):
    """A tag of a ticket, in small letters. Customers don't see tags."""

    id = fields.BigIntField(primary_key=True)
    ticket: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name="tags"
    )
    tag = fields.CharField(max_length=TAG_LENGTH, db_index=True)

    ticket_id: int

    class Meta:
        table = "ticket_tag"
        unique_together = (("ticket", "tag"),)


def clean_tags(texts: Sequence[str], field: str) -> list[str]:
    """Tags in small letters, without duplicates. Raises BLANK, TOO_LONG and CARD_NUMBER at their
    indexes, and TOO_MANY.
    """
    if len(texts) > MAX_TAGS:
        raise Refusal(CommonErrorCode.TOO_MANY, "input", field, limit=MAX_TAGS)
    with Checks(field) as check:
        tags = [check(_clean_tag, text, str(index)) for index, text in enumerate(texts)]
    return list(dict.fromkeys(tags))


def _clean_tag(text: str, index: str) -> str:
    return line(text.casefold(), index, TAG_LENGTH)
