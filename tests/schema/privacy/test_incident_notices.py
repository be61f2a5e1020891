"""P4.5: the security team drafts what the authority and the people concerned by a breach are told,
and sends it once, with a second person.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from pypdf import PdfReader

from auth.tokens import Purpose
from models.action import Action
from models.audit import AuditEntry
from models.identity.session import Session
from models.identity.user import Staff, User
from models.operations.email import Email
from models.privacy.incident import Incident, IncidentEntry
from models.privacy.incident_notice import IncidentNotice, IncidentNoticeVersion
from models.viewer import Viewer
from privacy import incident_notices
from privacy.incident_notices import send_breach_messages
from resolvers.ids import encode
from storage.store import FolderStore
from tests.people import create_staff_viewer, create_viewer, record_step_up
from tests.schema.billing.catalogue_fixtures import codes, create_operator, mutate
from web.exports import find_export

if TYPE_CHECKING:
    from pathlib import Path

    from resolvers.context import Services
    from tests.schema.conftest import Dataset, Execute

NOTICE = (
    "notice { id number audience stage status version recipientCount unreachableCount sentAt"
    " reference requester { name } confirmer { name } }"
)
VERSIONS = """query($id: ID!) { node(id: $id) { ... on IncidentNotice { versions { number
    author { name }
    authority { contactName contactRole discoveredAt dataCategories peopleCount natures gravity
        measures peopleInformed circumstances earlierReference }
    message { subjectFr bodyFr subjectEn bodyEn } } } } }"""
COMPLETE = {
    "circumstances": "Une facture est partie à une autre entreprise.",
    "peopleCategories": "Des clients.",
    "natures": ["CONFIDENTIALITY"],
    "origins": ["WRONG_RECIPIENT", "LOST_MAIL"],
    "causes": ["INTERNAL_ACCIDENTAL", "EXTERNAL_MALICIOUS"],
    "startedAt": "2026-11-22T20:00:00Z",
    "priorMeasures": "Vérification des adresses.",
}
MESSAGE = {
    "subjectFr": "Un incident concerne vos données",
    "bodyFr": "Nous vous devons une explication.\n\nCe qui s’est passé\nUne facture est partie.",
    "subjectEn": "An incident concerns your data",
    "bodyEn": "We owe you an explanation.\n\nWhat happened\nAn invoice was sent.",
}


@dataclass
class Case:
    """An incident in the register, and the operators who handle it."""

    execute: "Execute"
    action: Action
    operator: Viewer
    incident_id: str

    async def call(
        self, name: str, viewer: Viewer | None = None, selection: str = NOTICE, /, **fields: Any
    ) -> dict[str, Any]:
        return await mutate(self.execute, viewer or self.operator, name, selection, **fields)

    async def draft(self, audience: str, key: str = "1", **fields: Any) -> dict[str, Any]:
        values = {"incidentId": self.incident_id, "audience": audience, "idempotencyKey": key}
        return dict((await self.call("incidentNoticeDraft", **values | fields))["notice"])

    async def versions(self, notice: dict[str, Any]) -> list[dict[str, Any]]:
        response = await self.execute(self.operator, VERSIONS, id=notice["id"])
        assert "errors" not in response, response
        return list(response["data"]["node"]["versions"])

    async def decide(self, audience: str) -> None:
        values = {"incidentId": self.incident_id, "audience": audience, "required": True}
        await mutate(self.execute, self.operator, "incidentDecide", "", **values, reason="Risque.")

    async def second_operator(self) -> Viewer:
        return await stepped_up(
            self.action, await create_staff_viewer(self.action, "Odette", Staff.OPERATOR)
        )


async def stepped_up(action: Action, viewer: Viewer) -> Viewer:
    assert viewer.session
    await record_step_up(action, viewer.session)
    return replace(viewer, session=await Session.get(pk=viewer.session.pk))


@pytest.fixture
async def case(execute: "Execute", dataset: "Dataset", action: Action) -> Case:
    await Email.all().delete()  # those of the dataset
    incident = await Incident.create(
        description="MARK Écrit par le client.",
        reported_at=action.at,
        aware_at=action.at,
        deadline_at=action.at + timedelta(hours=72),
        severity="HIGH",
        data_categories="Coordonnées de facturation.",
        people_count=1_200,
        consequences="Usurpation d’identité.",
        measures="Accès fermé.",
    )
    operator = await stepped_up(action, await create_operator(action))
    return Case(execute, action, operator, encode("Incident", incident.pk))


async def test_p4_5_a_notification_is_drafted_from_the_register_and_recorded_as_sent(
    case: Case,
) -> None:
    notice = await case.draft("AUTHORITY")
    assert await case.draft("AUTHORITY") == notice  # a repeat of the key
    assert (notice["stage"], notice["status"], notice["number"]) == ("COMPLETE", "DRAFT", 1)
    (first,) = await case.versions(notice)
    assert first["authority"] == {
        "contactName": "Délégué à la protection des données",
        "contactRole": "Délégué à la protection des données",
        "discoveredAt": case.action.at.isoformat(),
        "dataCategories": "Coordonnées de facturation.",
        "peopleCount": 1_200,
        "natures": [],
        "gravity": "SIGNIFICANT",
        "measures": "Accès fermé.",
        "peopleInformed": "Il n’a pas encore été décidé si elles seront informées.",
        "circumstances": "",  # not what the reporter wrote, which an erasure removes
        "earlierReference": "",
    }
    assert first["message"] is None

    async def record(**fields: Any) -> dict[str, Any]:
        at = case.action.at.isoformat()
        values = {"noticeId": notice["id"], "sentAt": at, "reference": "FR-2026-7"}
        return await case.call("incidentNoticeRecordSent", **values | fields)

    assert codes(await record()) == [("NOTIFICATION_NOT_REQUIRED", "noticeId")]
    await case.decide("AUTHORITY")
    incomplete = await record()
    assert codes(incomplete) == [("NOTICE_INCOMPLETE", "noticeId")]
    assert "la nature de la violation" in incomplete["userErrors"][0]["message"]
    edit = {"noticeId": notice["id"], "version": 1, **COMPLETE}
    for _ in range(2):  # a repeat stores nothing
        edited = await case.call("incidentAuthorityNoticeEdit", **edit)
    assert (edited["notice"]["version"], edited["userErrors"]) == (2, [])
    stale = await case.call("incidentAuthorityNoticeEdit", **edit | {"circumstances": "Autres."})
    assert codes(stale) == [("NOTICE_CHANGED", "version")]
    for _ in range(2):
        sent = await record()
    assert (sent["notice"]["status"], sent["notice"]["reference"]) == ("SENT", "FR-2026-7")
    other_time = await record(sentAt=(case.action.at - timedelta(hours=1)).isoformat())
    assert codes(other_time) == [("TRANSITION_ILLEGAL", "noticeId")]
    late_edit = await case.call(
        "incidentAuthorityNoticeEdit", noticeId=notice["id"], version=2, measures="Encore."
    )
    assert codes(late_edit) == [("TRANSITION_ILLEGAL", "noticeId")]
    incident = await Incident.get()
    assert incident.authority_notified_at == case.action.at
    assert (incident.authority_reference, incident.reminder_at) == ("FR-2026-7", None)
    entry = await IncidentEntry.get(kind="NOTIFIED")
    assert (entry.details["notice"], entry.details["version"]) == (1, 2)

    second = await case.draft("AUTHORITY", "2")
    assert second["stage"] == "COMPLEMENTARY"
    (version,) = await case.versions(second)
    assert version["authority"]["earlierReference"] == "FR-2026-7"
    assert version["authority"]["circumstances"] == COMPLETE["circumstances"]


async def test_an_initial_notification_may_be_incomplete_and_a_late_one_has_reasons(
    case: Case,
) -> None:
    await case.decide("AUTHORITY")
    notice = await case.draft("AUTHORITY", stage="INITIAL")
    late = case.action.at - timedelta(hours=1)
    await Incident.all().update(deadline_at=late - timedelta(hours=1))
    edit = {"noticeId": notice["id"], "circumstances": "On cherche encore."}
    await case.call("incidentAuthorityNoticeEdit", version=1, **edit)
    record = {"noticeId": notice["id"], "sentAt": late.isoformat()}
    refused = await case.call("incidentNoticeRecordSent", **record)
    assert "les motifs du retard" in refused["userErrors"][0]["message"]
    edit = {"noticeId": notice["id"], "delayReason": "Week-end."}
    await case.call("incidentAuthorityNoticeEdit", version=2, **edit)
    assert (await case.call("incidentNoticeRecordSent", **record))["userErrors"] == []
    assert (await Incident.get()).authority_delay_reason == "Week-end."


async def test_p4_5_a_message_is_sent_once_to_each_recipient_when_a_second_person_confirms(
    case: Case, dataset: "Dataset", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incident_notices, "BATCH_SIZE", 1)
    paul, marie = dataset.paul, dataset.marie
    assert marie.member.user
    await User.filter(pk=marie.member.user_id).update(email_verified_at=None)
    await User.filter(pk=marie.owner.user_id).update(locale="en")
    notice, other = await case.draft("PEOPLE"), await case.second_operator()
    request = {
        "noticeId": notice["id"],
        "accountIds": [encode("Account", paul.account.pk)],
        "userIds": [encode("User", each.user_id or 0) for each in (marie.owner, marie.member)],
    }

    async def ask(version: int, viewer: Viewer | None = None, **fields: Any) -> dict[str, Any]:
        values = request | {"version": version} | fields
        return await case.call("incidentNoticeRequestSending", viewer, **values)

    async def confirm(version: int, viewer: Viewer | None = None) -> dict[str, Any]:
        values = {"noticeId": notice["id"], "version": version}
        return await case.call("incidentNoticeConfirmSending", viewer, **values)

    (first,) = await case.versions(notice)
    assert "Coordonnées de facturation." in first["message"]["bodyFr"]
    assert "What happened" in first["message"]["bodyEn"]
    assert codes(await ask(1)) == [("NOTIFICATION_NOT_REQUIRED", "noticeId")]
    await case.decide("PEOPLE")
    assert codes(await ask(1)) == [("NOTICE_UNFINISHED", "noticeId")]
    await case.call("incidentPeopleNoticeEdit", noticeId=notice["id"], version=1, **MESSAGE)
    unknown: dict[str, Any] = {"accountIds": [], "userIds": [notice["id"], request["userIds"][0]]}
    assert codes(await ask(2, **unknown)) == [("NOT_FOUND", "userIds.0")]
    assert codes(await ask(2, everybody=True)) == [("VALUE_INVALID", "everybody")]
    assert codes(await ask(1)) == [("NOTICE_CHANGED", "version")]
    assert codes(await confirm(2, other)) == [("TRANSITION_ILLEGAL", "noticeId")]
    await User.filter(staff=Staff.OPERATOR).update(second_factor_at=case.action.at)
    for _ in range(2):
        asked = (await ask(2))["notice"]
    told = await Email.get()  # once, and not who asked
    assert (told.user_id, told.template) == (other.user_id, "breach_message_requested.fr")
    assert ("Omar" in told.text, MESSAGE["subjectFr"] in told.text) == (True, True)
    assert (asked["status"], asked["requester"]) == ("CONFIRMING", {"name": "Omar"})
    assert (asked["recipientCount"], asked["unreachableCount"]) == (3, 1)
    assert codes(await confirm(2)) == [("SECOND_PERSON_REQUIRED", "noticeId")]
    await case.call("incidentPeopleNoticeEdit", noticeId=notice["id"], version=2, subjectFr="Autre")
    assert codes(await confirm(3, other)) == [("TRANSITION_ILLEGAL", "noticeId")]  # asked no more
    await ask(3)
    for viewer, send in ((case.operator, ask), (other, confirm)):  # without a step-up
        user = await User.get(pk=viewer.user_id)
        without = await create_viewer(case.action, user, second_factor=True)
        assert [each["code"] for each in (await send(3, without))["userErrors"]] == [
            "STEP_UP_REQUIRED"
        ]
    assert await send_breach_messages(case.action) == 0
    for _ in range(2):
        confirmed = await confirm(3, other)
    assert confirmed["notice"]["status"] == "SENDING"
    while await IncidentNotice.filter(status="SENDING").exists():  # as in several processes
        await asyncio.gather(*(send_breach_messages(case.action) for _ in range(2)))
    expected = [paul.owner, paul.member, marie.owner]
    emails = await Email.filter(template__startswith="breach_message.").order_by("id")
    assert [email.user_id for email in emails] == sorted(each.user_id or 0 for each in expected)
    by_user = {email.user_id: email for email in emails}
    french, english = by_user[paul.owner.user_id], by_user[marie.owner.user_id]
    assert (french.subject, english.subject) == ("Autre", MESSAGE["subjectEn"])
    assert french.text.index("Une facture est partie") < french.text.index("An invoice was sent")
    assert english.text.index("An invoice was sent") < english.text.index("Une facture est partie")
    incident = await Incident.get()
    assert incident.people_notified_at == case.action.at
    assert (await IncidentEntry.get(kind="NOTIFIED")).details["recipients"] == 3
    actions = await AuditEntry.filter(action__startswith="incident_notice").order_by("id")
    assert [entry.action for entry in actions] == [
        f"incident_notice.{name}"
        for name in ("draft", "edit", "request", "edit", "request", "confirm")
    ]


async def test_a_message_for_everybody_reaches_all_customers_and_no_staff(
    case: Case, dataset: "Dataset"
) -> None:
    await case.decide("PEOPLE")
    notice, other = await case.draft("PEOPLE"), await case.second_operator()
    await case.call("incidentPeopleNoticeEdit", noticeId=notice["id"], version=1, **MESSAGE)
    values = {"noticeId": notice["id"], "version": 2}
    await case.call("incidentNoticeRequestSending", **values, everybody=True)
    await case.call("incidentNoticeConfirmSending", other, **values)
    assert await send_breach_messages(case.action) == 1
    customers = await User.filter(staff=None, email_verified_at__not_isnull=True).order_by("id")
    assert len(customers) >= 4
    assert [email.user_id for email in await Email.all().order_by("id")] == [
        user.pk for user in customers
    ]


@pytest.mark.parametrize("format_", ["PDF", "TEXT"])
async def test_p4_5_a_notice_is_a_file_with_the_questions_of_the_form(
    case: Case, services: "Services", tmp_path: "Path", format_: str
) -> None:
    notice = await case.draft("AUTHORITY")
    edit = {"noticeId": notice["id"], "version": 1, **COMPLETE}
    await case.call("incidentAuthorityNoticeEdit", **edit)

    async def export(**fields: Any) -> dict[str, Any]:
        values = {"noticeId": notice["id"], "format": format_} | fields
        return await case.call("incidentNoticeExport", None, "url", **values)

    async def content(url: str) -> tuple[str, str]:
        token = url.rpartition("/")[2]
        data = services.auth.signer.read(Purpose.DOWNLOAD, token, services.clock.now())
        file = find_export(services, data, FolderStore(tmp_path))
        assert file
        body = b"".join([part async for part in file.content])
        if format_ == "TEXT":
            return file.name, body.decode()
        return file.name, "\n".join(page.extract_text() for page in PdfReader(BytesIO(body)).pages)

    assert codes(await export(version=3)) == [("NOT_FOUND", "version")]
    name, latest = await content((await export())["url"])
    assert name.endswith(f"-1-cnil-v2.{'pdf' if format_ == 'PDF' else 'txt'}")
    for part in (
        "Nature",
        "perte de confidentialité",
        "données envoyées au mauvais destinataire",
        "acte interne accidentel",
        "1 200",
        "Coordonnées de facturation.",
        "CAMCHA SAS",
        "404833048",
        "brouillon",
    ):
        assert part in latest.replace("\N{NARROW NO-BREAK SPACE}", " "), part
    assert "perte de confidentialité" not in (await content((await export(version=1))["url"]))[1]


async def test_notices_are_of_an_incident_that_is_handled_and_for_operators(
    case: Case, dataset: "Dataset"
) -> None:
    notice = await case.draft("PEOPLE")
    for viewer in (dataset.paul.owner, dataset.alice):
        response = await case.execute(viewer, VERSIONS, id=notice["id"])
        assert response["data"]["node"] is None
    wrong = await case.call("incidentAuthorityNoticeEdit", noticeId=notice["id"], version=1)
    assert codes(wrong) == [("NOT_FOUND", "noticeId")]
    values = {"incidentId": case.incident_id, "audience": "PEOPLE", "idempotencyKey": "2"}
    staged = await case.call("incidentNoticeDraft", **values, stage="INITIAL")
    assert codes(staged) == [("VALUE_INVALID", "stage")]
    await mutate(
        case.execute,
        case.operator,
        "incidentMove",
        "",
        incidentId=case.incident_id,
        status="DISMISSED",
        reason="x",
    )
    closed = await case.call("incidentNoticeDraft", **values)
    assert codes(closed) == [("TRANSITION_ILLEGAL", "incidentId")]
    edit = await case.call(
        "incidentPeopleNoticeEdit", noticeId=notice["id"], version=1, subjectFr="x"
    )
    assert codes(edit) == [("TRANSITION_ILLEGAL", "noticeId")]


async def test_versions_cannot_be_rewritten(case: Case) -> None:
    await case.draft("PEOPLE")
    for change in (
        IncidentNoticeVersion.all().update(number=2),
        IncidentNoticeVersion.all().delete(),
    ):
        with pytest.raises(Exception, match="append-only"):
            await change
