"""Requests for another legal name, and how a company's name is compared with the registered one."""

import re
import unicodedata
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.text import remove_accents

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.identity.user import User
    from models.support.file import File
    from models.viewer import Viewer


class LegalNameStatus(StrEnum):
    """The status of a legal name change."""

    CHECKING = "CHECKING"
    EVIDENCE_NEEDED = "EVIDENCE_NEEDED"
    IN_REVIEW = "IN_REVIEW"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    CANCELED = "CANCELED"


UNDECIDED_STATUSES = (
    LegalNameStatus.CHECKING,
    LegalNameStatus.EVIDENCE_NEEDED,
    LegalNameStatus.IN_REVIEW,
)


class RegistryVerdict(StrEnum):
    """The result of comparing a company's name with the registry."""

    MATCH = "MATCH"
    OTHER_NAME = "OTHER_NAME"
    CEASED = "CEASED"
    NOT_FOUND = "NOT_FOUND"
    UNKNOWN = "UNKNOWN"
    UNAVAILABLE = "UNAVAILABLE"


class LegalNameChange(Model):
    """A request for another legal name. An account has at most one that is undecided, because
    creating one locks the account's row.

    next_check_at is when the registry is queried next, null once it has answered. registered_name
    is its answer.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="legal_name_changes", db_index=True
    )
    requester: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    decider: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False
    )
    previous_name = fields.CharField(max_length=200)
    legal_name = fields.CharField(max_length=200)
    status = fields.CharEnumField(LegalNameStatus, max_length=16)
    verdict = fields.CharEnumField(RegistryVerdict, max_length=12, null=True)
    registered_name = fields.CharField(max_length=300, null=True)
    reason: str | None = fields.TextField(null=True)
    created_at: datetime = fields.DatetimeField()
    updated_at: datetime = fields.DatetimeField()
    decided_at: datetime | None = fields.DatetimeField(null=True)
    next_check_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    checks = fields.IntField(default=0)

    account_id: int
    requester_id: int
    decider_id: int | None
    evidence: fields.ReverseRelation["File"]

    class Meta:
        table = "legal_name_change"
        indexes = (("status", "updated_at"), ("updated_at", "id"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["LegalNameChange"]:
        """Agents see all changes, owners and administrators those of their account."""
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(account_id=viewer.account.pk)
            if viewer.account and viewer.is_manager
            else cls.filter(id=None)
        )

    @classmethod
    def undecided_changes(cls, account_id: int) -> QuerySet["LegalNameChange"]:
        """The change of an account that is not decided yet, of which there is at most one."""
        return cls.filter(account_id=account_id, status__in=UNDECIDED_STATUSES)

    @property
    def is_undecided(self) -> bool:
        """Whether the change is not decided yet."""
        return self.status in UNDECIDED_STATUSES


class ComparableName(NamedTuple):
    """A company's name in a form for comparisons: words without case, accents and punctuation, and
    the legal form separately.
    """

    words: str
    form: str | None


def is_same_name(first_name: str, second_name: str) -> bool:
    """Whether two spellings name the same company.

    Case, accents, punctuation and a legal form that only one of them contains are ignored. A
    different legal form is a difference: an SAS is not the SARL of the same name.
    """
    first, second = comparable_name(first_name), comparable_name(second_name)
    forms = {first.form, second.form} - {None}
    return bool(first.words) and first.words == second.words and len(forms) < 2


def has_plain_characters(name: str) -> bool:
    """Whether a name looks in print like the form in which it is compared: it has only ordinary
    letters and digits, and usual punctuation.

    The comparison ignores symbols, combining marks and compatibility characters (𝐃upont), which an
    invoice would show.
    """
    nfc_name = unicodedata.normalize("NFC", name)
    is_allowed = all(
        c.isascii() or unicodedata.category(c)[0] in "LN" or c in _PUNCTUATION for c in nfc_name
    )
    return is_allowed and unicodedata.normalize("NFKC", nfc_name) == nfc_name


_PUNCTUATION = "’‘“”«»–—·•°"


def comparable_name(name: str) -> ComparableName:
    """Convert a name to the form in which names are compared. A name that consists of a legal form
    only is kept as words.
    """
    normalized_name = (
        remove_accents(name.casefold().translate(_LIGATURES)).replace("&", " et ").replace(".", "")
    )
    # hyphenated words stay together, so that Sci-Fi doesn't lose the form SCI
    words = f" {' '.join(_WORDS.findall(normalized_name))} "
    form = None
    for spelling, short_form in _LEGAL_FORMS:
        for remaining in (words.removeprefix(f" {spelling} "), words.removesuffix(f" {spelling} ")):
            if form is None and remaining != words and remaining.strip():
                words, form = f" {remaining.strip()} ", short_form
    return ComparableName(" ".join(words.translate(_WORD_JOINERS).split()), form)


_WORDS = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
_WORD_JOINERS = str.maketrans("-'’", "   ")
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i"})
_LEGAL_FORMS = sorted(
    {
        "societe a responsabilite limitee": "sarl",
        "sarl": "sarl",
        "eurl": "sarl",
        "sarlu": "sarl",
        "entreprise unipersonnelle a responsabilite limitee": "sarl",
        "societe par actions simplifiee": "sas",
        "societe par actions simplifiee unipersonnelle": "sas",
        "sas": "sas",
        "sasu": "sas",
        "societe anonyme": "sa",
        "sa": "sa",
        "societe civile immobiliere": "sci",
        "sci": "sci",
        "societe civile de moyens": "scm",
        "scm": "scm",
        "societe civile professionnelle": "scp",
        "scp": "scp",
        "societe en nom collectif": "snc",
        "snc": "snc",
        "societe en commandite simple": "scs",
        "scs": "scs",
        "societe en commandite par actions": "sca",
        "sca": "sca",
        "selarl": "selarl",
        "selas": "selas",
        "selasu": "selas",
        "societe cooperative": "scop",
        "scop": "scop",
        "scic": "scic",
        "groupement d'interet economique": "gie",
        "groupement d interet economique": "gie",
        "gie": "gie",
        "earl": "earl",
        "gaec": "gaec",
        "entrepreneur individuel": "ei",
        "entreprise individuelle": "ei",
        "ei": "ei",
        "eirl": "ei",
    }.items(),
    key=lambda form: -len(form[0]),
)
