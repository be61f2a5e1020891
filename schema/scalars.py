"""Custom scalars."""

from typing import NewType

import strawberry

BigInt = NewType("BigInt", int)


BIG_INT = strawberry.scalar(
    name="BigInt", description="A whole number of up to 64 bits, as a JSON number.", serialize=int, parse_value=int
)
