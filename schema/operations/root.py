"""The operations domain's part of the roots."""

import strawberry

from auth.rules import operator, owner
from models.operations.audit_actions import OperationsAuditAction
from operations.verification_cost import audit_proof_cost, numbering_cost
from resolvers.operations import audit as audit_resolvers
from resolvers.operations import clock as clock_resolvers
from resolvers.operations import emails as email_resolvers
from resolvers.operations import numbering as numbering_resolvers
from schema.fields import mutation, query
from schema.nodes import Connection
from schema.operations.audit import AuditEntry, AuditProof
from schema.operations.clock import ClockAdvancePayload
from schema.operations.emails import Email, EmailPayload
from schema.operations.numbering import InvoiceNumbering
from schema.operations.webhooks import WebhookMutation, WebhookQuery


@strawberry.type
class OperationsQuery(WebhookQuery):
    invoice_numbering: InvoiceNumbering | None = query(
        numbering_resolvers.invoice_numbering,
        allow=operator,
        cost=numbering_cost,
        description="Verifies that invoice numbers have no gaps or duplicates and follow the order "
        "of their dates. The more invoices there are, the more it costs; use the command "
        "`check-invoices` for millions of them.",
    )
    emails: Connection[Email] | None = query(
        email_resolvers.emails,
        allow=operator,
        description="The emails that were sent or are waiting to be sent, most recent first.",
    )
    audit_entries: Connection[AuditEntry] | None = query(
        audit_resolvers.entries,
        allow=owner | operator,
        description="The entries of the audit log, most recent first: all entries for operators, "
        "those about their company for owners.",
    )
    audit_proof: AuditProof | None = query(
        audit_resolvers.proof,
        allow=operator,
        cost=audit_proof_cost,
        description="Verifies that the audit log is complete and was never changed. The more "
        "entries there are, the more it costs; use the command `verify-audit` for millions of "
        "them.",
    )


@strawberry.type
class OperationsMutation(WebhookMutation):
    email_retry: EmailPayload | None = mutation(
        email_resolvers.retry,
        "email",
        allow=operator,
        audit=OperationsAuditAction.EMAIL_RETRY,
        description="Retries an email that was given up. An email that contained a token can't "
        "be retried, because its content was deleted.",
    )
    clock_advance: ClockAdvancePayload | None = mutation(
        clock_resolvers.advance,
        "now",
        allow=operator,
        audit=OperationsAuditAction.CLOCK_ADVANCE,
        description="Moves the clock of a demonstration forward. Sessions expire accordingly.",
    )
