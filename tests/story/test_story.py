"""The main use cases end to end, over HTTP and websockets against a real server process, on SQLite
and on PostgreSQL.

A company signs up, buys, gets its invoice and chats with an agent. The server is killed during the
chat, and an analyst reads figures. Promises P1.4, P2.1, P2.2, P2.4, P3.4, P3.6, P4.3, P5.1, P5.2,
P5.5, P5.7, P6.1, P6.2, P6.3.
"""

import asyncio
import re
from io import BytesIO
from typing import Any

import pyotp
import pypdf

from tests.people import PASSWORD, StaffUser, hire
from tests.story.server_fixtures import Client, Server, SubscriptionMessages, http_client
from tests.waiting import MAX_WAIT

PAUL = "paul@boulangerie.example"
TICKET_EVENTS_SUBSCRIPTION = """subscription($id: ID!, $after: BigInt) { ticketEvents(ticketId: $id,
    after: $after) {
    sequence kind status actor { name } message { body fromStaff clientMessageId } } }"""
INBOX_SUBSCRIPTION = (
    "subscription($after: BigInt) { inboxEvents(after: $after) { sequence kind ticket { id subject "
    "channel status } } }"
)
TYPING_SUBSCRIPTION = (
    "subscription($id: ID!) { ticketTyping(ticketId: $id) { typing user { name } } }"
)


async def test_the_story(server: Server) -> None:
    agent = await hire(server, "alice@camcha.example", "AGENT")
    analyst = await hire(server, "nadia@camcha.example", "ANALYST")
    await anyone_reads_the_catalogue_and_the_library(server)
    paul = await paul_signs_up(server)
    invoice = await paul_buys(paul)
    await the_invoice_is_readable(paul, invoice)
    await paul_sets_up_a_second_factor(paul)
    await paul_and_alice_chat(paul, await agent.sign_in(server, "en"))
    await nadia_queries_figures(server, analyst)


async def anyone_reads_the_catalogue_and_the_library(server: Server) -> None:
    """P2.1, P5.7: it is read anonymously, in French and in English."""
    visitor = Client(server)
    result = await visitor.data(
        """{ offers(filter: {segment: {eq: TPE}}) { totalCount nodes { slug name english:
        name(locale: EN) prices { interval net { amountCents formatted } gross { amountCents } } } }
        articles(search: "TELECHARGER une facture") { nodes { slug title } } contact { email phone
        openingHours } }
        """
    )
    first = result["offers"]["nodes"][0]
    assert result["offers"]["totalCount"] == len(result["offers"]["nodes"]) == 3
    assert first["prices"][0] == {
        "interval": "MONTH",
        "net": {"amountCents": 2900, "formatted": "29,00\xa0€"},
        "gross": {"amountCents": 3480},
    }
    assert result["articles"]["nodes"]
    assert "support@" in result["contact"]["email"]


async def paul_signs_up(server: Server) -> Client:
    """P1.4: the SIREN is checked, and the address is verified by email, in French."""
    paul = Client(server)
    form = {
        "email": PAUL,
        "password": PASSWORD,
        "name": "Paul Meunier",
        "legalName": "Boulangerie Meunier SARL",
    }
    refused = await paul.try_mutation(
        "accountSignUp", "AccountSignUpInput", {**form, "siren": "404833049"}, "accepted"
    )
    assert [error["code"] for error in refused["userErrors"]] == ["SIREN_INVALID"]
    await paul.mutate(
        "accountSignUp", "AccountSignUpInput", {**form, "siren": "404 833 048"}, "accepted"
    )
    before_verification = await paul.try_mutation(
        "sessionSignIn",
        "SessionSignInInput",
        {"email": PAUL, "password": PASSWORD},
        "session { accessToken }",
    )
    assert [error["code"] for error in before_verification["userErrors"]] == ["EMAIL_UNVERIFIED"]
    email = await server.email(PAUL)
    link = re.search(r"https?://\S+/verify\?token=\S+", email.get_body(("plain",)).get_content())  # type: ignore[union-attr]
    assert link
    async with http_client() as browser:
        assert (await browser.get(link[0])).status_code == 200
        assert (await browser.post(link[0])).status_code == 200
    return await paul.sign_in(PAUL, PASSWORD)


