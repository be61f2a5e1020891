"""The objects of the graph as they read, field by field: nothing leaks because a column was added."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, NewType

import strawberry

import models.account
import models.article
import models.event
import models.file
import models.invitation
import models.invoice
import models.offer
import models.payment
import models.purchase
import models.ticket
import models.user
from models.account import AccountStatus, Role
from models.article import ArticleCategory, ArticleKind
from models.authenticator import AuthenticatorKind
from models.event import EventKind
from models.file import FileStatus
from models.legal_name import RegistryVerdict
from models.locale import Locale
from models.offer import Interval, Segment
from models.payment import PaymentStatus
from models.purchase import PurchaseStatus
from models.ticket import Category, Channel, TicketKind, TicketStatus, shown
from models.user import Staff
from resolvers import access, authenticators, catalogue, company, files, identity
from resolvers import members as people
from resolvers import policies as texts
from resolvers import purchases as buying
from resolvers import tickets as support
from resolvers.catalogue import Language
from resolvers.context import Context, Info
from schema.fields import Column, connection, edge, said, seen, worded
from schema.nodes import Connection, Node, of
from schema.policies import PolicyAcceptance, PolicyStanding

if TYPE_CHECKING:
    from schema.company import LegalNameChange

BigInt = NewType("BigInt", int)
BIG_INT = strawberry.scalar(
    name="BigInt", description="A whole number of up to 64 bits, as a JSON number.", serialize=int, parse_value=int
)


def _formatted(root: Any, info: Info, locale: Language = None) -> str:
    return str(root.formatted((locale or info.context.viewer.locale).value))


@strawberry.type(description="An amount of money, never a float.")
class Money:
    cents: BigInt = said("In the currency's minor unit: 2900 is 29.00.", name="amountCents")
    currency: str = said("ISO 4217; EUR everywhere today.")
    formatted: str = said("As a reader of the language writes it, such as 29,00 €.", _formatted)


def _text(name: str) -> Column:
    """One of the texts of offers and articles, in the language asked for or the viewer's."""

    def texts(context: Context, parents: Sequence[Any], locale: Locale | None = None) -> list[Any]:
        chosen = locale or context.viewer.locale
        return [parent.text(chosen)[name] for parent in parents]

    return texts


@strawberry.type(description="One version of an offer's price. A new version never touches running purchases.")
@of(models.offer.Price)
class Price(Node):
    interval: Interval = said("How often it is paid.")
    net: Money = said("Net of VAT, for one interval.", needs=("net_cents",))
    vat: Money = said("The VAT on it.", needs=("net_cents", "vat_rate"))
    gross: Money = said("Gross, as it is charged.", needs=("net_cents", "vat_rate"))
    vat_rate: int = said("The VAT rate in hundredths of a percent: 2000 is 20 %.")
    valid_from: datetime = said("On sale since.")
    valid_until: datetime | None = said("On sale until, null while it is.")
    offer: Annotated["Offer", strawberry.lazy("schema.types")] = edge(
        catalogue.offer_of_price, needs=("offer_id",), description="What it is the price of."
    )


@strawberry.type(description="A subscription offer of the catalogue.")
@of(models.offer.Offer)
class Offer(Node):
    slug: str = said("Its name in addresses.")
    segment: Segment = said("The size of business it is made for.")
    name: str = worded(_text("name"), description="Its name.", needs=("texts",))
    description: str = worded(_text("description"), description="What it is, in a few sentences.", needs=("texts",))
    features: list[str] = worded(_text("features"), description="What it does.", needs=("texts",))
    advantages: list[str] = worded(_text("advantages"), description="Why to choose it.", needs=("texts",))
    prices: list[Price] = edge(catalogue.prices, description="The prices on sale now, the shortest interval first.")


@strawberry.type(description="An article of the library.")
@of(models.article.Article)
class Article(Node):
    slug: str = said("Its name in addresses.")
    kind: ArticleKind = said("What sort of help it is.")
    category: ArticleCategory = said("The part of the service it is about.")
    title: str = worded(_text("title"), description="Its title.", needs=("texts",))
    summary: str = worded(_text("summary"), description="What it answers, in a sentence.", needs=("texts",))
    body: str = worded(_text("body"), description="The text in Markdown; of a video, its transcript.", needs=("texts",))
    media: str | None = said("The name under which a video is played, null for the others.")
    duration_seconds: int | None = said("How long a video or a webinar takes.")
    starts_at: datetime | None = said("When a webinar begins, null for the others.")


