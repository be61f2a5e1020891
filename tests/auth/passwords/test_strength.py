"""Which passwords are strong enough, and how they are hashed."""

import asyncio
import string
import unicodedata
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random

import pytest
from argon2 import PasswordHasher, extract_parameters
from zxcvbn.matching import L33T_TABLE, enumerate_l33t_subs, relevant_l33t_subtable

from auth.passwords import MAX_VARIANTS, Passwords, evaluated_part
from models.errors import Refusal, Throttled, message_for
from models.locale import Locale
from tests.quick_auth import quick_passwords, run_task
from tests.waiting import MAX_WAIT


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    passwords = Passwords(run_command=run_task)
    yield passwords
    passwords.close()


@pytest.mark.parametrize(
    "password",
    [
        "corneille sabot pluvier 42",
        "vX9$kQ2!mZ7p",
        "été à Saint-Malo, 3 crêpes",
        "k" * 3 + "Zr7!mQ2xLw9" * 11,
        "🦊 renard pressé 🦊",
    ],
)
async def test_strong_passwords_of_any_composition_are_accepted(
    passwords: Passwords, password: str
) -> None:
    """P4.3: there is no rule about which characters to use."""
    await passwords.require_strong(password, "camille@fournil.example", "Camille Aubry")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "too short"),
        ("vX9$kQ2!mZ7", "too short"),
        ("é" * 6, "too short"),
        (unicodedata.normalize("NFD", "é" * 6), "too short"),  # twelve code points, six characters
        ("vX9$kQ2!mZ7p" * 10 + "123456789", "too long"),
        ("x" * 1_000_000, "too long"),
        ("password1234", "easy to guess"),
        ("aaaaaaaaaaaaaaaa", "easy to guess"),
        ("motdepasse123", "easy to guess"),
        ("camilleaubry1", "easy to guess"),
        ("Fournil-Aubry-2026", "easy to guess"),
        ("camcha camcha 1", "easy to guess"),
    ],
)
async def test_weak_passwords_are_refused_with_the_reason(
    passwords: Passwords, password: str, reason: str
) -> None:
    """P4.3: passwords are compared with common ones and with the user's own details."""
    with pytest.raises(Refusal, match="PASSWORD_WEAK") as refused:
        await passwords.require_strong(
            password, "camille@fournil.example", "Camille Aubry", "Le Fournil d'Aubry"
        )
    assert refused.value.field == ("input", "password")
    assert reason in message_for(refused.value, Locale.EN)


def read_lines(name: str) -> list[str]:
    return Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()


async def refused_passwords(passwords: Sequence[str]) -> list[str]:
    """Which of the passwords are refused for a person without any details."""
    checker, refused = quick_passwords(), []
    for password in passwords:
        try:
            await checker.require_strong(password)
        except Refusal:
            refused.append(password)
    checker.close()
    return refused


async def test_common_french_passwords_are_refused() -> None:
    """P4.3: names, months, towns, clubs, years, phrases and keyboard walks, in any case and in
    leetspeak.
    """
    weak_passwords = read_lines("weak_french_passwords.txt")
    assert len(weak_passwords) > 400
    assert await refused_passwords(weak_passwords) == weak_passwords


async def test_unrelated_words_and_random_passwords_are_accepted() -> None:
    strong_passwords = read_lines("good_passwords.txt")
    assert len(strong_passwords) > 60
    assert await refused_passwords(strong_passwords) == []


async def test_passwords_created_by_password_managers_are_accepted() -> None:
    random, characters = Random(2026), string.ascii_letters + string.digits + "!$%&*+-=?@#_"
    created_passwords = [
        "".join(random.choices(characters, k=length)) for length in range(14, 25) for _ in range(5)
    ]
    assert await refused_passwords(created_passwords) == []


async def test_passwords_with_personal_details_are_refused_in_any_spelling() -> None:
    checker = quick_passwords()
    for password in ("ZoeLefevre2026", "Zoé-Lefèvre-2026", "LEFEVREzoe!!!1", "lefèvre.zoé.1987"):
        with pytest.raises(Refusal, match="PASSWORD_WEAK"):
            await checker.require_strong(password, "zoe@fournil.example", "Zoé Lefèvre")
    checker.close()


