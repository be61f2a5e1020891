"""The audit log as it reads, and the operator's proof of it."""

from datetime import datetime

import strawberry
from strawberry.scalars import ID

import models.audit
from models.audit import AuditAction
from models.user import Staff
from resolvers import audit, identity
from schema.fields import edge, said, seen
from schema.nodes import of
from schema.types import Account, BigInt, User


@strawberry.type(description="A harmless fact of an audited act.")
class AuditDetail:
    name: str = said("What it is, such as `status`.")
    value: str = said("Its value; numbers and truth values as in JSON.")


@strawberry.type(description="One act that the audit log tells of, never changed. It names objects by their ids.")
@of(models.audit.AuditEntry)
class AuditEntry:
    sequence: BigInt = said("Its number: 1, 2, 3, ... without gaps over the whole log.", lambda root: root.id, needs=("id",))
    at: datetime = said("When it was done.")
    action: AuditAction = said("What was done.", lambda root: AuditAction(root.action), needs=("action",))
    actor: User | None = edge(
        audit.actors, needs=("actor_id",),
        description="Who did it; null when it was the clock or a stranger. Customers are told of their own people.",
    )  # fmt: skip
    from_vendor: bool = said(
        "Whether one of the vendor's people did it.", lambda root: root.staff is not None, needs=("staff",)
    )
    staff: Staff | None = seen(audit.staff, needs=("staff",), description="The role of the vendor's person; for the operator.")
    account: Account | None = edge(
        identity.accounts_of, needs=("account_id",), description="The company it concerns, null when it concerns none."
    )
    object_type: str | None = said("What sort of object it was done to, such as Ticket.")
    object_id: ID | None = said(
        "The global id of that object; `node(id:)` finds the sorts it knows.", audit.object_of,
        needs=("object_type", "object_id"),
    )  # fmt: skip
    address: str | None = seen(
        audit.addresses, needs=("address", "staff"),
        description="The network address it came from; of the vendor's people for the operator only.",
    )  # fmt: skip
    details: list[AuditDetail] = said("What else is known of it.", audit.details, needs=("details",))
    hash: str = said("SHA-256 of the entry and of the hash before it, in hexadecimal.")


@strawberry.type(description="What a look at every entry of the audit log found.")
class AuditProof:
    entries: BigInt = said("How many entries the log has.")
    last_sequence: BigInt = said("The number of the last one.", lambda root: root.last.sequence)
    last_hash: str = said(
        "Its hash. Note it elsewhere with its number: a later proof can be held against it.",
        lambda root: root.last.hash,
    )
    broken_at: BigInt | None = said("The number of the first entry at fault, null when all is well.")
    fault: str | None = said("What is wrong with it, null when all is well.")
