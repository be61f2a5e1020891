"""Passwords: strength requirements, and hashing with Argon2id in separate processes, with the same
timing for unknown users.
"""

import asyncio
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import combinations
from math import factorial, prod
from typing import Any, TypeVar

from argon2 import PasswordHasher
from zxcvbn.matching import L33T_TABLE

from auth.passwords import hashing_pool
from auth.passwords.breaches import BreachChecker
from models.errors import Refusal, Throttled
from models.identity.errors import IdentityErrorCode
from models.translations import Translatable, _

T = TypeVar("T")

MIN_LENGTH, MAX_LENGTH = 12, 128  # characters, NIST 800-63B and OWASP ASVS 5
MIN_GUESSES = 10**10  # two common words with a year take fewer
# Attackers' rules join names and common words with "et", "and" or "&" before anything else: three
# common ones with a year take fewer.
MIN_GUESSES_OF_JOINED_WORDS = 10**12
# zxcvbn's time grows with the cube of the length, and a password whose beginning is strong is
# strong.
MAX_EVALUATED_LENGTH = 72
MAX_JOINERS = 4  # of joined words, which can be chosen in fifteen ways
MAX_VARIANTS = 16  # ways to read a password before it is simplified (`evaluated_part`)
# Characters that must be left without the person's own words: zxcvbn alone accepts two such words.
MIN_OTHER_CHARACTERS = 8
# Argon2id as OWASP recommends (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane.
PARAMETERS = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
MAX_INPUT_LENGTH = 1024  # longer than any accepted password in any Unicode normalization form


