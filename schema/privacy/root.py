"""The privacy domain's part of the roots."""

import strawberry

from auth.rules import operator
from resolvers.privacy import erasures as erasure_resolvers
from schema.fields import query
from schema.nodes import Connection
from schema.privacy.erasures import Erasure


@strawberry.type
class PrivacyQuery:
    erasures: Connection[Erasure] | None = query(
        erasure_resolvers.erasures,
        allow=operator,
        description="Erasures of companies' accounts, scheduled, canceled or completed, most "
        "recent first.",
    )
