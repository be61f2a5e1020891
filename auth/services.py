"""The services that authentication needs, created once from the settings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import SystemRandom
from time import monotonic

from auth import throttle
from auth.factors.passkeys import RelyingParty
from auth.passwords import Passwords
from auth.passwords.breaches import BreachChecker
from auth.secret_box import SecretBox
from auth.throttle import Throttle
from auth.throttle.activity import ActivityLimits
from auth.throttle.shared import SharedThrottle
from auth.throttle.sign_in_queue import SignInQueue
from auth.tokens import Signer
from models.clock import Clock
from models.errors import DomainError
from models.identity.user import User

_MAX_JITTER = 1 + 1 / 15
_RANDOM = SystemRandom()


@dataclass(frozen=True)
class AuthServices:
    """Passwords, encryption of secrets, signed links, throttling and the sign-in queue of one
    process.

    `relying_party` is the relying party of passkeys. `min_response_seconds` is the minimum duration
    of responses whose time must not reveal what was found.
    """

    passwords: Passwords
    secret_box: SecretBox
    signer: Signer
    throttle: Throttle
    min_response_seconds: float = 0.3
    relying_party: RelyingParty = field(default_factory=RelyingParty)
    sign_in_queue: SignInQueue = field(default_factory=SignInQueue)
    activity_limits: ActivityLimits = field(default_factory=ActivityLimits)

    @classmethod
    def create(
        cls,
        secret_key: str,
        clock: Clock,
        relying_party: RelyingParty | None = None,
        redis_url: str | None = None,
        breaches_url: str | None = None,
        passwords: Passwords | None = None,
        activity_limits: ActivityLimits | None = None,
        previous_keys: tuple[str, ...] = (),
    ) -> "AuthServices":
        """Services whose keys are all derived from one secret key. What `previous_keys` encrypted
        or signed is still read. Attempts are counted in Redis if
        `redis_url` is given, and new passwords are looked up in a range service of leaked passwords
        if `breaches_url` is given.
        """
        throttle = SharedThrottle(clock, redis_url, secret_key) if redis_url else Throttle(clock)
        passwords = passwords or Passwords(
            breaches=BreachChecker(breaches_url) if breaches_url else None
        )
        return cls(
            passwords,
            SecretBox(secret_key, *previous_keys),
            Signer(secret_key, *previous_keys),
            throttle,
            relying_party=relying_party or RelyingParty(),
            activity_limits=activity_limits or ActivityLimits(),
        )

    async def require_strong(
        self, password: str, *personal_words: str, subject: object, field: str = "password"
    ) -> None:
        """Like Passwords.require_strong, counted per `subject`: the network where anyone may call
        it, else the user. Raises Throttled.

        Evaluating the strength uses the threads that sign-ins need, and another server, so it is
        counted first. It is counted separately, so that a weak password doesn't use up one of the
        sign-ups.
        """
        await self.throttle.attempt(throttle.key(throttle.NEW_PASSWORD, subject))
        await self.passwords.require_strong(password, *personal_words, field=field)

    async def count_message(self, author: User, account_id: int | None) -> None:
        """Count a message that someone sends. Raises Throttled."""
        await self.throttle.attempt(*self.activity_limits.message_keys(author, account_id))

    async def uncount_message(self, author: User, account_id: int | None) -> None:
        """Uncount a message that turned out to be a repeat of an earlier one."""
        await self.throttle.undo_attempt(*self.activity_limits.message_keys(author, account_id))

    async def count_purchase(self, buyer: User, account_id: int) -> None:
        """Count a purchase that someone drafts or changes. Raises Throttled."""
        await self.throttle.attempt(*self.activity_limits.purchase_keys(buyer, account_id))

    async def count_ticket(self, requester: User, account_id: int) -> None:
        """Count a ticket that someone opens. Raises Throttled."""
        await self.throttle.attempt(*self.activity_limits.ticket_keys(requester, account_id))

    @asynccontextmanager
    async def constant_time_failures(self) -> AsyncIterator[None]:
        """Let all failures take the same time, so that it doesn't reveal their reason. Successes
        take as long as they need.

        The time varies randomly by a fifteenth: the response to a throttled attempt is not that to
        a wrong password, and takes about a millisecond less or more.
        """
        deadline = monotonic() + self.min_response_seconds * _RANDOM.uniform(1, _MAX_JITTER)
        try:
            yield
        except DomainError:
            await asyncio.sleep(deadline - monotonic())
            raise

    @asynccontextmanager
    async def constant_time(self) -> AsyncIterator[None]:
        """Let everything take the same time, including failures. Nothing is held while waiting: use
        it outside of transactions.
        """
        deadline = monotonic() + self.min_response_seconds
        try:
            yield
        finally:
            await asyncio.sleep(deadline - monotonic())
