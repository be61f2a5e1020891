"""Finds what an email says, apart from what it quotes and from its signature."""

import re

import quotequail

_SIGNATURE = re.compile(r"\n--[ ]?\n(?:.*\n?){0,20}\Z|\n_{20,}[ ]*\Z")
_SEPARATOR = re.compile(r"\n[ ]*-{3,}[^\n-]{3,60}-{3,}\s*\Z")  # above a quoted message
# What phones and mail programs add by themselves.
_ADDED_LINES = re.compile(
    r"\n\s*(?:Envoyé (?:de|depuis|à partir de) |Sent from |Get Outlook for |"
    r"Télécharger Outlook pour |Obtenez Outlook pour )[^\n]{0,120}\s*\Z"
)


def new_text(text: str) -> str:
    """The text without what it quotes, and without a signature after `-- `. The whole text when
    nothing else would be left, and when quotes and answers alternate.
    """
    parts = quotequail.unwrap(text) or {}
    top, bottom = (str(parts.get(name) or "") for name in ("text_top", "text_bottom"))
    written = "\n\n".join(filter(None, (_without_signature(top), _without_signature(bottom))))
    return written or _without_signature(text) or text.strip()


def _without_signature(text: str) -> str:
    text = f"\n{text.strip()}\n"
    for pattern in (_SEPARATOR, _SIGNATURE, _ADDED_LINES):
        text = f"{pattern.sub('', text)}\n" if pattern.search(text) else text
    return text.strip()
