"""Amounts of money."""

from typing import Any

import strawberry

from resolvers.arguments import LanguageArgument
from resolvers.context import Info
from resolvers.scalars import BigInt
from schema.fields import field


def _format(root: Any, info: Info, locale: LanguageArgument = None) -> str:
    return str(root.formatted((locale or info.context.viewer.locale).value))


@strawberry.type(description="An amount of money.")
class Money:
    cents: BigInt = field(
        "The amount in the currency's minor unit: 2900 is 29.00.", name="amountCents"
    )
    currency: str = field("The currency code (ISO 4217). Currently always EUR.")
    formatted: str = field(
        "The amount formatted for readers of the language, such as 29,00 €.", _format
    )
