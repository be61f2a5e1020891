"""P5.5: people have the transcript of a ticket sent by email."""

from datetime import timedelta
from typing import Any

from auth import throttle
from models.accounts.account import Membership
from models.operations.email import Email
from models.support.classification import Category, Channel
from models.support.merge import TicketMerge
from models.support.message import Message
from models.support.ticket import Ticket
from models.viewer import Viewer
from support import transcripts
from tests.schema.support.test_assignment import Agents
from tests.schema.support.test_assignment import agents as agents
from tests.schema.support.test_inbox import reply
from tests.schema.support.test_notes import add_note
from tests.schema.support.test_unread import TicketScenario
from tests.schema.support.test_unread import scenario as scenario

SEND = """mutation($i: TicketSendTranscriptInput!) { ticketSendTranscript(input: $i) {
    recipient { email } userErrors { code field } } }"""


async def send(agents: Agents, viewer: Viewer, key: str) -> dict[str, Any]:
    variables = {"ticketId": agents.ticket_id, "idempotencyKey": key}
    response = await agents.execute(viewer, SEND, i=variables)
    result: dict[str, Any] = response["data"]["ticketSendTranscript"] or response["errors"][0]
    return result


async def emails() -> list[Email]:
    return await Email.filter(template__startswith="ticket_transcript.").order_by("id")


async def test_p5_5_a_transcript_has_all_messages_and_no_note(
    agents: Agents, scenario: TicketScenario
) -> None:
    paul, alice = agents.dataset.paul, agents.alice
    assert paul.owner.user
    assert paul.member.user
    await reply(agents, paul.member, "<script>alert(1)</script> La facture ?")
    await agents.answer(alice, "Nous l’avons corrigée.")
    await add_note(agents, alice, "Client difficile")
    deleted = await Message.filter(body="Nous l’avons corrigée.").first()
    assert deleted
    payload = await send(agents, paul.owner, "1")
    assert payload == {"recipient": {"email": paul.owner.user.email}, "userErrors": []}
    assert await send(agents, paul.owner, "1") == payload  # a repeat
    [email] = await emails()
    assert email.recipient == paul.owner.user.email
    assert (email.account_id, email.user_id) == (paul.account.pk, paul.owner.user_id)
    for text in ("PAULMARK body", "La facture ?", "Nous l’avons corrigée.", "PAULMARK file.pdf"):
        assert text in email.text
        assert text in email.html
    assert "notre équipe de support" in email.text
    assert "difficile" not in email.text + email.html
    assert "<script>" not in email.html
    # They have the replies now, so no other email repeats them.
    assert await scenario.send_emails() != []
    assert {each.recipient for each in await scenario.send_emails()} == {paul.member.user.email}
    # What was written in a ticket that was merged into it belongs to it.
    merged = await Ticket.create(
        account=paul.account,
        requester=paul.member.user,
        subject="La même",
        channel=Channel.WEB,
        category=Category.BILLING,
        created_at=deleted.at,
        opened_on=deleted.at.date(),
        updated_at=deleted.at,
    )
    await Message.create(
        ticket=merged,
        origin=merged,
        author=paul.member.user,
        sequence=1,
        body="Dans l’autre demande",
        from_staff=False,
        client_message_id="x",
        at=deleted.at,
    )
    target_id = paul.row(Ticket).pk
    await TicketMerge.create(ticket=merged, target_id=target_id, before={}, at=deleted.at)
    # An agent sends it to the requester. What was deleted is no longer in it.
    await Message.filter(pk=deleted.pk).update(body="", deleted_at=deleted.at)
    assert (await send(agents, alice, "1"))["recipient"] == {"email": paul.owner.user.email}
    [_, email] = await emails()
    assert "Ce message a été supprimé par son auteur." in email.text
    assert "corrigée" not in email.text
    assert "Dans l’autre demande" in email.text
    [error] = (await send(agents, agents.dataset.marie.owner, "1"))["userErrors"]
    assert error == {"code": "NOT_FOUND", "field": ["input", "ticketId"]}
    await Membership.filter(user_id=paul.owner.user_id).delete()
    [error] = (await send(agents, alice, "2"))["userErrors"]
    assert error == {"code": "RECIPIENT_LEFT", "field": ["input", "ticketId"]}
    assert len(await emails()) == 2


async def test_transcripts_are_limited_in_number_and_length(
    agents: Agents, scenario: TicketScenario
) -> None:
    owner = agents.dataset.paul.owner
    for number in range(throttle.TRANSCRIPT.free_attempts + 1):
        assert (await send(agents, owner, str(number)))["userErrors"] == []
    assert (await send(agents, owner, "0"))["userErrors"] == []  # a repeat
    assert (await send(agents, owner, "x"))["extensions"]["code"] == "RATE_LIMITED"
    scenario.clock.advance(timedelta(hours=1))
    count = transcripts.MAX_CHARACTERS // 8_000 + 1
    for number in range(count):
        await scenario.reply(owner, f"{number} " + "x" * 7_990)
    await send(agents, owner, "long")
    email = (await emails())[-1]
    assert "PAULMARK body" not in email.text
    assert f"\n{count - 1} xxx" in email.text
    assert "trop long" in email.text
