"""The order in which a transaction locks rows. Two transactions that follow it never deadlock.

- The tables of TABLES from the first to the last, and the rows of one table in the order of their
  keys. Changing or deleting a row locks it as well, unless the transaction has locked or inserted
  it before.
- The clocks, the rating and the merge of a ticket, and the cursor and the timers by which
  automations follow it, belong to whoever has locked the ticket, so they aren't locked.
- Counters in the order of the series FA, AV, and of the journals VE, BQ, OD.
- Then streams, in the order of STREAMS and of their keys: the transaction takes them in its last
  statement. A ticket's stream belongs to whoever has locked the ticket, so it is taken at any time
  after that.
- The end of the audit chain last.

A row that the transaction has locked before may be locked again. tests/lock_order.py holds all
transactions of all tests to this order.
"""

TABLES = (
    "latest_time",
    "buyer_erasure",
    "bank_line",
    "incoming_email",
    "account",
    "erasure",
    "incident",
    "incident_notice",
    "invitation",
    "invoice_recipient",
    "user",
    "membership",
    "phone_number",
    "article",
    "article_feedback",
    "webinar_sign_up",
    "refresh_token",
    "session",
    "push_device",
    "service_account",
    "api_key",
    "legal_name_change",
    "vat_check",
    "billing_profile",
    "purchase",
    "promotion",
    "promotion_redemption",
    "purchase_change",
    "billing_period",
    "payment_method",
    "payment",
    "provider_event",
    "refund",
    "receivable",
    "dunning_step",
    "invoice_delivery",
    "collection_report",
    "dispute",
    "calendar",
    "closure",
    "team",
    "canned_reply",
    "macro",
    "automation",
    "sla_policy",
    "phone_call",
    "ticket",
    "message",
    "reaction",
    "search_entry",
    "file",
    "billing_item",
    "offer",
    "price",
    "counter",
    "document_request",
    "data_request",
    "mailing",
    "saved_query",
    "query_schedule",
    "webhook_endpoint",
    "webhook_delivery",
    "email",
)
STREAMS = (
    "session",
    "ticket",
    "account",
    "agent",
    "inbox",
    "positions",
    "writers",
)  # by the part of the key before the colon


def stream_position(stream: str) -> tuple[int, int]:
    """The position of a stream in the order."""
    kind, _, key = stream.partition(":")
    return STREAMS.index(kind), int(key or 0)


def is_numbered_at_once(stream: str) -> bool:
    """Whether an event takes its number at once, not at the end of the transaction."""
    return stream.startswith("ticket:")
