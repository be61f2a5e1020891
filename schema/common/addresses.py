"""Postal addresses."""

import strawberry

from schema.fields import field


@strawberry.type(description="A postal address.")
class PostalAddress:
    street: str = field("House number and street.")
    postal_code: str = field("Postal code.")
    city: str = field("The city or town.")
    country: str = field("Two-letter country code (ISO 3166-1 alpha-2).")
