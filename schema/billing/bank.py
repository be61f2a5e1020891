"""Bank statements and their lines, for the staff."""

from datetime import date, datetime

import strawberry

import models.billing.bank
from models.billing.bank import BankLineMatch, BankLineProblem, BankLineStatus, StatementFormat
from resolvers.accounts import accounts as account_resolvers
from resolvers.billing import bank as bank_resolvers
from schema.accounts.accounts import Account
from schema.billing.money import Money
from schema.billing.payments import Payment
from schema.fields import edge, field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="An imported bank statement: one file.")
@backed_by(models.billing.bank.BankStatement)
class BankStatement(Node):
    name: str = field("The name of the file.")
    format: StatementFormat = field("The format of the file.")
    created_at: datetime = field("When the file was imported.")
    line_count: int = field("The number of booked lines in the file.")
    new_count: int = field("The number of lines that no earlier file contained.")
    pending_count: int = field("The number of lines that weren't booked yet and were left out.")
    importer: User | None = edge(
        bank_resolvers.importers,
        needs=("importer_id",),
        description="The operator who imported the file. Null when it was imported by the command, "
        "or when the user no longer exists.",
    )


@strawberry.type(description="A line of a bank statement: a movement on the vendor's account.")
@backed_by(models.billing.bank.BankLine)
class BankLine(Node):
    iban: str = field("The vendor's account.")
    position: int = field("The line of the file on which the movement begins.")
    booked_on: date = field("The day on which the bank booked the movement.")
    value_on: date | None = field("The value date. Null when the bank gave none.")
    amount: Money = field(
        "The amount, positive for money that came in and negative for money that went out.",
        needs=("amount_cents",),
    )
    is_reversal: bool = field("Whether the movement reverses an earlier one.")
    structured_reference: str = field(
        "The payer's structured reference, such as an ISO 11649 reference. Empty when there is "
        "none."
    )
    text: str = field("The payer's text, or the bank's. Empty when there is none.", cost=1)
    bank_reference: str = field("The bank's own reference. Empty when there is none.")
    end_to_end_id: str = field("The payer's identifier of the transfer. Empty when there is none.")
    return_reason: str = field(
        "The code of the reason for a return (ISO 20022), such as AC04. Empty when there is none."
    )
    counterparty_name: str = field("The name of the payer. Empty when it isn't known.")
    counterparty_iban: str = field("The account of the payer. Empty when it isn't known.")
    status: BankLineStatus = field("The status of the line.")
    problem: BankLineProblem | None = field("Why the line waits for a person. Null unless it does.")
    match: BankLineMatch | None = field(
        "How the line was matched. Null unless the status is MATCHED or REVERSED."
    )
    account: Account | None = edge(
        account_resolvers.accounts_of,
        needs=("account_id",),
        description="The company that made the payment. Null until the line is matched.",
    )
    payment: Payment | None = edge(
        bank_resolvers.payment_of,
        needs=("payment_id",),
        description="The payment recorded for the line. Null until the line is matched.",
    )
    statement: BankStatement = edge(
        bank_resolvers.statement_of,
        needs=("statement_id",),
        description="The statement in which the line first appeared.",
    )
    decider: User | None = edge(
        bank_resolvers.deciders,
        needs=("decider_id",),
        description=(
            "The operator who matched the line or set it aside. Null when it was matched "
            "automatically."
        ),
    )
    decided_at: datetime | None = field("When the line was matched or set aside. Null until then.")


@strawberry.type(description="The result of importing a bank statement.")
class BankStatementImportPayload:
    statement: BankStatement | None = field("The statement.")
    is_repeated: bool | None = field(
        "True when the same file was imported before, so that nothing changed."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a decision about a line of a bank statement.")
class BankLinePayload:
    line: BankLine | None = field("The line after the decision.")
    user_errors: list[UserError] = errors()
