"""Customers for the tests of clients: they sign up as everyone does."""

import asyncio
import re

from tests.story.server_fixtures import Client, Server, http_client

PASSWORD = "fournil-tournesol-rivage-72"


async def customer(server: Server, email: str, siren: str = "404833048") -> Client:
    """Sign a company up, verify the email address with the link in the email, and sign in."""
    client = Client(server)
    form = {
        "email": email,
        "password": PASSWORD,
        "name": "Paul Meunier",
        "legalName": "Boulangerie Meunier",
        "siren": siren,
    }
    await client.do("accountSignUp", "AccountSignUpInput", form, "accepted")
    text = (await server.email(email)).get_body(("plain",)).get_content()  # type: ignore[union-attr]
    link = re.search(r"https?://\S+/verify\?token=\S+", text)
    assert link, text
    async with http_client() as browser:
        assert (await browser.post(link[0])).status_code == 200
    return await client.sign_in(email, PASSWORD)


async def chat(client: Client, number: int = 1) -> str:
    """Open a live chat and return its id."""
    ticket = {
        "subject": f"Chat {number}",
        "body": "Bonjour",
        "channel": "CHAT",
        "idempotencyKey": f"chat-{number}",
    }
    payload = await client.do("ticketOpen", "TicketOpenInput", ticket, "ticket { id }")
    return str(payload["ticket"]["id"])


async def kill_and_restart(server: Server) -> None:
    """Kill the server as a power cut would, and start it again."""
    server.kill()
    await asyncio.to_thread(server.start)
