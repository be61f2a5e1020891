"""The tests of erasure use the companies of the tests of schema/."""

from tests.schema.conftest import ask, dataset, engine, price, services

__all__ = ["ask", "dataset", "engine", "price", "services"]
