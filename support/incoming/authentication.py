"""Whether an email comes from the sender that it states: SPF (RFC 7208), DKIM (RFC 6376) and DMARC
(RFC 7489).

Only the server that an email reached first can check SPF: it knows the address of the client. When
it states its results in a header (Authentication-Results, RFC 8601) and the operator names it
(`authserv_id`), these count, the topmost alone, because everything below may be forged. Otherwise
DKIM and DMARC are checked here.

An email that fails DMARC is not trusted if the domain of its sender asks to reject or quarantine
such emails: an agent looks at it. When DNS doesn't answer, the result says so, and the email is
treated like one of a domain without DMARC.
"""

import asyncio
import re
from functools import lru_cache

import dkim
import dns.resolver
from authheaders.dmarc_lookup import DMARCException, get_org_domain, receiver_record
from dns.exception import DNSException

from support.incoming.headers import decode_header, mask_quotes, split_parameters
from support.incoming.parsing import ParsedEmail

_MAX_SIGNATURES = 5
_LIFETIME = 5  # of one question, in seconds
_RESULT = re.compile(r"\s*(spf|dkim|dmarc)(?:\s*/\s*\d+)?\s*=\s*([a-z]+)", re.I)
_CHECKED_SENDER = re.compile(r"\bheader\.from\s*=\s*(?:\S*@)?([^\s@;]+)", re.I)
_POLICY = re.compile(r"\b(?:p|policy|dmarc|action)\s*=\s*o?(none|quarantine|reject)\b", re.I)
_ENFORCED = ("quarantine", "reject")
_UNCLEAR = {"dmarc": "fail", "policy": "reject"}

Results = dict[str, str]


def is_forged(results: Results) -> bool:
    """Whether the policy of the sender's domain says that such an email isn't genuine."""
    return results.get("dmarc") == "fail" and results.get("policy") in _ENFORCED


def is_proven(results: Results) -> bool:
    """Whether the email provably comes from the domain of its sender, so that an answer reaches
    whoever sent it.
    """
    return results.get("dmarc") == "pass" or results.get("aligned") == "yes"


class Authenticator:
    """Determines the results. `authserv_id` is the name under which our own mail server states its
    results, None to check here.
    """

    def __init__(
        self, authserv_id: str | None = None, resolver: dns.resolver.Resolver | None = None
    ) -> None:
        self._authserv_id = authserv_id.lower() if authserv_id else None
        self._resolver = resolver

    async def results(self, email: ParsedEmail) -> Results:
        """The results of SPF, DKIM and DMARC, as far as they are known, and the policy of the
        sender's domain. An email that may have been checked with another sender than the one we
        read, or was signed with other headers, fails.
        """
        if len(email.senders) != 1 or email.is_ambiguous:
            return dict(_UNCLEAR)
        if self._authserv_id:
            return self._stated(email)
        return await asyncio.to_thread(self._checked, email)

    def _stated(self, email: ParsedEmail) -> Results:
        for value in email.headers("authentication-results"):
            name, *clauses = split_parameters(decode_header(value))
            if name.split()[:1] and name.split()[0].lower() == self._authserv_id:
                return _stated_results(clauses, _domain(email))
        return {}

    def _checked(self, email: ParsedEmail) -> Results:
        try:
            signing_domains, results = self._dkim(email.raw)
            return results | self._dmarc(_domain(email), signing_domains)
        except DNSException:
            return {"dkim": "temperror", "dmarc": "temperror"}

    def _dkim(self, raw: bytes) -> tuple[list[str], Results]:
        """The domains whose signatures are valid."""
        try:
            verifier = dkim.DKIM(raw)
        except dkim.DKIMException:
            return [], {"dkim": "none"}
        headers = [name for name, _ in verifier.headers if name.lower() == b"dkim-signature"]
        domains = [self._verify(raw, index) for index in range(len(headers[:_MAX_SIGNATURES]))]
        valid = [domain for domain in domains if domain]
        return valid, {"dkim": "pass" if valid else "fail" if domains else "none"}

    def _verify(self, raw: bytes, index: int) -> str:
        """The domain of a signature, empty when it isn't valid."""
        verifier = dkim.DKIM(raw)
        try:
            if not verifier.verify(idx=index, dnsfunc=self._key):
                return ""
        except DNSException:
            raise
        except Exception:  # dkimpy raises many kinds for signatures that are malformed
            return ""
        return bytes(verifier.domain).decode("ascii", "replace").lower()

    def _key(self, name: bytes, timeout: int = _LIFETIME) -> bytes | None:
        records = self._texts(name.decode("ascii", "replace"))
        return records[0] if records else None

    def _dmarc(self, domain: str, signing_domains: list[str]) -> Results:
        try:
            record, parent = receiver_record(domain, dnsfunc=self._policy_record)
        except DMARCException:
            return {"dmarc": "permerror"}
        aligned = [each for each in signing_domains if _is_aligned(each, domain, "r")]
        results = {"aligned": "yes"} if aligned else {}
        if not record or not record.get("p"):
            return results | {"dmarc": "none"}
        policy = record.get("sp", record["p"]) if parent else record["p"]
        mode = record.get("adkim", "r")
        passes = any(_is_aligned(each, domain, mode) for each in signing_domains)
        return results | {"dmarc": "pass" if passes else "fail", "policy": policy}

    def _policy_record(self, name: str) -> str | None:
        records = [text for text in self._texts(name) if text.startswith(b"v=DMARC1")]
        return records[0].decode("ascii", "replace") if len(records) == 1 else None

    def _texts(self, name: str) -> list[bytes]:
        """The TXT records of a name. Raises DNSException when no server answers."""
        resolver = self._resolver or dns.resolver.get_default_resolver()
        try:
            answer = resolver.resolve(name, "TXT", lifetime=_LIFETIME)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.EmptyLabel):
            return []
        return [b"".join(record.strings) for record in answer]


def _stated_results(clauses: list[str], domain: str) -> Results:
    """What our server states about an email from this domain. Quoted strings and comments may
    contain what the sender has written, such as an address; only the policy is in a comment.
    """
    results: Results = {}
    for clause in clauses:
        plain = mask_quotes(clause)
        if match := _RESULT.match(plain):
            method, result = match[1].lower(), match[2].lower()
            if results.get(method) != "pass":
                results[method] = result
            if method == "dmarc":
                policy, checked = _POLICY.search(clause), _CHECKED_SENDER.search(plain)
                if checked and not _is_aligned(_ascii(checked[1].lower()), domain, "r"):
                    return dict(_UNCLEAR)  # it has read another sender
                results |= {"policy": policy[1].lower()} if policy else {}
    return results


def _is_aligned(signing_domain: str, domain: str, mode: str) -> bool:
    if mode == "s":
        return signing_domain == domain
    return _organization(signing_domain) == _organization(domain)


@lru_cache(maxsize=4_096)
def _organization(domain: str) -> str:
    """The part of a domain that an organization has registered. Reading the list of public suffixes
    takes some time.
    """
    organization = str(get_org_domain(domain))
    # Of a top-level domain that the list lacks, it returns this alone.
    return organization if "." in organization else ".".join(domain.split(".")[-2:])


def _domain(email: ParsedEmail) -> str:
    return _ascii(email.senders[0].address.rpartition("@")[2])


def _ascii(domain: str) -> str:
    try:
        return domain if domain.isascii() else domain.encode("idna").decode()
    except UnicodeError:
        return domain.encode("ascii", "replace").decode()
