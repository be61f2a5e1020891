"""P1.4: several members of one company, over HTTP and websockets against a real server process, on
both databases.

An owner invites by email. The new user accepts, works as a member, is promoted, joins a second
company, switches to it, and is removed. Lost rights take effect on open websockets too.
"""

import asyncio
import re
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from realtime.close_codes import CloseCode
from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import Client, Server, http_client, serve_catalogue
from tests.waiting import MAX_WAIT

PAUL, MARIE, NOE = "paul@boulangerie.example", "marie@quais.example", "noe@boulangerie.example"
EVENTS_SUBSCRIPTION = (
    "subscription($after: BigInt) { accountEvents(after: $after) { kind sequence ticket { subject "
    "} } }"
)
INVITATION_FIELDS = "invitation { id email role acceptedAt revokedAt inviter { name } }"


@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_p1_4_several_people_in_one_company(server: Server) -> None:
    paul, marie = await sign_up(server, PAUL), await sign_up(server, MARIE, "732829320")
    await paul_invites_noe(paul)
    noe = await noe_accepts_the_invitation(server)
    await noe_uses_the_account_as_a_member(paul, noe)
    await noe_is_promoted_while_connected(paul, noe)
    await marie_invites_noe(marie, noe)
    await noe_switches_accounts(paul, noe)
    await noe_is_removed_while_connected(paul, noe)
    await marie_transfers_her_company(marie, noe)


async def paul_invites_noe(paul: Client) -> None:
    """The email is in English, and is sent once however often he repeats it. Then a second one
    replaces it.
    """
    arguments = {
        "email": "Noe@Boulangerie.example",
        "role": "MEMBER",
        "locale": "EN",
        "idempotencyKey": "noe",
    }
    sent_payload = await paul.mutate(
        "invitationSend", "InvitationSendInput", arguments, INVITATION_FIELDS
    )
    assert sent_payload == await paul.mutate(
        "invitationSend", "InvitationSendInput", arguments, INVITATION_FIELDS
    )
    assert sent_payload["invitation"] == {
        "id": sent_payload["invitation"]["id"],
        "email": NOE,
        "role": "MEMBER",
        "acceptedAt": None,
        "revokedAt": None,
        "inviter": {"name": "Paul Meunier"},
    }
    first = await token_of(paul.server, NOE)
    resend_input = {"invitationId": sent_payload["invitation"]["id"], "idempotencyKey": "again"}
    await paul.mutate("invitationResend", "InvitationResendInput", resend_input, INVITATION_FIELDS)
    await token_of(paul.server, NOE, 2)
    refused_payload = await accept_invitation(
        Client(paul.server), first, name="Noé Blin", password=PASSWORD
    )
    assert (
        refused_payload["userErrors"][0]["code"],
        refused_payload["userErrors"][0]["message"],
    ) == (
        "TOKEN_INVALID",
        "Ce lien ou ce code n’est plus valable.",
    )
    assert [each["email"] for each in await invitations(paul)] == [NOE]


async def invitation_email(server: Server, address: str, number: int) -> EmailMessage:
    """Waits for the n-th invitation to this address. Other emails don't count, such as those about
    chats outside of the opening hours.
    """
    async with asyncio.timeout(120):
        while True:
            emails = [
                email
                for email in server.emails(address)
                if "/invitation?token=" in email.get_body(("plain",)).get_content()  # type: ignore[union-attr] # it has one
            ]
            if len(emails) >= number:
                return emails[number - 1]
            await asyncio.sleep(0.1)


async def token_of(server: Server, address: str, number: int = 1) -> str:
    """The token in both parts of the n-th invitation to this address. Its link must lead to a
    page.
    """
    email = await invitation_email(server, address, number)
    text, html = (email.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr] # it has both
    link = re.search(rf"{server.url}/invitation\?token=(\S+)", text)
    assert link, text
    assert link[0] in html
    return link[1]


async def accept_invitation(client: Client, token: str, **newcomer: str) -> dict[str, Any]:
    selection = "company { accountId legalName role current }"
    return await client.try_mutation(
        "invitationAccept", "InvitationAcceptInput", {"token": token, **newcomer}, selection
    )


async def invitations(client: Client) -> list[dict[str, Any]]:
    result = await client.data("{ viewer { account { invitations { id email role } } } }")
    return list(result["viewer"]["account"]["invitations"])