async def test_the_refusal_explains_how_to_choose_a_better_password(passwords: Passwords) -> None:
    with pytest.raises(Refusal, match="PASSWORD_WEAK") as refused:
        await passwords.require_strong("MotDePasse2027")
    assert "at least four unrelated words" in message_for(refused.value, Locale.EN)
    assert "au moins quatre mots sans rapport" in message_for(refused.value, Locale.FR)


async def test_scoring_the_slowest_password_takes_a_bounded_time(passwords: Passwords) -> None:
    slowest = ("aA1!" * 32, "qwertyuiop" * 12, "p4ssw0rd" * 16, "1.2.1990" * 16, "&é(-è_çà" * 16)
    for worst in slowest:
        with pytest.raises(Refusal, match="PASSWORD_WEAK"):
            async with asyncio.timeout(MAX_WAIT):  # unbounded, it takes hours
                await passwords.require_strong(worst, "camille@fournil.example " * 1000)


@pytest.mark.parametrize("substitutes", ["4@8({[<369&#!1/|0$5+7%2", "1!|7+1|l17", "({[<69@4$5!1|"])
def test_the_number_of_variants_scored_is_limited(substitutes: str) -> None:
    """Each variant takes milliseconds during which no one can sign in."""
    variants = enumerate_l33t_subs(
        relevant_l33t_subtable(evaluated_part(substitutes * 3 + "abc"), L33T_TABLE)
    )
    assert len(variants) <= 2 * MAX_VARIANTS
    assert evaluated_part("p4ssw0rd$ and m@ny more!") == "p4ssw0rd$ and m@ny more!"


async def test_hashes_use_argon2id_with_at_least_owasps_parameters(passwords: Passwords) -> None:
    """P3.5: Argon2id with 19 MiB and two passes."""
    parameters = extract_parameters(await passwords.hash("corneille sabot pluvier 42"))
    assert parameters.type.name == "ID"
    assert parameters.memory_cost >= 19 * 1024
    assert parameters.time_cost >= 2


async def test_only_the_password_itself_matches(passwords: Passwords) -> None:
    stored_hash = await passwords.hash("corneille sabot pluvier 42")
    assert await passwords.matches(stored_hash, "corneille sabot pluvier 42")
    assert not await passwords.matches(stored_hash, "Corneille sabot pluvier 42")
    assert not await passwords.matches(None, "corneille sabot pluvier 42")
    assert not await passwords.matches("-", "corneille sabot pluvier 42")
    assert stored_hash != await passwords.hash("corneille sabot pluvier 42")


async def test_equivalent_unicode_characters_match(passwords: Passwords) -> None:
    stored_hash = await passwords.hash(unicodedata.normalize("NFC", "été à Saint-Malo"))
    assert await passwords.matches(stored_hash, unicodedata.normalize("NFD", "été à Saint-Malo"))


async def test_any_text_can_be_verified(passwords: Passwords) -> None:
    for text in ("\x00", "\ud800", "x" * 1_000_000):
        assert not await passwords.matches(None, text)


async def test_other_parameters_require_a_new_hash(passwords: Passwords) -> None:
    assert not passwords.needs_rehash(await passwords.hash("corneille"))
    assert passwords.needs_rehash(
        PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("corneille")
    )


async def test_the_queue_is_bounded_and_does_not_block_the_event_loop() -> None:
    passwords = Passwords(workers=1, max_waiting=3)
    responses = asyncio.gather(
        *(passwords.hash(f"password {n}") for n in range(10)), return_exceptions=True
    )
    await asyncio.sleep(0)  # the event loop runs while the threads hash
    assert not responses.done()
    kinds = [type(response) for response in await responses]
    assert kinds == [str] * 4 + [Throttled] * 6
    assert isinstance(await passwords.hash("room again"), str)
    passwords.close()
