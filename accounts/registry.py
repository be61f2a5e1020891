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
from models.text import clean_line

_TIMEOUT_SECONDS = 3.0
_BRACKETS = re.compile(r"\s*\([^()]*\)\s*$")
_MAX_NAME_LENGTH = 1_000  # characters of a name
_CEASED_STATUS = "C"
_HIDDEN_NAME = "[ND]"  # what the register returns instead of a name that isn't public

log = structlog.stdlib.get_logger()


class RegistryUnavailable(Exception):
    """The register did not respond, or its response can't be read. The lookup can be repeated."""


@dataclass(frozen=True)
class RegisteredCompany:
    """The names registered under a SIREN, the official one first, and whether the company is still
    active.
    """

    names: tuple[str, ...]
    is_active: bool = True


class Registry(Protocol):
    """Looks up companies."""

    @property
    def is_configured(self) -> bool:
        """Whether a register is configured."""
        ...

    async def find(self, siren: str) -> RegisteredCompany | None:
        """The company registered under a SIREN of nine digits, or None. Raises
        RegistryUnavailable.
        """
        ...


class NoRegistry:
    """The registry when none is configured: every result is unknown."""

    is_configured = False

    async def find(self, siren: str) -> RegisteredCompany | None:
        raise RegistryUnavailable


class PublicRegistry:
    """A server with the API of the French State's company search (DINUM, API Recherche
    d'entreprises, `/search`).
    """

    is_configured = True

    def __init__(self, url: str, timeout: float = _TIMEOUT_SECONDS) -> None:
        self._server = HttpClient(url, timeout, Accept="application/json")

    async def find(self, siren: str) -> RegisteredCompany | None:
        try:
            body = await self._server.get("search", {"q": siren, "page": "1", "per_page": "10"})
            results = orjson.loads(body)["results"]
            (company,) = [result for result in results if result["siren"] == siren] or (None,)
            return _parse(company) if company else None
        except (Unavailable, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning(
                "registry.unavailable",
                error=error.reason if isinstance(error, Unavailable) else type(error).__name__,
            )
            raise RegistryUnavailable from None


def _parse(company: dict[str, Any]) -> RegisteredCompany:
    full_name = _clean_name(company.get("nom_complet"))
    short_name = _BRACKETS.sub("", full_name)  # acronym or trade name
    names = [_clean_name(company.get("nom_raison_sociale")), short_name, full_name]
    visible_names = dict.fromkeys(name for name in names if name and _HIDDEN_NAME not in name)
    return RegisteredCompany(
        tuple(visible_names), company.get("etat_administratif") != _CEASED_STATUS
    )


def _clean_name(name: object) -> str:
    """A name on one line without control characters, which databases can't store. Empty for
    anything but a string.
    """
    if not isinstance(name, str) or len(name) > _MAX_NAME_LENGTH:
        return ""
    return clean_line(name)


def registry_from_url(url: str | None) -> Registry:
    """The registry at this URL; NoRegistry without one."""
    return PublicRegistry(url) if url else NoRegistry()


def expected_registry_url(url: str) -> str | None:
    """The expected form when the URL of a registry is invalid, else None."""
    return None if is_server_url(url) else "https://host"
