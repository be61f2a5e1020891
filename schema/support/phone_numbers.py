"""Phone numbers of people and companies."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.support.phone_number
from auth.rules import agent, customer
from models.support.audit_actions import SupportAuditAction
from resolvers.support import phone_numbers as phone_number_resolvers
from schema.fields import edge, field, mutation
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.accounts.accounts import Account
    from schema.identity.users import User


@strawberry.type(
    description="A phone number of a person or of a company, by which support recognizes who is "
    "calling."
)
@backed_by(models.support.phone_number.PhoneNumber)
class PhoneNumber(Node):
    number: str = field("The number in E.164, such as +33142685300.")
    formatted: str = field(
        "The number as people write it, such as +33 1 42 68 53 00.",
        phone_number_resolvers.formatted,
        needs=("number",),
    )
    created_at: datetime = field("When the number was added.")
    user: Annotated["User", strawberry.lazy("schema.identity.users")] | None = edge(
        phone_number_resolvers.users,
        needs=("user_id",),
        description="The person whose number it is. Null for a company's.",
    )
    account: Annotated["Account", strawberry.lazy("schema.accounts.accounts")] | None = edge(
        phone_number_resolvers.accounts,
        needs=("account_id",),
        description="The company whose number it is. Null for a person's.",
    )


@strawberry.type(description="The result of adding a phone number.")
class PhoneNumberAddPayload:
    phone_number: PhoneNumber | None = field("The number.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of removing a phone number.")
class PhoneNumberRemovePayload:
    removed: bool | None = field("True when the number was removed.")
    user_errors: list[UserError] = errors()


@strawberry.type
class PhoneNumberMutation:
    phone_number_add: PhoneNumberAddPayload | None = mutation(
        phone_number_resolvers.add,
        "phone_number",
        allow=customer | agent,
        audit=SupportAuditAction.PHONE_NUMBER_ADD,
        description=(
            "Adds a phone number of the viewer, or of a company that the viewer manages. Agents "
            "can add numbers of any person or company. Each can have at most five."
        ),
    )
    phone_number_remove: PhoneNumberRemovePayload | None = mutation(
        phone_number_resolvers.remove,
        "removed",
        allow=customer | agent,
        audit=SupportAuditAction.PHONE_NUMBER_REMOVE,
        description="Removes a phone number.",
    )
