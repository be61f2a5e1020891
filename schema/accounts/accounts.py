"""Companies."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.accounts.account
from models.accounts.account import AccountStatus
from models.accounts.legal_name import RegistryVerdict
from resolvers.accounts import accounts as account_resolvers
from resolvers.accounts import details as detail_resolvers
from resolvers.accounts import invitations as invitation_resolvers
from resolvers.accounts import legal_names as legal_name_resolvers
from resolvers.billing import invoices as invoice_resolvers
from resolvers.billing import purchases as purchase_resolvers
from resolvers.support import tickets as ticket_resolvers
from schema.accounts.invitations import Invitation
from schema.accounts.members import Membership
from schema.fields import connection, edge, field
from schema.nodes import Connection, Node, backed_by
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.accounts.legal_names import LegalNameChange
    from schema.billing.invoices import Invoice
    from schema.billing.purchases import Purchase
    from schema.support.tickets import Ticket


@strawberry.type(description="Where a company is.")
class PostalAddress:
    street: str = field("Number and street.")
    postal_code: str = field("Postal code.")
    city: str = field("Its town.")
    country: str = field("Country, two letters (ISO 3166-1 alpha-2).")


@strawberry.type(description="A company.")
@backed_by(models.accounts.account.Account)
class Account(Node):
    legal_name: str = field("As registered, and as invoices say it.")
    trade_name: str | None = field("How it calls itself, if otherwise.")
    siren: str = field("Its SIREN, nine digits.")
    siret: str | None = field("The SIRET of its main establishment, 14 digits; null until told.", needs=("siren", "nic"))
    vat_number: str = field("Its French VAT number, made from the SIREN unless told.", needs=("siren", "vat_key"))
    address: PostalAddress | None = field(
        "Where it is; null until told. Bills go where each purchase says.",
        detail_resolvers.address_of,
        needs=("street", "postal_code", "city", "country"),
    )
    created_at: datetime = field("When it signed up.")
    status: AccountStatus = field("Whether it can be used.")
    registry_verdict: RegistryVerdict | None = field(
        "What the register of companies says of its SIREN and legal name; null while it has not answered."
    )
    erases_at: datetime | None = field("When it is to be deleted, null unless CLOSING.")
    members: list[Membership] = edge(account_resolvers.members, description="Its people, in the order in which they joined.")
    legal_name_changes: Connection[Annotated["LegalNameChange", strawberry.lazy("schema.accounts.legal_names")]] = connection(
        legal_name_resolvers.account_legal_name_changes,
        description="Its changes of legal name, the latest first; for agents and who looks after it.",
    )
    invitations: list[Invitation] = edge(
        invitation_resolvers.open_invitations,
        description="Its open invitations, expired ones included; none for who doesn't look after its people.",
    )
    purchases: Connection[Annotated["Purchase", strawberry.lazy("schema.billing.purchases")]] = connection(
        purchase_resolvers.account_purchases, description="What it bought, the latest first; for buyers and agents."
    )
    invoices: Connection[Annotated["Invoice", strawberry.lazy("schema.billing.invoices")]] = connection(
        invoice_resolvers.account_invoices, description="Its invoices, the latest first; for buyers and agents."
    )
    tickets: Connection[Annotated["Ticket", strawberry.lazy("schema.support.tickets")]] = connection(
        ticket_resolvers.account_tickets, description="Its requests for help, the latest change first."
    )


@strawberry.type(description="The answer is the same whether or not the address was known.")
class AccountSignUpPayload:
    accepted: bool | None = field("True when an email is on its way.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A company with its new owner.")
class AccountTransferOwnershipPayload:
    account: Account | None = field("The company as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A company after the change.")
class AccountPayload:
    account: Account | None = field("The company as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether support was asked.")
class AccountRequestReactivationPayload:
    accepted: bool | None = field("True when it was: the answer comes by email.")
    user_errors: list[UserError] = errors()
