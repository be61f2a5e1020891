"""What mutations take that look after other people and their emails. Like resolvers/inputs.py, which is long enough."""

import strawberry

from models.locale import Locale
from models.user import Staff

_KEY = "Chosen by the client, at most 64 characters: a repeat with the same arguments returns what the first request made."


@strawberry.input(description="A colleague who lost their second factor.")
class MemberResetSecondFactorInput:
    user_id: strawberry.ID = strawberry.field(
        description="One of the company's people, of `Account.members`, but no owner, nor anybody of another company as well."
    )


@strawberry.input(description="Somebody who lost their second factor.")
class UserResetSecondFactorInput:
    user_id: strawberry.ID = strawberry.field(description="A customer or one of the vendor's people, but not oneself.")


@strawberry.input(description="Somebody who is to work for the vendor.")
class StaffHireInput:
    email: str = strawberry.field(description="Where they read mail; nobody else may sign in with it.")
    name: str = strawberry.field(description="How colleagues and customers will know them, at most 100 characters.")
    role: Staff = strawberry.field(description="What they may do, once they have a second factor.")
    locale: Locale | None = strawberry.field(
        default=None, description="The language of the email; the request's language unless told."
    )
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="One of the vendor's people and their new role.")
class StaffChangeRoleInput:
    user_id: strawberry.ID = strawberry.field(description="One of `staff { nodes { userId } }`.")
    role: Staff = strawberry.field(description="What they may do from now on.")


@strawberry.input(description="One of the vendor's people who leaves.")
class StaffDismissInput:
    user_id: strawberry.ID = strawberry.field(description="One of `staff { nodes { userId } }`.")


@strawberry.input(description="Somebody whose sessions are to end.")
class UserEndSessionsInput:
    user_id: strawberry.ID = strawberry.field(description="A customer or one of the vendor's people.")


@strawberry.input(description="An email that was given up.")
class EmailRetryInput:
    email_id: strawberry.ID = strawberry.field(description="One of `emails { nodes { emailId } }`.")
