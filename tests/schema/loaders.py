"""Batches under graphql-core, which resolves field by field: a data loader collects the parents of
a level.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable
from functools import partial
from inspect import isawaitable
from typing import Any

import pytest
from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema
from strawberry.types.arguments import convert_arguments

from engine import Batch, BatchLookup
from schema.root import schema as application_schema

CONVERTER = application_schema.schema_converter


class Loaders:
    """Collects the parents of one level and calls the batch once for all of them."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[tuple[Any, asyncio.Future[Any]]]] = {}

    def load(
        self, context: Any, batch: Batch, parent: Any, **arguments: Any
    ) -> asyncio.Future[Any]:
        """The batch's result for this parent."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        key = (batch, repr(arguments))
        if key not in self._waiting:
            self._waiting[key] = []
            loop.call_soon(
                lambda: loop.create_task(self._resolve_batch(context, key, batch, arguments))
            )
        self._waiting[key].append((parent, future))
        return future

    async def _resolve_batch(
        self, context: Any, key: Hashable, batch: Batch, arguments: dict[str, Any]
    ) -> None:
        requests = self._waiting.pop(key)
        futures = [future for _, future in requests if not future.done()]
        try:
            responses: Any = batch(context, [parent for parent, _ in requests], **arguments)
            responses = await responses if isawaitable(responses) else responses
        except Exception as error:
            for future in futures:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), response in zip(requests, responses, strict=True):
            if not future.done():
                (future.set_exception if isinstance(response, Exception) else future.set_result)(
                    response
                )


def resolve_by_loaders(
    schema: GraphQLSchema, batch_of: BatchLookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Makes graphql-core resolve batched fields with data loaders, which belong to one context."""
    loaders: defaultdict[int, Loaders] = defaultdict(Loaders)

    def resolver(batch: Batch, field: GraphQLField) -> Callable[..., Any]:
        arguments = field.extensions["strawberry-definition"].arguments
        convert = partial(
            convert_arguments,
            arguments=arguments,
            scalar_registry=CONVERTER.scalar_registry,
            config=CONVERTER.config,
        )

        def resolve(root: Any, info: Any, **values: Any) -> Any:
            return loaders[id(info.context)].load(info.context, batch, root, **convert(values))

        # for the engine that calls the batch instead
        resolve.__qualname__ = "GraphQLCoreConverter.from_resolver.resolve"
        return resolve

    for kind in schema.type_map.values():
        for field in kind.fields.values() if isinstance(kind, GraphQLObjectType) else ():
            if batch := batch_of(field):
                monkeypatch.setattr(field, "resolve", resolver(batch, field))
