"""What a telephone system reports. Each kind of system has a reader of its webhook. The generic one
here is for systems that can be configured freely, and for a small program in between.

It is signed as Standard Webhooks define it. The body is JSON:

    {"type": "call.ended", "data": {"id": "...", "direction": "inbound", "from": "+33142685300",
     "to": "+33186995700", "startedAt": "2026-11-30T10:00:00Z", "answeredAt": "...",
     "endedAt": "...", "voicemail": false, "agentEmail": "...", "ticketNumber": "..."}}

`answeredAt` is null or missing for a call that nobody answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from auth.webhook_signatures import is_strong_secret, secret_bytes, verify
from models.support.call import EXTERNAL_ID_LENGTH, MAX_DURATION, CallDirection, CallOutcome
from models.support.phone_number import caller_number
from models.text import can_be_stored
from support.calls import CallFacts, CallReport

_DIRECTIONS = {"inbound": CallDirection.INBOUND, "outbound": CallDirection.OUTBOUND}
_ENDED = "call.ended"


class TelephoneSystem(Protocol):
    """Reads the webhook of one kind of telephone system. `name` is the last part of its URL."""

    @property
    def name(self) -> str: ...

    def read(self, headers: Mapping[str, str], body: bytes) -> CallReport | None:
        """The call that a request reports, None for a request about anything else. Raises
        SignatureInvalid, and ValueError for a signed body that can't be read.
        """
        ...


@dataclass(frozen=True)
class SignedWebhook:
    """The generic webhook. `secret` has 24 to 64 bytes in base64, after `whsec_`."""

    secret: str = field(repr=False)
    name: str = "telephone"

    @property
    def errors(self) -> list[str]:
        """What is wrong with the settings."""
        if is_strong_secret(self.secret):
            return []
        return ["CAMCHA_TELEPHONE_WEBHOOK_SECRET: must be 24 to 64 bytes in base64, after whsec_"]

    def read(self, headers: Mapping[str, str], body: bytes) -> CallReport | None:
        """The call that ended."""
        verify(secret_bytes(self.secret), headers, body)
        content = orjson.loads(body)
        if not isinstance(content, dict) or content.get("type") != _ENDED:
            return None
        try:
            return _report(content["data"])
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None


def _report(data: dict[str, Any]) -> CallReport:
    external_id = data["id"]
    if not external_id or not can_be_stored(external_id, EXTERNAL_ID_LENGTH):
        raise ValueError("id")
    started_at, ended_at = _time(data["startedAt"]), _time(data["endedAt"])
    answered_at = _time(data["answeredAt"]) if data.get("answeredAt") else None
    if not started_at <= (answered_at or ended_at) <= ended_at <= started_at + MAX_DURATION:
        raise ValueError("times")
    direction = _DIRECTIONS[data["direction"]]
    number = data.get("from" if direction is CallDirection.INBOUND else "to")
    facts = CallFacts(
        direction,
        _outcome(data, answered_at),
        caller_number(number),
        started_at,
        round((ended_at - answered_at).total_seconds()) if answered_at else 0,
    )
    return CallReport(
        external_id, facts, _text(data.get("agentEmail")), _text(data.get("ticketNumber"))
    )


def _outcome(data: dict[str, Any], answered_at: datetime | None) -> CallOutcome:
    if data.get("voicemail") is True:
        return CallOutcome.VOICEMAIL
    return CallOutcome.ANSWERED if answered_at else CallOutcome.MISSED


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return at.astimezone(UTC)


def _text(value: object) -> str | None:
    if value is not None and not (isinstance(value, str) and can_be_stored(value, 254)):
        raise ValueError("text")
    return value or None
