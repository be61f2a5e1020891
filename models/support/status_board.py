"""The status board: each morning a snapshot of the requests of every company, which whoever has the
company's link can read.

An entry contains nothing personal: the number of a request, its category, its status and dates.
What the law sets a deadline for isn't listed: that a company reports a breach, or that its account
is to be deleted, concerns nobody else who has the link. Decision 47 gives the reasons.

Snapshots are never changed. They are deleted with the company.
"""

from datetime import date, datetime, timedelta
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import Account
from models.action import Action
from models.clock import local_date
from models.support.audit_actions import SupportAuditAction
from models.support.classification import Category
from models.support.ticket import Ticket
from models.support.ticket_number import ticket_number
from models.support.ticket_status import TicketStatus

if TYPE_CHECKING:
    from models.viewer import Viewer

FINISHED_PERIOD = timedelta(days=14)  # for which finished requests stay on the board
TOKEN_LENGTH = 32


class StatusBoard(Model):
    """The link to the board of a company. `token` is null while the owners have turned it off."""

    id = fields.BigIntField(primary_key=True)
    account: fields.OneToOneRelation[Account] = fields.OneToOneField(
        "models.Account", related_name=False
    )
    token = fields.CharField(max_length=TOKEN_LENGTH, null=True, unique=True)
    updated_at: datetime = fields.DatetimeField()

    account_id: int

    class Meta:
        table = "status_board"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["StatusBoard"]:
        """Members see the link of their company."""
        boards = cls.filter(token__not_isnull=True)
        return boards.filter(account_id=viewer.account.pk if viewer.account else None)

    @classmethod
    async def renew_link(cls, action: Action, account: Account) -> "StatusBoard":
        """Replace the link: the former one no longer works. Turns the board on."""
        return await cls._set_token(action, account, new_token())

    @classmethod
    async def turn_off(cls, action: Action, account: Account) -> "StatusBoard":
        """Turn the board off: the link no longer works. A repeat changes nothing."""
        return await cls._set_token(action, account, None)

    @classmethod
    async def _set_token(cls, action: Action, account: Account, token: str | None) -> "StatusBoard":
        async with action.transaction() as tx:
            await tx.lock(Account, account.pk)
            board = await cls.get_or_none(account_id=account.pk, using_db=tx.db)
            if board is None:
                board = cls(account_id=account.pk)
            elif board.token is None and token is None:
                return board
            board.token, board.updated_at = token, action.at
            await board.save(using_db=tx.db)
            kind = SupportAuditAction.BOARD_RENEW if token else SupportAuditAction.BOARD_TURN_OFF
            tx.audit(kind, account)
        return board


def new_token() -> str:
    """A token that nobody can guess."""
    return token_urlsafe(TOKEN_LENGTH * 3 // 4)


class BoardSnapshot(Model):
    """The snapshot of a day in Paris, and when it was taken."""

    day: date = fields.DateField(primary_key=True)
    as_of: datetime = fields.DatetimeField()

    class Meta:
        table = "board_snapshot"


class BoardEntry(Model):
    """A request in a snapshot. ON_HOLD is stored as OPEN, as customers see it."""

    id = fields.BigIntField(primary_key=True)
    day: date = fields.DateField()
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "models.Account", related_name=False
    )
    ticket: fields.ForeignKeyRelation[Ticket] = fields.ForeignKeyField(
        "models.Ticket", related_name=False
    )
    category = fields.CharEnumField(Category, max_length=16, description="category")
    status = fields.CharEnumField(TicketStatus, max_length=8, description="status")
    opened_at: datetime = fields.DatetimeField()
    updated_at: datetime = fields.DatetimeField()

    account_id: int
    ticket_id: int

    class Meta:
        table = "board_entry"
        unique_together = (("account", "day", "ticket"),)

    @property
    def number(self) -> str:
        """The number of the request, such as CAM-2026-000123."""
        return ticket_number(self.ticket_id, self.opened_at)

    @property
    def opened_on(self) -> date:
        """The day in Paris on which the request was opened."""
        return local_date(self.opened_at)

    @property
    def updated_on(self) -> date:
        """The day in Paris on which the request was last updated."""
        return local_date(self.updated_at)
