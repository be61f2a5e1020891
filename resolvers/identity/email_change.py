"""Changing a user's e-mail address."""

from auth import email_change
from auth.email_change import Wish
from mail import emails
from models.action import Transaction
from resolvers.context import Context, Info
from resolvers.identity.inputs import EmailConfirmChangeInput, EmailRequestChangeInput


async def request_email_change(info: Info, input: EmailRequestChangeInput) -> bool:
    """Ask for another address. One that somebody has gets another email and the same answer."""
    context = info.context

    async def write(tx: Transaction, wish: Wish) -> None:
        await _wish_emails(context, tx, wish)

    await email_change.request(context.action(), context.services.auth, write, context.session, email=input.email)
    return True


async def _wish_emails(context: Context, tx: Transaction, wish: Wish) -> None:
    base_url = context.services.base_url
    if wish.taken_by:
        await emails.email_change_taken(tx, wish.taken_by, base_url)
    else:
        await emails.email_change(tx, wish.user, wish.email, f"{base_url}/email?token={wish.new_token}", wish.new_token)
    link = f"{base_url}/email?token={wish.old_token}" if wish.old_token else base_url
    await emails.email_change_asked(tx, wish.user, wish.email, link, wish.old_token)


async def confirm_email_change(info: Info, input: EmailConfirmChangeInput) -> bool:
    """Confirm another address by an email's token: whether that was the last confirmation."""
    return await email_change.confirm(info.context.action(), emails.email_changed, input.token)
