"""Email addresses: one spelling for each mailbox, and the spelling that mail servers accept.

A domain outside ASCII has many spellings: composed or decomposed, in capitals, with full-width
dots, or as browsers and mail servers write it (`xn--`). All are the same domain (UTS 46).
"""

import unicodedata

import idna

_MAX_LENGTH = 1_000  # characters; decoding a longer domain would take too long
_ACE_PREFIX = "xn--"  # of a label in ASCII that stands for another one (RFC 5890)
_FULL_WIDTH = str.maketrans("＠．。｡", "@...")
_DOTS = (".", "．", "。", "｡")


def normalized_email(text: str) -> str:
    """Return the form in which email addresses are stored and compared: trimmed, in lower case, in
    composed form, with the domain in its own script and without the dot that may end it (RFC 1034,
    section 3.1).
    """
    text = unicodedata.normalize("NFC", text.strip())
    if text[-1:] in _DOTS:
        text = text[:-1]
    if text.isascii() and _ACE_PREFIX not in text.lower():
        return text.lower()
    local_part, at, domain = text.translate(_FULL_WIDTH).rpartition("@")
    return unicodedata.normalize("NFC", local_part.lower()) + at + _unicode_domain(domain)


def _unicode_domain(domain: str) -> str:
    """Return a domain in its own script and in lower case; an invalid one is only converted to
    lower case.
    """
    try:
        if len(domain) <= _MAX_LENGTH:
            return str(idna.decode(idna.uts46_remap(domain, std3_rules=False, transitional=False)))
    except UnicodeError:  # IDNAError is one
        pass
    return unicodedata.normalize("NFC", domain.lower())


def smtp_address(address: str) -> str:
    """Return an address in ASCII if only its domain is outside ASCII, because few mail servers take
    more (SMTPUTF8, RFC 6531). Any other address is unchanged.
    """
    local_part, at, domain = address.rpartition("@")
    if address.isascii() or not local_part.isascii():
        return address
    try:
        return local_part + at + idna.encode(domain, uts46=True).decode()
    except UnicodeError:
        return address