async def paul_buys(paul: Client) -> dict[str, Any]:
    """P2.2: a declined card, then one that the bank wants confirmed. P3.6: the next dates are
    shown.
    """
    offers = await paul.data(
        "query($slug: String!) { offer(slug: $slug) { prices { id interval } } }",
        slug=await first_slug(paul),
    )
    price = next(price["id"] for price in offers["offer"]["prices"] if price["interval"] == "MONTH")
    arguments = {"priceId": price, "idempotencyKey": "draft-1"}
    purchase = (
        await paul.mutate(
            "purchaseDraft", "PurchaseDraftInput", arguments, "purchase { id status }"
        )
    )["purchase"]
    repeated_payload = (
        await paul.mutate(
            "purchaseDraft", "PurchaseDraftInput", arguments, "purchase { id status }"
        )
    )["purchase"]
    assert purchase == repeated_payload
    billing = {
        "purchaseId": purchase["id"],
        "billingAddress": {"street": "3 rue du Four", "postalCode": "69001", "city": "Lyon"},
    }
    await paul.mutate(
        "purchaseConfirmBilling", "PurchaseConfirmBillingInput", billing, "purchase { status }"
    )
    declined_payment = await pay(paul, purchase["id"], "pm_sandbox_declined", "pay-1")
    assert (declined_payment["payment"]["status"], declined_payment["purchase"]["status"]) == (
        "DECLINED",
        "BILLING_CONFIRMED",
    )
    assert [error["code"] for error in declined_payment["userErrors"]] == ["PAYMENT_DECLINED"]
    waiting = await pay(paul, purchase["id"], "pm_sandbox_confirmation", "pay-2")
    assert waiting["payment"]["status"] == "REQUIRES_ACTION"
    async with paul.socket() as websocket, http_client() as browser:
        subscription = await websocket.subscribe(
            "subscription { accountEvents(after: 0) { kind purchase { status } invoice { number } "
            "} }"
        )
        assert (await browser.get(waiting["payment"]["confirmationUrl"])).status_code == 200
        await browser.post(waiting["payment"]["confirmationUrl"], data={"outcome": "approve"})
        issued_event = await subscription.until("INVOICE_ISSUED")
    return await check_purchase(paul, purchase["id"], issued_event["invoice"]["number"])


async def first_slug(client: Client) -> str:
    return str(
        (await client.data("{ offers(first: 1) { nodes { slug } } }"))["offers"]["nodes"][0]["slug"]
    )


async def pay(paul: Client, purchase: str, method: str, key: str) -> dict[str, Any]:
    arguments = {"purchaseId": purchase, "paymentMethod": method, "idempotencyKey": key}
    selection = "payment { id status confirmationUrl declineCode } purchase { status }"
    return await paul.try_mutation("purchasePay", "PurchasePayInput", arguments, selection)


async def check_purchase(paul: Client, purchase: str, number: str) -> dict[str, Any]:
    result = await paul.data(
        """query($id: ID!) { node(id: $id) { ... on Purchase { status anchor periods { start end } }
        } invoices { nodes { number net { amountCents } vat { amountCents } gross { amountCents }
        sha256 downloadUrl lines { label quantity net { amountCents } } } } }
        """,
        id=purchase,
    )
    assert result["node"]["status"] == "ACTIVE"
    assert result["node"]["periods"][0]["start"] == result["node"]["anchor"]
    assert len(result["node"]["periods"]) == 3
    (invoice,) = result["invoices"]["nodes"]
    assert invoice["number"] == number
    assert re.fullmatch(r"FA-\d{4}-000001", number)
    assert [invoice[part]["amountCents"] for part in ("net", "vat", "gross")] == [2900, 580, 3480]
    return dict(invoice)


async def the_invoice_is_readable(paul: Client, invoice: dict[str, Any]) -> None:
    """P2.4, P3.4: the PDF attached to the email and the one behind the signed link have the same
    bytes.
    """
    email = next(each for each in await emails_with_pdf(paul.server))
    (attached,) = [
        part for part in email.iter_attachments() if part.get_content_type() == "application/pdf"
    ]
    pdf = attached.get_content()
    text = pypdf.PdfReader(BytesIO(pdf)).pages[0].extract_text()
    assert invoice["number"] in text
    assert "Boulangerie Meunier SARL" in text
    async with http_client() as browser:
        download = await browser.get(invoice["downloadUrl"])
        forged_download = await browser.get(invoice["downloadUrl"][:-3] + "abc")
    assert download.content == pdf
    assert forged_download.status_code == 404


async def emails_with_pdf(server: Server) -> list[Any]:
    async with asyncio.timeout(MAX_WAIT):
        while not (
            result := [email for email in server.emails(PAUL) if any(email.iter_attachments())]
        ):
            await asyncio.sleep(0.1)
    return result


