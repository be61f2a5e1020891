"""The reasons for which the vendor's staff intervene in a customer's account."""

from enum import StrEnum

from models.translations import Translatable, _p


class InterventionReason(StrEnum):
    """Why staff deactivate an account, end sessions or reset a second factor. The audit log records
    it, because it contains no text that someone wrote.
    """

    REQUESTED = "REQUESTED"
    SECURITY = "SECURITY"
    MISUSE = "MISUSE"
    UNPAID = "UNPAID"
    LEGAL_OBLIGATION = "LEGAL_OBLIGATION"

    @property
    def label(self) -> Translatable:
        """The reason as the person concerned reads it."""
        return _LABELS[self]


_LABELS = {
    InterventionReason.REQUESTED: _p("reason", "a request from you or your company"),
    InterventionReason.SECURITY: _p("reason", "the protection of your account"),
    InterventionReason.MISUSE: _p("reason", "a violation of the terms of use"),
    InterventionReason.UNPAID: _p("reason", "unpaid invoices"),
    InterventionReason.LEGAL_OBLIGATION: _p("reason", "a legal obligation"),
}
