"""The tests of erasure use the companies of the tests of schema/."""

from tests.schema.conftest import dataset, engine, execute, new_dataset, price, services

__all__ = ["dataset", "engine", "execute", "new_dataset", "price", "services"]
