"""Sign-up: a company, its first owner, and the verification of their email address."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from tortoise.exceptions import IntegrityError

from accounts import policies
from accounts.vat_numbers import store_vat_number
from auth import throttle
from auth.email_address import clean_email
from auth.memberships import audit_account_ids
from auth.services import AuthServices
from auth.sessions import token_hash, user_key
from auth.tokens import Purpose, invalid_token
from mail import emails
from models.accounts.account import Account, Membership, Organization, Role
from models.accounts.audit_actions import AccountsAuditAction
from models.accounts.identification import Identification, parse_identification
from models.action import Action, Transaction
from models.checks import Checks
from models.content.policy import AcceptanceChannel, Policy
from models.idempotency import anonymous_owner, earlier_result, store_result
from models.identity.audit_actions import IdentityAuditAction
from models.identity.user import User
from models.locale import Locale
from models.text import line, optional_key

NAME_LENGTH = 100


LEGAL_NAME_LENGTH = 200


@dataclass(frozen=True)
class SignUp:
    """The user and account that a sign-up created, or (`existing`) the user who already has the
    address. Only the email reveals which, never the response. A repeat created nothing.
    """

    user: User | None = None
    account: Account | None = None
    existing: User | None = None


@dataclass(frozen=True)
class _SignUpForm:
    email: str
    name: str
    legal_name: str
    identification: Identification
    locale: Locale
    accepted_policies: Collection[Policy]

    @property
    def arguments(self) -> list[object]:
        """What the idempotency key stands for."""
        return [
            self.name,
            self.legal_name,
            asdict(self.identification),
            self.locale.value,
            [policy.pk for policy in self.accepted_policies],
        ]


async def sign_up(
    action: Action,
    auth: AuthServices,
    *,
    email: str,
    password: str,
    name: str,
    legal_name: str,
    siren: str | None,
    locale: Locale,
    client_address: str,
    country: str = "FR",
    organization: Organization = Organization.COMPANY,
    registration_number: str | None = None,
    vat_number: str | None = None,
    accepted_policies: Sequence[int | None] = (),
    key: str | None = None,
) -> SignUp:
    """Sign up a company with its first owner, and email them a link that verifies the address.

    `accepted_policies` are the keys of the policies that the user accepted. A known address gets
    the same response after the same work; its user keeps their password once the address is
    verified, and before that the most recent sign-up counts. Raises EMAIL_INVALID, BLANK, TOO_LONG,
    POLICY_NOT_IN_FORCE, PASSWORD_WEAK, Throttled, and what `parse_identification` raises.
    """
    network = throttle.client_network(client_address)
    with Checks() as check:
        form = _SignUpForm(
            email=check(clean_email, email),
            name=check(line, name, "name", NAME_LENGTH),
            legal_name=check(line, legal_name, "legalName", LEGAL_NAME_LENGTH),
            identification=check(
                parse_identification, organization, country, siren, registration_number, vat_number
            ),
            locale=locale,
            accepted_policies=await check.wait(
                policies.require_in_force(action, accepted_policies, "acceptedPolicyIds")
            ),
        )
        personal_words = [words for words in (form.email, form.name, form.legal_name) if words]
        await check.wait(auth.require_strong(password, *personal_words, subject=network))
        key = check(optional_key, key)
    await auth.throttle.attempt(
        throttle.key(throttle.SIGN_UP, network), throttle.key(throttle.EMAIL, form.email)
    )
    password_hash = await auth.passwords.hash(password)
    try:
        return await _sign_up(action, auth, form, password_hash, network, key)
    except IntegrityError:
        # Someone signed up with the address after it was checked: now their user is found.
        return await _sign_up(action, auth, form, password_hash, network, key)


async def _sign_up(
    action: Action,
    auth: AuthServices,
    form: _SignUpForm,
    password_hash: str,
    network: str,
    key: str | None,
) -> SignUp:
    owner = anonymous_owner(network, form.email)
    async with action.transaction() as tx:
        if await earlier_result(tx, owner, "accountSignUp", key, form.arguments) is not None:
            return SignUp()
        unverified_user = await _replace_unverified(tx, form, password_hash)
        existing = unverified_user or await User.get_or_none(email=form.email, using_db=tx.db)
        result = (
            SignUp(existing=existing) if existing else await _create_owner(tx, form, password_hash)
        )
        await _send_email(tx, auth, result)
        _record_sign_up(tx, result)
        await store_result(tx, owner, "accountSignUp", key)
    return result


async def _send_email(tx: Transaction, auth: AuthServices, result: SignUp) -> None:
    user = result.user or result.existing
    assert user is not None, "a sign-up creates a user or finds one"  # noqa: S101
    if user.email_verified_at:
        await emails.send_already_registered(tx, user)
    else:
        await emails.send_verification(tx, user, verification_token(auth, user, tx.action.at))


async def _replace_unverified(
    tx: Transaction, form: _SignUpForm, password_hash: str
) -> User | None:
    """The user who signed up with the address but never verified it, updated to this sign-up; None
    when there is none.

    It may have been a stranger, whose password and company would otherwise be in effect once the
    owner of the mailbox signs up and verifies the address.
    """
    memberships = Membership.filter(
        user__email=form.email, user__email_verified_at=None, user__staff=None
    ).using_db(tx.db)
    membership = await memberships.first()
    if membership is None:
        return None
    account = await tx.lock(Account, membership.account_id)
    user = await tx.lock(User, membership.user_id)
    if user.email_verified_at:  # a moment ago
        return None
    user_values = {"name": form.name, "locale": form.locale, "password_hash": password_hash}
    await user.update_from_dict(user_values).save(using_db=tx.db, update_fields=list(user_values))
    account_values: dict[str, Any] = {
        "legal_name": form.legal_name,
        **vars(form.identification),
        # The register's answer was about another company.
        "registry_verdict": None,
        "registry_due_at": _registry_due_at(tx, form),
    }
    await account.update_from_dict(account_values).save(
        using_db=tx.db, update_fields=list(account_values)
    )
    await store_vat_number(tx, account)
    await policies.delete_acceptances(tx, user)
    await policies.record_acceptances(
        tx, user, form.accepted_policies, form.locale, AcceptanceChannel.SIGN_UP, account.pk
    )
    return user


def _record_sign_up(tx: Transaction, result: SignUp) -> None:
    if result.account:
        tx.audit(
            AccountsAuditAction.ACCOUNT_SIGN_UP,
            result.account,
            actor=result.user,
            known=False,
        )
    # not in any account's part of the log, which would reveal which addresses are known
    else:
        tx.audit(AccountsAuditAction.ACCOUNT_SIGN_UP, result.existing, None, known=True)


async def _create_owner(tx: Transaction, form: _SignUpForm, password_hash: str) -> SignUp:
    at, db = tx.action.at, tx.db
    user = await User.create(
        using_db=db,
        email=form.email,
        name=form.name,
        locale=form.locale,
        password_hash=password_hash,
        created_at=at,
    )
    account = await Account.create(
        using_db=db,
        legal_name=form.legal_name,
        **vars(form.identification),
        created_at=at,
        registry_due_at=_registry_due_at(tx, form),
    )
    await store_vat_number(tx, account)
    await Membership.create(using_db=db, user=user, account=account, role=Role.OWNER, created_at=at)
    await policies.record_acceptances(
        tx, user, form.accepted_policies, form.locale, AcceptanceChannel.SIGN_UP, account.pk
    )
    return SignUp(user, account)


def _registry_due_at(tx: Transaction, form: _SignUpForm) -> datetime | None:
    """When to query the register first, None for never: it knows companies by their SIREN only."""
    return tx.action.at if form.identification.siren else None


async def request_verification(
    action: Action, auth: AuthServices, *, email: str, peer: str, key: str | None = None
) -> None:
    """Send the verification email of an unverified address again. `peer` is the requester's network
    address.

    An unknown or verified address gets the same response after the same time, and no email. Earlier
    emails stay valid. Raises EMAIL_INVALID and Throttled.
    """
    with Checks() as check:
        email, key = check(clean_email, email), check(optional_key, key)
    network = throttle.client_network(peer)
    owner = anonymous_owner(network, email)
    await auth.throttle.attempt(
        throttle.key(throttle.RESET, network), throttle.key(throttle.EMAIL, email, "verification")
    )
    async with auth.constant_time(), action.transaction() as tx:
        if await earlier_result(tx, owner, "emailRequestVerification", key, []) is not None:
            return
        user = next(iter(await tx.lock_rows(User.filter(email=email))), None)
        if user and user.staff is None and user.email_verified_at is None:
            token = verification_token(auth, user, action.at)
            await emails.send_verification(tx, user, token)
        # Not in a company's part of the log, where someone could learn which addresses are known.
        tx.audit(IdentityAuditAction.EMAIL_REQUEST_VERIFICATION, user, None)
        await store_result(tx, owner, "emailRequestVerification", key)


def verification_token(auth: AuthServices, user: User, at: datetime) -> str:
    """The token of the verification link, valid for 24 hours and only for this address and this
    sign-up.
    """
    return auth.signer.sign(
        Purpose.VERIFY_EMAIL, at, user=user.pk, email=user.email, of=_sign_up_fingerprint(user)
    )


def _sign_up_fingerprint(user: User) -> str:
    # A sign-up with another password is another one, and each hash has its own salt.
    return token_hash(user.password_hash)[:16]


async def verify_email(action: Action, auth: AuthServices, token: str) -> User:
    """Mark the user's email address as verified. A repeat changes nothing. Raises TOKEN_INVALID."""
    claims = auth.signer.read(Purpose.VERIFY_EMAIL, token, action.at)
    async with action.transaction() as tx:
        users = User.filter(pk=claims["user"], email=claims["email"]).using_db(tx.db)
        user = next(iter(await tx.lock_rows(users)), None)
        if user is None or (
            user.email_verified_at is None and claims.get("of") != _sign_up_fingerprint(user)
        ):
            raise invalid_token()
        updated_count = await users.filter(email_verified_at=None).update(
            email_verified_at=action.at
        )
        user = await users.get()
        if updated_count:
            for account_id in await audit_account_ids(tx, user):
                tx.audit(IdentityAuditAction.EMAIL_VERIFY, user, account_id, actor=user)
        tx.streams[user_key(user.pk)] = None
    return user