def _emails(context: Context, parents: Sequence[Any]) -> list[str | None]:
    viewer = context.viewer
    agent, own = viewer.agent, viewer.user_id
    return [root.email if agent or root.staff is None or root.id == own else None for root in parents]


@strawberry.type(description="A person: of a customer's company, or of the vendor.")
@of(models.user.User)
class User(Node):
    name: str = said("How colleagues and agents know them.")
    email: str | None = seen(
        _emails, description="The address; of the vendor's people, only agents see it.", needs=("email", "staff")
    )
    from_vendor: bool = said("Whether they work for the vendor.", lambda root: root.staff is not None, needs=("staff",))


@strawberry.type(description="A person's place in a company account.")
class Membership:
    user: User = edge(identity.users_of, needs=("user_id",), description="The person.")
    role: Role = said("What they may do.")
    created_at: datetime = said("Since when.")


@strawberry.type(description="An invitation into a company, sent to an address by email.")
@of(models.invitation.Invitation)
class Invitation(Node):
    email: str = said("The invited address.")
    role: Role = said("What the person may do once they join.")
    locale: Locale = said("The language of the email.")
    inviter: User | None = edge(people.inviters, needs=("inviter_id",), description="Who sent the latest email.")
    created_at: datetime = said("When the address was invited.")
    sent_at: datetime = said("When the latest email was written.")
    expires_at: datetime = said("Until when the latest email's token works.")
    accepted_at: datetime | None = said("When somebody joined by it, null while nobody has.")
    revoked_at: datetime | None = said("When it was taken back, null unless it was.")


@strawberry.type(description="Where a company is.")
class PostalAddress:
    street: str = said("Number and street.")
    postal_code: str = said("Postal code.")
    city: str = said("Its town.")
    country: str = said("Country, two letters (ISO 3166-1 alpha-2).")


@strawberry.type(description="A company.")
@of(models.account.Account)
class Account(Node):
    legal_name: str = said("As registered, and as invoices say it.")
    trade_name: str | None = said("How it calls itself, if otherwise.")
    siren: str = said("Its SIREN, nine digits.")
    siret: str | None = said("The SIRET of its main establishment, 14 digits; null until told.", needs=("siren", "nic"))
    vat_number: str = said("Its French VAT number, made from the SIREN unless told.", needs=("siren", "vat_key"))
    address: PostalAddress | None = said(
        "Where it is; null until told. Bills go where each purchase says.",
        company.address_of,
        needs=("street", "postal_code", "city", "country"),
    )
    created_at: datetime = said("When it signed up.")
    status: AccountStatus = said("Whether it can be used.")
    registry_verdict: RegistryVerdict | None = said(
        "What the register of companies says of its SIREN and legal name; null while it has not answered."
    )
    erases_at: datetime | None = said("When it is to be deleted, null unless CLOSING.")
    members: list[Membership] = edge(identity.members, description="Its people, in the order in which they joined.")
    legal_name_changes: Connection[Annotated["LegalNameChange", strawberry.lazy("schema.company")]] = connection(
        company.account_legal_name_changes,
        description="Its changes of legal name, the latest first; for agents and who looks after it.",
    )
    invitations: list[Invitation] = edge(
        people.open_invitations,
        description="Its open invitations, expired ones included; none for who doesn't look after its people.",
    )
    purchases: Connection[Annotated["Purchase", strawberry.lazy("schema.types")]] = connection(
        buying.account_purchases, description="What it bought, the latest first; for buyers and agents."
    )
    invoices: Connection[Annotated["Invoice", strawberry.lazy("schema.types")]] = connection(
        buying.account_invoices, description="Its invoices, the latest first; for buyers and agents."
    )
    tickets: Connection[Annotated["Ticket", strawberry.lazy("schema.types")]] = connection(
        support.account_tickets, description="Its requests for help, the latest change first."
    )


