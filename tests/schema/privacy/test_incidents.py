"""P4.5: anybody can report a suspected breach of personal data, and the security team handles it
within 72 hours.
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest
from tortoise.exceptions import BaseORMException

from models.accounts.account import Account, AccountStatus
from models.action import Action
from models.identity.user import Staff, User
from models.operations.email import Email
from models.privacy.incident import Incident, IncidentEntry
from models.support.ticket import Ticket
from models.viewer import Viewer
from privacy.incident_alerts import call_webhook, send_incident_reminders
from privacy.security_team import SecurityTeam
from resolvers.ids import encode
from tests.people import create_staff_viewer
from tests.schema.billing.catalogue_fixtures import codes, create_operator, mutate

if TYPE_CHECKING:
    from tests.schema.conftest import Dataset, Execute

REPORT = "number ticket { id category deadlineAt }"
INCIDENT = "incident { status deadlineAt closedAt }"
REGISTER = """query { incidents(first: 50) { nodes {
    number status severity description noticedAt reportedAt awareAt deadlineAt closedAt
    reporterName reporterEmail dataCategories peopleCount recordCount consequences measures
    authorityNotification { required reason notifiedAt reference delayReason }
    peopleNotification { required notifiedAt }
    reporter { name } account { legalName } ticket { number }
    entries { kind text actor { name } details { name value } }
} } }"""
WHAT = "J’ai reçu la facture d’une autre entreprise."


async def create_security_operator(action: Action) -> Viewer:
    """An operator whose role is active, and who gets emails."""
    operator = await create_operator(action)
    await User.filter(pk=operator.user_id).update(second_factor_at=action.at)
    return operator


async def register(execute: "Execute", operator: Viewer) -> list[dict[str, Any]]:
    response = await execute(operator, REGISTER)
    assert "errors" not in response, response
    return list(response["data"]["incidents"]["nodes"])


async def emails_to(template: str) -> list[str]:
    emails = await Email.filter(template__startswith=template).order_by("id")
    return [email.recipient for email in emails]


async def report(
    execute: "Execute", viewer: Viewer, key: str = "1", **fields: Any
) -> dict[str, Any]:
    fields = {"description": WHAT, "idempotencyKey": key} | fields
    return await mutate(execute, viewer, "breachReport", REPORT, **fields)


async def reported(execute: "Execute", viewer: Viewer) -> str:
    """The ID of an incident."""
    await report(execute, viewer)
    return encode("Incident", (await Incident.all().order_by("-id").first()).pk)  # type: ignore[union-attr]


async def test_p4_5_a_breach_is_reported_assessed_notified_and_closed(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    operator, paul = await create_security_operator(action), dataset.paul
    for _ in range(2):  # a repeat changes nothing
        payload = await report(execute, paul.owner, noticedAt="2026-11-22T20:00:00Z")
    deadline = (action.at + timedelta(hours=72)).isoformat()
    assert payload["ticket"] | {"id": ""} == {
        "id": "",
        "category": "SECURITY",
        "deadlineAt": deadline,
    }
    assert paul.owner.user
    assert operator.user
    assert await emails_to("incident_reported") == [operator.user.email]
    assert await emails_to("incident_received") == [paul.owner.user.email]
    incident_id = encode("Incident", (await Incident.get()).pk)

    async def change(name: str, **fields: Any) -> dict[str, Any]:
        return await mutate(execute, operator, name, INCIDENT, incidentId=incident_id, **fields)

    await change("incidentMove", status="CONFIRMED", reason="Envoi à la mauvaise adresse.")
    incomplete = await change("incidentMove", status="CLOSED", reason="Traité.")
    assert codes(incomplete) == [("INCIDENT_INCOMPLETE", "status")]
    assert incomplete["userErrors"][0]["message"].startswith("Le registre est incomplet. Il manque")
    await change(
        "incidentUpdate",
        severity="MEDIUM",
        dataCategories="Coordonnées de facturation d’un client.",
        peopleCount=1,
        recordCount=1,
        consequences="Connaissance des achats d’un concurrent.",
        measures="Facture retirée, adresse corrigée.",
    )
    early = await change(
        "incidentRecordNotification", audience="AUTHORITY", notifiedAt="2026-11-23T08:30:00Z"
    )
    assert codes(early) == [("NOTIFICATION_NOT_REQUIRED", "audience")]
    await change("incidentDecide", audience="AUTHORITY", required=True, reason="Risque possible.")
    await change("incidentDecide", audience="PEOPLE", required=False, reason="Risque faible.")
    still = await change("incidentMove", status="CLOSED", reason="Traité.")
    assert "la notification à la CNIL" in still["userErrors"][0]["message"]
    await change(
        "incidentRecordNotification",
        audience="AUTHORITY",
        notifiedAt="2026-11-23T08:30:00Z",
        reference="FR-2026-1",
    )
    closed = await change("incidentMove", status="CLOSED", reason="Traité.")
    assert closed["incident"]["status"] == "CLOSED"
    (row,) = await register(execute, operator)
    kinds = [entry["kind"] for entry in row["entries"]]
    assert kinds == [
        "REPORTED",
        "STATUS_CHANGED",
        "UPDATED",
        "DECIDED",
        "DECIDED",
        "NOTIFIED",
        "STATUS_CHANGED",
    ]
    assert [entry["actor"]["name"] for entry in row["entries"]] == [
        paul.owner.user.name,
        *6 * ["Omar"],
    ]
    assert row["authorityNotification"] == {
        "required": True,
        "reason": "Risque possible.",
        "notifiedAt": "2026-11-23T08:30:00+00:00",
        "reference": "FR-2026-1",
        "delayReason": None,
    }
    assert row["peopleNotification"] == {"required": False, "notifiedAt": None}
    assert (row["description"], row["noticedAt"]) == (WHAT, "2026-11-22T20:00:00+00:00")
    assert row["account"] == {"legalName": paul.account.legal_name}
    assert row["number"] == payload["number"]


async def test_p4_5_somebody_who_is_not_signed_in_reports_a_breach(
    execute: "Execute", db: str, action: Action
) -> None:
    operator = await create_security_operator(action)
    payload = await report(
        execute, Viewer(), name="Jean Petit", email="Jean@Example.org", noticedAt=None
    )
    assert payload["ticket"] is None
    anonymous = await report(execute, Viewer(), "2")
    (second, first) = await register(execute, operator)
    assert (first["number"], second["number"]) == (payload["number"], anonymous["number"])
    assert (first["reporterName"], first["reporterEmail"]) == ("Jean Petit", "jean@example.org")
    assert first["reporter"] is first["account"] is first["ticket"] is None
    assert await emails_to("incident_received") == ["jean@example.org"]
    (confirmation,) = await Email.filter(template__startswith="incident_received")
    assert WHAT not in confirmation.text  # the address may be somebody else's


async def test_staff_report_a_breach_that_came_by_a_ticket(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    operator = await create_security_operator(action)
    payload = await report(execute, dataset.alice, ticketId=dataset.paul.id(Ticket))
    assert payload["ticket"]["id"] == dataset.paul.id(Ticket)
    (row,) = await register(execute, operator)
    assert row["reporter"] == {"name": "Alice"}
    assert row["account"] == {"legalName": dataset.paul.account.legal_name}


async def test_customers_cannot_put_a_report_into_a_ticket(
    execute: "Execute", dataset: "Dataset"
) -> None:
    ticket = dataset.paul.id(Ticket)
    own = await report(execute, dataset.paul.owner, ticketId=ticket)
    assert codes(own) == [("VALUE_INVALID", "ticketId")]
    for viewer in (dataset.marie.owner, Viewer()):
        assert codes(await report(execute, viewer, ticketId=ticket)) == [("NOT_FOUND", "ticketId")]
    assert not await Incident.filter(description=WHAT).exists()


async def test_a_breach_cannot_be_closed_by_colleagues_or_read_by_others(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    payload = await report(execute, dataset.paul.owner)
    closing = await mutate(
        execute,
        dataset.paul.member,
        "ticketClose",
        "ticket { id }",
        ticketId=payload["ticket"]["id"],
    )
    assert codes(closing) == [("CLOSING_RESERVED", "ticketId")]
    analyst = await create_staff_viewer(action, "Ana", Staff.ANALYST)
    for viewer in (dataset.paul.owner, dataset.alice, analyst, Viewer()):
        response = await execute(viewer, "{ incidents { totalCount } }")
        assert response["errors"][0]["extensions"]["code"] in ("FORBIDDEN", "UNAUTHENTICATED")


async def test_nobody_is_kept_from_reporting_but_a_script_is(
    execute: "Execute", db: str, action: Action
) -> None:
    for number in range(10):
        assert (await report(execute, Viewer(), str(number)))["userErrors"] == []
    fields = {"description": WHAT, "idempotencyKey": "11"}
    response = await execute(
        Viewer(),
        "mutation($i: BreachReportInput!) { breachReport(input: $i) { number } }",
        i=fields,
    )
    for _ in range(2):
        if "errors" in response:
            break
        fields["idempotencyKey"] += "x"
        response = await execute(
            Viewer(),
            "mutation($i: BreachReportInput!) { breachReport(input: $i) { number } }",
            i=fields,
        )
    assert response["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_an_incident_moves_only_as_it_may_and_repeats_change_nothing(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    operator = await create_security_operator(action)
    incident_id = await reported(execute, dataset.paul.owner)

    async def change(name: str, **fields: Any) -> dict[str, Any]:
        return await mutate(execute, operator, name, INCIDENT, incidentId=incident_id, **fields)

    refused = await change("incidentMove", status="CLOSED", reason="x")
    assert refused["userErrors"] == [
        {
            "code": "TRANSITION_ILLEGAL",
            "field": ["input", "status"],
            "message": "Cet incident est signalé. Il peut seulement devenir en cours d’évaluation, "
            "confirmé ou écarté.",
        }
    ]
    for _ in range(2):
        await change("incidentMove", status="DISMISSED", reason="Fausse alerte.")
        await change("incidentNote", text="Appelé le client.", idempotencyKey="n")
    refused = await change("incidentDecide", audience="PEOPLE", required=True, reason="x")
    assert codes(refused) == [("TRANSITION_ILLEGAL", "incidentId")]
    await change("incidentMove", status="ASSESSING", reason="Nouveaux faits.")
    for _ in range(2):
        await change("incidentDecide", audience="PEOPLE", required=True, reason="x")
        same = {"audience": "PEOPLE", "notifiedAt": "2026-11-23T09:00:00Z"}
        await change("incidentRecordNotification", **same)
        await change("incidentUpdate", peopleCount=0)
    refused = await change("incidentDecide", audience="PEOPLE", required=False, reason="y")
    assert codes(refused) == [("TRANSITION_ILLEGAL", "incidentId")]
    other = {"audience": "PEOPLE", "notifiedAt": "2026-11-23T08:00:00Z"}
    assert codes(await change("incidentRecordNotification", **other)) == [
        ("TRANSITION_ILLEGAL", "incidentId")
    ]
    kinds = [entry.kind.value for entry in await IncidentEntry.all().order_by("id")]
    assert kinds == [
        "REPORTED",
        "STATUS_CHANGED",
        "NOTE",
        "STATUS_CHANGED",
        "DECIDED",
        "NOTIFIED",
        "UPDATED",
    ]


async def test_the_72_hours_start_at_awareness_and_reminders_follow_them(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    operator = await create_security_operator(action)
    incident_id = await reported(execute, dataset.paul.owner)
    awareness = action.at - timedelta(hours=2)

    async def change(name: str, **fields: Any) -> dict[str, Any]:
        return await mutate(execute, operator, name, INCIDENT, incidentId=incident_id, **fields)

    future = await change("incidentUpdate", awareAt=(action.at + timedelta(hours=1)).isoformat())
    assert codes(future) == [("TIME_FUTURE", "awareAt")]
    await change("incidentUpdate", awareAt=awareness.isoformat())
    deadline = awareness + timedelta(hours=72)

    async def remind(at: datetime) -> list[int]:
        team = SecurityTeam(("security@camcha.example",))
        later = replace(action, at=at)
        return sorted(
            await asyncio.gather(*(send_incident_reminders(later, team) for _ in range(2)))
        )

    minute = timedelta(minutes=1)
    assert await remind(deadline - timedelta(hours=48) - minute) == [0, 0]
    for hours in (48, 24, 6, 1, 0):
        assert await remind(deadline - timedelta(hours=hours)) == [0, 1]
        assert await remind(deadline - timedelta(hours=hours) + minute) == [0, 0]
    assert operator.user
    assert await emails_to("incident_reminder") == 5 * [
        operator.user.email,
        "security@camcha.example",
    ]
    last = await Email.filter(template__startswith="incident_reminder").order_by("-id").first()
    assert last
    assert last.subject.endswith("est dépassé")


@pytest.mark.parametrize("end", ["decided", "notified", "dismissed"])
async def test_reminders_end_when_nothing_has_to_be_notified_any_more(
    execute: "Execute", dataset: "Dataset", action: Action, end: str
) -> None:
    operator = await create_security_operator(action)
    incident_id = await reported(execute, dataset.paul.owner)

    async def change(name: str, **fields: Any) -> dict[str, Any]:
        return await mutate(execute, operator, name, INCIDENT, incidentId=incident_id, **fields)

    if end == "dismissed":
        await change("incidentMove", status="DISMISSED", reason="x")
    else:
        required = end == "notified"
        await change("incidentDecide", audience="AUTHORITY", required=required, reason="x")
    if end == "notified":
        at = action.at.isoformat()
        await change("incidentRecordNotification", audience="AUTHORITY", notifiedAt=at)
    late = replace(action, at=action.at + timedelta(hours=100))
    assert await send_incident_reminders(late, SecurityTeam()) == 0


async def test_a_late_notification_states_the_reasons_for_the_delay(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    operator = await create_security_operator(action)
    incident_id = await reported(execute, dataset.paul.owner)
    await Incident.all().update(
        aware_at=action.at - timedelta(hours=80), deadline_at=action.at - timedelta(hours=8)
    )
    fields = {"incidentId": incident_id, "audience": "AUTHORITY"}
    decision = fields | {"required": True, "reason": "x"}
    await mutate(execute, operator, "incidentDecide", INCIDENT, **decision)
    late = fields | {"notifiedAt": action.at.isoformat()}
    refused = await mutate(execute, operator, "incidentRecordNotification", INCIDENT, **late)
    assert codes(refused) == [("BLANK", "delayReason")]
    late |= {"delayReason": "Week-end."}
    await mutate(execute, operator, "incidentRecordNotification", INCIDENT, **late)
    (row,) = await register(execute, operator)
    assert row["authorityNotification"]["delayReason"] == "Week-end."


async def test_an_incident_outlasts_its_company_until_it_is_closed(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    operator = await create_security_operator(action)
    incident_id = await reported(execute, dataset.paul.owner)
    await Account.filter(pk=dataset.paul.account.pk).update(status=AccountStatus.ERASED)
    (row,) = await register(execute, operator)
    assert row["description"] == WHAT
    fields = {"incidentId": incident_id, "status": "DISMISSED", "reason": "Fausse alerte."}
    await mutate(execute, operator, "incidentMove", INCIDENT, **fields)
    (row,) = await register(execute, operator)
    assert row["description"] == "[effacé]"


async def test_the_register_cannot_be_rewritten(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    await reported(execute, dataset.paul.owner)
    for change in (
        IncidentEntry.all().update(text="x"),
        IncidentEntry.all().delete(),
        Incident.all().delete(),
    ):
        with pytest.raises((BaseORMException, asyncpg.RaiseError)):
            await change


KEY = base64.b64encode(b"k" * 32).decode()


@asynccontextmanager
async def webhook_server(statuses: list[int]) -> AsyncIterator[tuple[str, list[Any]]]:
    """A server that answers with these statuses, one after the other. Yields its address and the
    requests.
    """
    requests: list[Any] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        requests.append((headers, body))
        writer.write(f"HTTP/1.1 {statuses.pop(0)} x\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/incidents", requests


async def test_the_webhook_is_called_until_it_succeeds(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    await reported(execute, dataset.paul.owner)
    await Incident.all().update(webhook_at=action.at)  # as when a webhook is configured
    async with webhook_server([500, 204]) as (url, requests):
        team = SecurityTeam((), url, f"whsec_{KEY}")
        assert await call_webhook(action, team) == 0
        assert await call_webhook(action, team) == 0  # not again at once
        later = replace(action, at=action.at + timedelta(minutes=1))
        assert sorted(await asyncio.gather(*(call_webhook(later, team) for _ in range(2)))) == [
            0,
            1,
        ]
        assert await call_webhook(replace(later, at=later.at + timedelta(days=1)), team) == 0
    assert len(requests) == 2
    for headers, body in requests:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(b"k" * 32, signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}".lower()
        incident = await Incident.get()
        assert orjson.loads(body)["data"]["number"] == incident.number
        assert WHAT.encode() not in body
    assert requests[0][0]["webhook-id"] == requests[1][0]["webhook-id"]


async def test_an_unreachable_webhook_is_given_up_after_days(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    await reported(execute, dataset.paul.owner)
    await Incident.all().update(webhook_at=action.at)
    team, at, calls = SecurityTeam((), "http://127.0.0.1:9/", f"whsec_{KEY}"), action.at, 0
    while (due := (await Incident.get()).webhook_at) is not None:
        at = max(at, due)
        await call_webhook(replace(action, at=at), team)
        calls += 1
        assert calls < 100
    assert at - action.at > timedelta(days=2)


@pytest.mark.parametrize(
    ("team", "count"),
    [
        (SecurityTeam(), 0),
        (SecurityTeam(("a@camcha.example",), "https://x.example/hook", f"whsec_{KEY}"), 0),
        (SecurityTeam(("nobody",)), 1),
        (SecurityTeam((), "https://x.example"), 1),
        (SecurityTeam((), "", KEY), 1),
        (SecurityTeam(("x", "y"), "x.example", "short"), 4),
        (SecurityTeam((), "https://x.example", "not base64!"), 1),
    ],
)
def test_the_settings_of_the_security_team_are_checked(team: SecurityTeam, count: int) -> None:
    assert len(team.errors) == count
