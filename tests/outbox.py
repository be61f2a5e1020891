"""Reads the emails that users were sent from the outbox."""

import re

from models.operations.email import Email


async def emails_to(address: str) -> list[Email]:
    """The emails to this address, oldest first."""
    return await Email.filter(recipient=address).order_by("id")


async def templates_to(address: str) -> list[str]:
    """The templates of the emails to this address, without their language, oldest first."""
    return [email.template.partition(".")[0] for email in await emails_to(address)]


async def tokens_to(address: str, page: str) -> list[str]:
    """The tokens in the links to a page (`reset`, `verify`, ...) that were sent to this address,
    oldest first.
    """
    links = [
        re.search(rf"^camcha:/{page}\?token=(\S+)$", email.text, re.MULTILINE)
        for email in await emails_to(address)
    ]
    return [link[1] for link in links if link]


async def token_to(address: str, page: str) -> str:
    """The most recent token in a link to this page that was sent to this address."""
    return (await tokens_to(address, page))[-1]


async def recipients_and_subjects(template: str) -> list[tuple[str, str]]:
    """The recipient and the subject of each email with this template, in any language, oldest
    first.
    """
    emails = await Email.filter(template__startswith=f"{template}.").order_by("id")
    return [(email.recipient, email.subject) for email in emails]
