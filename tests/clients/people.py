"""Who the clients' tests sign in as: customers that came by the front door."""

import re

import httpx

from tests.story.server_fixtures import Client, Server

PASSWORD = "fournil-tournesol-rivage-72"


async def customer(server: Server, email: str, siren: str = "404833048") -> Client:
    """Sign a company up, verify its address by the email's link, and sign in."""
    newcomer = Client(server)
    form = {"email": email, "password": PASSWORD, "name": "Paul Meunier", "legalName": "Boulangerie Meunier", "siren": siren}
    await newcomer.do("accountSignUp", "AccountSignUpInput", form, "accepted")
    text = (await server.email(email)).get_body(("plain",)).get_content()  # type: ignore[union-attr]
    link = re.search(r"https?://\S+/verify\?token=\S+", text)
    assert link, text
    async with httpx.AsyncClient() as browser:
        assert (await browser.post(link[0])).status_code == 200
    return await newcomer.sign_in(email, PASSWORD)


async def chat(person: Client, number: int = 1) -> str:
    """Open a live chat; its id."""
    given = {"subject": f"Chat {number}", "body": "Bonjour", "channel": "CHAT", "idempotencyKey": f"chat-{number}"}
    opened = await person.do("ticketOpen", "TicketOpenInput", given, "ticket { id }")
    return str(opened["ticket"]["id"])
