"""GraphQL operations over any graphql-core schema: limited, prepared, executed and followed. See docs/decisions/0002."""

from engine.cost import extension_cost
from engine.engine import Engine, Operation
from engine.limits import Limits, Params, Rejected, refuse
from engine.masking import coded, internal, masked
from engine.wire import dump, load

__all__ = [
    "Engine",
    "Limits",
    "Operation",
    "Params",
    "Rejected",
    "coded",
    "dump",
    "extension_cost",
    "internal",
    "load",
    "masked",
    "refuse",
]