@strawberry.type(description="A company that the viewer may act for: enough to choose it by.")
class ViewerCompany:
    account_id: strawberry.ID = said("Its global id, for `sessionSwitchAccount`; `node` finds it once it is the current one.")
    legal_name: str = said("As registered, and as invoices say it.")
    trade_name: str | None = said("How it calls itself, if otherwise.")
    role: Role = said("What the viewer may do there.")
    joined_at: datetime = said("Since when they belong to it.")
    current: bool = said("Whether this session acts for it.")
    status: AccountStatus = said("Whether it can be used; if not, `accountRequestReactivation` asks for it.")
    erases_at: datetime | None = said("When it is to be deleted, null unless CLOSING.")


@strawberry.type(description="One signed-in device.")
class Session:
    id: strawberry.ID = said("What `sessionEnd` takes.", access.session_id)
    created_at: datetime = said("When it was signed in.")
    last_used_at: datetime = said(
        "When its tokens were last renewed, which happens every 15 minutes or so while it is in use.",
        lambda root: root.last_used_at or root.created_at,
    )
    expires_at: datetime = said(
        "When it ends unless it is used before. However it is used, it ends after its longest life: 90 days, of staff 12 hours."
    )
    device: str | None = said("What it looked like when it was signed in, such as `Firefox, Windows`; null for nothing known.")
    current: bool = seen(access.current, description="Whether it is the one that asks.", needs=("id",))


@strawberry.type(description="What a person proves with, besides a password, that it is them.")
class Authenticator:
    id: strawberry.ID = said("What `authenticatorRename` and `authenticatorRemove` take.", authenticators.authenticator_id)
    kind: AuthenticatorKind = said("How it proves it.")
    name: str = said("By which the person knows it.")
    created_at: datetime = said("When it was set up.")
    last_used_at: datetime | None = said("When it was used last, null for never.")


@strawberry.type(description="Whoever is signed in.")
class Viewer:
    user: User = said("The person.")
    account: Account | None = said("The company they act for, null for the vendor's people.")
    role: Role | None = said("Their role in that company.")
    companies: list[ViewerCompany] = said(
        "All companies they may act for, the one joined first at first: `sessionSwitchAccount` chooses.", people.companies
    )
    staff: Staff | None = said("Their role with the vendor: null for customers, and until the second factor is on.")
    locale: Locale = said("The language of this answer's messages.")
    second_factor: bool = said(
        "Whether sign-in asks them for a code or a passkey besides the password.", lambda root: root.user.second_factor
    )
    authenticators: list[Authenticator] = edge(
        authenticators.authenticators_of, description="What they prove themselves with, the first one first."
    )
    sessions: list[Session] = edge(
        access.sessions_of, description="Where they are signed in, the latest sign-in first, at most 100."
    )
    policies: list[PolicyStanding] = said(
        "The policies in force, the privacy policy first, and whether they have accepted each.", texts.standings
    )
    policy_acceptances: list[PolicyAcceptance] = said("What they ever accepted, the latest first.", texts.acceptances)
    account_sequence: BigInt | None = said(
        "The number of the company's latest event, to follow `accountEvents(after:)` from.", support.account_sequence
    )
    inbox_sequence: BigInt | None = said(
        "For agents: the number of the inbox's latest event, to follow `inboxEvents(after:)` from.", support.inbox_sequence
    )


@strawberry.type(description="Days for which a purchase is billed: from `start` up to, not including, `end`.")
class Period:
    index: int = said("0 for the first.")
    start: date = said("The first day, when it is billed.")
    end: date = said("The first day of the next period.")


@strawberry.type(description="An attempt to pay a purchase.")
@of(models.payment.Payment)
class Payment(Node):
    status: PaymentStatus = said("Where it stands.")
    amount: Money = said("Gross, as charged.", needs=("amount_cents",))
    brand: str | None = said("The card's brand.")
    last_four: str | None = said("The card's last four digits; no more of it is ever known here.")
    confirmation_url: str | None = said("The bank's page, while it wants the customer's confirmation.")
    decline_code: str | None = said("Why it was declined, in the provider's word.")
    created_at: datetime = said("When it began.")
    settled_at: datetime | None = said("When it succeeded or was declined.")


