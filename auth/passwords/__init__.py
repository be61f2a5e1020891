"""Passwords: strength requirements, and hashing with Argon2id in separate processes, with the same
timing for unknown users.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any, TypeVar

from argon2 import PasswordHasher
from zxcvbn.matching import L33T_TABLE

from auth.passwords import hashing_pool
from auth.passwords.breaches import Breaches
from models.errors import Refusal, Throttled
from models.identity.errors import IdentityErrorCode
from models.translations import Translatable, _

T = TypeVar("T")

SHORTEST, LONGEST = 12, 128  # characters, NIST 800-63B and OWASP ASVS 5
SCORE = 3  # of zxcvbn's 4: safely unguessable, for some 10^8 to 10^10 guesses
JUDGED = (
    72  # zxcvbn's time grows with the cube of the length; what is strong by its beginning is strong
)
READINGS = 16  # that a password may have before it is simplified
# characters that are left once the person's own words are taken out: zxcvbn alone lets two such
# words pass
OTHERS = 8
# Argon2id as OWASP has it (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane.
PARAMETERS = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
READ = 1024  # no stored password is this long, whatever form its letters came in


class Passwords:
    """Hashes and verifies passwords in `workers` threads; at most `waiting` calls queue for them,
    further ones raise Throttled.

    Each thread waits for a process (auth/passwords/hashing_pool.py): a hash takes 20 to 30 ms of
    one core.
    """

    def __init__(
        self,
        workers: int = 2,
        waiting: int = 128,
        breaches: Breaches | None = None,
        asked: Callable[..., Any] = hashing_pool.run,
        parameters: PasswordHasher = PARAMETERS,
    ) -> None:
        self._breaches, self._asked = breaches, asked
        # Each thread waits for a process.
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="passwords")
        self._room = workers + waiting
        self._inside = 0
        self._parameters = parameters
        self._nobodys = parameters.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """The Argon2id hash to store, including its parameters and salt."""
        costs = (
            self._parameters.time_cost,
            self._parameters.memory_cost,
            self._parameters.parallelism,
        )
        return str(await self._run(lambda: self._asked("made", _normalize(password), *costs)))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password matches the stored hash. For None the same work is done, so that the
        time reveals nothing.
        """
        right = await self._run(
            lambda: self._asked("matches", stored or self._nobodys, _normalize(password))
        )
        return stored is not None and right is True

    def needs_rehash(self, stored: str) -> bool:
        """Whether the hash was created with other parameters than the current ones."""
        return self._parameters.check_needs_rehash(stored)

    async def require_strong(self, password: str, *own_words: str, field: str = "password") -> None:
        """Raise PASSWORD_WEAK, with a message that says why, for a password that is too short, too
        long, easy to guess or known from a data breach.

        Takes up to a quarter of a second and asks another server: call it outside of transactions
        and rate-limit it (`AuthServices.require_strong`). `own_words` are the person's own (name,
        address, company): attackers try passwords made of them first.
        """
        require_length(password, field)
        if await self._run(lambda: self._guessable(_normalize(password), own_words)):
            raise _weak_password(
                field, _("This password is too easy to guess. Choose another one.")
            )
        if self._breaches and await self._breaches.holds(
            _normalize(password).encode("utf-8", "surrogatepass")
        ):
            raise _weak_password(
                field, _("This password has appeared in a known data breach. Choose another one.")
            )

    def _guessable(self, text: str, own_words: tuple[str, ...]) -> bool:
        words = ["camcha", *_words_of(" ".join(own_words))]
        return (
            len(_remove_words(words, text)) < OTHERS
            or self._asked("score", evaluated_part(text), words) < SCORE
        )

    async def _run(self, work: Callable[[], T]) -> T:
        if self._inside >= self._room:
            raise Throttled(1)
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._inside -= 1

    def close(self) -> None:
        """Stop the threads once their work is done."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def require_length(password: str, field: str = "password") -> None:
    """Raise PASSWORD_WEAK for a password that is too short or too long: what can be told without
    knowing whose it is.
    """
    length = len(unicodedata.normalize("NFKC", password[:READ]))
    if length < SHORTEST:
        raise _weak_password(
            field, _("This password is too short. Use at least %(shortest)s characters.")
        )
    if length > LONGEST:
        raise _weak_password(
            field, _("This password is too long. Use at most %(longest)s characters.")
        )


def _normalize(password: str) -> str:
    # NIST 800-63B: NFKC, so that a password typed on another keyboard or system is the same one.
    return unicodedata.normalize("NFKC", password[:READ])


def evaluated_part(text: str) -> str:
    """The part of a password that zxcvbn evaluates. It tries all ways to read digits and symbols as
    letters (4 and @ as a), of which there can be thousands, which takes seconds; in that case each
    letter keeps only one symbol.
    """
    text = text[:JUDGED]
    signs = [[sign for sign in signs if sign in text] for signs in L33T_TABLE.values()]
    if prod(len(each) or 1 for each in signs) > READINGS:
        for other in (sign for each in signs for sign in each[1:]):
            text = text.replace(other, "~")
    return text


def _words_of(text: str) -> list[str]:
    spaced = "".join(c if c.isalnum() else " " for c in unicodedata.normalize("NFKC", text).lower())
    return sorted({word for word in spaced.split() if len(word) > 2}, key=len, reverse=True)[:50]


def _remove_words(words: list[str], text: str) -> str:
    left = text.lower()
    for word in words:
        left = left.replace(word, "")
    return left


def _weak_password(field: str, message: Translatable) -> Refusal:
    return Refusal(
        IdentityErrorCode.PASSWORD_WEAK,
        "input",
        field,
        message=message,
        shortest=SHORTEST,
        longest=LONGEST,
    )
