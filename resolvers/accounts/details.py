"""A company's trade name, address and identifiers."""

import strawberry

from accounts import details
from accounts.legal_names import LEGAL_NAME_LENGTH
from accounts.vat_numbers import check_now
from models.accounts.account import Account
from models.text import line
from resolvers.accounts.inputs import (
    AccountChangeAddressInput,
    AccountChangeIdentifiersInput,
    AccountChangeTradeNameInput,
)
from resolvers.addresses import postal_address
from resolvers.context import Info


async def change_trade_name(info: Info, input: AccountChangeTradeNameInput) -> Account:
    """Set the trade name."""
    context = info.context
    if input.trade_name is strawberry.UNSET:
        return await Account.get(pk=context.account.pk)
    name = (
        line(input.trade_name, "tradeName", LEGAL_NAME_LENGTH)
        if input.trade_name is not None
        else None
    )
    return await details.change_trade_name(context.action(), context.session, context.account, name)


async def change_address(info: Info, input: AccountChangeAddressInput) -> Account:
    """Set the address."""
    context = info.context
    address = postal_address(input.address, "address")
    return await details.change_address(context.action(), context.session, context.account, address)


async def change_identifiers(info: Info, input: AccountChangeIdentifiersInput) -> Account:
    """Set SIRET and VAT number, where given."""
    context = info.context
    changes = {name: value for name, value in vars(input).items() if value is not strawberry.UNSET}
    account = await details.change_identifiers(
        context.action(), context.session, context.account, **changes
    )
    await check_now(context.action(), context.services.vat_service, account.pk)
    return account
