"""The roots of the graph: its table of contents. One line a field, each saying who is let in."""

from collections.abc import AsyncGenerator

import strawberry
from strawberry.schema.config import StrawberryConfig

from auth.rules import agent, analyst, anyone, buyer, customer, operator, signed_in
from resolvers import access, catalogue, clock, contact, files, following, identity, numbering, reports
from resolvers import nodes as objects
from resolvers import purchases as buying
from resolvers import tickets as support
from schema import types as t
from schema.fields import mutation, query, subscription
from schema.nodes import Connection, Node
from schema.numbering import InvoiceNumbering
from schema.payloads import (
    AccountSignUpPayload,
    ClockAdvancePayload,
    EmailConfirmChangePayload,
    EmailRequestChangePayload,
    EmailVerifyPayload,
    FileAnnouncePayload,
    PasswordChangePayload,
    PasswordRequestResetPayload,
    PasswordResetPayload,
    PaymentPayload,
    PurchasePayload,
    RecoveryCodesRenewPayload,
    SessionEndOthersPayload,
    SessionEndPayload,
    SessionRefreshPayload,
    SessionSignInPayload,
    SessionSignOutPayload,
    SessionStepUpPayload,
    TicketPayload,
    TicketReplyPayload,
    TicketTypingPayload,
    TotpConfirmPayload,
    TotpRemovePayload,
    TotpSetUpPayload,
)
from schema.reports import RevenueReportRow, TicketReportRow, revenue_report_cost, ticket_report_cost


@strawberry.type(description="What can be read.")
class Query:
    viewer: t.Viewer | None = query(identity.viewer, allow=anyone, description="Whoever is signed in, null for nobody.")
    node: Node | None = query(objects.node, allow=anyone, description="Any object by its id, null when it is not yours to see.")
    nodes: list[Node | None] = query(objects.nodes, allow=anyone, description="Objects by their ids, in the ids' order.")
    offers: Connection[t.Offer] = query(catalogue.offers, allow=anyone, description="The catalogue, in the vendor's order.")
    offer: t.Offer | None = query(catalogue.offer, allow=anyone, description="One offer by its slug.")
    articles: Connection[t.Article] = query(
        catalogue.articles, allow=anyone, description="The library: guides, FAQ, videos and webinars, searched in one language."
    )
    article: t.Article | None = query(catalogue.article, allow=anyone, description="One article by its slug.")
    contact: t.Contact = query(contact.contact, allow=anyone, description="How to reach support.")
    purchases: Connection[t.Purchase] = query(
        buying.purchases, allow=buyer | agent, description="What was bought, the latest first."
    )
    invoices: Connection[t.Invoice] = query(buying.invoices, allow=buyer | agent, description="Invoices, the latest first.")
    tickets: Connection[t.Ticket] = query(
        support.tickets, allow=customer | agent, description="An agent's inbox, a customer's Messages: the latest change first."
    )
    ticket_report: list[TicketReportRow] = query(
        reports.ticket_report,
        allow=analyst,
        cost=ticket_report_cost,
        description="Tickets counted and measured, by dimensions.",
    )
    revenue_report: list[RevenueReportRow] = query(
        reports.revenue_report, allow=analyst, cost=revenue_report_cost, description="Invoiced revenue, by dimensions."
    )
    invoice_numbering: InvoiceNumbering = query(
        numbering.invoice_numbering, allow=operator, cost=1_000,
        description="Proof that invoices are numbered without gap or duplicate and never back in time.",
    )  # fmt: skip


