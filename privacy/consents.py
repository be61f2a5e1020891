"""Giving and withdrawing consents: by people who are signed in, and by the link in each email that
needs a consent, without signing in.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from auth import sessions
from auth.tokens import Purpose, Signer, invalid_token
from models.action import Action, Transaction
from models.errors import CommonErrorCode, Refusal, Throttled
from models.identity.session import Session
from models.identity.user import User
from models.privacy.consent import ConsentChange, ConsentChannel, ConsentPurpose

MAX_CHANGES, PERIOD = 20, timedelta(days=1)  # of one consent
SIGNED_IN_CHANNELS = (ConsentChannel.WEB, ConsentChannel.APP)


async def update(
    action: Action,
    session: Session,
    purpose: ConsentPurpose,
    *,
    given: bool,
    channel: ConsentChannel,
) -> None:
    """Give or withdraw a consent. A repeat changes nothing. Withdrawing is never refused.

    Raises VALUE_INVALID for a channel that isn't one of the customer space, Unauthenticated when
    the session has ended, and Throttled for a consent that was changed many times within a day.
    """
    if channel not in SIGNED_IN_CHANNELS:
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "channel")
    async with action.transaction() as tx:
        user = await sessions.lock_user(tx, session)
        if given:
            await _require_few_changes(tx, user, purpose)
        await ConsentChange.record(tx, user, purpose, given=given, channel=channel)


async def _require_few_changes(tx: Transaction, user: User, purpose: ConsentPurpose) -> None:
    """Raise Throttled when a consent, which can't be deleted, was changed too often."""
    changes = ConsentChange.filter(
        user_id=user.pk, purpose=purpose, at__gt=tx.action.at - PERIOD
    ).using_db(tx.db)
    times = [change.at for change in await changes.order_by("-id").limit(MAX_CHANGES)]
    is_given = await ConsentChange.is_given(user.pk, purpose, tx.db)
    if len(times) == MAX_CHANGES and not is_given:
        raise Throttled(ceil((times[-1] + PERIOD - tx.action.at).total_seconds()))


@dataclass(frozen=True)
class ConsentLink:
    """What the link in an email withdraws: a person's consent to a purpose."""

    user_id: int
    purpose: ConsentPurpose


def withdrawal_token(signer: Signer, action: Action, link: ConsentLink) -> str:
    """The token with which a recipient withdraws a consent without signing in. The token permits
    nothing else.
    """
    return signer.sign(
        Purpose.CONSENT_WITHDRAWAL, action.at, user=link.user_id, consent=link.purpose.value
    )


def link_of_token(action: Action, signer: Signer, token: str) -> ConsentLink:
    """What a link withdraws. Raises TOKEN_INVALID."""
    data = signer.read(Purpose.CONSENT_WITHDRAWAL, token, action.at)
    try:
        return ConsentLink(int(data["user"]), ConsentPurpose(data["consent"]))
    except ValueError:  # a purpose that doesn't exist anymore
        raise invalid_token() from None


async def withdraw_by_link(action: Action, signer: Signer, token: str) -> ConsentPurpose:
    """Withdraw the consent that a link is for. A repeat changes nothing. Raises TOKEN_INVALID."""
    link = link_of_token(action, signer, token)
    async with action.transaction() as tx:
        users = await tx.lock_rows(User.filter(pk=link.user_id))
        if not users:
            raise invalid_token()
        await ConsentChange.record(
            tx, users[0], link.purpose, given=False, channel=ConsentChannel.EMAIL_LINK
        )
    return link.purpose
