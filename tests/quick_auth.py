"""Fast authentication services for tests that don't depend on the cost of hashes or on constant
response times.
"""

from dataclasses import replace
from typing import Any

from argon2 import PasswordHasher

from auth import passwords
from auth.passwords import Passwords, hashing_pool
from auth.passwords.hashing_process import COMMANDS, guesses
from auth.services import AuthServices
from models.clock import Clock

LOW_COST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def quick_passwords() -> Passwords:
    """Real hashes and estimates at the lowest cost and without a process, whose low priority costs
    a second on a busy machine.
    """
    return Passwords(run_command=run_task, parameters=LOW_COST)


def use_quick_passwords() -> None:
    """Makes all passwords of this process cost as little as `quick_passwords`."""
    passwords.PARAMETERS = LOW_COST
    hashing_pool.run = run_task


def run_task(command: str, *arguments: Any) -> Any:
    """Runs a command of a hashing process in this one."""
    return (guesses if command == "guesses" else COMMANDS[command])(*arguments)


def quick_auth(clock: Clock) -> AuthServices:
    """Services that respond without padding the response time."""
    auth = AuthServices.create(
        "a secret key of a test, long enough", clock, passwords=quick_passwords()
    )
    return replace(auth, min_response_seconds=0)
