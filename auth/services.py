"""What the stories of identity need: made once from the settings, handed down."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import SystemRandom
from time import monotonic

from auth import throttle
from auth.factors.passkeys import RelyingParty
from auth.passwords import Passwords
from auth.passwords.breaches import Breaches
from auth.secret_box import SecretBox
from auth.throttle import Throttle
from auth.throttle.shared import SharedThrottle
from auth.throttle.sign_in_queue import SignInQueue
from auth.tokens import Signer
from models.clock import Clock
from models.errors import DomainError

_BLUR = 1 + 1 / 15
_CHANCE = SystemRandom()


@dataclass(frozen=True)
class AuthServices:
    """The password pool, the vault of seeds, the signer of links and the throttle of one app.

    `party` is for whom passkeys are made. `even_seconds` is how long an answer takes at least that must not tell by its time
    what it found.
    """

    passwords: Passwords
    secret_box: SecretBox
    signer: Signer
    throttle: Throttle
    even_seconds: float = 0.3
    party: RelyingParty = field(default_factory=RelyingParty)
    sign_in_queue: SignInQueue = field(default_factory=SignInQueue)

    @classmethod
    def of(
        cls, secret_key: str, clock: Clock, party: RelyingParty | None = None, redis_url: str | None = None,
        breaches_url: str | None = None, passwords: Passwords | None = None,
    ) -> "AuthServices":  # fmt: skip
        """A guard whose keys all derive from one secret key. Attempts are counted in Redis where there is one, and new
        passwords looked up among the leaked ones where a range service is named."""
        throttle = SharedThrottle(clock, redis_url, secret_key) if redis_url else Throttle(clock)
        passwords = passwords or Passwords(breaches=Breaches(breaches_url) if breaches_url else None)
        return cls(passwords, SecretBox(secret_key), Signer(secret_key), throttle, party=party or RelyingParty())

    async def require_strong(self, password: str, *own_words: str, subject: object, field: str = "password") -> None:
        """As Passwords.require_strong, counted by `whom`: a network where anybody may ask, else the person. Raises Throttled.

        Judging takes the threads that sign-ins need, and asks another server, so it is counted before. Counted apart, so that
        a password refused as weak costs nobody one of their sign-ups.
        """
        await self.throttle.attempt(throttle.key(throttle.NEW_PASSWORD, subject))
        await self.passwords.require_strong(password, *own_words, field=field)

    @asynccontextmanager
    async def even_failures(self) -> AsyncIterator[None]:
        """Takes the same time for whatever fails sooner, so that it doesn't tell why. Success takes what it takes.

        The same, but for a blur of a fifteenth: a wait, which is answered otherwise than a wrong password, differs by a
        millisecond after that.
        """
        ends = monotonic() + self.even_seconds * _CHANCE.uniform(1, _BLUR)
        try:
            yield
        except DomainError:
            await asyncio.sleep(ends - monotonic())
            raise

    @asynccontextmanager
    async def even(self) -> AsyncIterator[None]:
        """Takes the same time for whatever ends sooner, failures included. Holds nothing while it waits: keep it outside of
        transactions."""
        ends = monotonic() + self.even_seconds
        try:
            yield
        finally:
            await asyncio.sleep(ends - monotonic())
