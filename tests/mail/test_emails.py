"""Emails: in the reader's language, in the caller's transaction, and deaf to what hostile people put into names."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from markupsafe import escape

from auth.factors.enrolment import Change
from mail import emails
from mail.rendering import PATHS
from models.accounts.account import Account, AccountStatus, Role
from models.accounts.invitation import Invitation
from models.accounts.legal_name import LegalNameChange, LegalNameStatus
from models.action import Action, Transaction
from models.billing.invoice import Invoice
from models.identity.user import User
from models.locale import Locale
from models.operations.email import Email

LINK = "https://camcha.example/files/1?token=a.b&expires=9"
HOSTILE = '<img src=x onerror=alert(1)>\r\nBcc: victim@example.org\u2028& "Zoé"'


async def every_email(action: Action, user: User, invoice: Invoice) -> list[Email]:
    async with action.transaction() as tx:
        return [
            await emails.verification(tx, user, LINK, "TOKEN-123"),
            await emails.already_registered(tx, user, LINK),
            await emails.invoice_issued(tx, user, invoice, LINK),
            await emails.payment_confirmation_needed(tx, user, LINK),
            await emails.password_reset(tx, user, LINK, "TOKEN-123"),
            await emails.sign_in_unlock(tx, user, LINK, "TOKEN-123"),
            await emails.password_changed(tx, user, LINK),
            *[await emails.second_factor_changed(tx, user, change.value, LINK) for change in Change],
            await emails.email_change_taken(tx, user, LINK),
            await emails.sessions_ended(tx, user, LINK),
            *[await emails.second_factor_reset(tx, user, by_support, LINK) for by_support in (True, False)],
            await emails.ownership_changed(tx, user, "Le Fournil", LINK, gained="Ada", lost="Odile"),
            *[await emails.legal_name_notice(LINK)(tx, user, change) for change in changes(user)],
            *[await emails.account_notice(LINK)(tx, user, account) for account in accounts(user)],
            await emails.reactivation_declined(LINK)(tx, user, accounts(user)[0], user.name),
            await emails.email_change_asked(tx, user, "new@example.fr", LINK, "TOKEN-123"),
            await unsigned(tx, user),
            await invitation(tx, user, user.name),
        ]


def changes(user: User) -> list[LegalNameChange]:
    """A wish for another legal name, whatever became of it."""
    reached = [LegalNameStatus.EVIDENCE_NEEDED, LegalNameStatus.ACCEPTED, LegalNameStatus.REJECTED]
    return [
        LegalNameChange(previous_name="Lefèvre SARL", legal_name=user.name, status=status, reason=user.name)
        for status in reached
    ]


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        (Locale.FR, ("extrait Kbis", "prochaines factures", "Nous n’avons pas pu")),
        (Locale.EN, ("Kbis extract", "next invoices", "We couldn’t register")),
    ],
)
async def test_p1_1_a_company_is_told_what_became_of_its_name(
    action: Action, zoe: User, locale: Locale, words: tuple[str, ...]
) -> None:
    zoe.locale = locale
    async with action.transaction() as tx:
        written = [await emails.legal_name_notice(LINK)(tx, zoe, change) for change in changes(zoe)]
    for email, told in zip(written, words, strict=True):
        assert told in email.text.replace("\n", " ")
        assert "\nZoé Lefèvre\n" in email.text
    assert len({email.subject for email in written}) == 3


def accounts(user: User) -> list[Account]:
    """A company however it stands."""
    facts: Any = {"legal_name": user.name}
    closing = Account(status=AccountStatus.CLOSING, erases_at=datetime(2026, 12, 1, 9, tzinfo=UTC), **facts)
    return [Account(status=AccountStatus.DEACTIVATED, **facts), closing, Account(status=AccountStatus.ACTIVE, **facts)]


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        (Locale.FR, ("désactivé", "supprimé le 1er décembre 2026", "de nouveau actif")),
        (Locale.EN, ("deactivated", "deleted on 1 December 2026", "active again")),
    ],
)
async def test_p1_2_owners_are_told_how_the_account_stands(
    action: Action, zoe: User, locale: Locale, words: tuple[str, ...]
) -> None:
    zoe.locale = locale
    async with action.transaction() as tx:
        written = [await emails.account_notice(LINK)(tx, zoe, account) for account in accounts(zoe)]
    for email, told in zip(written, words, strict=True):
        assert told in email.text.replace("\n", " ")
        assert email.user_id == zoe.pk
    assert len({email.subject for email in written}) == 3


async def invitation(tx: Transaction, inviter: User, company: str) -> Email:
    """An invitation in the inviter's language, to an address that nobody knows."""
    invited = Invitation(
        email="noe@example.fr", role=Role.BILLING, locale=inviter.locale, expires_at=tx.action.at + timedelta(days=7)
    )
    return await emails.invitation(tx, invited, inviter, Account(legal_name=company), LINK, "TOKEN-123")


