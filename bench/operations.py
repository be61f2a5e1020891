"""The operations: their documents, and the variables of each request. All servers get the same
requests.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson

from bench.data import Sizes
from resolvers.ids import encode

Variables = dict[str, Any]

Q1 = "query Q1($slug: String!) { offer(slug: $slug) { id slug segment name description } }"
Q2 = """query Q2($id: ID!) {
  node(id: $id) {
    ... on Account {
      id legalName siren
      invoices(first: 20) {
        nodes {
          id number issuedOn
          net { amountCents } vat { amountCents } gross { amountCents currency }
          lines { position label quantity net { amountCents } }
        }
      }
    }
  }
}"""
Q3 = """query Q3 {
  tickets(first: 50) {
    nodes {
      id number subject status channel updatedAt
      account { legalName } assignee { name } lastMessage { body at fromStaff }
    }
  }
}"""
Q4 = """query Q4 {
  purchases(first: 100) {
    nodes {
      invoices { id number issuedOn dueOn sha256 net { amountCents } vat { amountCents }
      gross { amountCents } }
    }
  }
}"""
M1 = """mutation M1($input: TicketReplyInput!) {
  ticketReply(input: $input) { message { sequence body fromStaff } userErrors { code } }
}"""
F = (
    "subscription F($ticketId: ID!) { ticketEvents(ticketId: $ticketId) { sequence kind message { "
    "body fromStaff } } }"
)


@dataclass(frozen=True)
class Operation:
    """One operation. `variables` returns those of a request, given a random generator, the data's
    sizes and a unique key.
    """

    name: str
    title: str
    text: str
    variables: Callable[[Random, Sizes, str], Variables]

    def body(self, variables: Variables) -> bytes:
        """The JSON of one request, with the complete document, as clients send it."""
        return orjson.dumps(
            {"query": self.text, "operationName": self.name, "variables": variables}
        )

    def bodies(self, sizes: Sizes, label: str) -> Iterator[bytes]:
        """An endless sequence of requests: the same for the same label, and with message ids that
        no other label uses.
        """
        random = Random(label)
        for number in range(2**62):
            yield self.body(self.variables(random, sizes, f"{label}-{number}"))


def reply(ticket: int, key: str) -> Variables:
    """The variables of M1: a message to a ticket, with a unique id."""
    body = (
        f"Bonjour, votre facture est disponible dans votre espace client. Merci de votre patience "
        f"({key[:20]})."
    )
    return {"input": {"ticketId": encode("Ticket", ticket), "body": body, "clientMessageId": key}}


def _random_key(random: Random, maximum: int) -> int:
    return 1 + int(random.random() * maximum)


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation(
            "Q1",
            "one offer",
            Q1,
            lambda random, sizes, key: {"slug": f"offre-{_random_key(random, sizes.offers):02}"},
        ),
        Operation(
            "Q2",
            "a company with 20 invoices of 3 lines",
            Q2,
            lambda random, sizes, key: {
                "id": encode("Account", _random_key(random, sizes.accounts))
            },
        ),
        Operation(
            "Q3",
            "inbox: 50 tickets with company, assignee and last message",
            Q3,
            lambda random, sizes, key: {},
        ),
        Operation(
            "Q4", "100 purchases with 1,000 invoices of 8 fields", Q4, lambda random, sizes, key: {}
        ),
        Operation(
            "M1",
            "post a message",
            M1,
            lambda random, sizes, key: reply(_random_key(random, sizes.tickets), key),
        ),
    )
}
