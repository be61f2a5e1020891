"""Slows guessing down without locking anybody out.

Each attempt is counted under several keys before its outcome is known, so that a batch of attempts at once can't slip past.
Under a key some attempts are free; each one after that must wait 1, 2, 4, ... seconds, up to a cap; counts leak away with
time. Signing in counts under

- PAIR, the e-mail address and the network it is tried from: the key that stops a guesser;
- NETWORK, the network alone: one machine that tries one password on many addresses;
- TARGET, the e-mail address alone, which never makes anybody wait: else an attacker could keep the customer out for as long
  as he likes. But while an address is under attack, every attempt under PAIR weighs ten: a botnet gets one guess per network
  and then long waits, and the customer, on a network of their own, is always heard at once;
- SECOND_FACTOR, the person whose password was right: whoever is there knows the password, so here the wait may be shared;
- UNLOCKED in place of them all, the person whose email was read (auth/throttle/unlocking.py); only the whole sign-in clears it.

Proving oneself again within a session counts by session: else the thief of one could keep its owner waiting in another.

A success clears PAIR and takes its own attempt back from the others. Keys are hashed, and the least recently used are
forgotten beyond a bound. State is in this process; auth/throttle/shared.py keeps it in Redis for several.
"""

import hashlib
import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from models.clock import Clock
from models.errors import Throttled
from models.identity.user import address

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class Limit:
    """How much a key of this kind tolerates: `free` attempts, then waits up to `cap`; `leak` is the time that forgets one.

    A limit that does not `block` only says that its key is under attack; `heated` is what an attempt weighs meanwhile.
    """

    name: str
    free: int
    leak: timedelta
    cap: timedelta = timedelta(minutes=15)
    blocks: bool = True
    heated: int = 1

    def wait(self, level: float) -> timedelta:
        """How long the next attempt must wait at this level."""
        over = math.ceil(level) - self.free
        if over <= 0 or not self.blocks:
            return timedelta()
        return min(timedelta(seconds=2 ** min(over - 1, 30)), self.cap)

    @property
    def highest(self) -> int:
        """The level that counts no further: the first one that waits for the cap."""
        return self.free + math.ceil(math.log2(max(self.cap.total_seconds(), 1))) + 1


PAIR = Limit("pair", free=5, leak=timedelta(hours=1), heated=10)
NETWORK = Limit("network", free=100, leak=timedelta(minutes=1))
TARGET = Limit("target", free=20, leak=timedelta(minutes=15), blocks=False)
SECOND_FACTOR = Limit("second factor", free=5, leak=timedelta(hours=1))
UNLOCKED = Limit("unlocked", free=10, leak=timedelta(hours=1))  # of one person, by emails (auth/throttle/unlocking.py)
STEP_UP = Limit("step-up", free=5, leak=timedelta(hours=1))
# To one address, that may not be the asker's. Emails that let somebody in again are counted by their kind: whoever uses these
# up has sent them, and using up others must not keep them back.
EMAIL = Limit("email", free=5, leak=timedelta(minutes=15))
INVITATION = Limit("invitation", free=30, leak=timedelta(minutes=5))  # by one company, to whomever
SIGN_UP = Limit("sign-up", free=50, leak=timedelta(minutes=1))
RESET = Limit("reset", free=20, leak=timedelta(minutes=1))
CHALLENGE = Limit("challenge", free=60, leak=timedelta(seconds=10))
PASSKEY = Limit("passkey", free=30, leak=timedelta(minutes=1))
LEGAL_NAME = Limit("legal name", free=10, leak=timedelta(hours=1))  # of one company, whose emails and questions it limits
# What one company's owners ask of support, counted by its kind: who asked for its end in a stolen session must not keep its
# owner from having it back.
LIFECYCLE = Limit("lifecycle", free=5, leak=timedelta(hours=1))
NEW_PASSWORD = Limit("new password", free=100, leak=timedelta(seconds=30))  # to be judged, and looked up (auth.passwords)
FILE = Limit("file", free=200, leak=timedelta(minutes=2))  # of 10 MiB each, announced by one company or member of staff
EMAIL_CHANGE = Limit("e-mail change", free=5, leak=timedelta(minutes=15))


class Key(NamedTuple):
    """What is counted: a kind of limit, and of whom (hashed)."""

    limit: Limit
    whom: str


@dataclass
class _Count:
    level: float
    at: datetime
    free_at: datetime

    def leaked(self, limit: Limit, now: datetime) -> float:
        return max(0.0, self.level - (now - self.at) / limit.leak)


class Throttle:
    """Counts attempts, for at most `size` keys."""

    def __init__(self, clock: Clock, size: int = 100_000) -> None:
        self._clock = clock
        self._size = size
        self._counts: OrderedDict[Key, _Count] = OrderedDict()

    async def attempt(self, *keys: Key) -> None:
        """Count one attempt under all these keys. Raises Throttled, and counts nothing, while one of them has to wait."""
        now = self._clock.now()
        wait = max((self._free_at(key, now) - now for key in keys), default=timedelta())
        if wait > timedelta():
            log.warning("attempt.throttled", limits=[key.limit.name for key in keys if self._free_at(key, now) > now])
            raise Throttled(math.ceil(wait.total_seconds()))
        heated = any(not key.limit.blocks and self._level(key, now) >= key.limit.free for key in keys)
        for key in keys:
            self._put(key, self._level(key, now) + (key.limit.heated if heated else 1), now)

    async def clear(self, *keys: Key) -> None:
        """Forget these keys."""
        for key in keys:
            self._counts.pop(key, None)

    async def take_back(self, *keys: Key) -> None:
        """Uncount one attempt."""
        now = self._clock.now()
        for key in keys:
            if key in self._counts:
                self._put(key, max(0.0, self._level(key, now) - 1), now)

    async def close(self) -> None:
        """Nothing here: what is counted is in memory."""

    def _free_at(self, key: Key, now: datetime) -> datetime:
        return self._counts[key].free_at if key in self._counts else now

    def _level(self, key: Key, now: datetime) -> float:
        return self._counts[key].leaked(key.limit, now) if key in self._counts else 0.0

    def _put(self, key: Key, level: float, now: datetime) -> None:
        level = min(level, key.limit.highest)
        self._counts[key] = _Count(level, now, now + key.limit.wait(level))
        self._counts.move_to_end(key)
        if len(self._counts) > self._size:
            self._counts.popitem(last=False)


def network_of(peer: str) -> str:
    """The network an address belongs to: itself for IPv4, its /48 for IPv6, where one site has 2^80 addresses."""
    try:
        parsed = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 48), strict=False))
    return str(parsed)


def key(limit: Limit, *whom: object) -> Key:
    """A key of whoever is meant."""
    text = "\0".join(str(part) for part in whom)
    return Key(limit, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


def pair(email: str, peer: str) -> Key:
    """The key of an e-mail address tried from a network."""
    return key(PAIR, address(email), network_of(peer))


def broad(email: str, peer: str) -> tuple[Key, Key]:
    """The keys of the network alone and of the e-mail address alone."""
    return key(NETWORK, network_of(peer)), key(TARGET, address(email))