@pytest.mark.parametrize(
    ("locale", "subject", "words"),
    [
        (Locale.FR, "Lefèvre SARL vous invite sur CAMCHA", ("facturation", "30 novembre 2026", "Bonjour,\n")),
        (Locale.EN, "Lefèvre SARL invites you to CAMCHA", ("billing", "30 November 2026", "Hello,\n")),
    ],
)
async def test_p1_4_an_invitation_says_who_invites_and_as_what(
    action: Action, zoe: User, locale: Locale, subject: str, words: tuple[str, ...]
) -> None:
    zoe.locale = locale
    async with action.transaction() as tx:
        email = await invitation(tx, zoe, "Lefèvre SARL")
    assert (email.recipient, email.subject) == ("noe@example.fr", subject)
    for each in ("Zoé Lefèvre", "Lefèvre SARL", f"\n{LINK}\n", "\nTOKEN-123\n", *words):
        assert each in email.text, each
    assert "Lefèvre SARL" in email.html


@pytest.mark.parametrize(
    ("company", "said"),
    [
        ("S.A.R.L. L. Martin", "S.A.R.L. L. Martin"),
        ("Gagnez sur https://spam.example/go", "Gagnez sur https spam example go"),
        ("écrivez à moi@spam.example", "écrivez à moi spam example"),
        ("Voyez x.com et gagner-4-u.com", "Voyez x com et gagner-4-u com"),
        ("spam。example", "spam example"),
        ("x" * 200, "x" * 60),
    ],
)
async def test_an_invitation_carries_no_advertisement(action: Action, zoe: User, company: str, said: str) -> None:
    async with action.transaction() as tx:
        email = await invitation(tx, zoe, company)
    assert email.subject == f"{said} vous invite sur CAMCHA"


async def unsigned(tx: Transaction, user: User) -> Email:
    """The email to an address that nobody has proved to be theirs, with the greeting it leaves out."""
    email = await emails.email_change(tx, user, "new@example.fr", LINK, "TOKEN-123")
    greeting = {Locale.FR: "Bonjour", Locale.EN: "Hello"}[user.locale]
    assert email.text.startswith(f"{greeting},\n")
    assert email.recipient == "new@example.fr"
    email.text = email.text.replace(f"{greeting},", f"{greeting} {emails._greeted(user)},")
    email.html = email.html.replace(f"{greeting},", f"{greeting} {escape(emails._greeted(user))},")
    return email


async def test_p1_4_the_verification_email_holds_link_and_token(action: Action, zoe: User) -> None:
    async with action.transaction() as tx:
        email = await emails.verification(tx, zoe, LINK, "TOKEN-123")
    stored = await Email.get(pk=email.pk)
    assert stored.subject == "Confirmez votre adresse e-mail"
    assert stored.recipient == "zoe@example.fr"
    assert stored.next_attempt_at == stored.created_at == action.at
    assert f"\n{LINK}\n" in stored.text
    assert "\nTOKEN-123\n" in stored.text
    assert 'href="https://camcha.example/files/1?token=a.b&amp;expires=9"' in stored.html
    assert "TOKEN-123" in stored.html


