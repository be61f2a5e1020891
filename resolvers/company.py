"""The company itself: its names, its address, its numbers."""

from collections.abc import Sequence
from typing import Annotated

import strawberry
from tortoise.queryset import QuerySet

from auth import company, legal_names
from auth.company import Address
from auth.legal_names import LEGAL_NAME_LENGTH, Registrar
from engine import Deferred
from mail import emails
from models.account import Account
from models.errors import ErrorCode, Refusal
from models.file import File
from models.legal_name import LegalNameChange, LegalNameStatus
from models.user import User
from resolvers.company_inputs import (
    AccountChangeAddressInput,
    AccountChangeIdentifiersInput,
    AccountChangeTradeNameInput,
    AccountRequestLegalNameInput,
    LegalNameChangeAddEvidenceInput,
    LegalNameChangeCancelInput,
    LegalNameChangeDecideInput,
)
from resolvers.context import Context, Info, Services
from resolvers.ids import key_of
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page, pages_of
from resolvers.rows import ByKey, ByParent
from resolvers.text import client_key, country, within

LATEST = Order("updated_at", descending=True)
OLDEST = Order("updated_at")


def registrar(services: Services) -> Registrar:
    """Whom to ask for registered names, and the emails that tell what came of it."""
    return Registrar(services.registry, emails.legal_name_notice(services.base_url))


async def request_legal_name(info: Info, input: AccountRequestLegalNameInput) -> LegalNameChange:
    """Ask for another legal name."""
    context = info.context
    return await legal_names.request(
        context.action(), context.services.auth, registrar(context.services), context.session, context.account,
        legal_name=input.legal_name, siren_given=input.siren, file_ids=_files(input.file_ids),
        key=client_key(input.idempotency_key, "idempotencyKey"),
    )  # fmt: skip


def _files(ids: Sequence[strawberry.ID]) -> tuple[int, ...]:
    found = tuple(key for key in (key_of(File, each) for each in ids) if key is not None)
    if len(found) != len(ids):
        raise Refusal(ErrorCode.NOT_FOUND, "input", "fileIds")
    return found


async def add_evidence(info: Info, input: LegalNameChangeAddEvidenceInput) -> LegalNameChange:
    """Show evidence."""
    context = info.context
    key = key_of(LegalNameChange, input.change_id)
    return await legal_names.add_evidence(context.action(), context.session, context.account, key, _files(input.file_ids))


async def cancel_legal_name(info: Info, input: LegalNameChangeCancelInput) -> LegalNameChange:
    """Take the wish back."""
    context = info.context
    return await legal_names.cancel(
        context.action(), context.session, context.account, key_of(LegalNameChange, input.change_id)
    )


async def decide_legal_name(info: Info, input: LegalNameChangeDecideInput) -> LegalNameChange:
    """Decide as an agent."""
    context, key = info.context, key_of(LegalNameChange, input.change_id)
    notice = registrar(context.services).notice
    return await legal_names.decide(context.action(), notice, context.session, key, input.decision, input.reason)


async def change_trade_name(info: Info, input: AccountChangeTradeNameInput) -> Account:
    """Set the trade name."""
    context = info.context
    if input.trade_name is strawberry.UNSET:
        return await Account.get(pk=context.account.pk)
    name = within(input.trade_name, "tradeName", LEGAL_NAME_LENGTH) if input.trade_name is not None else None
    return await company.change_trade_name(context.action(), context.session, context.account, name)


async def change_address(info: Info, input: AccountChangeAddressInput) -> Account:
    """Set the address."""
    context = info.context
    address = Address(
        street=within(input.street, "street", 200), postal_code=within(input.postal_code, "postalCode", 12),
        city=within(input.city, "city", 100), country=country(input.country),
    )  # fmt: skip
    return await company.change_address(context.action(), context.session, context.account, address)


async def change_identifiers(info: Info, input: AccountChangeIdentifiersInput) -> Account:
    """Set SIRET and VAT number, as far as told."""
    context = info.context
    told = {name: value for name, value in vars(input).items() if value is not strawberry.UNSET}
    return await company.change_identifiers(context.action(), context.session, context.account, **told)


def address_of(root: Account) -> Address | None:
    """Where the company is; None until it was told."""
    return Address(root.street, root.postal_code, root.city, root.country) if root.city else None


def legal_name_changes(
    info: Info,
    status: Annotated[list[LegalNameStatus] | None, strawberry.argument(description="Only in one of these states.")] = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> OnePage:  # fmt: skip
    """Changes of legal name of every company, the one that waits longest first: for agents."""
    viewer = info.context.viewer
    found = LegalNameChange.visible_to(viewer)
    if status is not None:
        found = found.filter(status__in=status)
    return page(found, OLDEST, Window(first, after, last, before), viewer)


def account_legal_name_changes(context: Context, parents: Sequence[Account], window: Window) -> Deferred:
    """One page of each company's changes of legal name."""
    return pages_of(parents, LegalNameChange, "account_id", LATEST, window, context.viewer)


def requesters(context: Context, parents: Sequence[LegalNameChange]) -> ByKey:
    """Who asked for each change."""
    return ByKey(parents, "requester_id", QuerySet(User))


def deciders(context: Context, parents: Sequence[LegalNameChange]) -> ByKey:
    """Which agent decided, if one did."""
    return ByKey(parents, "decider_id", QuerySet(User))


def evidence(context: Context, parents: Sequence[LegalNameChange]) -> ByParent:
    """The files shown for each change."""
    return ByParent(parents, QuerySet(File), "legal_name_change_id", "id")
