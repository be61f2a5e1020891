"""Sessions: an opaque access token that is valid for 15 minutes, and a refresh token that is
replaced with each use.

Both are 256 random bits; the database stores only their SHA-256 hashes. A refresh token works once.
A second use means that two parties have it, and it isn't known which one is the thief, so the whole
session ends, as RFC 9700 (section 4.14.2) requires. One second use isn't a theft: a response is
lost on its way and the client asks again, or two tabs or threads of it ask at the same time. So for
a moment, and as long as the new refresh token is unused, the same client gets the same tokens
again.

However it is used, a session ends after its maximum lifetime, counted from the sign-in (OWASP ASVS
5, 7.3.2).

Whatever changes how a user signs in locks the user's row first. So does the start of a session,
which then checks that the credentials are still valid: no one who entered an old password gets in
after the new one has ended all sessions.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tortoise.expressions import Q, RawSQL
from tortoise.queryset import QuerySet

from auth.token_successors import decrypt_successor, encrypt_successor
from auth.tokens import invalid_token
from models.accounts.account import Account, AccountMembers, AccountStatus, Membership
from models.accounts.errors import AccountsErrorCode
from models.action import Action, Transaction
from models.audit_action import AuditAction
from models.database.writing import find_one
from models.errors import CommonErrorCode, Refusal, Unauthenticated
from models.identity.audit_actions import IdentityAuditAction
from models.identity.errors import IdentityErrorCode
from models.identity.session import RefreshToken, Session
from models.identity.user import User

ACCESS_LIFETIME = timedelta(minutes=15)
REFRESH_LIFETIME = timedelta(days=30)
# The maximum lifetime of a session, regardless of use. For staff, who can read every customer's
# data, it is a working day, within the 24 hours of NIST 800-63B-4's AAL2. For customers it is three
# months, because an app that is opened once a month must not require a sign-in each time.
MAX_STAFF_LIFETIME, MAX_LIFETIME = timedelta(hours=12), timedelta(days=90)
# How long a client may repeat a refresh: its response can be lost, and two browser tabs or threads
# of an app can refresh at the same time.
REUSE_WINDOW = timedelta(seconds=30)


@dataclass(frozen=True)
class Tokens:
    """The tokens of a session in clear text, which exist only here, and when the access token
    expires.
    """

    access: str
    refresh: str
    access_expires_at: datetime
    session: Session


@dataclass(frozen=True)
class WithheldTokens:
    """The result for a client whose tokens are delivered in cookies."""

    access_expires_at: datetime
    session: Session
    access: None = None
    refresh: None = None


def session_key(session_id: int) -> str:
    """The key to announce when a session ends or its role changes, so that its websockets close."""
    return f"session:{session_id}"


def user_key(user_id: int) -> str:
    """The key to announce when a user, their sessions or their memberships change, which
    invalidates cached viewers.

    Announce it after every change of what a Viewer contains, except the end of a session, which has
    its own key.
    """
    return f"user:{user_id}"


def valid_sessions(at: datetime) -> QuerySet[Session]:
    """The valid sessions: not ended, not expired, and of users who are still members of the company
    they act for.
    """
    # F("user_id") names no table, and memberships have such a column as well.
    user_key = RawSQL('"session"."user_id"')
    is_active_member = Q(account_id=None) | Q(
        account__memberships__user_id=user_key, account__status=AccountStatus.ACTIVE
    )
    return Session.filter(is_active_member, ended_at=None, expires_at__gt=at)


async def find_by_access_token(token: str, at: datetime) -> Session | None:
    """Return the valid session with this access token, if there is one."""
    sessions = valid_sessions(at).filter(access_hash=token_hash(token), access_expires_at__gt=at)
    return await sessions.first()


async def sign_in(
    user: User,
    account: Account | None,
    second_factor: bool,
    action: Action,
    device: str | None = None,
    *,
    can_refresh: bool = True,
) -> Tokens:
    """Start a session for a user who has just been authenticated. Without `can_refresh` it ends
    with its access token.

    Raises CREDENTIALS_INVALID when the credentials changed meanwhile, NOT_FOUND when the user isn't
    a member of the company.
    """
    account_id = account.pk if account else None
    async with action.transaction() as tx:
        if account_id:
            await _require_member(tx, user, account_id)
        await require_unchanged(tx, user)
        tokens = await _create_session(
            tx,
            user,
            account_id=account_id,
            second_factor=second_factor,
            created_at=action.at,
            can_refresh=can_refresh,
            device=device,
        )
        tx.audit(
            IdentityAuditAction.SESSION_SIGN_IN,
            tokens.session,
            actor=user,
            second_factor=second_factor,
        )
    return tokens


async def _require_member(tx: Transaction, user: User, account_id: int) -> None:
    """Wait for concurrent changes of the company's members, and check that the user is still one. A
    company is locked before its members, here as everywhere, so that two transactions never wait
    for each other.
    """
    account = next(iter(await tx.lock_rows(Account.filter(pk=account_id))), None)
    _require_accessible(
        account,
        await find_one(Membership, tx.db, user_id=user.pk, account_id=account_id) is not None,
    )


def _require_accessible(account: Account | None, is_member: bool) -> None:
    if account is None or not is_member:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "accountId")
    if account.status is not AccountStatus.ACTIVE:
        raise Refusal(AccountsErrorCode.ACCOUNT_INACTIVE, "input", "accountId")


async def _create_session(
    tx: Transaction, user: User, created_at: datetime, *, can_refresh: bool = True, **columns: Any
) -> Tokens:
    access = random_token("cam_at_")
    expiries = _expiries(user, created_at, tx.action.at)
    if not can_refresh:
        expiries["expires_at"] = expiries["access_expires_at"]
    session = await Session.create(
        using_db=tx.db,
        user_id=user.pk,
        access_hash=token_hash(access),
        created_at=created_at,
        last_used_at=tx.action.at,
        **expiries,
        **columns,
    )
    return Tokens(
        access, await _create_refresh_token(tx, session), session.access_expires_at, session
    )


def _expiries(user: User, created_at: datetime, at: datetime) -> dict[str, datetime]:
    """When a session that started at `created_at` and its access token expire if both are renewed
    now.
    """
    session_end = created_at + (MAX_LIFETIME if user.staff is None else MAX_STAFF_LIFETIME)
    return {
        "access_expires_at": min(at + ACCESS_LIFETIME, session_end),
        "expires_at": min(at + REFRESH_LIFETIME, session_end),
    }


async def switch(session: Session, account_id: int | None, action: Action) -> Tokens:
    """Switch to another of the user's companies: a new session replaces this one, which ends
    together with its websockets.

    What a websocket may receive is decided when it connects, so one that was opened for one company
    never serves another. The new session keeps the start time of the old one and has no step-up,
    because no one has confirmed their identity. Raises NOT_FOUND, ACCOUNT_INACTIVE and
    Unauthenticated.
    """
    async with action.transaction() as tx:
        members = await AccountMembers.lock(tx, account_id or 0)
        _require_accessible(members.account, members.membership(session.user_id) is not None)
        user = await lock_user(tx, session)
        old_session = await tx.lock(Session, session.pk)
        if not old_session.is_active(action.at):
            raise Unauthenticated
        await _end(tx, Session.filter(pk=old_session.pk))
        tokens = await _create_session(
            tx,
            user,
            account_id=account_id,
            second_factor=old_session.second_factor,
            created_at=old_session.created_at,
            device=old_session.device,
        )
        ended = Session.filter(pk=old_session.pk).using_db(tx.db)
        await ended.update(switched_to_id=tokens.session.pk)
        tx.audit(
            IdentityAuditAction.SESSION_SWITCH_ACCOUNT,
            tokens.session,
            second_factor=old_session.second_factor,
        )
    return tokens


async def require_unchanged(tx: Transaction, user: User) -> None:
    """Lock a user's row. Raises CREDENTIALS_INVALID when their credentials have changed since it
    was read.
    """
    current = await tx.lock(User, user.pk)
    if user_credentials(current) != user_credentials(user):
        raise Refusal(IdentityErrorCode.CREDENTIALS_INVALID, "input", "password")


def user_credentials(user: User) -> tuple[object, ...]:
    """What a user authenticates against; it changes with the address, the password and the
    authenticators.
    """
    return user.email, user.password_hash, user.second_factor_at, user.authenticators_changed_at


async def lock_user(tx: Transaction, session: Session, other_email: str = "") -> User:
    """The user of a session, locked until the transaction ends, together with the user who has
    another address. Raises Unauthenticated when the session has ended meanwhile.
    """
    if other_email:
        await tx.lock_rows(User.filter(Q(pk=session.user_id) | Q(email=other_email)))
    user = await tx.lock(User, session.user_id)
    if not await valid_sessions(tx.action.at).filter(pk=session.pk).using_db(tx.db).exists():
        raise Unauthenticated
    return user


async def lock_users(tx: Transaction, session: Session, user_id: int | None) -> User | None:
    """The user of a session and another user, None if there is none, both locked in the order of
    their keys so that two who act on each other never deadlock. Raises Unauthenticated when the
    session has ended meanwhile.
    """
    users = {
        user.pk: user
        for user in await tx.lock_rows(User.filter(pk__in=[session.user_id, user_id or 0]))
    }
    if not await valid_sessions(tx.action.at).filter(pk=session.pk).using_db(tx.db).exists():
        raise Unauthenticated
    return users.get(user_id or 0)


async def refresh(token: str, action: Action, user_agent: str = "") -> Tokens:
    """Exchange a refresh token for new tokens.

    The same client gets the same tokens again when it repeats the request within REUSE_WINDOW,
    unless it has used the new refresh token already. Within that time the refresh token from before
    a switch to another company works as well, if the response to the switch was lost. Any other
    second use of a token ends its session. Raises TOKEN_INVALID.
    """
    async with action.transaction() as tx:
        tokens = None
        if token_row := await _find_refresh_token(tx, token):
            if token_row.used_at is None:
                await _follow_switch(tx, token_row)
                tokens = await _renew(tx, token_row, token, user_agent)
            else:
                tokens = await _repeated_exchange(tx, token_row, token, user_agent)
                if tokens is None:
                    await _end_reused(tx, token_row)
    if tokens is None:
        raise invalid_token("refreshToken")
    return tokens


async def _find_refresh_token(tx: Transaction, token: str) -> RefreshToken | None:
    """The row of a token, locked until the transaction ends."""
    return next(iter(await tx.lock_rows(RefreshToken.filter(token_hash=token_hash(token)))), None)


async def _follow_switch(tx: Transaction, token_row: RefreshToken) -> None:
    """When the response to a switch to another company was lost, the client still has the refresh
    token of the session that has ended. For REUSE_WINDOW it belongs to the new session, whose own
    tokens no one has used and which stop working.
    """
    old_session = await Session.get(pk=token_row.session_id, using_db=tx.db)
    if old_session.switched_to_id is None or old_session.ended_at is None:
        return
    if abs(tx.action.at - old_session.ended_at) >= REUSE_WINDOW:
        return
    lost_tokens = await tx.lock_rows(RefreshToken.filter(session_id=old_session.switched_to_id))
    if len(lost_tokens) != 1 or lost_tokens[0].used_at:
        return
    unused_token = RefreshToken.filter(pk=lost_tokens[0].pk).using_db(tx.db)
    await unused_token.update(used_at=tx.action.at)
    token_row.session_id = old_session.switched_to_id
    presented_token = RefreshToken.filter(pk=token_row.pk).using_db(tx.db)
    await presented_token.update(session_id=old_session.switched_to_id)


async def _renew(
    tx: Transaction, token_row: RefreshToken, token: str, user_agent: str
) -> Tokens | None:
    used_token = RefreshToken.filter(pk=token_row.pk).using_db(tx.db)
    await used_token.update(used_at=tx.action.at)
    # The client has what an earlier exchange returned, for it has used it. Before the session is
    # updated: whoever ends a session because of a token holds the token's row first.
    earlier_tokens = RefreshToken.filter(session_id=token_row.session_id, successor__isnull=False)
    await earlier_tokens.using_db(tx.db).update(successor=None)
    session = await _valid_session(tx, token_row)
    if session is None:
        return None
    access = random_token("cam_at_")
    expiries = _expiries(session.user, session.created_at, tx.action.at)
    unended_session = Session.filter(pk=session.pk, ended_at=None).using_db(tx.db)
    if expiries["expires_at"] <= tx.action.at or not await unended_session.update(
        access_hash=token_hash(access), last_used_at=tx.action.at, **expiries
    ):
        return None
    tx.streams[user_key(session.user_id)] = None
    session = await Session.get(pk=session.pk, using_db=tx.db)
    new_token = await _create_refresh_token(tx, session)
    await used_token.update(successor=encrypt_successor(token, user_agent, access, new_token))
    return Tokens(access, new_token, session.access_expires_at, session)


async def _valid_session(tx: Transaction, token_row: RefreshToken) -> Session | None:
    """The session of a token with its user, None when it has ended."""
    return (
        await valid_sessions(tx.action.at)
        .filter(pk=token_row.session_id)
        .using_db(tx.db)
        .select_related("user")
        .first()
    )


async def _repeated_exchange(
    tx: Transaction, token_row: RefreshToken, token: str, user_agent: str
) -> Tokens | None:
    """The tokens that this token was exchanged for a moment ago, None if they must not be given
    again.
    """
    if token_row.used_at is None or token_row.successor is None:
        return None
    # The time since then is negative when the clock was set back or another process is ahead.
    if abs(tx.action.at - token_row.used_at) >= REUSE_WINDOW:
        return None
    tokens = decrypt_successor(token, user_agent, token_row.successor)
    session = await _valid_session(tx, token_row)
    if tokens is None or session is None or session.access_hash != token_hash(tokens[0]):
        return None
    return Tokens(*tokens, session.access_expires_at, session)


async def _end_reused(tx: Transaction, token_row: RefreshToken) -> None:
    for session in await _end(tx, Session.filter(pk=token_row.session_id)):
        tx.audit(IdentityAuditAction.SESSION_REFRESH_REUSED, session)


async def sign_out(session: Session, action: Action) -> None:
    """End the current session. A repeat changes nothing."""
    await _end_session(session, action, IdentityAuditAction.SESSION_SIGN_OUT)


async def sign_out_with_token(refresh_token: str, action: Action) -> None:
    """End the session that a refresh token belongs to. A repeat or an unknown token changes
    nothing.
    """
    async with action.transaction() as tx:
        if token_row := await _find_refresh_token(tx, refresh_token):
            for ended in await _end(tx, Session.filter(pk=token_row.session_id)):
                user = await User.get(pk=ended.user_id, using_db=tx.db)
                tx.audit(IdentityAuditAction.SESSION_SIGN_OUT, ended, actor=user)


async def end(session: Session, action: Action) -> None:
    """End one of the user's sessions. A repeat changes nothing."""
    await _end_session(session, action, IdentityAuditAction.SESSION_END)


