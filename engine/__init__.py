"""Executes GraphQL operations over any graphql-core schema: limits, cost, persisted documents, plans, subscriptions.

This is the public surface, together with `engine.http`, the endpoint over HTTP. See docs/decisions/0002.
"""

from engine.documents.cost import extension_cost
from engine.documents.limits import Limits, Params, Rejected, refuse
from engine.documents.persisted import Unusable, manifest
from engine.encoding import dump, load
from engine.engine import Engine, Operation
from engine.errors import coded, internal, masked
from engine.execution.deferred import Batch, BatchOf, Deferred, Selected, Selection
from engine.execution.sharing import kind

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
    "Unusable",
    "coded",
    "dump",
    "extension_cost",
    "internal",
    "kind",
    "load",
    "manifest",
    "masked",
    "refuse",
]
