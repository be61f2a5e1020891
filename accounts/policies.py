"""Accepting policies. Only what users accepted explicitly is recorded, because anything else would
prove nothing.
"""

from collections.abc import Collection, Sequence

from tortoise.backends.base.client import BaseDBAsyncClient

from auth import sessions
from models.action import Action, Transaction
from models.checks import Checks
from models.content.audit_actions import ContentAuditAction
from models.content.errors import ContentErrorCode
from models.content.policy import AcceptanceChannel, Policy, PolicyAcceptance
from models.errors import Refusal
from models.identity.session import Session
from models.identity.user import User
from models.locale import Locale


async def accept(
    action: Action, session: Session, policy: Policy, locale: Locale
) -> PolicyAcceptance:
    """Accept a version of a policy as read in this language. A repeat changes nothing, even when
    another version is in force by then.

    Raises POLICY_NOT_IN_FORCE when the version isn't in force, and Unauthenticated when the session
    has ended.
    """
    async with action.transaction() as tx:
        user = await sessions.lock_user(tx, session)
        existing = await PolicyAcceptance.get_or_none(
            user_id=user.pk, policy_id=policy.pk, using_db=tx.db
        )
        if existing:
            return existing
        if policy.pk not in await _policies_in_force(action, tx.db):
            raise Refusal(ContentErrorCode.POLICY_NOT_IN_FORCE, "input", "policyId")
        return await _store_acceptance(tx, user, policy, locale, AcceptanceChannel.SETTINGS)


async def require_in_force(action: Action, keys: Sequence[int | None], field: str) -> list[Policy]:
    """The policies with these keys, each once. Raises POLICY_NOT_IN_FORCE at the index of each that
    isn't in force today.
    """
    if not keys:
        return []
    current = await _policies_in_force(action)
    with Checks() as check:
        for index, key in enumerate(keys):
            if key not in current:
                check.refuse(
                    Refusal(ContentErrorCode.POLICY_NOT_IN_FORCE, "input", field, str(index))
                )
    return [policy for key, policy in current.items() if key in keys]


async def _policies_in_force(
    action: Action, db: BaseDBAsyncClient | None = None
) -> dict[int, Policy]:
    return {policy.pk: policy for policy in (await Policy.in_force(action.day, db)).values()}


async def record_acceptances(
    tx: Transaction,
    user: User,
    policies: Collection[Policy],
    locale: Locale,
    channel: AcceptanceChannel,
    account_id: int,
) -> None:
    """Record what a new user of this company accepted, as read in this language."""
    for policy in policies:
        await _store_acceptance(tx, user, policy, locale, channel, account_id)


async def _store_acceptance(
    tx: Transaction,
    user: User,
    policy: Policy,
    locale: Locale,
    channel: AcceptanceChannel,
    account_id: int | None = None,
) -> PolicyAcceptance:
    details = {"kind": policy.kind.value, "version": policy.version, "channel": channel.value}
    tx.audit(
        ContentAuditAction.POLICY_ACCEPT,
        policy,
        account_id or tx.action.origin.account_id,
        actor=user,
        **details,
    )
    return await PolicyAcceptance.create(
        using_db=tx.db,
        user_id=user.pk,
        policy_id=policy.pk,
        accepted_at=tx.action.at,
        locale=locale,
        channel=channel,
    )


async def delete_acceptances(tx: Transaction, user: User) -> None:
    """Delete the acceptances recorded at a sign-up that another person takes over: that person
    hasn't accepted anything.
    """
    await PolicyAcceptance.filter(user_id=user.pk).using_db(tx.db).delete()
