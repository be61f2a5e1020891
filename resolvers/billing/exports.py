"""Files of billing: each is requested with a mutation, which returns a link."""

from typing import Any

import strawberry

from auth.reauthentication import require_step_up
from auth.tokens import Purpose
from billing.exports.requests import record_export
from models.accounts.account import Account, AccountStatus
from models.billing.audit_actions import BillingAuditAction
from models.checks import Checks
from models.clock import local_date
from models.errors import CommonErrorCode, Refusal
from models.translations import _
from resolvers.billing.inputs import (
    AccountExportInvoicesInput,
    AccountExportMovementsInput,
    FecExportInput,
)
from resolvers.context import Context, Info
from resolvers.ids import load_visible

FIRST_YEAR = 2020


async def export_movements(info: Info, input: AccountExportMovementsInput) -> str:
    """A link to a company's movements as CSV."""
    with Checks() as check:
        account = await check.wait(_account(info.context, input.account_id))
        if input.since >= input.until:
            message = _("Choose a day after %(day)s.")
            check.refuse(
                Refusal(
                    CommonErrorCode.VALUE_INVALID,
                    "input",
                    "until",
                    message=message,
                    day=input.since,
                )
            )
    details = {"since": input.since.isoformat(), "until": input.until.isoformat()}
    return await _link(
        info.context,
        BillingAuditAction.ACCOUNT_EXPORT_MOVEMENTS,
        account,
        details,
        movements=account.pk,
        locale=info.context.viewer.locale.value,
        since=details["since"],
        before=details["until"],  # `until` is when the link expires
    )


async def export_invoices(info: Info, input: AccountExportInvoicesInput) -> str:
    """A link to a company's invoices of a year as ZIP."""
    with Checks() as check:
        account = await check.wait(_account(info.context, input.account_id))
        check(_year, info.context, input.year)
    return await _link(
        info.context,
        BillingAuditAction.ACCOUNT_EXPORT_INVOICES,
        account,
        {"year": input.year},
        invoices=account.pk,
        year=input.year,
        locale=info.context.viewer.locale.value,
    )


async def export_fec(info: Info, input: FecExportInput) -> str:
    """A link to the file of accounting entries of a year."""
    context = info.context
    await require_step_up(context.action(), context.session)
    with Checks() as check:
        check(_year, context, input.year)
    return await _link(
        context, BillingAuditAction.FEC_EXPORT, None, {"year": input.year}, fec=input.year
    )


def _year(context: Context, year: int) -> None:
    last = local_date(context.services.clock.now()).year
    if not FIRST_YEAR <= year <= last:
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            "input",
            "year",
            message=_("Choose a year from %(first)s to %(last)s."),
            first=str(FIRST_YEAR),  # a year has no thousands separator
            last=str(last),
        )


async def _account(context: Context, account_id: strawberry.ID | None) -> Account:
    """The viewer's own company, or the one that an agent names. Nobody sees the invoices of an
    erased company, which are kept for the tax office.
    """
    account = context.viewer.account
    if account_id is not None:
        account = await load_visible(Account, account_id, context.viewer, "accountId")
    if account is None or account.status is AccountStatus.ERASED:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "accountId")
    return account


async def _link(
    context: Context,
    audit_action: BillingAuditAction,
    account: Account | None,
    details: dict[str, Any],
    **token_data: Any,
) -> str:
    action, services = context.action(), context.services
    await record_export(action, audit_action, account, details)
    token = services.auth.signer.sign(Purpose.DOWNLOAD, action.at, **token_data)
    return f"{services.base_url}/downloads/{token}"