async def _end_session(session: Session, action: Action, audit_action: AuditAction) -> None:
    async with action.transaction() as tx:
        for ended in await _end(tx, Session.filter(pk=session.pk)):
            tx.audit(audit_action, ended)


async def end_others(session: Session, action: Action) -> int:
    """End all other sessions of the user. Returns how many ended."""
    async with action.transaction() as tx:
        user = await lock_user(tx, session)
        ended = await end_all(tx, user, excluded_session_id=session.pk)
        tx.audit(IdentityAuditAction.SESSION_END_OTHERS, user, sessions_ended=ended)
    return ended


async def end_all(tx: Transaction, user: User, excluded_session_id: int | None = None) -> int:
    """End all sessions of a user except the one with this key. Returns how many ended."""
    return len(await _end(tx, Session.filter(user_id=user.pk).exclude(pk=excluded_session_id or 0)))


async def end_for_account(tx: Transaction, user_id: int, account_id: int) -> int:
    """End all sessions in which a user acts for this company. Returns how many ended."""
    ended = await _end(tx, Session.filter(user_id=user_id, account_id=account_id))
    tx.streams[user_key(user_id)] = None
    return len(ended)


async def announce_role_changes(tx: Transaction, account_id: int, *user_ids: int) -> None:
    """Announce that the roles of users in this company changed, in every process: their websockets
    close and reconnect with the new role.

    The key of a session is a stream without events: its next number is what the other processes'
    sweep finds.
    """
    for session in (
        await Session.filter(user_id__in=user_ids, account_id=account_id, ended_at=None)
        .using_db(tx.db)
        .order_by("id")
    ):
        tx.advance(session_key(session.pk))
    for user_id in user_ids:
        tx.streams[user_key(user_id)] = None


async def _end(tx: Transaction, rows: QuerySet[Session]) -> list[Session]:
    sessions = await tx.lock_rows(rows.filter(ended_at=None))
    for session in sessions:
        await Session.filter(pk=session.pk).using_db(tx.db).update(ended_at=tx.action.at)
        tx.streams[session_key(session.pk)] = None
    return sessions


def random_token(prefix: str) -> str:
    """A new token of 256 random bits. The prefix lets secret scanners recognise it."""
    return prefix + secrets.token_urlsafe(32)


async def _create_refresh_token(tx: Transaction, session: Session) -> str:
    token = random_token("cam_rt_")
    await RefreshToken.create(using_db=tx.db, session=session, token_hash=token_hash(token))
    return token


def token_hash(token: str) -> str:
    """The hash of a token, as stored in the database."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
