"""Inputs of the operator's mutations."""

import strawberry


@strawberry.input(description="How far to move the demonstration's clock.")
class ClockAdvanceInput:
    seconds: int = strawberry.field(description="Forward by this much, at most 366 days; it never goes back.")


@strawberry.input(description="Which email to retry.")
class EmailRetryInput:
    email_id: strawberry.ID = strawberry.field(description="An `emailId` from `emails`, of an email that was given up.")
