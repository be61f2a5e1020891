"""The tests of erasure use the companies of the tests of schema/."""

from tests.schema.conftest import ask, engine, house, price, services

__all__ = ["ask", "engine", "house", "price", "services"]
