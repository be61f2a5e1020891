"""Requests of files, which the audit log records: the link to a file is all that it takes to read
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
    """Record that a link to a file was made, about a company or, without one, about all."""
    async with action.transaction() as tx:
        tx.audit(audit_action, account, **details)