async def paul_sets_up_a_second_factor(paul: Client) -> None:
    """P4.3: from now on, signing in requires a code."""
    setup = await paul.mutate(
        "totpSetUp", "TotpSetUpInput", {"password": PASSWORD}, "secret provisioningUri qrCodeSvg"
    )
    code = pyotp.TOTP(setup["secret"]).now()
    confirm_payload = await paul.mutate(
        "totpConfirm", "TotpConfirmInput", {"code": code}, "recoveryCodes"
    )
    assert len(confirm_payload["recoveryCodes"]) == 10
    arguments = {"email": PAUL, "password": PASSWORD}
    refused = await paul.try_mutation(
        "sessionSignIn", "SessionSignInInput", arguments, "session { accessToken }"
    )
    assert [error["code"] for error in refused["userErrors"]] == ["SECOND_FACTOR_REQUIRED"]
    arguments["code"] = confirm_payload["recoveryCodes"][0]
    signed_in = await paul.mutate(
        "sessionSignIn", "SessionSignInInput", arguments, "session { accessToken }"
    )
    paul.token = signed_in["session"]["accessToken"]


async def paul_and_alice_chat(paul: Client, alice: Client) -> None:
    """P5.5, P6.2, P5.2: the chat arrives in the inbox and is claimed, and both receive every event
    at once, despite a kill.
    """
    async with alice.socket() as alice_socket, paul.socket() as paul_socket:
        inbox = await alice_socket.subscribe(INBOX_SUBSCRIPTION, after=0)
        chat = await open_chat(paul)
        opened_event = await inbox.until("TICKET_OPENED")
        assert opened_event["ticket"]["id"] == chat
        pauls_events = await paul_socket.subscribe(TICKET_EVENTS_SUBSCRIPTION, id=chat, after=0)
        assert [(await pauls_events.next())["kind"] for _ in range(2)] == [
            "TICKET_OPENED",
            "MESSAGE_POSTED",
        ]
        await alice.mutate(
            "ticketClaim",
            "TicketClaimInput",
            {"ticketId": chat},
            "ticket { status assignee { name } }",
        )
        assert (await pauls_events.until("TICKET_ASSIGNED"))["actor"]["name"] == "Agent"
        assert (await pauls_events.until("STATUS_CHANGED"))["status"] == "OPEN"
        typing = await paul_socket.subscribe(TYPING_SUBSCRIPTION, id=chat)
        assert (await wait_for_typing(alice, chat, typing))["typing"] is True
        await post_message(alice, chat, "Bonjour Paul", "hello")
        assert (await pauls_events.until("MESSAGE_POSTED"))["message"]["body"] == "Bonjour Paul"
    await the_server_is_killed_during_the_chat(paul, alice, chat)
    await alice.mutate("ticketClose", "TicketCloseInput", {"ticketId": chat}, "ticket { status }")
    chats = "tickets(filter: {channel: {eq: CHAT}})"
    tickets = await paul.data(
        f"{{ {chats} {{ nodes {{ id status messages(first: 3) {{ nodes {{ body }} }} }} }} }}"
    )
    assert tickets["tickets"]["nodes"][0]["status"] == "CLOSED"
    assert tickets["tickets"]["nodes"][0]["messages"]["nodes"][1]["body"] == "Bonjour Paul"


async def wait_for_typing(alice: Client, chat: str, typing: SubscriptionMessages) -> dict[str, Any]:
    """Repeats the typing notification until the customer receives it, because a stream without a
    cursor has no start event.
    """
    next_typing = asyncio.create_task(typing.next())
    while not next_typing.done():
        await alice.mutate("ticketTyping", "TicketTypingInput", {"ticketId": chat}, "sent")
        await asyncio.wait({next_typing}, timeout=0.2)
    return await next_typing


async def open_chat(paul: Client) -> str:
    arguments = {
        "subject": "Ma facture",
        "body": "Ma carte 4242 4242 4242 4242 ?",
        "channel": "CHAT",
        "idempotencyKey": "chat-1",
    }
    ticket = (
        await paul.mutate(
            "ticketOpen", "TicketOpenInput", arguments, "ticket { id lastMessage { body } }"
        )
    )["ticket"]
    assert ticket["lastMessage"]["body"] == "Ma carte •••• 4242 ?"
    return str(ticket["id"])


async def post_message(client: Client, ticket: str, body: str, key: str) -> int:
    arguments = {"ticketId": ticket, "body": body, "clientMessageId": key}
    payload = await client.mutate(
        "ticketReply", "TicketReplyInput", arguments, "message { sequence }"
    )
    return int(payload["message"]["sequence"])