@strawberry.type(description="One line of an invoice.")
class InvoiceLine:
    position: int = said("Its place, from 1.")
    label: str = said("What is billed.")
    quantity: int = said("How many.")
    unit_net: Money = said("Net price of one.", needs=("unit_net_cents",))
    net: Money = said("Net price of the line.", needs=("net_cents",))
    vat_rate: int = said("The VAT rate in hundredths of a percent: 2000 is 20 %.")


@strawberry.type(description="An issued invoice: numbered without gaps, never changed.")
@of(models.invoice.Invoice)
class Invoice(Node):
    number: str = said("Its number, such as FA-2026-000042.")
    issued_on: date = said("The day of issue in Paris.")
    due_on: date = said("The day by which it is to be paid; the day of payment where it is paid already.")
    net: Money = said("Net total.", needs=("net_cents",))
    vat: Money = said("VAT total: summed per rate, rounded once.", needs=("vat_cents",))
    gross: Money = said("Gross total.", needs=("gross_cents",))
    sha256: str = said("SHA-256 of the PDF, in hexadecimal: proof that it never changed.")
    download_url: str = said("A link to the PDF, good for five minutes.", buying.download_url, needs=("id",))
    lines: list[InvoiceLine] = edge(buying.lines, description="Its lines, in order.")
    purchase: Annotated["Purchase", strawberry.lazy("schema.types")] = edge(
        buying.purchase_of, needs=("purchase_id",), description="What it bills."
    )


@strawberry.type(description="A bought offer, which renews on its anniversary.")
@of(models.purchase.Purchase)
class Purchase(Node):
    status: PurchaseStatus = said("Where it stands.")
    price: Price = edge(
        buying.price_of, needs=("price_id",), description="The price version it was made with; later prices don't touch it."
    )
    street: str | None = said("Billing address: number and street.")
    postal_code: str | None = said("Billing address: postal code.")
    city: str | None = said("Billing address: town.")
    country: str | None = said("Billing address: country, two letters.")
    order_number: str | None = said("The buyer's own order number.")
    anchor: date | None = said("The anniversary from which all periods are counted, null before activation.")
    created_at: datetime = said("When it was drafted.")
    activated_at: datetime | None = said("When it was paid and became active.")
    periods: list[Period] = edge(
        buying.upcoming,
        needs=("anchor", "price_id"),
        description="The running period and the next two; none before activation.",
    )
    payments: list[Payment] = edge(buying.payments, description="The attempts to pay it, the first one first.")
    invoices: list[Invoice] = edge(buying.invoices_of, description="Its invoices, in the order of their periods.")


@strawberry.type(description="A file that was sent.")
@of(models.file.File)
class File(Node):
    name: str = said("Its name.")
    content_type: str = said("Its media type.")
    size: BigInt = said("Its size in bytes.")
    sha256: str | None = said("SHA-256 of its bytes, null until uploaded.")
    uploaded_at: datetime | None = said("When it arrived, null until it has.")
    status: FileStatus = said("How far it has come.", files.file_status, needs=("uploaded_at", "cleared_at", "infected_at"))
    download_url: str | None = said(
        "A link to it, good for five minutes; null unless AVAILABLE.",
        files.file_url,
        needs=("uploaded_at", "cleared_at", "infected_at"),
    )


def _statuses(context: Context, parents: Sequence[Any]) -> list[TicketStatus]:
    return [shown(root.status, context.viewer) for root in parents]


@strawberry.type(description="Something said in a ticket.")
@of(models.ticket.Message)
class Message(Node):
    sequence: BigInt = said("Its number in the ticket: 1, 2, 3, ... together with the ticket's other events.")
    body: str = said("What was said; card numbers are masked.")
    at: datetime = said("When it was stored.")
    from_staff: bool = said("Whether the vendor said it.")
    client_message_id: str = said("The id its sender chose.")
    author: User = edge(support.authors, needs=("author_id",), description="Who said it.")
    files: list[File] = edge(support.files, description="What was attached.")


