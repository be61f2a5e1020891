"""An example of each audited mutation of privacy, in a function with the mutation's name."""

from datetime import date
from typing import Any

from models.billing.bank import BankLine, BankLineStatus, BankStatement, StatementFormat
from models.privacy.data_request import DataRequest
from models.privacy.incident import Incident
from models.privacy.incident_notice import IncidentNotice
from models.privacy.mailing import Mailing
from privacy.buyer_erasures import plan
from resolvers.ids import encode
from tests.schema.audited_fixtures import Scenario, operator_viewer, owner_with_step_up


async def consent_update(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.owner, "consentUpdate", purpose="OFFERS", given=True, channel="WEB"
        )


async def data_request_make(scenario: Scenario, kind: str = "ACCESS") -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "dataRequestMake",
            "dataRequest { id }",
            kind=kind,
            details="MARKED DETAILS",
            idempotencyKey=f"MARKED KEY {kind}",
        )


async def data_request_record(scenario: Scenario) -> None:
    scenario.operator = scenario.operator or await operator_viewer(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.operator,
            "dataRequestRecord",
            "dataRequest { id }",
            userId=encode("User", scenario.owner.user_id or 0),
            kind="ACCESS",
            details="MARKED DETAILS",
            receivedAt="2026-11-20T08:00:00Z",
            idempotencyKey="MARKED KEY 5",
        )


async def _change_request(
    scenario: Scenario, name: str, kind: str = "ACCESS", **fields: Any
) -> None:
    if not await DataRequest.filter(details="MARKED DETAILS", kind=kind).exists():
        await data_request_make(scenario, kind)
    request = await DataRequest.get(details="MARKED DETAILS", kind=kind)
    scenario.operator = scenario.operator or await operator_viewer(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.operator, name, dataRequestId=encode("DataRequest", request.pk), **fields
        )


async def data_request_extend(scenario: Scenario) -> None:
    await _change_request(scenario, "dataRequestExtend", reason="MARKED REASON")


async def data_request_decide(scenario: Scenario) -> None:
    await _change_request(scenario, "dataRequestDecide", decision="GRANTED", answer="MARKED ANSWER")


async def data_request_carry_out(scenario: Scenario) -> None:
    await _change_request(scenario, "dataRequestCarryOut", "RESTRICTION", answer="MARKED ANSWER")


async def restriction_lift(scenario: Scenario) -> None:
    await data_request_carry_out(scenario)
    await _change_request(scenario, "restrictionLift", "RESTRICTION", reason="MARKED REASON")


async def personal_data_export(scenario: Scenario) -> None:
    await scenario.mutate(await owner_with_step_up(scenario), "personalDataExport")


async def buyer_erasure_start(scenario: Scenario) -> None:
    scenario.operator = scenario.operator or await operator_viewer(scenario)
    at, seller = scenario.action.at, scenario.services.seller
    statement = await BankStatement.create(
        sha256="1",
        name="MARKED.xml",
        format=StatementFormat.CAMT_053,
        created_at=at,
        line_count=1,
        new_count=1,
        pending_count=0,
    )
    await BankLine.create(
        statement=statement,
        position=1,
        fingerprint="1",
        iban="FR7630006000011234567890189",
        booked_on=date(2014, 12, 31),
        amount_cents=100,
        text="MARKED TEXT",
        status=BankLineStatus.DISMISSED,
        created_at=at,
    )
    planned = await plan(at, seller.retention_on(at.date()))
    for _ in range(2):
        await scenario.mutate(
            scenario.operator,
            "buyerErasureStart",
            "run { id }",
            digest=planned.digest,
            reason="MARKED REASON",
            idempotencyKey="MARKED KEY 6",
        )


async def mailing_send(scenario: Scenario) -> None:
    scenario.operator = scenario.operator or await operator_viewer(scenario)
    texts = {name: f"MARKED {name}" for name in ("subjectFr", "subjectEn", "bodyFr", "bodyEn")}
    for _ in range(2):
        await scenario.mutate(
            scenario.operator,
            "mailingSend",
            "mailing { id }",
            purpose="NEWSLETTER",
            idempotencyKey="MARKED KEY 3",
            **texts,
        )


async def mailing_stop(scenario: Scenario) -> None:
    await mailing_send(scenario)
    assert scenario.operator
    mailing = await Mailing.filter(body_fr__startswith="MARKED").get()
    for _ in range(2):
        await scenario.mutate(
            scenario.operator, "mailingStop", mailingId=encode("Mailing", mailing.pk)
        )


