"""Letters waiting to be sent: written in the transaction whose news they carry, delivered after it."""

from datetime import datetime, timedelta
from typing import Any

from tortoise import fields
from tortoise.models import Model

_CONFIDENTIAL = {"password_reset", "email_change", "email_change_asked", "invitation", "sign_in_unlock", "staff_welcome"}


class Letter(Model):
    """One letter of the outbox. attempts counts deliveries tried, next_attempt_at is None once sent or given up."""

    id = fields.BigIntField(primary_key=True)
    template = fields.CharField(max_length=40)
    recipient = fields.CharField(max_length=254)
    subject = fields.CharField(max_length=200)
    text = fields.TextField()
    html = fields.TextField()
    invoice: Any = fields.ForeignKeyField("models.Invoice", null=True, related_name=False)
    created_at: datetime = fields.DatetimeField()
    next_attempt_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    attempts = fields.IntField(default=0)
    sent_at = fields.DatetimeField(null=True)

    invoice_id: int | None

    class Meta:
        table = "letter"

    async def sent(self, at: datetime) -> None:
        """Note the delivery, and forget the words of a letter whose token was for its reader alone."""
        self.sent_at, self.next_attempt_at, self.attempts = at, None, self.attempts + 1
        self._forget()
        await self.save(update_fields=["sent_at", "next_attempt_at", "attempts", "text", "html"])

    async def failed(self, at: datetime, final: bool) -> None:
        """Note a failed attempt: again in 1, 2, 4, ... minutes, at most 4 hours apart, for some two days; never when final."""
        self.attempts += 1
        wait = timedelta(minutes=min(2 ** (self.attempts - 1), 240))
        self.next_attempt_at = None if final or self.attempts >= 20 else at + wait
        if self.next_attempt_at is None:
            self._forget()
        await self.save(update_fields=["attempts", "next_attempt_at", "text", "html"])

    def _forget(self) -> None:
        if self.template.partition(".")[0] in _CONFIDENTIAL:
            self.text = self.html = ""
