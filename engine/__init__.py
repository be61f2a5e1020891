"""GraphQL operations over any graphql-core schema: limited, prepared, executed and followed. See docs/decisions/0002."""

from engine.cost import extension_cost
from engine.deferred import Batch, BatchOf, Deferred, Selected, Selection
from engine.engine import Engine, Operation
from engine.limits import Limits, Params, Rejected, refuse
from engine.masking import coded, internal, masked
from engine.wire import dump, load

__all__ = [
    "Batch",
    "BatchOf",
    "Deferred",
    "Engine",
    "Limits",
    "Operation",
    "Params",
    "Rejected",
    "Selected",
    "Selection",
    "coded",
    "dump",
    "extension_cost",
    "internal",
    "load",
    "masked",
    "refuse",
]
