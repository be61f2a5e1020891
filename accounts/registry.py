"""The company register: the names registered under a SIREN.

It is behind an interface because it is another party's server. Without a register the result is
unknown, which never counts as a match: a company that requests another legal name then provides
evidence, and an agent decides (accounts/legal_names.py).
"""

import re
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import structlog

from auth.http_client import HttpClient, Unavailable, is_server_url

_SECONDS = 3.0
_BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")
_LONGEST = 1_000  # characters of a name
_CEASED = "C"
_HIDDEN = "[ND]"  # how the register says that a person's name is not for everybody

log = structlog.stdlib.get_logger()


class RegistryUnavailable(Exception):
    """The register did not respond, or its response can't be read. The lookup can be repeated."""


@dataclass(frozen=True)
class Registered:
    """The names registered under a SIREN, the official one first, and whether the company is still
    active.
    """

    names: tuple[str, ...]
    active: bool = True


class Registry(Protocol):
    """Looks up companies."""

    @property
    def knows(self) -> bool:
        """Whether a register is configured."""
        ...

    async def find(self, siren: str) -> Registered | None:
        """What is registered under a SIREN of nine digits, None when nothing is. Raises
        RegistryUnavailable.
        """
        ...


class NoRegistry:
    """The registry when none is configured: every result is unknown."""

    knows = False

    async def find(self, siren: str) -> Registered | None:
        raise RegistryUnavailable


class PublicRegistry:
    """A server with the API of the French State's company search (DINUM, API Recherche
    d'entreprises, `/search`).
    """

    knows = True

    def __init__(self, url: str, seconds: float = _SECONDS) -> None:
        self._server = HttpClient(url, seconds, Accept="application/json")

    async def find(self, siren: str) -> Registered | None:
        try:
            body = await self._server.get("search", {"q": siren, "page": "1", "per_page": "10"})
            results = orjson.loads(body)["results"]
            (found,) = [each for each in results if each["siren"] == siren] or (None,)
            return _parse(found) if found else None
        except (Unavailable, ValueError, KeyError, TypeError, AttributeError) as fault:
            log.warning(
                "registry.unavailable",
                error=fault.fault if isinstance(fault, Unavailable) else type(fault).__name__,
            )
            raise RegistryUnavailable from None


def _parse(found: dict[str, Any]) -> Registered:
    whole = _line(found.get("nom_complet"))
    short = _BRACKETS.sub("", whole)  # acronym or trade name
    names = [_line(found.get("nom_raison_sociale")), short, whole]
    told = dict.fromkeys(name for name in names if name and _HIDDEN not in name)
    return Registered(tuple(told), found.get("etat_administratif") != _CEASED)


def _line(name: object) -> str:
    """A name on one line without control characters, which databases can't store. Empty for
    anything but a string.
    """
    if not isinstance(name, str) or len(name) > _LONGEST:
        return ""
    return "".join(c for c in " ".join(name.split()) if c.isprintable()).strip()


def registry(url: str | None) -> Registry:
    """The registry at this URL; NoRegistry without one."""
    return PublicRegistry(url) if url else NoRegistry()


def expected_registry_url(url: str) -> str | None:
    """The expected form when the URL of a registry is invalid, else None."""
    return None if is_server_url(url) else "https://host"
