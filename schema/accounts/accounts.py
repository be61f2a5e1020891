"""Companies."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.accounts.account
from models.accounts.account import AccountStatus, Organization
from models.accounts.legal_name import RegistryVerdict
from models.accounts.vat_number import VatNumberStatus
from resolvers.accounts import accounts as account_resolvers
from resolvers.accounts import invitations as invitation_resolvers
from resolvers.accounts import legal_names as legal_name_resolvers
from resolvers.accounts import service_accounts as service_account_resolvers
from resolvers.accounts.filters import LegalNameChangeOrder
from resolvers.addresses import address_of
from resolvers.billing import disputes as dispute_resolvers
from resolvers.billing import entitlements as entitlement_resolvers
from resolvers.billing import invoice_recipients as recipient_resolvers
from resolvers.billing import invoices as invoice_resolvers
from resolvers.billing import movements as movement_resolvers
from resolvers.billing import payment_methods as payment_method_resolvers
from resolvers.billing import purchases as purchase_resolvers
from resolvers.billing.filters import InvoiceOrder, PurchaseOrder
from resolvers.support import phone_numbers as phone_number_resolvers
from resolvers.support import status_board as board_resolvers
from resolvers.support import tickets as ticket_resolvers
from resolvers.support.filters import TicketOrder
from schema.accounts.invitations import Invitation
from schema.accounts.members import Membership
from schema.accounts.service_accounts import ServiceAccount
from schema.common.addresses import PostalAddress
from schema.fields import connection, edge, field
from schema.nodes import Connection, Node, backed_by
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.accounts.legal_names import LegalNameChange
    from schema.billing.disputes import Dispute
    from schema.billing.entitlements import Entitlement
    from schema.billing.invoice_recipients import InvoiceRecipient
    from schema.billing.invoices import Invoice
    from schema.billing.money import Money
    from schema.billing.movements import MoneyMovement
    from schema.billing.payment_methods import PaymentMethod
    from schema.billing.purchases import Purchase
    from schema.support.phone_numbers import PhoneNumber
    from schema.support.status_board import StatusBoardLink
    from schema.support.tickets import Ticket


@strawberry.type(description="The answer of the tax authorities about a VAT number.")
class VatNumberCheck:
    status: VatNumberStatus = field("Whether the number is valid.")
    checked_at: datetime | None = field(
        "When the tax authorities last answered. Null until they have."
    )
    consultation_number: str | None = field(
        "The reference of their answer, which proves that the number was valid on that day. Null "
        "unless the number is valid and they issued one."
    )
    registered_name: str | None = field(
        "The name registered under the number. Null when the country doesn't disclose it."
    )


@strawberry.type(description="A company.")
@backed_by(models.accounts.account.Account)
class Account(Node):
    legal_name: str = field("The legal name as registered and as printed on invoices.")
    trade_name: str | None = field(
        "The name under which the company trades, if it differs from the legal name."
    )
    organization: Organization = field("The kind of legal entity.")
    siren: str | None = field(
        "The SIREN of the company (nine digits). Null for companies outside of France and for "
        "associations that have none."
    )
    registration_number: str | None = field(
        "The number in the register of the company's country, or of an association in France "
        "(RNA). Null for companies with a SIREN."
    )
    siret: str | None = field(
        "The SIRET of the main establishment (14 digits). Null until it is set.",
        needs=("siren", "nic"),
    )
    vat_number: str | None = field(
        "The VAT number with its country. Null unless the company entered one. Invoices state it "
        "once the tax authorities have confirmed it."
    )
    vat_number_check: VatNumberCheck | None = edge(
        account_resolvers.vat_number_checks,
        description="What the tax authorities answered about the VAT number. Null without a "
        "number.",
    )
    address: PostalAddress | None = field(
        "The address of the company. Null until it is set. Each purchase has its own billing "
        "address.",
        address_of,
        needs=("street", "postal_code", "city", "country"),
    )
    created_at: datetime = field("When the company signed up.")
    status: AccountStatus = field("The status of the company's account.")
    is_verified: bool = edge(
        account_resolvers.verified,
        description="Whether an owner has verified their email address. Until then nobody can sign "
        "in for the company, and anyone may have signed it up with its public details.",
    )
    siren_claims: list[Annotated["Account", strawberry.lazy("schema.accounts.accounts")]] = edge(
        account_resolvers.siren_claims,
        needs=("siren", "status"),
        description="The other accounts that were signed up with the same SIREN, earliest first: "
        "`members` and `isVerified` show who signed them up. Visible to agents and operators; "
        "empty for "
        "everyone else.",
    )
    registry_verdict: RegistryVerdict | None = field(
        "The result of looking up the SIREN and legal name in the company register, which says "
        "nothing about who signed up (`isVerified`). Null until the register has answered."
    )
    erases_at: datetime | None = field(
        "When the account will be erased. Null unless the status is CLOSING."
    )
    members: list[Membership] = edge(
        account_resolvers.members,
        description="The members of the company, in the order in which they joined.",
    )
    phone_numbers: list[
        Annotated["PhoneNumber", strawberry.lazy("schema.support.phone_numbers")]
    ] = edge(
        phone_number_resolvers.of_accounts,
        description="The company's phone numbers, by which support recognizes its calls.",
    )
    legal_name_changes: Connection[
        Annotated["LegalNameChange", strawberry.lazy("schema.accounts.legal_names")]
    ] = connection(
        legal_name_resolvers.account_legal_name_changes,
        order=LegalNameChangeOrder,
        description="The changes of the legal name, most recent first. Visible to agents, owners "
        "and administrators.",
    )
    invitations: list[Invitation] = edge(
        invitation_resolvers.open_invitations,
        description="The pending invitations, including expired ones. Empty for viewers who can't "
        "manage members.",
    )
    service_accounts: list[ServiceAccount] = edge(
        service_account_resolvers.of_accounts,
        description="The systems of the company that use this API by themselves, oldest first. "
        "Visible to agents, owners and administrators.",
    )
    purchases: Connection[Annotated["Purchase", strawberry.lazy("schema.billing.purchases")]] = (
        connection(
            purchase_resolvers.account_purchases,
            order=PurchaseOrder,
            description="The purchases of the company, most recent first. Visible to agents and to "
            "members who can buy.",
        )
    )
    invoices: Connection[Annotated["Invoice", strawberry.lazy("schema.billing.invoices")]] = (
        connection(
            invoice_resolvers.account_invoices,
            order=InvoiceOrder,
            description="The invoices of the company, most recent first. Visible to agents and to "
            "members who can buy.",
        )
    )
    money_movements: Connection[
        Annotated["MoneyMovement", strawberry.lazy("schema.billing.movements")]
    ] = connection(
        movement_resolvers.account_movements,
        description=(
            "The movements of money that changed what the company owes, most recent first. "
            "Visible to agents and to members who can buy. To filter them, use the query "
            "`moneyMovements`."
        ),
    )
    balance: Annotated["Money", strawberry.lazy("schema.billing.money")] | None = edge(
        movement_resolvers.account_balances,
        needs=("id", "status"),
        description="What the company owes, including VAT. Negative when it has paid ahead. Null "
        "unless the viewer can see its invoices.",
    )
    entitlements: list[Annotated["Entitlement", strawberry.lazy("schema.billing.entitlements")]] = (
        edge(
            entitlement_resolvers.account_entitlements,
            description="What the company may use now, for other systems of the vendor. Visible to "
            "agents and to members who can buy.",
        )
    )
    status_board: (
        Annotated["StatusBoardLink", strawberry.lazy("schema.support.status_board")] | None
    ) = edge(
        board_resolvers.links,
        description=(
            "The link to the company's status board. Null while the board is off, until the "
            "morning after the company's first request, and for viewers who aren't members."
        ),
    )
    disputes: list[Annotated["Dispute", strawberry.lazy("schema.billing.disputes")]] = edge(
        dispute_resolvers.account_disputes,
        description="The company's disputes of invoices, oldest first. Visible to agents, to "
        "operators and to members who can buy.",
    )
    invoice_recipients: list[
        Annotated["InvoiceRecipient", strawberry.lazy("schema.billing.invoice_recipients")]
    ] = edge(
        recipient_resolvers.account_recipients,
        description="The recipients of invoices outside the company, in the order in which they "
        "were added. Visible to agents and to members who can buy.",
    )
    payment_methods: list[
        Annotated["PaymentMethod", strawberry.lazy("schema.billing.payment_methods")]
    ] = edge(
        payment_method_resolvers.account_payment_methods,
        description="The payment methods that the company saved, in the order in which they were "
        "added. Visible to agents and to members who can buy.",
    )
    tickets: Connection[Annotated["Ticket", strawberry.lazy("schema.support.tickets")]] = (
        connection(
            ticket_resolvers.account_tickets,
            order=TicketOrder,
            description="The tickets of the company, most recently updated first.",
        )
    )


@strawberry.type(
    description="The result of a request that doesn't reveal whether the email address is known."
)
class AccountSignUpPayload:
    accepted: bool | None = field(
        "True when the request was accepted. An email is on its way if the address can receive one."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a transfer of ownership.")
class AccountTransferOwnershipPayload:
    account: Account | None = field("The company after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a change to a company.")
class AccountPayload:
    account: Account | None = field("The company after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of requesting reactivation.")
class AccountRequestReactivationPayload:
    accepted: bool | None = field("True when the request was sent to support, who answer by email.")
    user_errors: list[UserError] = errors()
