"""The tests of erasure use the companies of the tests of schema/."""

from tests.schema.conftest import dataset, engine, execute, fill_dataset, price, services

__all__ = ["dataset", "engine", "execute", "fill_dataset", "price", "services"]