async def noe_accepts_the_invitation(server: Server) -> Client:
    """The email is in English, the password must be strong, and the address needs no other
    verification.
    """
    noe = Client(server, language="en")
    email = await server.email(NOE, 2)
    assert str(email["Subject"]) == "Boulangerie Meunier invites you to CAMCHA"
    token = await token_of(server, NOE, 2)
    async with http_client() as browser:
        assert (
            "Boulangerie Meunier"
            in (await browser.get(f"{server.url}/invitation?token={token}")).text
        )
    weak_payload = await accept_invitation(noe, token, name="Noé Blin", password="noe")
    assert [error["code"] for error in weak_payload["userErrors"]] == ["PASSWORD_WEAK"]
    accept_payload = await accept_invitation(noe, token, name="Noé Blin", password=PASSWORD)
    assert accept_payload["userErrors"] == []
    assert (accept_payload["company"]["legalName"], accept_payload["company"]["role"]) == (
        "Boulangerie Meunier",
        "MEMBER",
    )
    repeated_payload = await accept_invitation(noe, token, name="Somebody", password=PASSWORD)
    assert [error["code"] for error in repeated_payload["userErrors"]] == ["TOKEN_INVALID"]
    return await noe.sign_in(NOE, PASSWORD)


async def noe_uses_the_account_as_a_member(paul: Client, noe: Client) -> None:
    """Noé asks for help and sees other members' tickets, but neither invoices nor members."""
    assert await members(paul) == {"Paul Meunier": "OWNER", "Noé Blin": "MEMBER"}
    ticket = await noe.open_chat()
    result = await paul.data(
        "query($id: ID!) { node(id: $id) { ... on Ticket { requester { name } } } }", id=ticket
    )
    assert result["node"]["requester"]["name"] == "Noé Blin"
    assert await code_of(noe, "{ invoices { totalCount } }") == "FORBIDDEN"
    send_mutation = (
        'mutation { invitationSend(input: {email: "x@y.example", role: MEMBER, idempotencyKey: '
        '"x"}) '
        "{ __typename } }"
    )
    assert await code_of(noe, send_mutation) == "FORBIDDEN"
    assert await invitations(noe) == await invitations(paul) == []


async def members(client: Client) -> dict[str, str]:
    result = await client.data("{ viewer { account { members { role user { name } } } } }")
    return {each["user"]["name"]: each["role"] for each in result["viewer"]["account"]["members"]}


async def code_of(client: Client, query: str) -> str:
    response = await client.execute(query)
    return str(response["errors"][0]["extensions"]["code"])


async def noe_is_promoted_while_connected(paul: Client, noe: Client) -> None:
    """The websocket closes with FORBIDDEN. The client reconnects with the same token, has the new
    role and misses no event.
    """
    async with noe.socket() as websocket:
        subscription = await websocket.subscribe(EVENTS_SUBSCRIPTION, after=0)
        last = (await subscription.until("TICKET_OPENED"))["sequence"]
        arguments = {"userId": await user_id(paul, "Noé Blin"), "role": "BILLING"}
        for _ in range(2):
            role_payload = await paul.mutate(
                "memberChangeRole",
                "MemberChangeRoleInput",
                arguments,
                "member { role user { name } }",
            )
            assert role_payload["member"] == {"role": "BILLING", "user": {"name": "Noé Blin"}}
        assert await websocket.wait_closed() == CloseCode.FORBIDDEN
    assert (await noe.data("{ invoices { totalCount } }"))["invoices"] == {"totalCount": 0}
    async with noe.socket() as websocket:
        subscription = await websocket.subscribe(EVENTS_SUBSCRIPTION, after=last)
        await noe.open_chat(2)
        assert (await subscription.until("TICKET_OPENED"))["ticket"]["subject"] == "Chat 2"


async def user_id(client: Client, name: str) -> str:
    result = await client.data("{ viewer { account { members { user { id name } } } } }")
    people = [each["user"] for each in result["viewer"]["account"]["members"]]
    return str(next(each["id"] for each in people if each["name"] == name))


