"""The roots of the graph: its table of contents. One line a field, each saying who is let in."""

from collections.abc import AsyncGenerator

import strawberry
from strawberry.schema.config import StrawberryConfig

from auth.rules import agent, analyst, anyone, buyer, customer, manager, operator, owner, signed_in
from models.audit import AuditAction
from resolvers import (
    access,
    audit,
    authenticators,
    catalogue,
    clock,
    company,
    contact,
    files,
    following,
    identity,
    lifecycle,
    members,
    numbering,
    reports,
)
from resolvers import emails as outbox
from resolvers import nodes as objects
from resolvers import policies as texts
from resolvers import purchases as buying
from resolvers import staff as personnel
from resolvers import tickets as support
from schema import types as t
from schema.audit import AuditEntry, AuditProof
from schema.company import Erasure, LegalNameChange
from schema.fields import Unaudited, mutation, query, subscription
from schema.nodes import Connection, Node
from schema.numbering import InvoiceNumbering
from schema.operating import Email, EmailPayload, UserResetSecondFactorPayload
from schema.payloads import (
    AccountLeavePayload,
    AccountPayload,
    AccountRequestReactivationPayload,
    AccountSignUpPayload,
    AccountTransferOwnershipPayload,
    AuthenticatorPayload,
    AuthenticatorRemovePayload,
    ClockAdvancePayload,
    EmailConfirmChangePayload,
    EmailRequestChangePayload,
    EmailVerifyPayload,
    FileAnnouncePayload,
    InvitationAcceptPayload,
    InvitationPayload,
    LegalNameChangePayload,
    MemberPayload,
    MemberRemovePayload,
    PasskeyBeginPayload,
    PasskeyChallengePayload,
    PasskeyRegisterPayload,
    PasswordChangePayload,
    PasswordRequestResetPayload,
    PasswordResetPayload,
    PaymentPayload,
    PolicyAcceptPayload,
    PurchasePayload,
    RecoveryCodesRenewPayload,
    SessionEndOthersPayload,
    SessionEndPayload,
    SessionRefreshPayload,
    SessionRequestUnlockPayload,
    SessionSignInPayload,
    SessionSignOutPayload,
    SessionStepUpPayload,
    SessionSwitchAccountPayload,
    StaffDismissPayload,
    StaffPayload,
    TicketPayload,
    TicketReplyPayload,
    TicketTypingPayload,
    TotpConfirmPayload,
    TotpSetUpPayload,
    UserEndSessionsPayload,
)
from schema.policies import Policy
from schema.reports import RevenueReportRow, TicketReportRow, revenue_report_cost, ticket_report_cost
from schema.staff import Customer, StaffMember

_OWN_RECORD = Unaudited("A ticket and what is said in it tell by themselves who did it, and when.")


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
    policies: Connection[Policy] = query(
        texts.policies, allow=anyone, description="The versions of the vendor's policies, the latest in force first."
    )
    policy: Policy | None = query(
        texts.policy, allow=anyone, description="The version of a policy in force, null where there is none yet."
    )
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
    staff: Connection[StaffMember] = query(
        personnel.members, allow=operator, description="The vendor's people, the one hired first at first."
    )
    users: Connection[Customer] = query(
        personnel.customers, allow=agent | operator, cost=200,
        description="Customers found by parts of what is known of them, who came last at first.",
    )  # fmt: skip
    emails: Connection[Email] = query(
        outbox.emails, allow=operator, description="What was written to people, and whether it arrived: the latest first."
    )
    legal_name_changes: Connection[LegalNameChange] = query(
        company.legal_name_changes, allow=agent,
        description="Changes of legal name of every company, the one that waits longest first: IN_REVIEW is the agents' list.",
    )  # fmt: skip
    erasures: Connection[Erasure] = query(
        lifecycle.erasures, allow=operator,
        description="Deletions of companies' accounts: scheduled, called off, done, and what was kept; the latest first.",
    )  # fmt: skip
    audit_entries: Connection[AuditEntry] = query(
        audit.entries, allow=owner | operator,
        description="Who did what, the latest first: everything for the operator, what concerns their company for its owner.",
    )  # fmt: skip
    audit_proof: AuditProof = query(
        audit.proof, allow=operator, cost=1_000, description="Proof that the audit log is whole and was never changed."
    )


