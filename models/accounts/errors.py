"""Error codes of the accounts domain."""

from models.errors import ErrorCode
from models.translations import _


class AccountsErrorCode(ErrorCode):
    """Error codes of the accounts domain."""

    ACCOUNT_INACTIVE = (
        "ACCOUNT_INACTIVE",
        _(
            "This company’s account isn’t active. One of its owners can ask our support team to "
            "reactivate it."
        ),
    )
    ALREADY_INVITED = (
        "ALREADY_INVITED",
        _(
            "This address already has a pending invitation. Resend the invitation, or revoke it "
            "first."
        ),
    )
    ALREADY_MEMBER = "ALREADY_MEMBER", _("This person is already a member of the company.")
    CHANGE_IN_PROGRESS = (
        "CHANGE_IN_PROGRESS",
        _("A change of legal name is already in progress. Complete it or cancel it first."),
    )
    EVIDENCE_MISSING = (
        "EVIDENCE_MISSING",
        _("A change of legal name needs a readable supporting document to be accepted."),
    )
    INVITATION_EMAIL_MISMATCH = (
        "INVITATION_EMAIL_MISMATCH",
        _("This invitation was sent to a different email address than yours."),
    )
    LAST_OPERATOR = (
        "LAST_OPERATOR",
        _("There must be at least one operator. Give this role to someone else first."),
    )
    LAST_OWNER = (
        "LAST_OWNER",
        _("A company needs at least one owner. Transfer the ownership first."),
    )
    REQUEST_MISSING = "REQUEST_MISSING", _("An owner of the company has to request this first.")
    ROLE_RESERVED = (
        "ROLE_RESERVED",
        _("Only an owner can give or take away this role, and not through an invitation."),
    )
    SIGN_IN_REQUIRED = (
        "SIGN_IN_REQUIRED",
        _(
            "You already have a CAMCHA login with this address. Sign in, then accept the "
            "invitation."
        ),
    )
    SIREN_INVALID = "SIREN_INVALID", _("This SIREN isn’t valid.")
    SIREN_REQUIRED = (
        "SIREN_REQUIRED",
        _("A company in France is identified by its SIREN. Enter its nine digits."),
    )
    REGISTRATION_NUMBER_REQUIRED = (
        "REGISTRATION_NUMBER_REQUIRED",
        _("Enter the number under which the company is registered in its country."),
    )
    RNA_INVALID = (
        "RNA_INVALID",
        _("This isn’t the number of an association (RNA), which is W and nine characters."),
    )
    SIREN_MISMATCH = (
        "SIREN_MISMATCH",
        _("This number belongs to a different legal entity, which needs its own account."),
    )
    SIRET_INVALID = "SIRET_INVALID", _("This SIRET isn’t valid.")
    VAT_NUMBER_INVALID = "VAT_NUMBER_INVALID", _("This VAT number isn’t valid.")
