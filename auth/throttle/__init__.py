"""Throttling: repeated attempts have to wait, but no one is locked out.

Each attempt is counted under several keys before its outcome is known, so that concurrent attempts
can't slip through. Under each key some attempts are free; after these the waits grow: 1, 2, 4, ...
seconds, up to a maximum. Counts decrease with time. A sign-in counts under these keys:

- EMAIL_AND_NETWORK: the email address together with the network. This is the key that stops
  someone who guesses.
- NETWORK: the network alone, against one machine that tries a password on many addresses.
- TARGET: the email address alone. It never causes a wait, because an attacker could otherwise keep
  the customer out. But while an address is under attack, each attempt counts ten times under
  EMAIL_AND_NETWORK: a botnet gets one guess per network and then long waits, while the customer,
  on another network, can sign in at once.
- SECOND_FACTOR: the user whose password was right. Whoever gets here knows the password, so the
  wait may be shared.
- UNLOCK: instead of all of these, the user who received an unlock email
  (auth/throttle/unlocking.py). Only a complete sign-in clears it.

Confirming one's identity within a session counts per session, because the thief of one session
could otherwise make the owner wait in another.

When the clock is set back, waits continue from the new time.

A success clears EMAIL_AND_NETWORK and takes its own attempt back from the other keys. Keys are
hashed, and the least recently used ones are dropped above a maximum. The state is in this process;
auth/throttle/shared.py keeps it in Redis for several processes.
"""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import structlog

from models.clock import Clock
from models.errors import Throttled
from models.identity.email_address import normalized_email
from realtime.networks import client_network as client_network  # as throttle.client_network

log = structlog.stdlib.get_logger()
_NO_WAIT = timedelta()


@dataclass(frozen=True)
class Limit:
    """The attempts that a kind of key allows: `free_attempts`, then waits of up to `max_wait`.

    One attempt is forgotten per `decay`. A limit that does not `block` only detects that its key is
    under attack; meanwhile an attempt counts as `weight_under_attack` under the other keys.
    """

    name: str
    free_attempts: int
    decay: timedelta
    max_wait: timedelta = timedelta(minutes=15)
    blocks: bool = True
    weight_under_attack: int = 1

    def wait(self, level: float) -> timedelta:
        """The time that the next attempt has to wait at this level, which is a number
        of attempts.
        """
        if level <= self.free_attempts or not self.blocks:
            return _NO_WAIT
        excess = math.ceil(level) - self.free_attempts
        return min(timedelta(seconds=2 ** min(excess - 1, 30)), self.max_wait)

    @cached_property
    def max_level(self) -> int:
        """The level at which counting stops: the first one with the maximum wait."""
        return self.free_attempts + math.ceil(math.log2(max(self.max_wait.total_seconds(), 1))) + 1


EMAIL_AND_NETWORK = Limit("pair", free_attempts=5, decay=timedelta(hours=1), weight_under_attack=10)
NETWORK = Limit("network", free_attempts=100, decay=timedelta(minutes=1))
TARGET = Limit("target", free_attempts=20, decay=timedelta(minutes=15), blocks=False)
SECOND_FACTOR = Limit("second factor", free_attempts=5, decay=timedelta(hours=1))
# Per user, with tokens from emails.
UNLOCK = Limit("unlocked", free_attempts=10, decay=timedelta(hours=1))
STEP_UP = Limit("step-up", free_attempts=5, decay=timedelta(hours=1))
# Emails to one address, which may not belong to the requester. Emails that restore access are
# counted per kind, so that using
# up one kind doesn't block another.
EMAIL = Limit("email", free_attempts=5, decay=timedelta(minutes=15))
INVITATION = Limit("invitation", free_attempts=30, decay=timedelta(minutes=5))  # per company
SIGN_UP = Limit("sign-up", free_attempts=50, decay=timedelta(minutes=1))
RESET = Limit("reset", free_attempts=20, decay=timedelta(minutes=1))
CHALLENGE = Limit("challenge", free_attempts=60, decay=timedelta(seconds=10))
PASSKEY = Limit("passkey", free_attempts=30, decay=timedelta(minutes=1))
# Reports of suspected breaches, per person or network: nobody has to report more at once.
ARTICLE_FEEDBACK = Limit("article feedback", free_attempts=30, decay=timedelta(minutes=1))
BREACH_REPORT = Limit("breach report", free_attempts=10, decay=timedelta(minutes=6))
# Transcripts of tickets by email, per recipient.
TRANSCRIPT = Limit("transcript", free_attempts=5, decay=timedelta(minutes=10))
# Visits to status boards, per network: feed readers come every few minutes.
STATUS_BOARD = Limit("status board", free_attempts=120, decay=timedelta(seconds=5))
WEBINAR = Limit("webinar", free_attempts=20, decay=timedelta(minutes=5))
INVOICE_RECIPIENT = Limit("invoice recipient", free_attempts=10, decay=timedelta(hours=1))
# Guesses at promotion codes, per company. Codes that exist don't count.
PROMOTION_CODE = Limit("promotion code", free_attempts=10, decay=timedelta(minutes=10))
API_KEY = Limit("api key creation", free_attempts=20, decay=timedelta(minutes=15))  # per company
LEGAL_NAME = Limit("legal name", free_attempts=10, decay=timedelta(hours=1))  # per company
# Requests of a company's owners to support, counted per kind: requesting the deletion with a stolen
# session must not keep the
# owner from requesting the reactivation.
LIFECYCLE = Limit("lifecycle", free_attempts=5, decay=timedelta(hours=1))
# Each is checked for strength and breaches.
NEW_PASSWORD = Limit("new password", free_attempts=100, decay=timedelta(seconds=30))
# Files of up to 10 MiB, videos of up to 24 MiB, per company or member of staff, and of one person
# for a company.
FILES_PER_USER = Limit("person file", free_attempts=100, decay=timedelta(minutes=1))
FILES_PER_COMPANY = Limit("file", free_attempts=200, decay=timedelta(minutes=2))
EMAIL_CHANGE = Limit("email change", free_attempts=5, decay=timedelta(minutes=15))


