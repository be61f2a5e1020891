"""Companies and their members as edges of other rows."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from models.accounts.account import Account, AccountStatus, Membership, Role
from models.accounts.vat_number import VatCheck, VatNumberStatus
from models.identity.user import Staff
from resolvers.context import Context, Info
from resolvers.ids import key_of
from resolvers.rows import RowByForeignKey, RowByKey, RowsByParent


def account(
    info: Info,
    id: Annotated[
        strawberry.ID, strawberry.argument(description="The ID of the company's account.")
    ],
) -> RowByKey | None:
    """The account of this ID, None when there is none that the viewer may see."""
    key = key_of(Account, id)
    return RowByKey(Account.visible_to(info.context.viewer), "id", key) if key else None


def accounts_of(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The company of each row."""
    return RowByForeignKey(parents, "account_id", QuerySet(Account))


async def verified(context: Context, parents: Sequence[Account]) -> list[bool]:
    """Whether an owner of each company has verified their email address."""
    verified_ids = {
        membership.account_id
        for membership in await Membership.filter(
            account_id__in={account.pk for account in parents},
            role=Role.OWNER,
            user__email_verified_at__isnull=False,
        )
    }
    return [account.pk in verified_ids for account in parents]


async def siren_claims(context: Context, parents: Sequence[Account]) -> list[list[Account]]:
    """The other companies' accounts with the SIREN of each one, for staff. Erased accounts have no
    SIREN.
    """
    viewer = context.viewer
    if not (viewer.is_agent or viewer.staff is Staff.OPERATOR):
        return [[] for _ in parents]
    accounts_by_siren: defaultdict[str, list[Account]] = defaultdict(list)
    accounts = Account.filter(siren__in={account.siren for account in parents if account.siren})
    for account in await accounts.exclude(status=AccountStatus.ERASED).order_by("id"):
        if account.siren:
            accounts_by_siren[account.siren].append(account)
    return [
        [other for other in accounts_by_siren[account.siren or ""] if other.pk != account.pk]
        for account in parents
    ]


async def vat_number_checks(
    context: Context, parents: Sequence[Account]
) -> list["VatNumberCheck | None"]:
    """What the tax authorities answered about each company's VAT number, None without a number."""
    rows = VatCheck.filter(account_id__in={account.pk for account in parents})
    checks = {check.account_id: check for check in await rows}
    return [
        VatNumberCheck(check, context.services.vat_service.is_configured)
        if (check := checks.get(account.pk))
        else None
        for account in parents
    ]


class VatNumberCheck:
    """A check as people see it: a number that is never checked is unknown, not pending."""

    def __init__(self, check: VatCheck, is_asked: bool) -> None:
        is_unknown = check.status is VatNumberStatus.PENDING and not is_asked
        self.status = VatNumberStatus.UNKNOWN if is_unknown else check.status
        self.checked_at = check.checked_at
        self.consultation_number = check.consultation_number
        self.registered_name = check.registered_name


def members(context: Context, parents: Sequence[Account]) -> RowsByParent:
    """The members of each company, in the order in which they joined."""
    return RowsByParent(parents, QuerySet(Membership), "account_id", "id")
