"""The encryption of connections to PostgreSQL: the parameters `ssl` and `sslrootcert` of its URL.

The values of `ssl` are those of libpq's `sslmode`, which is accepted as another name. Tortoise
would read each of them as "yes, with a certificate that the system trusts".
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

PARAMETERS = frozenset({"ssl", "sslmode", "sslrootcert"})
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_OTHER_NAMES = {"true": "verify-full", "false": "disable"}


@dataclass(frozen=True)
class Encryption:
    """How a connection is encrypted. `mode` is one of libpq's, None when the URL doesn't say.
    `authorities` is a file with the certificate authorities that are trusted, None for those of the
    system.
    """

    mode: str | None = None
    authorities: str | None = None

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> Self:
        """The encryption that the parameters of a URL ask for. Raises ValueError with a message for
        the operator.
        """
        given = params.get("ssl", params.get("sslmode"))
        mode = given and _OTHER_NAMES.get(given.lower(), given)
        if mode not in (None, *_MODES):
            raise ValueError(f"ssl must be one of {', '.join(_MODES)}")
        authorities = params.get("sslrootcert")
        if authorities and mode in (None, "require"):
            mode = "verify-ca" if mode else "verify-full"  # as libpq does with an authority
        encryption = cls(mode, authorities)
        encryption.argument()
        return encryption

    @property
    def is_certain(self) -> bool:
        """Whether the connection is never made without encryption."""
        return self.mode in ("require", "verify-ca", "verify-full")

    @property
    def _is_verified(self) -> bool:
        return self.mode in ("verify-ca", "verify-full")

    def argument(self) -> ssl.SSLContext | str | None:
        """The argument `ssl` of asyncpg. Raises ValueError when the file can't be read."""
        if not self._is_verified:
            return self.mode
        try:
            context = ssl.create_default_context(cafile=self.authorities)
        except OSError as error:
            reason = error.strerror if not isinstance(error, ssl.SSLError) else "no certificate"
            raise ValueError(f"can't read sslrootcert ({reason})") from None
        context.check_hostname = self.mode == "verify-full"
        return context

    def variables(self) -> dict[str, str]:
        """The environment variables by which PostgreSQL's own programs do the same."""
        if self.mode is None:
            return {}
        authorities = self.authorities or ssl.get_default_verify_paths().cafile
        return {"PGSSLMODE": self.mode} | (
            {"PGSSLROOTCERT": authorities} if self._is_verified and authorities else {}
        )