async def marie_invites_noe(marie: Client, noe: Client) -> None:
    """Marie can't tell that Noé already has a user. He accepts signed in, and she revokes an
    invitation sent by mistake.
    """
    arguments = {"email": NOE, "role": "ADMIN", "idempotencyKey": "noe"}
    assert (
        await marie.mutate("invitationSend", "InvitationSendInput", arguments, INVITATION_FIELDS)
    )["invitation"]["acceptedAt"] is None
    token = await token_of(marie.server, NOE, 3)
    email = await invitation_email(marie.server, NOE, 3)
    assert "Votre rôle" in email.get_body(("plain",)).get_content()  # type: ignore[union-attr] # it has one
    for client, code in (
        (Client(marie.server), "SIGN_IN_REQUIRED"),
        (marie, "INVITATION_EMAIL_MISMATCH"),
    ):
        refused_payload = await accept_invitation(client, token, name="Noé", password=PASSWORD)
        assert [error["code"] for error in refused_payload["userErrors"]] == [code]
    accept_payload = await accept_invitation(noe, token)
    assert (accept_payload["userErrors"], accept_payload["company"]["current"]) == ([], False)
    repeated_payload = await marie.try_mutation(
        "invitationSend",
        "InvitationSendInput",
        {**arguments, "idempotencyKey": "again"},
        INVITATION_FIELDS,
    )
    assert [error["code"] for error in repeated_payload["userErrors"]] == ["ALREADY_MEMBER"]
    invalid_input = {
        "email": "nobody@quais.example",
        "role": "BILLING",
        "idempotencyKey": "mistake",
    }
    sent_payload = await marie.mutate(
        "invitationSend", "InvitationSendInput", invalid_input, INVITATION_FIELDS
    )
    for _ in range(2):
        revoke_input = {"invitationId": sent_payload["invitation"]["id"]}
        revoked_payload = await marie.mutate(
            "invitationRevoke", "InvitationRevokeInput", revoke_input, INVITATION_FIELDS
        )
        assert revoked_payload["invitation"]["revokedAt"]
    assert await invitations(marie) == []


async def noe_switches_accounts(paul: Client, noe: Client) -> None:
    """Noé gets new tokens for Marie's company and loses access to Paul's, on open websockets
    too.
    """
    companies = (await noe.data("{ viewer { companies { accountId role current } } }"))["viewer"][
        "companies"
    ]
    assert [(each["role"], each["current"]) for each in companies] == [
        ("BILLING", True),
        ("ADMIN", False),
    ]
    old_client, ticket = Client(noe.server, noe.token), await noe.open_chat(3)
    async with noe.socket() as websocket:
        await websocket.subscribe(EVENTS_SUBSCRIPTION)
        arguments = {"accountId": companies[1]["accountId"]}
        switch_payload = await noe.mutate(
            "sessionSwitchAccount",
            "SessionSwitchAccountInput",
            arguments,
            "session { accessToken }",
        )
        assert await websocket.wait_closed() == CloseCode.UNAUTHORIZED
    noe.token = switch_payload["session"]["accessToken"]
    assert await code_of(old_client, "{ viewer { locale } }") == "UNAUTHENTICATED"
    result = await noe.data(
        "query($ids: [ID!]!) { nodes(ids: $ids) { id } tickets { totalCount } viewer { account { "
        "id } role } }",
        ids=[ticket, companies[0]["accountId"], await user_id(paul, "Paul Meunier")],
    )
    assert result["nodes"] == [None, None, None]
    assert result["tickets"] == {"totalCount": 0}
    assert result["viewer"] == {"account": {"id": companies[1]["accountId"]}, "role": "ADMIN"}
    sign_in_input = {"email": NOE, "password": PASSWORD, "accountId": ticket}
    refused_payload = await noe.try_mutation(
        "sessionSignIn", "SessionSignInInput", sign_in_input, "session { accessToken }"
    )
    assert [(error["code"], error["field"]) for error in refused_payload["userErrors"]] == [
        ("NOT_FOUND", ["input", "accountId"])
    ]
    await noe.sign_in(NOE, PASSWORD, accountId=companies[0]["accountId"])
    assert (await noe.data("{ viewer { role } }"))["viewer"]["role"] == "BILLING"


async def noe_is_removed_while_connected(paul: Client, noe: Client) -> None:
    """It takes effect within a second. He can still sign in to Marie's company."""
    async with noe.socket() as websocket:
        subscription = await websocket.subscribe(EVENTS_SUBSCRIPTION, after=0)
        while (
            not (ticket := (await subscription.next())["ticket"]) or ticket["subject"] != "Chat 3"
        ):
            pass  # from here on he receives new events
        arguments = {"userId": await user_id(paul, "Noé Blin")}
        await paul.mutate("memberRemove", "MemberRemoveInput", arguments, "removed")
        await paul.open_chat()
        assert await websocket.wait_closed() == CloseCode.UNAUTHORIZED
        assert subscription.queue.empty()
    assert await code_of(noe, "{ viewer { locale } }") == "UNAUTHENTICATED"
    assert await members(paul) == {"Paul Meunier": "OWNER"}
    repeated_payload = await paul.try_mutation(
        "memberRemove", "MemberRemoveInput", arguments, "removed"
    )
    assert [error["code"] for error in repeated_payload["userErrors"]] == ["NOT_FOUND"]
    noe.token = None
    await noe.sign_in(NOE, PASSWORD)
    assert (await noe.data("{ viewer { role companies { legalName } } }"))["viewer"][
        "role"
    ] == "ADMIN"