@strawberry.type(description="A request for help. A live chat is a ticket whose channel is CHAT.")
@of(models.ticket.Ticket)
class Ticket(Node):
    number: str = said("What people read and say, such as CAM-2026-000123.", needs=("created_at",))
    subject: str = said("What it is about, in a few words.")
    channel: Channel = said("How it reached the vendor.")
    category: Category = said("What it is about.")
    kind: TicketKind = said("What it asks for, where the vendor does more than answer.")
    status: TicketStatus = seen(_statuses, description="Where it stands.", needs=("status",))
    created_at: datetime = said("When it was opened.")
    updated_at: datetime = said("When anything last happened to it.")
    reply_awaited_since: datetime | None = said("Since when the customer waits for an answer, null while nobody does.")
    first_response_at: datetime | None = said("When a person first answered.")
    closed_at: datetime | None = said("When it was closed.")
    last_sequence: BigInt = edge(support.last_sequence, description="The number of its latest event: follow `after` it.")
    account: Account = edge(identity.accounts_of, needs=("account_id",), description="The company that asked.")
    requester: User = edge(support.requesters, needs=("requester_id",), description="The person who asked.")
    assignee: User | None = edge(support.assignees, needs=("assignee_id",), description="The agent who took it on.")
    follows: Annotated["Ticket", strawberry.lazy("schema.types")] | None = edge(
        support.followed, needs=("follows_id",), description="The closed ticket it goes on from."
    )
    last_message: Message | None = edge(support.last_messages, description="The latest message.")
    messages: Connection[Message] = connection(support.messages, description="What was said, in order.")


def _event_status(root: Any, info: Info) -> TicketStatus | None:
    return shown(TicketStatus(root.status), info.context.viewer) if root.status else None


@strawberry.type(description="One event of a ticket.")
class TicketEvent:
    sequence: BigInt = said("Its number in the ticket, without gaps: resume with `after` it.")
    at: datetime = said("When it happened.")
    kind: EventKind = said("What happened.")
    status: TicketStatus | None = said("The new state, where it changed.", _event_status)
    actor: User | None = edge(support.actors, description="Who did it; nobody when the clock did.")
    message: Message | None = edge(support.messages_of, description="What was said, where something was.")
    ticket: Ticket | None = edge(support.tickets_of, description="The ticket as it stands now.")


@strawberry.type(description="One event that agents must know of.")
class InboxEvent:
    sequence: BigInt = said("Its number in the inbox, without gaps: resume with `after` it.")
    at: datetime = said("When it happened.")
    kind: EventKind = said("What happened.")
    status: TicketStatus | None = said("The ticket's state then, where the event tells.", _event_status)
    actor: User | None = edge(support.actors, description="Who did it; nobody when the clock did.")
    ticket: Ticket | None = edge(support.tickets_of, description="The ticket as it stands now.")


@strawberry.type(description="One event of a company account.")
class AccountEvent:
    sequence: BigInt = said("Its number in the account, without gaps: resume with `after` it.")
    at: datetime = said("When it happened.")
    kind: EventKind = said("What happened.")
    ticket: Ticket | None = edge(support.tickets_of, description="The ticket it is about, as it stands now.")
    purchase: Purchase | None = edge(
        buying.purchase_of_event, description="The purchase it is about, as it stands now; for buyers."
    )
    invoice: Invoice | None = edge(buying.invoice_of_event, description="The invoice it is about; for buyers.")


@strawberry.type(description="Whether somebody types in a ticket. Never stored.")
class Typing:
    user: User = edge(support.typists, description="Who it is.")
    typing: bool = said("Whether they type.")
    expires_at: datetime = said("When to forget it, should no other news come.")


@strawberry.type(description="How to reach the vendor's support.")
class Contact:
    email: str = said("Answered within 24 to 48 hours.")
    phone: str = said("Answered at once during opening hours.")
    opening_hours: str = said("When chat and phone are answered, in the viewer's language.")
    privacy_policy_url: str = said("The page of the privacy policy in force, for every footer.")
    terms_url: str = said("The page of the terms in force.")