@strawberry.type(description="What can be done. What a user can mend comes back as `userErrors`.")
class Mutation:
    account_sign_up: AccountSignUpPayload = mutation(
        identity.sign_up,
        "accepted",
        allow=anyone,
        audit=AuditAction.ACCOUNT_SIGN_UP,
        description="Sign a company up; a verification email follows.",
    )
    email_verify: EmailVerifyPayload = mutation(
        identity.verify_email,
        "verified",
        allow=anyone,
        audit=AuditAction.EMAIL_VERIFY,
        description="Confirm an address by the email's token.",
    )
    session_sign_in: SessionSignInPayload = mutation(
        identity.sign_in, "tokens", "user", allow=anyone, audit=AuditAction.SESSION_SIGN_IN, description="Begin a session."
    )
    session_refresh: SessionRefreshPayload = mutation(
        identity.refresh,
        "session",
        allow=anyone,
        audit=AuditAction.SESSION_REFRESH_REUSED,
        description="Exchange a refresh token for the next pair.",
    )
    session_sign_out: SessionSignOutPayload = mutation(
        identity.sign_out,
        "signed_out",
        allow=anyone,
        audit=AuditAction.SESSION_SIGN_OUT,
        description="End the session in use, its sockets included; by its cookies also once the access token has expired.",
    )
    session_switch_account: SessionSwitchAccountPayload = mutation(
        members.switch_account, "session", allow=signed_in,
        audit=AuditAction.SESSION_SWITCH_ACCOUNT,
        description="Act for another of one's companies: new tokens, and sockets opened before close.",
    )  # fmt: skip
    invitation_send: InvitationPayload = mutation(
        members.send_invitation,
        "invitation",
        allow=manager,
        audit=AuditAction.INVITATION_SEND,
        description="Invite an address into the company, by email.",
    )
    invitation_resend: InvitationPayload = mutation(
        members.resend_invitation, "invitation", allow=manager,
        audit=AuditAction.INVITATION_RESEND,
        description="Send an invitation's email again; the earlier one's token stops working.",
    )  # fmt: skip
    invitation_revoke: InvitationPayload = mutation(
        members.revoke_invitation,
        "invitation",
        allow=manager,
        audit=AuditAction.INVITATION_REVOKE,
        description="Take an invitation back. A repeat changes nothing.",
    )
    invitation_accept: InvitationAcceptPayload = mutation(
        members.accept_invitation, "company", allow=anyone,
        audit=AuditAction.INVITATION_ACCEPT,
        description="Join a company by the email's token: signed in as the invited address, or as somebody new, with a name "
        "and a password. The address counts as verified, for the email reached it.",
    )  # fmt: skip
    member_change_role: MemberPayload = mutation(
        members.change_role, "member", allow=manager,
        audit=AuditAction.MEMBER_CHANGE_ROLE,
        description="Give a member another role; administrators neither make nor change owners, one owner always stays."
        " Making or unmaking an owner wants `sessionStepUp`, and every owner is told by email.",
    )  # fmt: skip
    member_remove: MemberRemovePayload = mutation(
        members.remove, "removed", allow=manager,
        audit=AuditAction.MEMBER_REMOVE,
        description="Take a member out of the company; their sessions for it end, sockets included. An owner's going wants"
        " `sessionStepUp`.",
    )  # fmt: skip
    policy_accept: PolicyAcceptPayload = mutation(
        texts.accept,
        "acceptance",
        allow=signed_in,
        audit=AuditAction.POLICY_ACCEPT,
        description="Accept the version of a policy in force; a repeat changes nothing.",
    )
    account_leave: AccountLeavePayload = mutation(
        members.leave,
        "left",
        allow=customer,
        audit=AuditAction.ACCOUNT_LEAVE,
        description="Leave the company, unless one is its last owner. Owners want `sessionStepUp`.",
    )
    account_transfer_ownership: AccountTransferOwnershipPayload = mutation(
        members.transfer_ownership, "account", allow=owner,
        audit=AuditAction.ACCOUNT_TRANSFER_OWNERSHIP,
        description="Make a member the owner in one's own place, and be an administrator from then on; every owner is told by"
        " email. Wants `sessionStepUp`.",
    )  # fmt: skip
    account_change_trade_name: AccountPayload = mutation(
        company.change_trade_name, "account", allow=manager,
        audit=AuditAction.ACCOUNT_CHANGE_TRADE_NAME,
        description="Set how the company calls itself. Its legal name has a way of its own, `accountRequestLegalName`.",
    )  # fmt: skip
    account_change_address: AccountPayload = mutation(
        company.change_address, "account", allow=manager,
        audit=AuditAction.ACCOUNT_CHANGE_ADDRESS,
        description="Set where the company is; new purchases propose it for their bills, issued ones stay as they are.",
    )  # fmt: skip
    account_change_identifiers: AccountPayload = mutation(
        company.change_identifiers, "account", allow=manager,
        audit=AuditAction.ACCOUNT_CHANGE_IDENTIFIERS,
        description="Set the company's SIRET and VAT number. Its SIREN never changes: another one is another account.",
    )  # fmt: skip
    account_request_legal_name: LegalNameChangePayload = mutation(
        company.request_legal_name, "change", allow=manager,
        audit=AuditAction.ACCOUNT_REQUEST_LEGAL_NAME,
        description="Ask for another legal name: in force at once if it is the registered one, else an agent decides by the"
        " evidence shown. It is on invoices issued from then on. Wants `sessionStepUp`.",
    )  # fmt: skip
    legal_name_change_add_evidence: LegalNameChangePayload = mutation(
        company.add_evidence, "change", allow=manager,
        audit=AuditAction.LEGAL_NAME_CHANGE_ADD_EVIDENCE,
        description="Show files for a change of legal name, which an agent then looks at.",
    )  # fmt: skip
    legal_name_change_cancel: LegalNameChangePayload = mutation(
        company.cancel_legal_name, "change", allow=manager,
        audit=AuditAction.LEGAL_NAME_CHANGE_CANCEL,
        description="Take a change of legal name back. A repeat changes nothing.",
    )  # fmt: skip
    legal_name_change_decide: LegalNameChangePayload = mutation(
        company.decide_legal_name, "change", allow=agent,
        audit=AuditAction.LEGAL_NAME_CHANGE_DECIDE,
        description="Accept a change of legal name by its evidence, reject it, or ask for better; an email tells the company.",
    )  # fmt: skip
    account_request_deactivation: TicketPayload = mutation(
        lifecycle.request_deactivation, "ticket", allow=owner,
        audit=_OWN_RECORD,
        description="Ask support to let the company's account rest: a ticket of that kind. Wants `sessionStepUp`.",
    )  # fmt: skip
    account_request_deletion: TicketPayload = mutation(
        lifecycle.request_deletion, "ticket", allow=signed_in,
        audit=_OWN_RECORD,
        description="Ask support to delete the company's account: a ticket of that kind. Wants `sessionStepUp`.",
    )  # fmt: skip
    account_request_reactivation: AccountRequestReactivationPayload = mutation(
        lifecycle.request_reactivation, "accepted", allow=signed_in,
        audit=_OWN_RECORD,
        description="Ask support to have a company back that rests or is to be deleted, as its owner, signed in for none or"
        " another one.",
    )  # fmt: skip
    account_deactivate: AccountPayload = mutation(
        lifecycle.deactivate, "account", allow=agent,
        audit=AuditAction.ACCOUNT_DEACTIVATE,
        description="Let a company's account rest: its people are signed out, sockets included, and nothing is erased.",
    )  # fmt: skip
    account_reactivate: AccountPayload = mutation(
        lifecycle.reactivate, "account", allow=agent,
        audit=AuditAction.ACCOUNT_REACTIVATE,
        description="Bring a company's account back, from its rest or before it is deleted.",
    )  # fmt: skip
    account_decline_reactivation: AccountPayload = mutation(
        lifecycle.decline_reactivation, "account", allow=agent,
        audit=AuditAction.ACCOUNT_DECLINE_REACTIVATION,
        description="Answer by email who asked to have a company back, and sees no tickets: why not, or what to tell first.",
    )  # fmt: skip
    account_schedule_deletion: AccountPayload = mutation(
        lifecycle.schedule_deletion, "account", allow=agent,
        audit=AuditAction.ACCOUNT_SCHEDULE_DELETION,
        description="Delete a company's account once the grace is over, as its owner asked in a ticket; until then it rests."
        " Its invoices are kept as long as the law wants. Wants `sessionStepUp`.",
    )  # fmt: skip
    staff_hire: StaffPayload = mutation(
        personnel.hire, "member", allow=operator,
        audit=AuditAction.STAFF_HIRE,
        description="Have somebody work for the vendor: an email leads them to the page where they choose a password; their"
        " role begins with their second factor. Wants `sessionStepUp`.",
    )  # fmt: skip
    staff_change_role: StaffPayload = mutation(
        personnel.change_role, "member", allow=operator,
        audit=AuditAction.STAFF_CHANGE_ROLE,
        description="Give one of the vendor's people another role; their sessions end. Wants `sessionStepUp`.",
    )  # fmt: skip
    staff_dismiss: StaffDismissPayload = mutation(
        personnel.dismiss, "dismissed", allow=operator,
        audit=AuditAction.STAFF_DISMISS,
        description="End somebody's work for the vendor; one operator always stays. Wants `sessionStepUp`.",
    )  # fmt: skip
    user_end_sessions: UserEndSessionsPayload = mutation(
        personnel.end_sessions, "ended", allow=operator,
        audit=AuditAction.SESSION_END_ALL,
        description="End every session of somebody, sockets included; an email tells them. Wants `sessionStepUp`.",
    )  # fmt: skip
    member_reset_second_factor: MemberPayload = mutation(
        members.reset_second_factor, "member", allow=owner,
        audit=AuditAction.SECOND_FACTOR_RESET,
        description="Turn the second factor of a colleague off who lost it with their recovery codes; their sessions end, their"
        " password stays, an email tells them. Of an owner or of somebody of several companies only our support does."
        " Wants `sessionStepUp`.",
    )  # fmt: skip
    user_reset_second_factor: UserResetSecondFactorPayload = mutation(
        personnel.reset_second_factor, "reset", allow=operator,
        audit=AuditAction.SECOND_FACTOR_RESET,
        description="Turn the second factor of somebody else off who lost it with their recovery codes; their sessions end,"
        " their password stays, an email tells them. Wants `sessionStepUp`.",
    )  # fmt: skip
    email_retry: EmailPayload = mutation(
        outbox.retry, "email", allow=operator,
        audit=AuditAction.EMAIL_RETRY,
        description="Have an email tried anew that was given up, unless it carried a token, which is forgotten.",
    )  # fmt: skip
    session_end: SessionEndPayload = mutation(
        access.end_session,
        "ended",
        allow=signed_in,
        audit=AuditAction.SESSION_END,
        description="End one of your sessions, its sockets included.",
    )
    session_end_others: SessionEndOthersPayload = mutation(
        access.end_other_sessions,
        "ended",
        allow=signed_in,
        audit=AuditAction.SESSION_END_OTHERS,
        description="End every session of yours but the one in use.",
    )
    session_step_up: SessionStepUpPayload = mutation(
        access.step_up, "fresh_until", allow=signed_in,
        audit=AuditAction.SESSION_STEP_UP,
        description="Prove who you are again: for five minutes, delicate operations are not refused with STEP_UP_REQUIRED.",
    )  # fmt: skip
    session_request_unlock: SessionRequestUnlockPayload = mutation(
        access.request_unlock, "accepted", allow=anyone,
        audit=AuditAction.SESSION_REQUEST_UNLOCK,
        description="Get an email that lets its reader sign in at once, however many others guess at the address.",
    )  # fmt: skip
    password_request_reset: PasswordRequestResetPayload = mutation(
        access.request_reset,
        "accepted",
        allow=anyone,
        audit=AuditAction.PASSWORD_REQUEST_RESET,
        description="Get an email to set a new password with.",
    )
    password_reset: PasswordResetPayload = mutation(
        access.reset_password, "reset", allow=anyone,
        audit=AuditAction.PASSWORD_RESET,
        description="Set a new password by the email's token; every session ends, the second factor stays as it is.",
    )  # fmt: skip
    password_change: PasswordChangePayload = mutation(
        access.change_password, "changed", allow=signed_in,
        audit=AuditAction.PASSWORD_CHANGE,
        description="Set a new password by the current one; your other sessions end.",
    )  # fmt: skip
    email_request_change: EmailRequestChangePayload = mutation(
        access.request_email_change, "accepted", allow=signed_in,
        audit=AuditAction.EMAIL_REQUEST_CHANGE,
        description="Ask for another address, which must confirm; so must the old one, unless the second factor has been on for"
        " a week. Wants `sessionStepUp`.",
    )  # fmt: skip
    email_confirm_change: EmailConfirmChangePayload = mutation(
        access.confirm_email_change, "changed", allow=anyone,
        audit=AuditAction.EMAIL_CONFIRM_CHANGE,
        description="Confirm a change of address by an email's token; once it is done, your other sessions end.",
    )  # fmt: skip
    totp_set_up: TotpSetUpPayload = mutation(
        authenticators.set_up_totp, "secret", "provisioning_uri", "qr_code_svg", allow=signed_in,
        audit=AuditAction.TOTP_SET_UP,
        description="A seed for an authenticator app; in force once confirmed. Where the second factor is on already, it wants"
        " `sessionStepUp`.",
    )  # fmt: skip
    totp_confirm: TotpConfirmPayload = mutation(
        authenticators.confirm_totp, "authenticator", "recovery_codes", allow=signed_in,
        audit=AuditAction.TOTP_CONFIRM,
        description="Put an app in force by its first code; the first one turns the second factor on. Your other sessions end.",
    )  # fmt: skip
    passkey_begin: PasskeyBeginPayload = mutation(
        authenticators.begin_passkey, "options", allow=signed_in,
        audit=Unaudited("Nothing has changed until `passkeyRegister`."),
        description="What a browser makes a passkey by (WebAuthn). Wants `sessionStepUp`.",
    )  # fmt: skip
    passkey_register: PasskeyRegisterPayload = mutation(
        authenticators.register_passkey, "authenticator", "recovery_codes", allow=signed_in,
        audit=AuditAction.PASSKEY_REGISTER,
        description="Add the passkey that was made; the first authenticator turns the second factor on. Your other sessions"
        " end. Wants `sessionStepUp`.",
    )  # fmt: skip
    passkey_challenge: PasskeyChallengePayload = mutation(
        authenticators.challenge_passkey, "options", allow=anyone,
        audit=Unaudited("It tells nothing, and what is answered is audited."),
        description="What a browser asks a passkey by: to sign in, as the second factor, to step up.",
    )  # fmt: skip
    session_sign_in_with_passkey: SessionSignInPayload = mutation(
        authenticators.sign_in_with_passkey, "tokens", "user", allow=anyone,
        audit=AuditAction.SESSION_SIGN_IN,
        description="Begin a session by a passkey, without a password: it stands for both factors.",
    )  # fmt: skip
    authenticator_rename: AuthenticatorPayload = mutation(
        authenticators.rename, "authenticator", allow=signed_in,
        audit=AuditAction.AUTHENTICATOR_RENAME,
        description="Give one of your authenticators another name.",
    )  # fmt: skip
    authenticator_remove: AuthenticatorRemovePayload = mutation(
        authenticators.remove, "second_factor", allow=signed_in,
        audit=AuditAction.AUTHENTICATOR_REMOVE,
        description="Take one of your authenticators away; the last one turns the second factor off, which the vendor's people"
        " can't. Your other sessions end. Wants `sessionStepUp`.",
    )  # fmt: skip
    recovery_codes_renew: RecoveryCodesRenewPayload = mutation(
        authenticators.renew_recovery_codes, "recovery_codes", allow=signed_in,
        audit=AuditAction.RECOVERY_CODES_RENEW,
        description="Get new recovery codes; the earlier ones work no more. Wants `sessionStepUp`.",
    )  # fmt: skip
    purchase_draft: PurchasePayload = mutation(
        buying.draft, "purchase", allow=buyer, audit=AuditAction.PURCHASE_DRAFT, description="Begin to buy an offer."
    )
    purchase_confirm_billing: PurchasePayload = mutation(
        buying.confirm_billing,
        "purchase",
        allow=buyer,
        audit=AuditAction.PURCHASE_CONFIRM_BILLING,
        description="Say whom and where to bill.",
    )
    purchase_pay: PaymentPayload = mutation(
        buying.pay,
        "purchase",
        "payment",
        allow=buyer,
        audit=AuditAction.PURCHASE_PAY,
        description="Pay; the purchase becomes active and is invoiced.",
    )
    payment_refresh: PaymentPayload = mutation(
        buying.refresh_payment,
        "purchase",
        "payment",
        allow=buyer,
        audit=AuditAction.PAYMENT_CHANGE,
        description="Ask the bank again about a payment.",
    )
    ticket_open: TicketPayload = mutation(
        support.open_, "ticket", allow=customer, audit=_OWN_RECORD, description="Ask for help, or begin a chat."
    )
    ticket_claim: TicketPayload = mutation(
        support.claim, "ticket", allow=agent, audit=AuditAction.TICKET_CLAIM, description="Take a ticket on."
    )
    ticket_reply: TicketReplyPayload = mutation(
        support.reply,
        "message",
        "ticket_id",
        allow=customer | agent,
        audit=_OWN_RECORD,
        description="Say something in a ticket.",
    )
    ticket_move: TicketPayload = mutation(
        support.move, "ticket", allow=agent, audit=AuditAction.TICKET_MOVE, description="Change a ticket's state."
    )
    ticket_close: TicketPayload = mutation(
        support.close,
        "ticket",
        allow=customer | agent,
        audit=AuditAction.TICKET_MOVE,
        description="End a ticket; it stays readable in Messages.",
    )
    ticket_typing: TicketTypingPayload = mutation(
        support.typing,
        "told",
        allow=customer | agent,
        audit=Unaudited("Nothing is stored."),
        cost=1,
        description="Tell the others in a ticket that you type.",
    )
    file_announce: FileAnnouncePayload = mutation(
        files.announce,
        "file",
        "upload_url",
        allow=customer | agent,
        audit=AuditAction.FILE_ANNOUNCE,
        description="Get a link to upload a file to. What is attached to nothing a day later is deleted.",
    )
    clock_advance: ClockAdvancePayload = mutation(
        clock.advance,
        "now",
        allow=operator,
        audit=AuditAction.CLOCK_ADVANCE,
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
    types=[
        t.Account, t.Article, t.File, t.Invitation, t.Invoice, t.Message, t.Offer, t.Payment, t.Price, t.Purchase, t.Ticket,
        t.User,
    ],
    config=StrawberryConfig(scalar_map={t.BigInt: t.BIG_INT}),
)  # fmt: skip
