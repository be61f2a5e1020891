"""GraphQL over HTTP for Starlette: the endpoint, requests and their headers, and a scheduler for
bursts of requests.
"""

from engine.http.endpoint import GraphQLEndpoint
from engine.http.headers import cached_header, quality_values
from engine.http.request import HTTPError, HTTPRequest, http_error
from engine.http.scheduler import RequestScheduler

__all__ = [
    "GraphQLEndpoint",
    "HTTPError",
    "HTTPRequest",
    "RequestScheduler",
    "cached_header",
    "http_error",
    "quality_values",
]
