"""Fixtures of the tests of billing."""

from tests.billing.purchase_fixtures import checkout_services as checkout_services
from tests.billing.purchase_fixtures import shop as shop
