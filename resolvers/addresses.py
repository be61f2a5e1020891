"""Postal addresses: one input and one output for every address."""

from typing import Any

import strawberry

from accounts.details import Address
from models.errors import Refusal
from models.text import masked_line
from resolvers.text import country


@strawberry.input(description="A postal address.")
class PostalAddressInput:
    street: str = strawberry.field(description="House number and street (at most 200 characters).")
    postal_code: str = strawberry.field(description="Postal code (at most 12 characters).")
    city: str = strawberry.field(description="City, at most 100 characters.")
    country: str = strawberry.field(default="FR", description="Two-letter country code (ISO 3166-1 alpha-2).")


def postal_address(given: PostalAddressInput, field: str) -> Address:
    """The address of an input's field, tidied. Raises BLANK, TOO_LONG and VALUE_INVALID at the part that is wrong."""
    try:
        return Address(
            street=masked_line(given.street, "street", 200),
            postal_code=masked_line(given.postal_code, "postalCode", 12),
            city=masked_line(given.city, "city", 100),
            country=country(given.country),
        )
    except Refusal as refusal:
        refusal.field = ("input", field, *refusal.field[1:])
        raise


def address_of(root: Any) -> Address | None:
    """The address in the columns of a row, None until it is set."""
    return Address(root.street, root.postal_code, root.city, root.country) if root.city else None
