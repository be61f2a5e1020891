"""The audit log, and the proof that it is complete and unchanged."""

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
from schema.nodes import Node, backed_by


@strawberry.type(
    description="A detail of an audited action. Contains no personal data and no secrets."
)
class AuditDetail:
    name: str = field("The name of the detail, such as `status`.")
    value: str = field("The value of the detail. Numbers and booleans are formatted as in JSON.")


@strawberry.type(
    description="An entry of the audit log. Entries never change and refer to objects by ID."
)
@backed_by(models.audit.AuditEntry)
class AuditEntry(Node):
    sequence: BigInt = field(
        "The number of the entry: 1, 2, 3, ... without gaps across the whole log.",
        lambda root: root.id,
        needs=("id",),
    )
    at: datetime = field("When the action was performed.")
    action: AnyAuditAction = field(
        "The action.", lambda root: AUDIT_ACTION_BY_VALUE[root.action], needs=("action",)
    )
    actor: User | None = edge(
        audit_resolvers.actors,
        needs=("actor_id",),
        description="The user who performed the action. Null when it was performed by the system "
        "or by someone who isn't signed in. Customers see only members of their own company.",
    )
    from_staff: bool = field(
        "Whether a member of the vendor's staff performed the action.",
        lambda root: root.staff is not None,
        needs=("staff",),
    )
    staff: Staff | None = viewer_field(
        audit_resolvers.staff,
        needs=("staff",),
        description="The role of the staff member who performed the action. Visible to operators.",
    )
    account: Account | None = edge(
        account_resolvers.accounts_of,
        needs=("account_id",),
        description="The company that the action concerns. Null when it concerns none.",
    )
    object_type: str | None = field(
        "The type of the object that the action was performed on, such as Ticket."
    )
    object_id: ID | None = field(
        "The global ID of that object. `node(id:)` finds it if its type implements Node.",
        audit_resolvers.object_of,
        needs=("object_type", "object_id"),
    )
    address: str | None = viewer_field(
        audit_resolvers.addresses,
        needs=("address", "staff"),
        description="The network address that the request came from. For staff members, visible to "
        "operators only.",
    )
    details: list[AuditDetail] = field(
        "Further details of the action.", audit_resolvers.details, needs=("details",)
    )
    hash: str = field(
        "The SHA-256 hash of this entry and the previous entry's hash, in hexadecimal."
    )


@strawberry.type(description="The result of verifying every entry of the audit log.")
class AuditProof:
    entries: BigInt = field("The number of entries in the log.")
    last_sequence: BigInt = field("The number of the last entry.", lambda root: root.last.sequence)
    last_hash: str = field(
        "The hash of the last entry. Store it elsewhere together with its number, to check later "
        "proofs against it.",
        lambda root: root.last.hash,
    )
    first_invalid_sequence: BigInt | None = field(
        "The number of the first invalid entry. Null when the log is intact."
    )
    error: str | None = field("The error in that entry. Null when the log is intact.")