async def the_server_is_killed_during_the_chat(paul: Client, alice: Client, chat: str) -> None:
    """Both clients reconnect with `after:` and receive the same sequence without gaps: no
    acknowledged message is lost or duplicated.
    """
    server = paul.server
    acknowledged_sequences: dict[str, int] = {}
    before = await last_sequence(paul, chat)
    async with paul.socket() as websocket:
        subscription = await websocket.subscribe(TICKET_EVENTS_SUBSCRIPTION, id=chat, after=before)
        writers = [
            asyncio.create_task(send_messages(client, chat, name, acknowledged_sequences))
            for client, name in ((paul, "p"), (alice, "a"))
        ]
        sequences = [(await subscription.next())["sequence"] for _ in range(20)]
        server.kill()
        await asyncio.gather(*writers, return_exceptions=True)
    server.start()
    for key in list(acknowledged_sequences)[-2:]:
        client = paul if key.startswith("p") else alice
        assert (
            await post_message(client, chat, f"message {key}", key) == acknowledged_sequences[key]
        )
    event_lists = [await read_all_events(client, chat, sequences[-1]) for client in (paul, alice)]
    assert event_lists[0] == event_lists[1]
    all_events = await read_all_events(paul, chat, before)
    assert [sequence for sequence, _ in all_events] == list(
        range(before + 1, before + 1 + len(all_events))
    )
    stored_sequences = {key: sequence for sequence, key in all_events}
    assert len(stored_sequences) == len(all_events)
    assert {
        key: stored_sequences.get(key) for key in acknowledged_sequences
    } == acknowledged_sequences


async def send_messages(
    client: Client, chat: str, name: str, acknowledged_sequences: dict[str, int]
) -> None:
    for number in range(500):
        acknowledged_sequences[f"{name}-{number}"] = await post_message(
            client, chat, f"message {name}-{number}", f"{name}-{number}"
        )


async def last_sequence(client: Client, chat: str) -> int:
    result = await client.data(
        "query($id: ID!) { node(id: $id) { ... on Ticket { lastSequence } } }", id=chat
    )
    return int(result["node"]["lastSequence"])


async def read_all_events(client: Client, chat: str, after: int) -> list[tuple[int, str]]:
    last = await last_sequence(client, chat)
    async with client.socket() as websocket:
        subscription = await websocket.subscribe(TICKET_EVENTS_SUBSCRIPTION, id=chat, after=after)
        events = [await subscription.next() for _ in range(last - after)]
    return [(event["sequence"], event["message"]["clientMessageId"]) for event in events]


async def nadia_queries_figures(server: Server, analyst: StaffUser) -> None:
    """P6.3: figures without personal data. A query that is too expensive is refused with its cost
    and the limit.
    """
    nadia = await analyst.sign_in(server)
    figures = await nadia.data(
        """{
        tickets: analytics(query: {tickets: {by: [CHANNEL, DAY], measures: [
            {function: MEDIAN, of: FIRST_RESPONSE}]}}) { rows { keys cells { number } } }
        revenue: analytics(query: {revenue: {by: [OFFER, MONTH], measures: [
            {function: SUM, of: NET}]}}) { rows { cells { amount { amountCents } } } } }
        """
    )
    tickets = figures["tickets"]["rows"]
    assert tickets[0]["keys"][0] == "CHAT"
    assert tickets[0]["cells"][0]["number"] is not None
    (revenue,) = figures["revenue"]["rows"]
    assert revenue["cells"] == [{"amount": {"amountCents": 2900}}]
    for forbidden_query in (
        "tickets { nodes { subject } }",
        "invoices { nodes { number } }",
        "purchases { nodes { id } }",
    ):
        response = await nadia.execute(f"{{ {forbidden_query} }}")
        assert [error["extensions"]["code"] for error in response["errors"]] == ["FORBIDDEN"]
    rejected_response = await nadia.execute(
        """{ analytics(query: {tickets: {by: [CHANNEL, CATEGORY, STATUS, DAY], since: "2024-01-01",
        until: "2026-12-31", first: 1000, measures: [{}]}}) { rowCount }
        offers(first: 1000) { nodes { prices { offer { prices {
        offer { prices { id } } } } } } } }
        """
    )
    (error,) = rejected_response["errors"]
    assert error["extensions"]["code"] == "QUERY_TOO_COSTLY"
    assert error["extensions"]["cost"] > error["extensions"]["limit"]
