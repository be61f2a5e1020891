"""Inputs of the operator's mutations."""

import strawberry


@strawberry.input(description="How far to move the demonstration's clock.")
class ClockAdvanceInput:
    seconds: int = strawberry.field(description="Forward by this much, at most 366 days; it never goes back.")


@strawberry.input(description="An email that was given up.")
class EmailRetryInput:
    email_id: strawberry.ID = strawberry.field(description="One of `emails { nodes { emailId } }`.")