async def marie_transfers_her_company(marie: Client, noe: Client) -> None:
    """Marie is the last owner and can't leave. She transfers the ownership to Noé, becomes an
    administrator, and leaves.
    """
    last_owner = await marie.execute("mutation { accountLeave { left userErrors { code } } }")
    assert last_owner["data"]["accountLeave"] == {
        "left": None,
        "userErrors": [{"code": "LAST_OWNER"}],
    }
    arguments = {"userId": await user_id(marie, "Noé Blin")}
    without_step_up = await marie.try_mutation(
        "accountTransferOwnership", "AccountTransferOwnershipInput", arguments, "account { id }"
    )
    assert [error["code"] for error in without_step_up["userErrors"]] == ["STEP_UP_REQUIRED"]
    await marie.mutate(
        "sessionStepUp", "SessionStepUpInput", {"password": PASSWORD}, "stepUpExpiresAt"
    )
    await marie.mutate(
        "accountTransferOwnership", "AccountTransferOwnershipInput", arguments, "account { id }"
    )
    # The name of every customer in these tests.
    assert await members(noe) == {"Paul Meunier": "ADMIN", "Noé Blin": "OWNER"}
    assert (await noe.data("{ viewer { role } }"))["viewer"]["role"] == "OWNER"
    leave_payload = await marie.execute("mutation { accountLeave { left userErrors { code } } }")
    assert leave_payload["data"]["accountLeave"] == {"left": True, "userErrors": []}
    assert await code_of(marie, "{ viewer { locale } }") == "UNAUTHENTICATED"
    assert await members(noe) == {"Noé Blin": "OWNER"}


# SQLite supports only one process.
@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_p1_4_role_changes_reach_websockets_of_other_processes(
    server: Server, catalogue_url: str, tmp_path: Path
) -> None:
    """Noé is connected to one server while Paul changes his role and removes him through the other.
    Both take effect in seconds.
    """
    (tmp_path / "other").mkdir()
    paul = await sign_up(server, PAUL)
    with serve_catalogue(catalogue_url, tmp_path / "other") as other:
        await paul.mutate(
            "invitationSend",
            "InvitationSendInput",
            {"email": NOE, "role": "MEMBER", "idempotencyKey": "noe"},
            INVITATION_FIELDS,
        )
        text = (await email_from_any(server, other)).get_body(("plain",)).get_content()
        token = str(re.search(r"token=(\S+)", text)[1])  # type: ignore[index] # it has one
        noe = Client(other)
        await accept_invitation(noe, token, name="Noé Blin", password=PASSWORD)
        await noe.sign_in(NOE, PASSWORD)
        arguments = {"userId": await user_id(paul, "Noé Blin")}
        async with noe.socket() as websocket:
            await websocket.subscribe(EVENTS_SUBSCRIPTION)
            await paul.mutate(
                "memberChangeRole",
                "MemberChangeRoleInput",
                {**arguments, "role": "BILLING"},
                "member { role }",
            )
            assert await websocket.wait_closed() == CloseCode.FORBIDDEN
        while (await noe.data("{ viewer { role } }"))["viewer"]["role"] != "BILLING":
            await asyncio.sleep(0.05)  # a process caches viewers for up to a second
        async with noe.socket() as websocket:
            await websocket.subscribe(EVENTS_SUBSCRIPTION)
            await paul.mutate("memberRemove", "MemberRemoveInput", arguments, "removed")
            assert await websocket.wait_closed() == CloseCode.UNAUTHORIZED


async def email_from_any(*servers: Server) -> Any:
    """The email to Noé, from whichever process delivered it."""
    async with asyncio.timeout(MAX_WAIT):
        while not (result := [email for server in servers for email in server.emails(NOE)]):
            await asyncio.sleep(0.1)
    return result[0]
