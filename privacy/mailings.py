"""Mailings: emails to everybody who consented to a purpose.

Before an operator sends one, they can see it as its recipients would, and how many that would be.
An operator stores the texts. A job then stores the emails in the outbox, a batch in each
transaction together with its position: each recipient gets one, however many processes run the job
or are killed. Whoever withdraws their consent before the email is delivered gets none
(mail/delivery.py). An operator can stop a mailing: what hasn't been sent by then is deleted.
"""

from dataclasses import dataclass
from functools import partial

from tortoise.expressions import Q, Subquery
from tortoise.functions import Max
from tortoise.queryset import QuerySet

from auth.tokens import Signer
from mail import emails
from models.accounts.account import AccountStatus, Membership
from models.action import Action, Transaction
from models.checks import Checks
from models.due_rows import handle_each
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, owner_of, store_result
from models.identity.user import User
from models.locale import Locale
from models.operations.email import Email
from models.privacy.audit_actions import PrivacyAuditAction
from models.privacy.consent import ConsentChange, ConsentPurpose
from models.privacy.mailing import SUBJECT_LENGTH, Mailing
from models.text import BODY_LENGTH, client_key, line, message_text
from models.translations import _
from privacy.consents import ConsentLink, withdrawal_token

BATCH_SIZE = 200


@dataclass(frozen=True)
class MailingTexts:
    """What a mailing says in both languages."""

    subject_fr: str
    subject_en: str
    body_fr: str
    body_en: str

    def values(self, check: Checks) -> dict[str, str]:
        """The texts as they may be stored. Refuses BLANK, TOO_LONG and CARD_NUMBER."""
        return {
            "subject_fr": check(line, self.subject_fr, "subjectFr", SUBJECT_LENGTH),
            "subject_en": check(line, self.subject_en, "subjectEn", SUBJECT_LENGTH),
            "body_fr": check(message_text, self.body_fr, "bodyFr", BODY_LENGTH),
            "body_en": check(message_text, self.body_en, "bodyEn", BODY_LENGTH),
        }


@dataclass(frozen=True)
class MailingEmail:
    """A mailing in one language, as an email."""

    locale: Locale
    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class MailingPreview:
    """What would be sent, and to how many people."""

    recipient_count: int
    emails: list[MailingEmail]


async def preview(action: Action, purpose: ConsentPurpose, texts: MailingTexts) -> MailingPreview:
    """A mailing as it would be sent to the operator now. Raises BLANK, TOO_LONG and CARD_NUMBER."""
    with Checks() as check:
        values = texts.values(check)
    assert action.actor, "an operator"  # noqa: S101
    mailing = Mailing(purpose=purpose, **values)
    rendered = [
        MailingEmail(locale, *emails.render_mailing(mailing, action.actor, locale))
        for locale in Locale
    ]
    return MailingPreview(await _recipients(purpose).count(), rendered)


async def send(action: Action, purpose: ConsentPurpose, texts: MailingTexts, key: str) -> Mailing:
    """Store a mailing, which the job then sends. Raises BLANK, TOO_LONG, CARD_NUMBER and
    IDEMPOTENCY_MISMATCH.
    """
    with Checks() as check:
        values = texts.values(check)
        key = check(client_key, key)
    assert action.actor, "an operator"  # noqa: S101
    async with action.transaction() as tx:
        owner, arguments = owner_of(action), [purpose.value, *values.values()]
        if existing := await earlier_result(tx, owner, "mailingSend", key, arguments):
            return await Mailing.get(pk=existing, using_db=tx.db)
        mailing = await Mailing.create(
            using_db=tx.db,
            purpose=purpose,
            sender_id=action.actor.pk,
            created_at=action.at,
            **values,
        )
        await store_result(tx, owner, "mailingSend", key, mailing.pk)
        tx.audit(PrivacyAuditAction.MAILING_SEND, mailing, purpose=purpose.value)
    return mailing


async def stop(action: Action, mailing: Mailing) -> Mailing:
    """Stop a mailing: no more of its emails are stored, and those that wait in the outbox are
    deleted. One that is being delivered at that moment may still arrive. A repeat changes nothing.
    Raises TRANSITION_ILLEGAL when all of its emails have been sent.
    """
    async with action.transaction() as tx:
        mailing = await tx.lock(Mailing, mailing.pk)
        if mailing.stopped_at:
            return mailing
        mailing.canceled_count = await Email.delete_unsent_of_mailing(tx, mailing.pk)
        if mailing.finished_at and not mailing.canceled_count:
            message = _("All emails of this mailing have already been sent.")
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "mailingId", message=message)
        mailing.stopped_at, mailing.finished_at = action.at, mailing.finished_at or action.at
        columns = ["canceled_count", "stopped_at", "finished_at"]
        await mailing.save(using_db=tx.db, update_fields=columns)
        tx.audit(PrivacyAuditAction.MAILING_STOP, mailing, canceled=mailing.canceled_count)
    return mailing


async def send_mailings(action: Action, signer: Signer) -> int:
    """Store a batch of the emails of each mailing that isn't finished. Returns for how many
    mailings a batch was stored.
    """
    unfinished = Mailing.filter(finished_at=None)
    return await handle_each(unfinished, partial(_send_batch, action, signer), "mailing.failed")


async def _send_batch(action: Action, signer: Signer, key: int) -> bool:
    async with action.transaction() as tx:
        mailing = await tx.lock(Mailing, key)
        if mailing.finished_at:
            return False
        users = await _next_users(tx, mailing)
        for user in users:
            if await ConsentChange.is_given(user.pk, mailing.purpose, tx.db):
                link = ConsentLink(user.pk, mailing.purpose)
                token = withdrawal_token(signer, action, link)
                await emails.send_mailing(tx, user, mailing, token)
                mailing.recipient_count += 1
        if users:
            mailing.last_user_id = users[-1].pk
        if len(users) < BATCH_SIZE:
            mailing.finished_at = action.at
        columns = ["recipient_count", "last_user_id", "finished_at"]
        await mailing.save(using_db=tx.db, update_fields=columns)
    return True


async def _next_users(tx: Transaction, mailing: Mailing) -> list[User]:
    people = _possible_recipients(mailing.purpose, mailing.last_user_id)
    return await people.using_db(tx.db).order_by("id").limit(BATCH_SIZE)


def _possible_recipients(purpose: ConsentPurpose, after: int = 0) -> QuerySet[User]:
    """The members of active companies who ever gave the consent, with a verified address."""
    keys = ConsentChange.filter(purpose=purpose, given=True, user_id__gt=after)
    members = Membership.filter(account__status=AccountStatus.ACTIVE)
    return User.filter(
        Q(pk__in=Subquery(keys.values("user_id"))) & Q(pk__in=Subquery(members.values("user_id"))),
        email_verified_at__not_isnull=True,
    )


def _recipients(purpose: ConsentPurpose) -> QuerySet[User]:
    """Those of them whose last entry in the ledger gives the consent."""
    entries = ConsentChange.filter(purpose=purpose)
    latest = entries.annotate(latest=Max("id")).group_by("user_id").values("latest")
    givers = ConsentChange.filter(pk__in=Subquery(latest), given=True)
    return _possible_recipients(purpose).filter(pk__in=Subquery(givers.values("user_id")))
