"""What the stories of identity need: made once from the settings, handed down."""

from dataclasses import dataclass

from auth.passwords import Passwords
from auth.throttle import Throttle
from auth.tokens import Signer
from auth.vault import Vault
from models.clock import Clock


@dataclass(frozen=True)
class Guard:
    """The password pool, the vault of seeds, the signer of links and the throttle of one app."""

    passwords: Passwords
    vault: Vault
    signer: Signer
    throttle: Throttle

    @classmethod
    def of(cls, secret_key: str, clock: Clock) -> "Guard":
        """A guard whose keys all derive from one secret key."""
        return cls(Passwords(), Vault(secret_key), Signer(secret_key), Throttle(clock))
