"""Requests for files, which the audit log records because whoever has the link to a file can read
it.
"""

from collections.abc import Mapping
from typing import Any

from models.accounts.account import Account
from models.action import Action
from models.billing.audit_actions import BillingAuditAction


async def record_export(
    action: Action,
    audit_action: BillingAuditAction,
    account: Account | None,
    details: Mapping[str, Any],
) -> None:
    """Record that a link to a file was created: a file about one company or, without one, about
    all.
    """
    async with action.transaction() as tx:
        tx.audit(audit_action, account, **details)
