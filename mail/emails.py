"""What we write to people: one function per email. Each puts one row in the outbox, in the caller's transaction.

So an email exists exactly when the news it carries was committed; `mail/delivery.py` sends it afterwards.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from mail.message import PRIVACY_POLICY
from mail.rendering import rendered
from models.accounts.account import Account
from models.accounts.invitation import Invitation
from models.accounts.legal_name import LegalNameChange
from models.action import Transaction
from models.billing.invoice import Invoice
from models.clock import local_date
from models.identity.user import User
from models.locale import Locale
from models.operations.email import FAREWELL, Email
from models.privacy.erasure import Erasure
from models.translations import day, text

_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LINKS = re.compile(r"(?<=\S)[.:/@。．｡]+(?=\w\w)")  # not of initials: S.A.R.L., L. Martin
_MENTION = 60


async def verification(tx: Transaction, user: User, link: str, token: str) -> Email:
    """Asks the person to prove that the address is theirs: by the link, or by giving the token to the API."""
    return await _write(tx, user, "verification", link=link, token=token)


async def already_registered(tx: Transaction, user: User, sign_in_hint: str) -> Email:
    """Tells the owner of an address that somebody signed up with it. The hint, words or a URL, says where to sign in."""
    return await _write(tx, user, "already_registered", sign_in_hint=sign_in_hint)


async def invoice_issued(tx: Transaction, user: User, invoice: Invoice, link: str) -> Email:
    """Brings an invoice: its totals, its PDF (attached when the email is sent) and a signed download link."""
    issued_on = day(invoice.issued_on, user.locale)
    return await _write(tx, user, "invoice_issued", invoice, link=link, invoice=invoice, issued_on=issued_on)


async def payment_confirmation_needed(tx: Transaction, user: User, link: str) -> Email:
    """Asks the person to confirm a payment on their bank's page, where the link leads."""
    return await _write(tx, user, "payment_confirmation_needed", link=link)


async def invitation(tx: Transaction, invited: Invitation, inviter: User, account: Account, link: str, token: str) -> Email:
    """Invites an address into a company: by the link, or by giving the token to the API. It greets nobody by name."""
    until = day(local_date(invited.expires_at), invited.locale)
    return await _put(
        tx, invited.email, invited.locale, "", "invitation", account_id=account.pk, link=link, token=token, until=until,
        inviter=_unlinked(inviter.name), company=_unlinked(account.legal_name), role=text(invited.role.label, invited.locale),
    )  # fmt: skip


async def password_reset(tx: Transaction, user: User, link: str, token: str) -> Email:
    """Lets the person choose a new password: by the link, or by giving the token to the API."""
    return await _write(tx, user, "password_reset", link=link, token=token)


async def sign_in_unlock(tx: Transaction, user: User, link: str, token: str) -> Email:
    """Lets the person sign in without waiting for others' guesses: by the link, or by giving the token to the API."""
    return await _write(tx, user, "sign_in_unlock", link=link, token=token)


async def staff_welcome(tx: Transaction, user: User, link: str, token: str) -> Email:
    """Welcomes somebody who is to work for the vendor, and leads them to the page where they choose a password."""
    return await _put(tx, user.email, user.locale, "", "staff_welcome", user=user, link=link, token=token)


async def sessions_ended(tx: Transaction, user: User, sign_in_hint: str) -> Email:
    """Tells the person that support has signed their devices out."""
    return await _write(tx, user, "sessions_ended", sign_in_hint=sign_in_hint)


async def ownership_changed(
    tx: Transaction, user: User, company: str, sign_in_hint: str, *, gained: str | None, lost: str | None
) -> Email:
    """Tells an owner of a company who owns it from now on, or no longer does, and what to do if they didn't know."""
    named: dict[str, Any] = {"gained": _unlinked(gained) if gained else None, "lost": _unlinked(lost) if lost else None}
    return await _write(
        tx,
        user,
        "ownership_changed",
        account_id=tx.action.origin.account_id,
        company=_unlinked(company),
        sign_in_hint=sign_in_hint,
        **named,
    )


async def password_changed(tx: Transaction, user: User, sign_in_hint: str) -> Email:
    """Tells the person that their password was changed, and what to do if it wasn't them."""
    return await _write(tx, user, "password_changed", sign_in_hint=sign_in_hint)


async def second_factor_changed(tx: Transaction, user: User, change: str, sign_in_hint: str) -> Email:
    """Tells the person what happened to their second factor, and what to do if it wasn't them.

    `change` is ON, ADDED, REMOVED, OFF or CODES.
    """
    return await _write(tx, user, "second_factor_changed", change=change, sign_in_hint=sign_in_hint)


async def second_factor_reset(tx: Transaction, user: User, by_support: bool, sign_in_hint: str) -> Email:
    """Tells the person that our support, or an owner of their company, has turned their second factor off."""
    return await _write(tx, user, "second_factor_reset", by_support=by_support, sign_in_hint=sign_in_hint)


