"""The base of the audit log's actions. Each domain declares its own in
`models/<domain>/audit_actions.py`.
"""

from enum import StrEnum
from typing import Self


class AuditAction(StrEnum):
    """An audited action: its stored value, which never changes and is never reused, and its
    description in the schema.
    """

    description: str

    def __new__(cls, value: str, description: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member
