"""Postal addresses: one input and one output for every address."""

from typing import Any

import strawberry

from accounts.details import Address
from models.checks import Checks
from models.countries import parse_country_code
from models.text import line


@strawberry.input(description="A postal address.")
class PostalAddressInput:
    street: str = strawberry.field(description="House number and street (at most 200 characters).")
    postal_code: str = strawberry.field(description="Postal code (at most 12 characters).")
    city: str = strawberry.field(description="City (at most 100 characters).")
    country: str = strawberry.field(
        default="FR",
        description="Country code of the European standard for invoices (EN 16931): two letters "
        "(ISO 3166-1 alpha-2), `XI` for Northern Ireland, `1A` for Kosovo.",
    )


def postal_address(address: PostalAddressInput, field: str) -> Address:
    """The address of an input's field, tidied. Raises BLANK, TOO_LONG, CARD_NUMBER and
    VALUE_INVALID at each part that is wrong.
    """
    with Checks(parent_field=field) as check:
        return Address(
            street=check(line, address.street, "street", 200),
            postal_code=check(line, address.postal_code, "postalCode", 12),
            city=check(line, address.city, "city", 100),
            country=check(parse_country_code, address.country),
        )


def address_of(root: Any) -> Address | None:
    """The address in the columns of a row, None until it is set."""
    return Address(root.street, root.postal_code, root.city, root.country) if root.city else None
