"""The address to which people answer an email about a ticket. It names the ticket and is signed.

`support+12.k3j5...@camcha.example` is a plus-address (RFC 5233): the mail server delivers it to
`support@camcha.example`. Mail programs that drop the headers of a thread keep it. The signature is
short and in lower case, because the part before the @ has at most 64 characters, of which some
servers change the case. It identifies a ticket; whether the sender may write in it is checked
separately.
"""

import hmac
import re
from base64 import b32encode
from collections.abc import Collection
from hashlib import sha256

_SIGNATURE_BYTES = 10
_TAG = re.compile(r"(\d{1,18})\.([a-z2-7]{16})")


class ReplyAddresses:
    """Makes and reads such addresses for one mailbox, such as support@camcha.example. Addresses
    that older secret keys signed are read as well.
    """

    def __init__(self, address: str, secret_key: str, older_keys: Collection[str] = ()) -> None:
        self.address = address.lower()
        self._keys = [secret_key, *older_keys]

    def for_ticket(self, ticket_id: int) -> str:
        """The address for answers about this ticket."""
        local_part, _, domain = self.address.rpartition("@")
        return f"{local_part}+{ticket_id}.{_signature(self._keys[0], ticket_id)}@{domain}"

    def ticket_id(self, address: str) -> int | None:
        """The ticket that an address names, None when the signature isn't ours."""
        match = _TAG.fullmatch(address.lower().partition("@")[0].rpartition("+")[2])
        if match is None or not self.is_own(address):
            return None
        ticket_id = int(match[1])
        signatures = [_signature(key, ticket_id) for key in self._keys]
        is_signed = any(hmac.compare_digest(match[2], each) for each in signatures)
        return ticket_id if is_signed else None

    def is_own(self, address: str) -> bool:
        """Whether mail for this address arrives in the mailbox."""
        local_part, _, domain = address.lower().rpartition("@")
        return f"{local_part.partition('+')[0]}@{domain}" == self.address


def _signature(key: str, ticket_id: int) -> str:
    text = f"camcha reply address {ticket_id}".encode()
    digest = hmac.digest(key.encode(), text, sha256)
    return b32encode(digest[:_SIGNATURE_BYTES]).decode().lower()