class Passwords:
    """Hashes and verifies passwords in `workers` threads; at most `max_waiting` calls queue for
    them, further ones raise Throttled.

    Each thread waits for a process (auth/passwords/hashing_pool.py): a hash takes 20 to 30 ms of
    one core.
    """

    def __init__(
        self,
        workers: int = 2,
        max_waiting: int = 128,
        breaches: BreachChecker | None = None,
        run_command: Callable[..., Any] | None = None,
        parameters: PasswordHasher | None = None,
    ) -> None:
        self._breaches, self._run_command = breaches, run_command or hashing_pool.run
        # Each thread waits for a process.
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="passwords")
        self._capacity = workers + max_waiting
        self._pending_calls = 0
        self._parameters = parameters or PARAMETERS
        self._dummy_hash = self._parameters.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """The Argon2id hash to store, including its parameters and salt."""
        cost_parameters = (
            self._parameters.time_cost,
            self._parameters.memory_cost,
            self._parameters.parallelism,
        )
        return str(
            await self._run(
                lambda: self._run_command("hash_password", _normalize(password), *cost_parameters)
            )
        )

    async def matches(self, stored_hash: str | None, password: str) -> bool:
        """Whether the password matches the stored hash. For None the same work is done, so that the
        time reveals nothing.
        """
        is_match = await self._run(
            lambda: self._run_command(
                "matches", stored_hash or self._dummy_hash, _normalize(password)
            )
        )
        return stored_hash is not None and is_match is True

    def needs_rehash(self, stored_hash: str) -> bool:
        """Whether the hash was created with other parameters than the current ones."""
        return self._parameters.check_needs_rehash(stored_hash)

    async def require_strong(
        self, password: str, *personal_words: str, field: str = "password"
    ) -> None:
        """Raise PASSWORD_WEAK, with a message that says why, for a password that is too short, too
        long, easy to guess or known from a data breach.

        Takes up to half a second and asks another server: call it outside of transactions
        and rate-limit it (`AuthServices.require_strong`). `personal_words` are the person's own
        (name, address, company): attackers try passwords made of them first.
        """
        require_length(password, field)
        if await self._run(lambda: self._is_guessable(_normalize(password), personal_words)):
            raise _weak_password(
                field,
                _(
                    "This password is too easy to guess. Choose at least four unrelated words, or "
                    "let a password manager create a password. Names, towns, dates, keyboard "
                    "patterns and common words with digits or symbols are guessed first."
                ),
            )
        if self._breaches and await self._breaches.contains(
            _normalize(password).encode("utf-8", "surrogatepass")
        ):
            raise _weak_password(
                field, _("This password has appeared in a known data breach. Choose another one.")
            )

    def _is_guessable(self, text: str, personal_words: tuple[str, ...]) -> bool:
        words = ["camcha", *_split_words(" ".join(personal_words))]
        guessable_words = [*words, *map(_without_accents, words)]

        @cache
        def guesses(part: str) -> float:
            return float(self._run_command("guesses", evaluated_part(part), guessable_words))

        def are_guessable(words: list[str], ends: list[str]) -> bool:
            are_known = all(guesses(word) < 10 ** len(word) for word in words)  # not random letters
            count = prod(map(guesses, words + ends)) * factorial(len(words))
            return are_known and count < MIN_GUESSES_OF_JOINED_WORDS

        return (
            len(_remove_words(words, text)) < MIN_OTHER_CHARACTERS
            or any(guesses(variant) < MIN_GUESSES for variant in _variants(text))
            or any(are_guessable(*reading) for reading in _joined_words(text))
        )

    async def _run(self, function: Callable[[], T]) -> T:
        if self._pending_calls >= self._capacity:
            raise Throttled(1)
        self._pending_calls += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function)
        finally:
            self._pending_calls -= 1

    def close(self) -> None:
        """Stop the threads once their work is done."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def require_length(password: str, field: str = "password") -> None:
    """Raise PASSWORD_WEAK for a password that is too short or too long. Unlike the other checks,
    this one doesn't depend on the user.
    """
    length = len(unicodedata.normalize("NFKC", password[:MAX_INPUT_LENGTH]))
    if length < MIN_LENGTH:
        raise _weak_password(
            field, _("This password is too short. Use at least %(shortest)s characters.")
        )
    if length > MAX_LENGTH:
        raise _weak_password(
            field, _("This password is too long. Use at most %(longest)s characters.")
        )


def _normalize(password: str) -> str:
    # NIST 800-63B: NFKC, so that a password typed on another keyboard or system is the same one.
    return unicodedata.normalize("NFKC", password[:MAX_INPUT_LENGTH])


def evaluated_part(text: str) -> str:
    """The part of a password that zxcvbn evaluates. It tries all ways to read digits and symbols as
    letters (4 and @ as a), of which there can be thousands, which takes seconds; in that case each
    letter keeps only one symbol.
    """
    text = text[:MAX_EVALUATED_LENGTH]
    used_symbols = [
        [symbol for symbol in symbols if symbol in text] for symbols in L33T_TABLE.values()
    ]
    if prod(len(symbols) or 1 for symbols in used_symbols) > MAX_VARIANTS:
        for symbol in (symbol for symbols in used_symbols for symbol in symbols[1:]):
            text = text.replace(symbol, "~")
    return text


def _variants(text: str) -> list[str]:
    """The password as it is, and as attackers' dictionaries would spell it: without accents,
    without separators between words, with digits for the symbols on the azerty keyboard's keys for
    digits, and with mixed letters and digits (a1z2e3) taken apart.
    """
    without_accents = _without_accents(text)
    without_separators = _SEPARATOR.sub("", without_accents)
    digits = _without_accents(text.lower().translate(_AZERTY_DIGITS))
    with_letters_first = "".join(
        sorted(without_accents, key=lambda c: (not c.isalpha(), not c.isdigit()))
    )
    return list(
        dict.fromkeys([text, without_accents, without_separators, digits, with_letters_first])
    )


def _joined_words(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """The ways to read a password as words joined by "et", "and" or "&", with digits and symbols at
    its ends: the words, and these ends. There are none for a password of another kind.
    """
    match = _JOINED_WORDS.fullmatch(_without_accents(text[:MAX_EVALUATED_LENGTH]).lower())
    if match is None:
        return
    core = match.group(2)
    joiners = list(_JOINER.finditer(core))[:MAX_JOINERS]
    for count in range(1, len(joiners) + 1):
        for chosen_joiners in combinations(joiners, count):
            starts = [0, *(joiner.end() for joiner in chosen_joiners)]
            ends = [*(joiner.start() for joiner in chosen_joiners), len(core)]
            words = [core[i:j] for i, j in zip(starts, ends, strict=True)]
            yield words, [part for end in match.group(1, 3) if (part := end.strip(" -_."))]


_JOINED_WORDS = re.compile(r"([\W\d_]*)([^\W\d_]+(?:[-_. '’&+]+[^\W\d_]+)*)([\W\d_]*)")
# Between two words of at least two letters. A name like Juliette contains one as well.
_JOINER = re.compile(r"(?<=[^\W\d_]{2})[\W_]*(?:et|and|&|\+)[\W_]*(?=[^\W\d_]{2})")
# Between two letters, and between a word and a number.
_SEPARATOR = re.compile(
    r"(?<=[^\W\d_])[-_. '’](?=[^\W\d_])"
    r"|(?<=[^\W\d_]{3})[-_. '’#@*/](?=\d\d)|(?<=\d\d)[-_. '’#@*/](?=[^\W\d_]{3})"
)
_AZERTY_DIGITS = str.maketrans("&é\"'(-è_çà", "1234567890")


def _without_accents(text: str) -> str:
    decomposed_text = unicodedata.normalize("NFD", text)
    return "".join(c for c in decomposed_text if not unicodedata.combining(c))


def _split_words(text: str) -> list[str]:
    normalized_text = "".join(
        c if c.isalnum() else " " for c in unicodedata.normalize("NFKC", text).lower()
    )
    words = {word for word in normalized_text.split() if len(word) > 2}
    return sorted(words, key=len, reverse=True)[:50]


def _remove_words(words: list[str], text: str) -> str:
    remaining = text.lower()
    for word in words:
        remaining = remaining.replace(word, "")
    return remaining


def _weak_password(field: str, message: Translatable) -> Refusal:
    return Refusal(
        IdentityErrorCode.PASSWORD_WEAK,
        "input",
        field,
        message=message,
        shortest=MIN_LENGTH,
        longest=MAX_LENGTH,
    )