@strawberry.type(description="What can be done. What a user can mend comes back as `userErrors`.")
class Mutation:
    account_sign_up: AccountSignUpPayload = mutation(
        identity.sign_up, "accepted", allow=anyone, description="Sign a company up; a verification letter follows."
    )
    email_verify: EmailVerifyPayload = mutation(
        identity.verify_email, "verified", allow=anyone, description="Confirm an address by the letter's token."
    )
    session_sign_in: SessionSignInPayload = mutation(
        identity.sign_in, "tokens", "user", allow=anyone, description="Begin a session."
    )
    session_refresh: SessionRefreshPayload = mutation(
        identity.refresh, "session", allow=anyone, description="Exchange a refresh token for the next pair."
    )
    session_sign_out: SessionSignOutPayload = mutation(
        identity.sign_out, "signed_out", allow=signed_in, description="End the session in use, its sockets included."
    )
    session_end: SessionEndPayload = mutation(
        access.end_session, "ended", allow=signed_in, description="End one of your sessions, its sockets included."
    )
    session_end_others: SessionEndOthersPayload = mutation(
        access.end_other_sessions, "ended", allow=signed_in, description="End every session of yours but the one in use."
    )
    session_step_up: SessionStepUpPayload = mutation(
        access.step_up, "fresh_until", allow=signed_in,
        description="Prove who you are again: for five minutes, delicate operations are not refused with STEP_UP_REQUIRED.",
    )  # fmt: skip
    password_request_reset: PasswordRequestResetPayload = mutation(
        access.request_reset, "accepted", allow=anyone, description="Get a letter to set a new password with."
    )
    password_reset: PasswordResetPayload = mutation(
        access.reset_password, "reset", allow=anyone,
        description="Set a new password by the letter's token; every session ends, the second factor stays as it is.",
    )  # fmt: skip
    password_change: PasswordChangePayload = mutation(
        access.change_password, "changed", allow=signed_in,
        description="Set a new password by the current one; your other sessions end.",
    )  # fmt: skip
    email_request_change: EmailRequestChangePayload = mutation(
        access.request_email_change, "accepted", allow=signed_in,
        description="Ask for another address, which must confirm; so must the old one, unless the second factor has been on for"
        " a week. Wants `sessionStepUp`.",
    )  # fmt: skip
    email_confirm_change: EmailConfirmChangePayload = mutation(
        access.confirm_email_change, "changed", allow=anyone,
        description="Confirm a change of address by a letter's token; once it is done, your other sessions end.",
    )  # fmt: skip
    totp_set_up: TotpSetUpPayload = mutation(
        access.set_up_totp, "secret", "provisioning_uri", "qr_code_svg", allow=signed_in,
        description="A seed for an authenticator app; in force once confirmed. To move from one, it wants `sessionStepUp`.",
    )  # fmt: skip
    totp_confirm: TotpConfirmPayload = mutation(
        access.confirm_totp, "recovery_codes", allow=signed_in,
        description="Turn the second factor on, or move it to the new authenticator; your other sessions end.",
    )  # fmt: skip
    totp_remove: TotpRemovePayload = mutation(
        access.remove_totp, "removed", allow=customer,
        description="Turn the second factor off; your other sessions end. Wants `sessionStepUp`.",
    )  # fmt: skip
    recovery_codes_renew: RecoveryCodesRenewPayload = mutation(
        access.renew_recovery_codes, "recovery_codes", allow=signed_in,
        description="Get new recovery codes; the earlier ones work no more. Wants `sessionStepUp`.",
    )  # fmt: skip
    purchase_draft: PurchasePayload = mutation(buying.draft, "purchase", allow=buyer, description="Begin to buy an offer.")
    purchase_confirm_billing: PurchasePayload = mutation(
        buying.confirm_billing, "purchase", allow=buyer, description="Say whom and where to bill."
    )
    purchase_pay: PaymentPayload = mutation(
        buying.pay, "purchase", "payment", allow=buyer, description="Pay; the purchase becomes active and is invoiced."
    )
    payment_refresh: PaymentPayload = mutation(
        buying.refresh_payment, "purchase", "payment", allow=buyer, description="Ask the bank again about a payment."
    )
    ticket_open: TicketPayload = mutation(support.open_, "ticket", allow=customer, description="Ask for help, or begin a chat.")
    ticket_claim: TicketPayload = mutation(support.claim, "ticket", allow=agent, description="Take a ticket on.")
    ticket_reply: TicketReplyPayload = mutation(
        support.reply, "message", "ticket_id", allow=customer | agent, description="Say something in a ticket."
    )
    ticket_move: TicketPayload = mutation(support.move, "ticket", allow=agent, description="Change a ticket's state.")
    ticket_close: TicketPayload = mutation(
        support.close, "ticket", allow=customer | agent, description="End a ticket; it stays readable in Messages."
    )
    ticket_typing: TicketTypingPayload = mutation(
        support.typing, "told", allow=customer | agent, cost=1, description="Tell the others in a ticket that you type."
    )
    file_announce: FileAnnouncePayload = mutation(
        files.announce, "file", "upload_url", allow=customer | agent, description="Get a link to upload a file to."
    )
    clock_advance: ClockAdvancePayload = mutation(
        clock.advance,
        "now",
        allow=operator,
        description="For operators of a demonstration: move time on; sessions expire with it.",
    )


@strawberry.type(description="What can be followed. `after` resumes: nothing is missed, nothing comes twice.")
class Subscription:
    ticket_events: AsyncGenerator[t.TicketEvent, None] = subscription(
        following.ticket_events, allow=customer | agent, description="Everything that happens in one ticket, in order."
    )
    ticket_typing: AsyncGenerator[t.Typing, None] = subscription(
        following.ticket_typing, allow=customer | agent, description="Who else types in one ticket."
    )
    inbox_events: AsyncGenerator[t.InboxEvent, None] = subscription(
        following.inbox_events, allow=agent, description="What agents must know of every ticket, in order."
    )
    account_events: AsyncGenerator[t.AccountEvent, None] = subscription(
        following.account_events, allow=customer, description="What happens to the viewer's company, in order."
    )


schema = strawberry.Schema(
    Query, Mutation, Subscription,
    types=[t.Account, t.Article, t.File, t.Invoice, t.Message, t.Offer, t.Payment, t.Price, t.Purchase, t.Ticket, t.User],
    config=StrawberryConfig(scalar_map={t.BigInt: t.BIG_INT}),
)  # fmt: skip
