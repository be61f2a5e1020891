"""Inputs of the operator's mutations."""

import strawberry


@strawberry.input(description="How far to move the clock of a demonstration.")
class ClockAdvanceInput:
    seconds: int = strawberry.field(
        description="The number of seconds to move the clock forward, at most 366 days. The clock "
        "never goes back."
    )


@strawberry.input(description="The email to retry.")
class EmailRetryInput:
    email_id: strawberry.ID = strawberry.field(
        description="The ID of an email (`emails { nodes { id } }`)."
    )
