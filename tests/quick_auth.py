"""What tests sign people in with when neither the cost of a hash nor even answers are their subject."""

from dataclasses import replace
from typing import Any

from argon2 import PasswordHasher

from auth.passwords import Passwords
from auth.passwords.hashing_process import WORK, score
from auth.services import AuthServices
from models.clock import Clock

LOW_COST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def quick_passwords() -> Passwords:
    """Real hashes and scores, at the lowest cost and without a process: on a busy machine its low priority takes a second."""
    return Passwords(asked=_work, parameters=LOW_COST)


def _work(what: str, *given: Any) -> Any:
    return (score if what == "score" else WORK[what])(*given)


def quick_auth(clock: Clock) -> AuthServices:
    """Answers as soon as they are known."""
    auth = AuthServices.of("a secret key of a test, long enough", clock, passwords=quick_passwords())
    return replace(auth, even_seconds=0)