async def test_p1_4_an_unverified_address_gets_no_words_of_whoever_signed_up(action: Action, zoe: User) -> None:
    zoe.name, zoe.email_verified_at = "Achetez sur spam.example", None
    async with action.transaction() as tx:
        email = await emails.verification(tx, zoe, LINK, "TOKEN-123")
    assert "spam" not in email.text + email.html
    assert email.text.startswith("Bonjour,\n")


async def test_p2_4_the_invoice_email_in_french(action: Action, zoe: User, invoice: Invoice) -> None:
    async with action.transaction() as tx:
        email = await emails.invoice_issued(tx, zoe, invoice, LINK)
    assert email.subject == "Votre facture FA-2026-000042"
    assert email.invoice_id == invoice.pk
    assert email.template == "invoice_issued.fr"
    for words in (
        "Bonjour Zoé Lefèvre,",
        "1er novembre 2026",
        "1\u202f481,40\u00a0€",
        "«\u00a0Mes factures et commandes\u00a0»",
    ):
        assert words in email.text, words
    assert '<html lang="fr">' in email.html


async def test_p2_4_the_invoice_email_in_english(action: Action, john: User, invoice: Invoice) -> None:
    async with action.transaction() as tx:
        email = await emails.invoice_issued(tx, john, invoice, LINK)
    assert email.subject == "Your invoice FA-2026-000042"
    for words in ("Hello John Smith,", "1 November 2026", "€1,481.40"):
        assert words in email.text, words
    assert '<html lang="en">' in email.html
    assert not re.search("[éèàçù]", email.text)


async def test_p1_4_the_owner_of_a_taken_address_is_told_where_to_sign_in(action: Action, john: User) -> None:
    async with action.transaction() as tx:
        email = await emails.already_registered(tx, john, "https://camcha.example/graphql")
    assert "https://camcha.example/graphql" in email.text
    assert '<a href="https://camcha.example/graphql"' in email.html


async def test_p1_3_the_old_address_is_told_which_is_to_replace_it(action: Action, zoe: User, john: User) -> None:
    async with action.transaction() as tx:
        asked = await emails.email_change_asked(tx, zoe, "new@example.fr", LINK, "TOKEN-123")
        told = await emails.email_change_asked(tx, john, "new@example.fr", LINK, None)
        welcome = await emails.staff_welcome(tx, zoe, LINK, "TOKEN-123")
        done = await emails.email_changed(tx, zoe, "new@example.fr")
    assert (asked.recipient, told.recipient, done.recipient) == (zoe.email, john.email, zoe.email)
    assert all("\nnew@example.fr\n" in email.text for email in (asked, told, done))
    assert "\nTOKEN-123\n" in asked.text
    assert "\nTOKEN-123\n" in welcome.text
    assert LINK in welcome.text
    assert not re.search(r" [:;!?»]|« |\w[!?»](?=\s)|'", welcome.text.replace(LINK, ""))
    assert "confirm" in told.text
    assert LINK not in told.text + told.html
    assert not re.search("[éèàçù]", told.text)
    assert not re.search(r" [:;!?»]|« |\w[!?»](?=\s)|'", done.text)


async def test_p1_3_an_email_to_an_unproved_address_holds_no_words_of_whoever_gave_it(action: Action, zoe: User) -> None:
    zoe.name = "Achetez sur spam.example"
    async with action.transaction() as tx:
        email = await emails.email_change(tx, zoe, "new@example.fr", LINK, "TOKEN-123")
    assert email.recipient == "new@example.fr"
    assert "spam" not in email.text + email.html
    assert zoe.email not in email.text + email.html


