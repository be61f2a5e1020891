"""Mailings: emails to everybody who consented to a purpose.

An operator stores the texts. A job then stores the emails in the outbox, a batch in each
transaction together with its position: each recipient gets one, however many processes run the job
or are killed. Whoever withdraws their consent before the email is delivered gets none
(mail/delivery.py).
"""

from dataclasses import dataclass
from functools import partial

from tortoise.expressions import Q, Subquery

from auth.tokens import Signer
from mail import emails
from models.accounts.account import AccountStatus, Membership
from models.action import Action, Transaction
from models.checks import Checks
from models.due_rows import handle_each
from models.idempotency import earlier_result, owner_of, store_result
from models.identity.user import User
from models.privacy.audit_actions import PrivacyAuditAction
from models.privacy.consent import ConsentChange, ConsentPurpose
from models.privacy.mailing import SUBJECT_LENGTH, Mailing
from models.text import BODY_LENGTH, client_key, line, message_text
from privacy.consents import ConsentLink, withdrawal_token

BATCH_SIZE = 200


@dataclass(frozen=True)
class MailingTexts:
    """What a mailing says in both languages."""

    subject_fr: str
    subject_en: str
    body_fr: str
    body_en: str


async def send(action: Action, purpose: ConsentPurpose, texts: MailingTexts, key: str) -> Mailing:
    """Store a mailing, which the job then sends. Raises BLANK, TOO_LONG, CARD_NUMBER and
    IDEMPOTENCY_MISMATCH.
    """
    with Checks() as check:
        values = {
            "subject_fr": check(line, texts.subject_fr, "subjectFr", SUBJECT_LENGTH),
            "subject_en": check(line, texts.subject_en, "subjectEn", SUBJECT_LENGTH),
            "body_fr": check(message_text, texts.body_fr, "bodyFr", BODY_LENGTH),
            "body_en": check(message_text, texts.body_en, "bodyEn", BODY_LENGTH),
        }
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
    """The next members of active companies who ever gave the consent, with a verified address."""
    keys = ConsentChange.filter(
        purpose=mailing.purpose, given=True, user_id__gt=mailing.last_user_id
    )
    members = Membership.filter(account__status=AccountStatus.ACTIVE)
    people = User.filter(
        Q(pk__in=Subquery(keys.values("user_id"))) & Q(pk__in=Subquery(members.values("user_id"))),
        email_verified_at__not_isnull=True,
    )
    return await people.using_db(tx.db).order_by("id").limit(BATCH_SIZE)
