"""The tables as a user of Tortoise would declare them for these operations, with the columns that
they need.
"""

from tortoise import fields
from tortoise.models import Model

from models.billing.offer import Segment
from models.event import EventKind
from models.support.classification import Channel
from models.support.ticket_status import TicketStatus


class Offer(Model):
    id = fields.BigIntField(primary_key=True)
    slug = fields.CharField(max_length=60)
    segment = fields.CharEnumField(Segment, max_length=3)
    texts: dict[str, dict[str, str]] = fields.JSONField()

    class Meta:
        table = "offer"


class Account(Model):
    id = fields.BigIntField(primary_key=True)
    legal_name = fields.CharField(max_length=200)
    siren = fields.CharField(max_length=9)

    class Meta:
        table = "account"


class User(Model):
    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=100)

    class Meta:
        table = "user"


class Purchase(Model):
    id = fields.BigIntField(primary_key=True)
    created_at = fields.DatetimeField()

    class Meta:
        table = "purchase"


class Invoice(Model):
    id = fields.BigIntField(primary_key=True)
    number = fields.CharField(max_length=35)
    account_id = fields.BigIntField()
    purchase_id = fields.BigIntField()
    issued_at = fields.DatetimeField()
    issued_on = fields.DateField()
    due_on = fields.DateField()
    net_cents = fields.BigIntField()
    vat_cents = fields.BigIntField()
    gross_cents = fields.BigIntField()

    class Meta:
        table = "invoice"


class InvoiceDocument(Model):
    invoice_id = fields.BigIntField(primary_key=True)
    sha256 = fields.CharField(max_length=64)

    class Meta:
        table = "invoice_document"


class InvoiceLine(Model):
    id = fields.BigIntField(primary_key=True)
    invoice_id = fields.BigIntField()
    position = fields.IntField()
    label = fields.CharField(max_length=300)
    quantity = fields.IntField()
    net_cents = fields.BigIntField()

    class Meta:
        table = "invoice_line"


class Ticket(Model):
    id = fields.BigIntField(primary_key=True)
    account_id = fields.BigIntField()
    assignee_id = fields.BigIntField(null=True)
    subject = fields.CharField(max_length=200)
    channel = fields.CharEnumField(Channel, max_length=8)
    status = fields.CharEnumField(TicketStatus, max_length=8)
    created_at = fields.DatetimeField()
    updated_at = fields.DatetimeField()
    reply_awaited_since = fields.DatetimeField(null=True)

    class Meta:
        table = "ticket"


class Message(Model):
    id = fields.BigIntField(primary_key=True)
    ticket_id = fields.BigIntField()
    origin_id = fields.BigIntField()
    author_id = fields.BigIntField()
    sequence = fields.BigIntField()
    body = fields.TextField()
    from_staff = fields.BooleanField()
    client_message_id = fields.CharField(max_length=64)
    at = fields.DatetimeField()

    class Meta:
        table = "message"


class Event(Model):
    id = fields.BigIntField(primary_key=True)
    stream = fields.CharField(max_length=64)
    sequence = fields.BigIntField()
    kind = fields.CharEnumField(EventKind, max_length=32)
    at = fields.DatetimeField()
    actor_id = fields.BigIntField(null=True)
    ticket_id = fields.BigIntField(null=True)
    message_id = fields.BigIntField(null=True)

    class Meta:
        table = "event"