async def test_a_delivered_email_forgets_its_token(action: Action, zoe: User) -> None:
    """P4.3: tokens are stored only as hashes, once the email has gone."""
    async with action.transaction() as tx:
        email = await emails.password_reset(tx, zoe, LINK, "TOKEN-123")
        kept = await emails.password_changed(tx, zoe, LINK)
        given_up = await emails.email_change(tx, zoe, "new@example.fr", LINK, "TOKEN-123")
    for each in (email, kept):
        await each.sent(action.at)
    await given_up.failed(action.at, final=False)
    assert [bool(each.text) for each in await Email.all().order_by("id")] == [False, True, True]
    await given_up.failed(action.at, final=True)
    assert "TOKEN-123" not in str(await Email.all().values())


async def test_a_rolled_back_transaction_takes_its_email_along(action: Action, zoe: User) -> None:
    async def interrupted() -> None:
        async with action.transaction() as tx:
            await emails.payment_confirmation_needed(tx, zoe, LINK)
            raise LookupError

    with pytest.raises(LookupError):
        await interrupted()
    assert not await Email.exists()


@pytest.mark.parametrize("locale", list(Locale))
async def test_hostile_names_stay_words(action: Action, zoe: User, invoice: Invoice, locale: Locale) -> None:
    zoe.name, zoe.locale = HOSTILE, locale
    *greeting, inviting = await every_email(action, zoe, invoice)
    assert "<img" not in inviting.html
    assert "&lt;img src=x onerror=alert(1)&gt; Bcc: victim example org &amp; &#34;Zoé&#34;" in inviting.html
    assert not re.search("[\r\n]", inviting.subject)
    for email in greeting:
        assert "<img" not in email.html
        assert "&lt;img src=x onerror=alert(1)&gt; Bcc: victim@example.org &amp; &#34;Zoé&#34;," in email.html
        assert '<img src=x onerror=alert(1)> Bcc: victim@example.org & "Zoé",\n' in email.text
        assert not re.search("[\r\n]", email.subject)


async def test_hostile_links_stay_inside_their_attribute(action: Action, zoe: User) -> None:
    async with action.transaction() as tx:
        email = await emails.verification(tx, zoe, 'https://x/"><script>', "<b>")
        hinted = await emails.already_registered(tx, zoe, "<script>alert(1)</script>")
    assert "<script" not in email.html + hinted.html
    assert "<b>" not in email.html


@pytest.mark.parametrize("locale", list(Locale))
async def test_emails_load_nothing_and_carry_all_links_in_text(
    action: Action, zoe: User, invoice: Invoice, locale: Locale
) -> None:
    zoe.locale = locale
    for email in await every_email(action, zoe, invoice):
        assert not re.search(r"<(img|script|link|iframe)|url\(|@import", email.html)
        assert LINK in email.text
        assert "{{" not in email.text + email.html
        assert "\n\n\n" not in email.text
        assert all(len(line) <= 85 for line in email.text.splitlines())


async def test_french_double_punctuation_never_wraps(action: Action, zoe: User, invoice: Invoice) -> None:
    for email in await every_email(action, zoe, invoice):
        for words in (email.subject, email.text, re.sub(r"<[^>]*>", "", email.html)):
            assert not re.search(r" [:;!?»]|« |\w[!?»](?=\s)|'", words), words


def test_every_template_is_rendered_by_these_tests() -> None:
    assert set(PATHS) == {
        "invitation",
        "verification", "already_registered", "invoice_issued", "payment_confirmation_needed", "password_reset",
        "password_changed", "second_factor_changed", "email_change", "email_change_taken", "email_change_asked",
        "email_changed", "sign_in_unlock", "staff_welcome", "sessions_ended", "legal_name", "account_status",
        "account_erased", "reactivation_declined",
        "ownership_changed", "second_factor_reset",
    }  # fmt: skip
