"""The register of companies: what name is registered under a SIREN.

Behind one interface, for it is somebody else's server. Without one nothing is known, which is never taken for a yes: whoever
wants another legal name then shows evidence, and an agent decides (accounts/legal_names.py).
"""

import re
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
import structlog

from auth.http_client import HttpClient, Unavailable, usable

_SECONDS = 3.0
_BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")
_LONGEST = 1_000  # characters of a name
_CEASED = "C"
_HIDDEN = "[ND]"  # how the register says that a person's name is not for everybody

log = structlog.stdlib.get_logger()


class RegistryUnavailable(Exception):
    """The register did not answer, or with nothing that can be read: ask again later."""


@dataclass(frozen=True)
class Registered:
    """What is registered under a SIREN: the company's names, the official one first, and whether it goes on."""

    names: tuple[str, ...]
    active: bool = True


class Registry(Protocol):
    """Where companies are looked up."""

    @property
    def knows(self) -> bool:
        """Whether there is a register to ask at all."""
        ...

    async def find(self, siren: str) -> Registered | None:
        """What is registered under these nine digits, None for nothing. Raises RegistryUnavailable."""
        ...


class NoRegistry:
    """Where no register is named: nothing is known of anybody."""

    knows = False

    async def find(self, siren: str) -> Registered | None:
        raise RegistryUnavailable


class PublicRegistry:
    """A server that answers like the State's search of companies (DINUM, API Recherche d'entreprises, `/search`)."""

    knows = True

    def __init__(self, url: str, seconds: float = _SECONDS) -> None:
        self._server = HttpClient(url, seconds, Accept="application/json")

    async def find(self, siren: str) -> Registered | None:
        try:
            body = await self._server.get("search", {"q": siren, "page": "1", "per_page": "10"})
            results = orjson.loads(body)["results"]
            (found,) = [each for each in results if each["siren"] == siren] or (None,)
            return _registered(found) if found else None
        except (Unavailable, ValueError, KeyError, TypeError, AttributeError) as fault:
            log.warning("registry.unavailable", error=fault.fault if isinstance(fault, Unavailable) else type(fault).__name__)
            raise RegistryUnavailable from None


def _registered(found: dict[str, Any]) -> Registered:
    whole = _line(found.get("nom_complet"))
    short = _BRACKETS.sub("", whole)  # acronym or trade name
    names = [_line(found.get("nom_raison_sociale")), short, whole]
    told = dict.fromkeys(name for name in names if name and _HIDDEN not in name)
    return Registered(tuple(told), found.get("etat_administratif") != _CEASED)


def _line(name: object) -> str:
    """A name on one line without control characters, which no database stores; nothing of what is none."""
    if not isinstance(name, str) or len(name) > _LONGEST:
        return ""
    return "".join(c for c in " ".join(name.split()) if c.isprintable()).strip()


def registry(url: str | None) -> Registry:
    """The register at this address; without one, none."""
    return PublicRegistry(url) if url else NoRegistry()


def registry_fault(url: str) -> str | None:
    """What is wrong with the address of a register."""
    return None if usable(url) else "https://host"