async def email_change(tx: Transaction, user: User, email: str, link: str, token: str) -> Email:
    """Asks at a new address whether it is the person's: by the link, or by giving the token to the API."""
    return await _put(tx, email, user.locale, "", "email_change", user=user, link=link, token=token)


async def email_change_taken(tx: Transaction, user: User, sign_in_hint: str) -> Email:
    """Tells the owner of an address that somebody wanted it for another account. It doesn't say who."""
    return await _write(tx, user, "email_change_taken", sign_in_hint=sign_in_hint)


async def email_change_asked(tx: Transaction, user: User, email: str, link: str, token: str | None) -> Email:
    """Tells the present address that another is to replace it; with a token, that it must confirm."""
    return await _write(tx, user, "email_change_asked", email=email, link=link, token=token)


async def email_changed(tx: Transaction, user: User, email: str) -> Email:
    """Tells the address that the person had until now which one has replaced it."""
    return await _write(tx, user, "email_changed", email=email)


def legal_name_notice(sign_in_hint: str) -> Callable[[Transaction, User, LegalNameChange], Awaitable[Email]]:
    """Tells a person what became of their company's wish for another legal name: evidence is needed, it is accepted or not."""

    async def notice(tx: Transaction, user: User, change: LegalNameChange) -> Email:
        return await _write(
            tx, user, "legal_name", account_id=change.account_id, status=change.status.value, reason=change.reason,
            sign_in_hint=sign_in_hint,
            previous_name=_one_line(change.previous_name), legal_name=_one_line(change.legal_name),
        )  # fmt: skip

    return notice


def _one_line(words: str) -> str:
    return _BREAKS.sub(" ", words).strip()


def account_notice(sign_in_hint: str) -> Callable[[Transaction, User, Account], Awaitable[Email]]:
    """Tells an owner that the company's account rests, is back, or is to be deleted on a day."""

    async def notice(tx: Transaction, user: User, account: Account) -> Email:
        on = day(local_date(account.erases_at), user.locale) if account.erases_at else ""
        return await _write(
            tx, user, "account_status", account_id=account.pk, company=_one_line(account.legal_name),
            status=account.status.value, on=on, sign_in_hint=sign_in_hint,
        )  # fmt: skip

    return notice


def reactivation_declined(sign_in_hint: str) -> Callable[[Transaction, User, Account, str], Awaitable[Email]]:
    """Tells an owner why the company's account is not back, or what is to be known first."""

    async def notice(tx: Transaction, user: User, account: Account, reason: str) -> Email:
        return await _write(
            tx, user, "reactivation_declined", account_id=account.pk, company=_one_line(account.legal_name), reason=reason,
            sign_in_hint=sign_in_hint,
        )  # fmt: skip

    return notice


async def account_erased(tx: Transaction, user: User, erasure: Erasure) -> Email:
    """Tells an owner that the company is erased, and what is kept, why and until when (RGPD, art. 12). It is forgotten once
    sent: nothing else is left of its reader."""
    until = day(erasure.kept_until, user.locale) if erasure.kept_until else ""
    return await _put(tx, user.email, user.locale, _greeted(user), FAREWELL, invoices=erasure.invoices_kept, until=until)


async def _write(tx: Transaction, user: User, kind: str, enclosed: Invoice | None = None, **facts: Any) -> Email:
    return await _put(tx, user.email, user.locale, _greeted(user), kind, enclosed, user=user, **facts)


async def _put(
    tx: Transaction, recipient: str, locale: Locale, name: str, kind: str, enclosed: Invoice | None = None,
    user: User | None = None, account_id: int | None = None, **facts: Any,
) -> Email:  # fmt: skip
    subject, text, html = rendered(kind, locale, name=name, privacy_policy=PRIVACY_POLICY, **facts)
    return await Email.create(
        using_db=tx.db, template=f"{kind}.{locale.value}", recipient=recipient, subject=subject, text=text, html=html,
        invoice_id=enclosed.pk if enclosed else None, user=user, account_id=account_id,
        created_at=tx.action.at, next_attempt_at=tx.action.at,
    )  # fmt: skip


def _greeted(user: User) -> str:
    """The person's name on one line; empty until their address is verified.

    Anybody can sign up with a stranger's address and an advertisement for a name: our emails must not deliver it. For the
    same reason an email to (`to`) another address than the person's greets nobody.
    """
    return _one_line(user.name) if user.email_verified_at else ""


def _unlinked(words: str) -> str:
    """What a customer calls themselves, on one short line in which no mail program finds a link.

    Anybody may sign a company up and invite strangers: our emails must not carry advertisements to them.
    """
    return _LINKS.sub(" ", _one_line(words))[:_MENTION]
