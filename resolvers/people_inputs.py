"""What mutations take that look after other people and their letters. Like resolvers/inputs.py, which is long enough."""

import strawberry


@strawberry.input(description="A colleague who lost their second factor.")
class MemberResetSecondFactorInput:
    user_id: strawberry.ID = strawberry.field(
        description="One of the company's people, of `Account.members`, but no owner, nor anybody of another company as well."
    )


@strawberry.input(description="Somebody who lost their second factor.")
class UserResetSecondFactorInput:
    user_id: strawberry.ID = strawberry.field(description="A customer or one of the vendor's people, but not oneself.")


@strawberry.input(description="A letter that was given up.")
class LetterRetryInput:
    letter_id: strawberry.ID = strawberry.field(description="One of `letters { nodes { letterId } }`.")
