"""The audit log as it reads, and the operator's proof of it."""

from datetime import datetime

import strawberry
from strawberry.scalars import ID

import models.audit
from models.identity.user import Staff
from resolvers.accounts import accounts as account_resolvers
from resolvers.operations import audit as audit_resolvers
from resolvers.operations.enums import AUDIT_ACTION_BY_VALUE, AnyAuditAction
from resolvers.scalars import BigInt
from schema.accounts.accounts import Account
from schema.fields import edge, field, viewer_field
from schema.identity.users import User
from schema.nodes import backed_by


@strawberry.type(description="A harmless fact of an audited act.")
class AuditDetail:
    name: str = field("What it is, such as `status`.")
    value: str = field("Its value; numbers and truth values as in JSON.")


@strawberry.type(description="One act that the audit log tells of, never changed. It names objects by their ids.")
@backed_by(models.audit.AuditEntry)
class AuditEntry:
    sequence: BigInt = field("Its number: 1, 2, 3, ... without gaps over the whole log.", lambda root: root.id, needs=("id",))
    at: datetime = field("When it was done.")
    action: AnyAuditAction = field("What was done.", lambda root: AUDIT_ACTION_BY_VALUE[root.action], needs=("action",))
    actor: User | None = edge(
        audit_resolvers.actors, needs=("actor_id",),
        description="Who did it; null when it was the clock or a stranger. Customers are told of their own people.",
    )  # fmt: skip
    from_vendor: bool = field(
        "Whether one of the vendor's people did it.", lambda root: root.staff is not None, needs=("staff",)
    )
    staff: Staff | None = viewer_field(
        audit_resolvers.staff, needs=("staff",), description="The role of the vendor's person; for the operator."
    )
    account: Account | None = edge(
        account_resolvers.accounts_of, needs=("account_id",), description="The company it concerns, null when it concerns none."
    )
    object_type: str | None = field("What sort of object it was done to, such as Ticket.")
    object_id: ID | None = field(
        "The global id of that object; `node(id:)` finds the sorts it knows.", audit_resolvers.object_of,
        needs=("object_type", "object_id"),
    )  # fmt: skip
    address: str | None = viewer_field(
        audit_resolvers.addresses, needs=("address", "staff"),
        description="The network address it came from; of the vendor's people for the operator only.",
    )  # fmt: skip
    details: list[AuditDetail] = field("What else is known of it.", audit_resolvers.details, needs=("details",))
    hash: str = field("SHA-256 of the entry and of the hash before it, in hexadecimal.")


@strawberry.type(description="What a look at every entry of the audit log found.")
class AuditProof:
    entries: BigInt = field("How many entries the log has.")
    last_sequence: BigInt = field("The number of the last one.", lambda root: root.last.sequence)
    last_hash: str = field(
        "Its hash. Note it elsewhere with its number: a later proof can be held against it.",
        lambda root: root.last.hash,
    )
    broken_at: BigInt | None = field("The number of the first entry at fault, null when all is well.")
    fault: str | None = field("What is wrong with it, null when all is well.")
