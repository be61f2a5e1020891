"""Automatic answers to emails that support received: at most one for each sender and day, so that
two programs never answer each other for long, and none where it could reach somebody else.
"""

from datetime import timedelta

from mail import emails
from mail.emails import IncomingEmailProblem
from models.action import Transaction
from models.identity.user import User
from models.locale import Locale
from models.support.incoming_email import IncomingEmail
from support.incoming.authentication import is_proven
from support.incoming.automatic import forbids_answers, is_bulk
from support.incoming.parsing import ParsedEmail

_INTERVAL = timedelta(days=1)


async def answer(
    tx: Transaction,
    row: IncomingEmail,
    parsed: ParsedEmail,
    problem: IncomingEmailProblem,
    user: User | None = None,
) -> None:
    """Tell the sender what is wrong with their email. Someone who isn't a customer gets an answer
    only if the email is proven to be theirs: otherwise we would write to people whose addresses
    somebody else has used.
    """
    is_allowed = user is not None or is_proven(row.authentication)
    if not is_allowed or forbids_answers(parsed) or is_bulk(parsed):
        return
    answered = IncomingEmail.filter(
        sender=row.sender, answered_at__gt=tx.action.at - _INTERVAL
    ).using_db(tx.db)
    if await answered.exists():
        return
    row.answered_at = tx.action.at
    await emails.send_incoming_email_problem(
        tx,
        row.sender,
        user.locale if user else _locale(parsed),
        problem,
        files=[file["name"] for file in row.refused_files],
        thread=[row.message_id] if row.message_id and "@" in row.message_id else [],
        user=user,
    )


def _locale(parsed: ParsedEmail) -> Locale:
    """The language that the email states, French when it states none."""
    is_english = parsed.header("content-language").lower().startswith("en")
    return Locale.EN if is_english else Locale.FR