async def breach_report(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "breachReport",
            "number",
            description="MARKED DESCRIPTION",
            name="MARKED NAME",
            email="marked@elsewhere.example",
            idempotencyKey="MARKED KEY",
        )


async def _change(scenario: Scenario, name: str, times: int = 2, **fields: Any) -> None:
    if not await Incident.filter(description="MARKED DESCRIPTION").exists():
        await breach_report(scenario)
    incident = await Incident.get(description="MARKED DESCRIPTION")
    scenario.operator = scenario.operator or await operator_viewer(scenario)
    for _ in range(times):
        await scenario.mutate(
            scenario.operator, name, incidentId=encode("Incident", incident.pk), **fields
        )


async def incident_update(scenario: Scenario) -> None:
    await _change(scenario, "incidentUpdate", measures="MARKED MEASURES", peopleCount=3)


async def incident_move(scenario: Scenario) -> None:
    await _change(scenario, "incidentMove", status="CONFIRMED", reason="MARKED REASON")


async def incident_note(scenario: Scenario) -> None:
    await _change(scenario, "incidentNote", text="MARKED NOTE", idempotencyKey="MARKED KEY 2")


async def incident_decide(scenario: Scenario) -> None:
    await _change(
        scenario, "incidentDecide", audience="AUTHORITY", required=True, reason="MARKED REASON"
    )


async def incident_record_notification(scenario: Scenario) -> None:
    await incident_decide(scenario)
    await _change(
        scenario,
        "incidentRecordNotification",
        audience="AUTHORITY",
        notifiedAt="2026-11-23T08:00:00Z",
    )


async def incident_notice_draft(scenario: Scenario, audience: str = "AUTHORITY") -> None:
    await _change(
        scenario, "incidentNoticeDraft", audience=audience, idempotencyKey=f"MARKED KEY {audience}"
    )


async def _change_notice(
    scenario: Scenario, name: str, audience: str, times: int = 2, **fields: Any
) -> None:
    if not await IncidentNotice.filter(audience=audience).exists():
        await incident_notice_draft(scenario, audience)
    notice = await IncidentNotice.get(audience=audience)
    assert scenario.operator
    for _ in range(times):
        await scenario.mutate(
            scenario.operator, name, noticeId=encode("IncidentNotice", notice.pk), **fields
        )


async def incident_authority_notice_edit(scenario: Scenario) -> None:
    fields: dict[str, Any] = {"circumstances": "MARKED CIRCUMSTANCES", "contactName": "MARKED NAME"}
    await _change_notice(scenario, "incidentAuthorityNoticeEdit", "AUTHORITY", version=1, **fields)


async def incident_people_notice_edit(scenario: Scenario) -> None:
    names = ("subjectFr", "subjectEn", "bodyFr", "bodyEn")
    texts: dict[str, Any] = {name: f"MARKED {name}" for name in names}
    await _change_notice(scenario, "incidentPeopleNoticeEdit", "PEOPLE", version=1, **texts)


async def incident_notice_export(scenario: Scenario) -> None:
    await _change_notice(scenario, "incidentNoticeExport", "AUTHORITY", 1, format="TEXT")


async def _decide_for_people(scenario: Scenario) -> None:
    await incident_people_notice_edit(scenario)
    await _change(
        scenario, "incidentDecide", audience="PEOPLE", required=True, reason="MARKED REASON"
    )


async def incident_notice_record_sent(scenario: Scenario) -> None:
    await _decide_for_people(scenario)
    await _change_notice(
        scenario,
        "incidentNoticeRecordSent",
        "PEOPLE",
        sentAt="2026-11-23T08:00:00Z",
        reference="MARKED REFERENCE",
    )


async def incident_notice_request_sending(scenario: Scenario) -> None:
    await _decide_for_people(scenario)
    await _change_notice(
        scenario, "incidentNoticeRequestSending", "PEOPLE", version=2, everybody=True
    )


async def incident_notice_confirm_sending(scenario: Scenario) -> None:
    await incident_notice_request_sending(scenario)
    scenario.operator = await operator_viewer(scenario, "Odette")
    await _change_notice(scenario, "incidentNoticeConfirmSending", "PEOPLE", version=2)
