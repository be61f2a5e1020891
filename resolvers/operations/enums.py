"""Enums of operations."""

from enum import StrEnum
from typing import TYPE_CHECKING

from models.accounts.audit_actions import AccountsAuditAction
from models.analytics.audit_actions import AnalyticsAuditAction
from models.audit_action import AuditAction
from models.billing.audit_actions import BillingAuditAction
from models.content.audit_actions import ContentAuditAction
from models.identity.audit_actions import IdentityAuditAction
from models.operations.audit_actions import OperationsAuditAction
from models.operations.email import EmailState
from models.privacy.audit_actions import PrivacyAuditAction
from models.support.audit_actions import SupportAuditAction
from resolvers.descriptions import describe_enum

describe_enum(
    EmailState,
    "The state of an email's delivery.",
    {
        "WAITING": "The next delivery attempt is due at `nextAttemptAt`.",
        "SENT": "A mail server accepted the email.",
        "GIVEN_UP": "The email was rejected permanently or failed too often. Only `emailRetry` "
        "retries it.",
    },
)


AUDIT_ACTIONS: tuple[type[AuditAction], ...] = (
    IdentityAuditAction,
    AccountsAuditAction,
    ContentAuditAction,
    BillingAuditAction,
    SupportAuditAction,
    PrivacyAuditAction,
    AnalyticsAuditAction,
    OperationsAuditAction,
)

if TYPE_CHECKING:
    AnyAuditAction = AuditAction
else:  # the actions of all domains as one enum of the graph
    AnyAuditAction = StrEnum(
        "AuditAction",
        [(action.name, action.value) for actions in AUDIT_ACTIONS for action in actions],
    )

AUDIT_ACTION_BY_VALUE = {action.value: action for action in AnyAuditAction}

describe_enum(
    AnyAuditAction,
    "The actions that the audit log records.",
    {action.name: action.description for actions in AUDIT_ACTIONS for action in actions},
)
