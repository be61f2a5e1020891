"""The operations: their texts, and what each request asks of the data. Every server gets the same ones."""

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
      invoices { id number issuedOn dueOn sha256 net { amountCents } vat { amountCents } gross { amountCents } }
    }
  }
}"""
M1 = """mutation M1($input: TicketReplyInput!) {
  ticketReply(input: $input) { message { sequence body fromStaff } userErrors { code } }
}"""
F = "subscription F($ticketId: ID!) { ticketEvents(ticketId: $ticketId) { sequence kind message { body fromStaff } } }"


@dataclass(frozen=True)
class Operation:
    """One operation and the variables of its n-th request, given the data's sizes and a source of chance."""

    name: str
    title: str
    text: str
    variables: Callable[[Random, Sizes, str], Variables]

    def body(self, variables: Variables) -> bytes:
        """The JSON that is posted: the whole text each time, as clients do."""
        return orjson.dumps({"query": self.text, "operationName": self.name, "variables": variables})

    def bodies(self, sizes: Sizes, label: str) -> Iterator[bytes]:
        """Requests for ever: the same ones for the same label, and no message id of another label's."""
        chance = Random(label)
        for number in range(2**62):
            yield self.body(self.variables(chance, sizes, f"{label}-{number}"))


def reply(ticket: int, key: str) -> Variables:
    """M1's variables: one message to a ticket, under an id of its own."""
    body = f"Bonjour, votre facture est disponible dans votre espace client. Merci de votre patience ({key[:20]})."
    return {"input": {"ticketId": encode("Ticket", ticket), "body": body, "clientMessageId": key}}


def _any(chance: Random, most: int) -> int:
    return 1 + int(chance.random() * most)


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("Q1", "one offer", Q1, lambda chance, sizes, key: {"slug": f"offre-{_any(chance, sizes.offers):02}"}),
        Operation(
            "Q2", "a customer, 20 invoices x 3 lines", Q2,
            lambda chance, sizes, key: {"id": encode("Account", _any(chance, sizes.accounts))},
        ),
        Operation("Q3", "inbox: 50 tickets, customer, assignee, last message", Q3, lambda chance, sizes, key: {}),
        Operation("Q4", "100 purchases, their 1,000 invoices x 8 fields", Q4, lambda chance, sizes, key: {}),
        Operation("M1", "post a message", M1, lambda chance, sizes, key: reply(_any(chance, sizes.tickets), key)),
    )
}  # fmt: skip
