"""Executes GraphQL operations over any graphql-core schema: limits, cost, persisted documents,
batches, subscriptions.

This package and `engine.http` are the public API; README.md explains it.
"""

from engine.documents.coordinates import field_coordinates
from engine.documents.cost import extension_cost
from engine.documents.limits import Limits
from engine.documents.operation import Operation
from engine.documents.params import Params
from engine.documents.persisted import ManifestError, load_manifest
from engine.documents.value_errors import InvalidValueError
from engine.encoding import decode_json, encode_json
from engine.engine import Engine, Observer, Result, Tracer
from engine.errors import TIMEOUT, RequestError, internal_error, mask_error, request_error
from engine.execution.deferred import Batch, BatchLookup, Deferred, SelectedField, Selection
from engine.execution.sharing import sharing_key
from engine.slow_operations import SlowOperationLog

__all__ = [
    "TIMEOUT",
    "Batch",
    "BatchLookup",
    "Deferred",
    "Engine",
    "InvalidValueError",
    "Limits",
    "ManifestError",
    "Observer",
    "Operation",
    "Params",
    "RequestError",
    "Result",
    "SelectedField",
    "Selection",
    "SlowOperationLog",
    "Tracer",
    "decode_json",
    "encode_json",
    "extension_cost",
    "field_coordinates",
    "internal_error",
    "load_manifest",
    "mask_error",
    "request_error",
    "sharing_key",
]
