"""GraphQL over HTTP for Starlette: the endpoint, its requests and headers, and a scheduler for floods."""

from engine.http.endpoint import GraphQLEndpoint
from engine.http.headers import remembered
from engine.http.request import Call, Refused
from engine.http.scheduler import Turns

__all__ = ["Call", "GraphQLEndpoint", "Refused", "Turns", "remembered"]