class Key(NamedTuple):
    """A counted subject: a limit, and the hash of the subject."""

    limit: Limit
    subject: str


@dataclass(slots=True)
class _Count:
    level: float
    at: datetime
    free_at: datetime

    def current_level(self, limit: Limit, now: datetime) -> float:
        return max(0.0, self.level - (now - self.at) / limit.decay)

    def follow_clock(self, now: datetime) -> None:
        """Continue from here after the clock was set back: otherwise the next attempt would have to
        wait until the clock is where it was.
        """
        self.free_at -= self.at - now
        self.at = now


class Throttle:
    """Counts attempts under at most `size` keys."""

    def __init__(self, clock: Clock, size: int = 100_000) -> None:
        self._clock = clock
        self._size = size
        self._counts: OrderedDict[str, _Count] = OrderedDict()  # by the hash

    async def attempt(self, *keys: Key, weight: int = 1) -> None:
        """Count one attempt under all keys, or several at once. While one of them has to wait,
        raise Throttled and count nothing.
        """
        now = self._clock.now()
        levels, is_blocked, is_under_attack = [], False, False
        for key in keys:
            limit, count = key.limit, self._count(key, now)
            level = count.current_level(limit, now) if count else 0.0
            levels.append(level)
            if count and count.free_at > now:
                is_blocked = True
            if not limit.blocks and level >= limit.free_attempts:
                is_under_attack = True
        if is_blocked:
            raise self._throttled(keys, now)
        for key, level in zip(keys, levels, strict=True):
            factor = key.limit.weight_under_attack if is_under_attack else 1
            self._set_level(key, level + weight * factor, now)

    def _throttled(self, keys: Sequence[Key], now: datetime) -> Throttled:
        blocking = [
            (key.limit.name, count.free_at)
            for key in keys
            if (count := self._counts.get(key.subject)) and count.free_at > now
        ]
        log.warning("attempt.throttled", limits=[name for name, _ in blocking])
        free_at = max(free_at for _, free_at in blocking)
        return Throttled(math.ceil((free_at - now).total_seconds()))

    async def clear(self, *keys: Key) -> None:
        """Reset the counts of these keys."""
        for key in keys:
            self._counts.pop(key.subject, None)

    async def undo_attempt(self, *keys: Key) -> None:
        """Take one attempt back."""
        now = self._clock.now()
        for key in keys:
            if count := self._count(key, now):
                self._set_level(key, max(0.0, count.current_level(key.limit, now) - 1), now)

    async def close(self) -> None:
        """Release resources: none, because the counts are in memory."""

    def _count(self, key: Key, now: datetime) -> _Count | None:
        count = self._counts.get(key.subject)
        if count and now < count.at:
            count.follow_clock(now)
        return count

    def _set_level(self, key: Key, level: float, now: datetime) -> None:
        limit, subject = key
        level = min(level, limit.max_level)
        self._counts[subject] = _Count(level, now, now + limit.wait(level))
        self._counts.move_to_end(subject)
        if len(self._counts) > self._size:
            self._counts.popitem(last=False)


def key(limit: Limit, *subject: object) -> Key:
    """The key that counts under a limit for a subject, such as an address or the id of a user."""
    text = "\0".join((limit.name, *map(str, subject)))
    return Key(limit, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


def email_and_network_key(email: str, peer: str) -> Key:
    """The key of an email address together with a network."""
    return key(EMAIL_AND_NETWORK, normalized_email(email), client_network(peer))


def broad_keys(email: str, peer: str) -> tuple[Key, Key]:
    """The keys of the network alone and of the email address alone."""
    return key(NETWORK, client_network(peer)), key(TARGET, normalized_email(email))
