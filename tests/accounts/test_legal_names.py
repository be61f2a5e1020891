"""P1.1: a company's legal name changes only after the registry or an agent confirms it, never by
default.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts import details, legal_names, registration
from accounts.details import Address
from accounts.legal_names import LegalNameDecision
from accounts.registry import NoRegistry, PublicRegistry, RegisteredCompany
from auth import sessions
from auth.services import AuthServices
from auth.sessions import Tokens
from models.accounts.account import Account, Role
from models.accounts.legal_name import LegalNameChange, LegalNameStatus, RegistryVerdict
from models.action import Action
from models.errors import Throttled
from models.event import INBOX, Event, EventKind, account_stream
from models.identity.session import Session
from models.identity.user import Staff, User
from models.locale import Locale
from models.support.file import File
from tests.accounts.company_fixtures import Company, create_company, outcome
from tests.accounts.registry_server import answer, result, serve_registry
from tests.outbox import emails_to, recipients_and_subjects
from tests.people import create_staff, record_step_up

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

pytestmark = pytest.mark.usefixtures("db")

NEW_LEGAL_NAME = "Les Fournils d'Aubry"
CAMILLE_EMAIL = "camille@fournil.example"
ACCEPTED_SUBJECT = "La nouvelle raison sociale de votre entreprise est enregistrée"
REJECTED_SUBJECT = "Votre changement de raison sociale a été refusé"
EVIDENCE_NEEDED_SUBJECT = "Un justificatif est nécessaire pour votre changement de raison sociale"


class Scenario:
    """A company that requests a new name, an agent, and a registry whose answer can be changed."""

    def __init__(
        self, bakery: Company, auth: AuthServices, agent: User, agent_tokens: Tokens, url: str
    ) -> None:
        self.bakery, self.auth, self.agent, self.agent_tokens = bakery, auth, agent, agent_tokens
        self.registry: Any = PublicRegistry(url, timeout=2)
        self.reply = answer({"results": []})

    def set_registered_names(self, *names: str, **facts: Any) -> None:
        self.reply = answer(
            {
                "results": [
                    result(nom_raison_sociale=name, nom_complet=name, **facts) for name in names
                ]
            }
        )

    def make_registry_unavailable(self) -> None:
        self.reply = answer(b"", "503 Closed")

    async def step_up(self, name: str) -> Session:
        session = self.bakery.tokens[name].session
        await Session.filter(pk=session.pk).update(
            step_up_expires_at=self.bakery.clock.now() + timedelta(minutes=5)
        )
        return await Session.get(pk=session.pk)

    async def request(
        self, name: str = "Camille", legal_name: str = NEW_LEGAL_NAME, **overrides: Any
    ) -> LegalNameChange:
        facts: dict[str, Any] = {
            "claimed_siren": None,
            "file_ids": (),
            "key": legal_name,
        } | overrides
        session = await self.step_up(name)
        return await legal_names.request(
            self.bakery.action(name),
            self.auth,
            self.registry,
            session,
            self.bakery.account,
            legal_name=legal_name,
            **facts,
        )

    async def add_evidence(self, change: LegalNameChange, name: str = "Camille") -> LegalNameChange:
        return await legal_names.add_evidence(
            self.bakery.action(name),
            self.bakery.tokens[name].session,
            self.bakery.account,
            change.pk,
            (await self.upload_kbis(name),),
        )

    async def upload_kbis(self, name: str = "Camille", **facts: Any) -> int:
        now = self.bakery.clock.now()
        overrides: dict[str, Any] = {"uploaded_at": now, "cleared_at": now} | facts
        file = await File.create(
            key=f"kbis-{await File.all().count()}",
            uploader=self.bakery.people[name],
            account=self.bakery.account,
            size=3,
            name="kbis.pdf",
            content_type="application/pdf",
            created_at=now,
            **overrides,
        )
        return int(file.pk)

    async def decide(
        self, change: LegalNameChange, decision: LegalNameDecision, reason: str | None = None
    ) -> LegalNameChange:
        action = Action(self.agent, self.bakery.clock.now(), self.bakery.bus)
        await record_step_up(action, self.agent_tokens.session)
        return await legal_names.decide(
            action, self.agent_tokens.session, change.pk, decision, reason
        )

    async def legal_name(self) -> str:
        return (await Account.get(pk=self.bakery.account.pk)).legal_name

    async def run_checks(self) -> int:
        """Runs the timetable's lookup once."""
        return await legal_names.check_due_changes(self.bakery.action(), self.registry)


@pytest.fixture
async def scenario(
    clock: "MovableClock", bus: "RecordingBus", auth: AuthServices
) -> AsyncIterator[Scenario]:
    bakery = await create_company(
        clock, bus, Camille=Role.OWNER, Adam=Role.ADMIN, Bea=Role.BILLING, Max=Role.MEMBER
    )
    agent = await create_staff(bakery.action(), "Amadou", Staff.AGENT)
    agent_tokens = await sessions.sign_in(agent, None, True, bakery.action())
    scenarios: list[Scenario] = []
    async with serve_registry(lambda: scenarios[0].reply) as (url, _):
        scenarios.append(Scenario(bakery, auth, agent, agent_tokens, url))
        yield scenarios[0]


async def test_p1_1_the_registered_name_is_accepted_immediately(scenario: Scenario) -> None:
    scenario.set_registered_names("LES FOURNILS D AUBRY")
    change = await scenario.request("Adam")
    assert (change.status, change.verdict) == (LegalNameStatus.ACCEPTED, RegistryVerdict.MATCH)
    assert (change.previous_name, change.registered_name) == (
        "Le Fournil d'Aubry",
        "LES FOURNILS D AUBRY",
    )
    assert await scenario.legal_name() == NEW_LEGAL_NAME
    assert await recipients_and_subjects("legal_name_status") == [
        (CAMILLE_EMAIL, ACCEPTED_SUBJECT),
        ("adam@fournil.example", ACCEPTED_SUBJECT),
    ]
    events = await Event.filter(
        stream=account_stream(scenario.bakery.account.pk), kind=EventKind.LEGAL_NAME_CHANGED
    )
    assert [event.status for event in events] == ["ACCEPTED"]
    assert sessions.user_key(scenario.bakery.people["Max"].pk) in scenario.bakery.bus.announced


@pytest.mark.parametrize(
    ("names", "facts", "verdict"),
    [
        ((), {}, RegistryVerdict.NOT_FOUND),
        (("LE FOURNIL D AUBRY",), {}, RegistryVerdict.OTHER_NAME),
        (("LES FOURNILS D AUBRY",), {"etat_administratif": "C"}, RegistryVerdict.CEASED),
        (("[ND]",), {}, RegistryVerdict.OTHER_NAME),
    ],
)
async def test_p1_1_without_a_match_an_agent_decides_on_evidence(
    scenario: Scenario, names: tuple[str, ...], facts: dict[str, str], verdict: RegistryVerdict
) -> None:
    scenario.set_registered_names(*names, **facts)
    change = await scenario.request()
    assert (change.status, change.verdict) == (LegalNameStatus.EVIDENCE_NEEDED, verdict)
    assert await outcome(scenario.decide(change, LegalNameDecision.ACCEPT)) == "EVIDENCE_MISSING"
    change = await scenario.add_evidence(change)
    assert change.status is LegalNameStatus.IN_REVIEW
    inbox_event = await Event.filter(stream=INBOX).order_by("-id").first()
    assert inbox_event is not None
    assert inbox_event.kind is EventKind.LEGAL_NAME_REVIEW_AWAITED
    assert await scenario.legal_name() == "Le Fournil d'Aubry"
    change = await scenario.decide(change, LegalNameDecision.ACCEPT)
    assert (change.status, change.decider_id) == (LegalNameStatus.ACCEPTED, scenario.agent.pk)
    assert await scenario.legal_name() == NEW_LEGAL_NAME
    assert await recipients_and_subjects("legal_name_status") == [
        (CAMILLE_EMAIL, EVIDENCE_NEEDED_SUBJECT),
        (CAMILLE_EMAIL, ACCEPTED_SUBJECT),
    ]


@pytest.mark.parametrize(
    "legal_name", ["Les 𝐅ournils d'Aubry", "Les F\u0337ournils d'Aubry", "Les Fournils d'Aubry 🎁"]
)
async def test_p1_1_a_name_that_prints_differently_from_how_it_compares_does_not_match(
    scenario: Scenario, legal_name: str
) -> None:
    scenario.set_registered_names("LES FOURNILS D AUBRY")
    change = await scenario.request(legal_name=legal_name)
    assert (change.status, change.verdict) == (
        LegalNameStatus.EVIDENCE_NEEDED,
        RegistryVerdict.OTHER_NAME,
    )


async def test_p1_1_the_name_is_stored_with_its_accents_composed(scenario: Scenario) -> None:
    scenario.set_registered_names("L ETE")
    await scenario.request(legal_name="L'E\u0301te\u0301")
    assert await scenario.legal_name() == "L'Été"


async def test_p1_1_a_late_match_is_attributed_to_the_registry(
    scenario: Scenario, clock: "MovableClock"
) -> None:
    scenario.make_registry_unavailable()
    change = await scenario.request(file_ids=(await scenario.upload_kbis(),))
    await scenario.decide(change, LegalNameDecision.REQUEST_EVIDENCE, "Illisible.")
    scenario.set_registered_names("LES FOURNILS D AUBRY")
    clock.advance(timedelta(hours=1))
    assert await scenario.run_checks() == 1
    change = await LegalNameChange.get(pk=change.pk)
    assert (change.status, change.decider_id, change.reason) == (
        LegalNameStatus.ACCEPTED,
        None,
        None,
    )


async def test_p1_1_a_request_erased_during_the_lookup_changes_nothing(scenario: Scenario) -> None:
    scenario.make_registry_unavailable()
    change = await scenario.request()
    scenario.set_registered_names("LES FOURNILS D AUBRY")
    await LegalNameChange.filter(pk=change.pk).delete()
    await legal_names.check(scenario.bakery.action(), scenario.registry, change)
    assert await scenario.legal_name() == "Le Fournil d'Aubry"


async def test_p1_1_a_file_of_another_company_is_refused_as_evidence(
    scenario: Scenario, clock: "MovableClock", bus: "RecordingBus"
) -> None:
    change = await scenario.request()
    other_company = await create_company(clock, bus, "732829320", Zoe=Role.OWNER)
    file = await scenario.upload_kbis()
    await File.filter(pk=file).update(account_id=other_company.account.pk)
    action, session = scenario.bakery.action("Camille"), scenario.bakery.tokens["Camille"].session
    assert (
        await outcome(
            legal_names.add_evidence(action, session, scenario.bakery.account, change.pk, (file,))
        )
        == "FILE_REFUSED"
    )


async def test_p1_1_without_a_registry_evidence_is_required(scenario: Scenario) -> None:
    scenario.registry = NoRegistry()
    change = await scenario.request(file_ids=(await scenario.upload_kbis(),))
    assert (change.status, change.verdict) == (LegalNameStatus.IN_REVIEW, RegistryVerdict.UNKNOWN)
    assert (
        await recipients_and_subjects("legal_name_status") == []
    )  # the evidence is already uploaded
    scenario.bakery.clock.advance(timedelta(days=1))
    assert await scenario.run_checks() == 0


async def test_p1_1_an_unavailable_registry_never_confirms_and_is_retried(
    scenario: Scenario,
) -> None:
    scenario.make_registry_unavailable()
    change = await scenario.request()
    assert (change.status, change.verdict) == (
        LegalNameStatus.EVIDENCE_NEEDED,
        RegistryVerdict.UNAVAILABLE,
    )
    for _ in range(3):
        scenario.bakery.clock.advance(timedelta(hours=1))
        assert await scenario.run_checks() == 1
        assert await scenario.run_checks() == 0
    assert await scenario.legal_name() == "Le Fournil d'Aubry"
    scenario.set_registered_names("LES FOURNILS D AUBRY")
    scenario.bakery.clock.advance(timedelta(hours=1))
    await scenario.run_checks()
    assert await scenario.legal_name() == NEW_LEGAL_NAME
    assert await recipients_and_subjects("legal_name_status") == [
        (CAMILLE_EMAIL, EVIDENCE_NEEDED_SUBJECT),
        (CAMILLE_EMAIL, ACCEPTED_SUBJECT),
    ]


async def test_p1_1_lookups_in_an_unavailable_registry_end_after_days(scenario: Scenario) -> None:
    scenario.make_registry_unavailable()
    await scenario.request()
    for _ in range(legal_names.MAX_CHECKS):
        scenario.bakery.clock.advance(timedelta(hours=1))
        await scenario.run_checks()
    assert await scenario.run_checks() == 0
    change = await LegalNameChange.get()
    assert (change.status, change.next_check_at) == (LegalNameStatus.EVIDENCE_NEEDED, None)


async def test_p1_1_a_request_survives_a_kill_during_the_lookup(scenario: Scenario) -> None:
    """The request is stored first, so the timetable of any process can continue with it."""
    async with serve_registry(None) as (silent_url, requests):
        scenario.registry = PublicRegistry(silent_url, timeout=30)
        interrupted_request = asyncio.create_task(scenario.request())
        while not requests:
            await asyncio.sleep(0.01)
        interrupted_request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await interrupted_request
    change = await LegalNameChange.get()
    assert change.status is LegalNameStatus.CHECKING
    assert change.verdict is None
    scenario.registry = NoRegistry()
    assert (
        await scenario.run_checks() == 0
    )  # it is due once the first process would have had an answer
    scenario.bakery.clock.advance(legal_names.CHECK_TIMEOUT)
    assert await scenario.run_checks() == 1
    assert (await LegalNameChange.get()).status is LegalNameStatus.EVIDENCE_NEEDED


async def test_p1_1_concurrent_lookups_notify_once(scenario: Scenario) -> None:
    scenario.make_registry_unavailable()
    await scenario.request()
    scenario.set_registered_names("LES FOURNILS D AUBRY")
    scenario.bakery.clock.advance(timedelta(hours=1))
    await asyncio.gather(scenario.run_checks(), scenario.run_checks(), scenario.run_checks())
    assert await recipients_and_subjects("legal_name_status") == [
        (CAMILLE_EMAIL, EVIDENCE_NEEDED_SUBJECT),
        (CAMILLE_EMAIL, ACCEPTED_SUBJECT),
    ]


async def test_p1_1_a_rejection_by_an_agent_outlives_a_late_answer_of_the_registry(
    scenario: Scenario,
) -> None:
    scenario.make_registry_unavailable()
    change = await scenario.add_evidence(await scenario.request())
    await scenario.decide(
        change, LegalNameDecision.REJECT, "Ce Kbis est celui d'une autre société."
    )
    scenario.set_registered_names("LES FOURNILS D AUBRY")
    scenario.bakery.clock.advance(timedelta(hours=1))
    assert await scenario.run_checks() == 0
    assert await scenario.legal_name() == "Le Fournil d'Aubry"
    email = (await emails_to(CAMILLE_EMAIL))[-1]
    assert (email.subject, "Ce Kbis est celui d'une autre société." in email.text) == (
        REJECTED_SUBJECT,
        True,
    )


async def test_p1_1_an_agent_can_request_better_evidence(scenario: Scenario) -> None:
    change = await scenario.add_evidence(await scenario.request())
    assert await outcome(scenario.decide(change, LegalNameDecision.REQUEST_EVIDENCE)) == "BLANK"
    change = await scenario.decide(
        change, LegalNameDecision.REQUEST_EVIDENCE, "Le Kbis a plus de trois mois."
    )
    assert change.status is LegalNameStatus.EVIDENCE_NEEDED
    change = await scenario.add_evidence(change)
    assert change.status is LegalNameStatus.IN_REVIEW
    assert (
        await scenario.decide(change, LegalNameDecision.ACCEPT)
    ).status is LegalNameStatus.ACCEPTED


async def test_p1_1_a_repeated_decision_changes_nothing_and_a_different_one_is_refused(
    scenario: Scenario,
) -> None:
    change = await scenario.add_evidence(await scenario.request())
    await scenario.decide(change, LegalNameDecision.ACCEPT)
    sent_emails = await recipients_and_subjects("legal_name_status")
    assert (
        await scenario.decide(change, LegalNameDecision.ACCEPT)
    ).status is LegalNameStatus.ACCEPTED
    assert await recipients_and_subjects("legal_name_status") == sent_emails
    assert (
        await outcome(scenario.decide(change, LegalNameDecision.REJECT, "Non."))
        == "TRANSITION_ILLEGAL"
    )
    assert await outcome(scenario.add_evidence(change)) == "TRANSITION_ILLEGAL"
    assert await outcome(cancel_request(scenario, change)) == "TRANSITION_ILLEGAL"
    assert (await scenario.request()).pk == change.pk  # by its key


async def cancel_request(
    scenario: Scenario, change: LegalNameChange, name: str = "Camille"
) -> LegalNameChange:
    session = scenario.bakery.tokens[name].session
    return await legal_names.cancel(
        scenario.bakery.action(name), session, scenario.bakery.account, change.pk
    )


async def test_p1_1_only_one_request_is_open_and_it_can_be_cancelled(scenario: Scenario) -> None:
    change = await scenario.request()
    assert await outcome(scenario.request(legal_name="Boulangerie Aubry")) == "CHANGE_IN_PROGRESS"
    for _ in range(2):
        assert (await cancel_request(scenario, change)).status is LegalNameStatus.CANCELED
    assert (
        await scenario.request(legal_name="Boulangerie Aubry")
    ).status is LegalNameStatus.EVIDENCE_NEEDED


async def test_p1_1_only_one_of_two_concurrent_requests_is_opened(scenario: Scenario) -> None:
    requests = [
        outcome(scenario.request(name, f"Boulangerie {name}")) for name in ("Camille", "Adam")
    ]
    assert sorted(await asyncio.gather(*requests)) == ["CHANGE_IN_PROGRESS", "done"]


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"legal_name": " \t "}, "BLANK"),
        ({"legal_name": "x" * 201}, "TOO_LONG"),
        ({"legal_name": "Le Fournil d'Aubry"}, "VALUE_INVALID"),
        ({"claimed_siren": "404833049"}, "SIREN_INVALID"),
        ({"claimed_siren": "732 829 320"}, "SIREN_MISMATCH"),
        ({"claimed_siren": "404 833 048"}, "done"),
        ({"file_ids": (999,)}, "FILE_REFUSED"),
    ],
)
async def test_p1_1_invalid_input_is_refused(
    scenario: Scenario, overrides: dict[str, Any], code: str
) -> None:
    """P1.1: another SIREN is another legal entity."""
    assert await outcome(scenario.request(**overrides)) == code
    assert await LegalNameChange.all().count() == (code == "done")


async def test_p1_1_evidence_must_be_the_members_own_uploaded_and_unused_file(
    scenario: Scenario,
) -> None:
    change = await scenario.request()
    action, session = scenario.bakery.action("Camille"), scenario.bakery.tokens["Camille"].session
    now = scenario.bakery.clock.now()
    refused_files = [
        await scenario.upload_kbis("Adam"),
        await scenario.upload_kbis(uploaded_at=None, cleared_at=None),
        await scenario.upload_kbis(infected_at=now),
    ]
    for file in refused_files:
        added_evidence = legal_names.add_evidence(
            action, session, scenario.bakery.account, change.pk, (file,)
        )
        assert await outcome(added_evidence) == "FILE_REFUSED"
    assert (
        await outcome(
            legal_names.add_evidence(action, session, scenario.bakery.account, change.pk, ())
        )
        == "BLANK"
    )
    file_ids = [await scenario.upload_kbis() for _ in range(11)]
    for part, code in (
        (file_ids[:6], "done"),
        (file_ids[6:], "FILE_REFUSED"),
        (file_ids[:1], "FILE_REFUSED"),
        (file_ids[6:10], "done"),
    ):
        assert (
            await outcome(
                legal_names.add_evidence(
                    action, session, scenario.bakery.account, change.pk, tuple(part)
                )
            )
            == code
        )


async def test_p1_1_a_file_in_quarantine_is_refused_as_evidence(scenario: Scenario) -> None:
    change = await scenario.request(file_ids=(await scenario.upload_kbis(cleared_at=None),))
    assert change.status is LegalNameStatus.IN_REVIEW
    assert await outcome(scenario.decide(change, LegalNameDecision.ACCEPT)) == "EVIDENCE_MISSING"
    await File.all().update(cleared_at=scenario.bakery.clock.now())
    assert await outcome(scenario.decide(change, LegalNameDecision.ACCEPT)) == "done"


async def test_p1_1_a_request_requires_a_managing_role_and_a_step_up(scenario: Scenario) -> None:
    session = scenario.bakery.tokens["Camille"].session
    await Session.filter(pk=session.pk).update(step_up_expires_at=None)
    unverified_request = legal_names.request(
        scenario.bakery.action("Camille"),
        scenario.auth,
        scenario.registry,
        session,
        scenario.bakery.account,
        legal_name="Autre",
        claimed_siren=None,
        file_ids=(),
        key="k",
    )
    assert await outcome(unverified_request) == "STEP_UP_REQUIRED"
    assert await outcome(scenario.request("Bea")) == "FORBIDDEN"
    assert await outcome(scenario.request("Max")) == "FORBIDDEN"
    change = await scenario.request("Adam")
    assert await scenario.bakery.change_role("Camille", "Adam", Role.MEMBER) == "done"
    assert await outcome(scenario.add_evidence(change, "Adam")) == "FORBIDDEN"
    assert await outcome(cancel_request(scenario, change, "Adam")) == "FORBIDDEN"


async def test_p1_1_another_companys_request_is_not_found(scenario: Scenario) -> None:
    change = await scenario.request()
    other_company = await create_company(
        scenario.bakery.clock, scenario.bakery.bus, "732829320", Zoe=Role.OWNER
    )
    action, session = other_company.action("Zoe"), other_company.tokens["Zoe"].session
    assert (
        await outcome(legal_names.cancel(action, session, other_company.account, change.pk))
        == "NOT_FOUND"
    )
    assert (
        await outcome(legal_names.cancel(action, session, other_company.account, None))
        == "NOT_FOUND"
    )
    assert (
        await outcome(legal_names.cancel(action, session, scenario.bakery.account, change.pk))
        == "FORBIDDEN"
    )
    assert (
        await outcome(legal_names.decide(action, session, None, LegalNameDecision.ACCEPT, None))
        == "NOT_FOUND"
    )


async def test_p1_1_requests_are_limited(scenario: Scenario) -> None:
    for turn in range(11):
        await cancel_request(scenario, await scenario.request(legal_name=f"Fournil {turn}"))
    with pytest.raises(Throttled):
        await scenario.request(legal_name="Fournil 12")


async def test_p1_1_a_removed_member_gets_no_email(scenario: Scenario) -> None:
    change = await scenario.add_evidence(await scenario.request("Adam"))
    assert await scenario.bakery.remove("Camille", "Adam") == "done"
    await scenario.decide(change, LegalNameDecision.ACCEPT)
    assert (CAMILLE_EMAIL, ACCEPTED_SUBJECT) in await recipients_and_subjects("legal_name_status")
    assert ("adam@fournil.example", ACCEPTED_SUBJECT) not in await recipients_and_subjects(
        "legal_name_status"
    )


async def test_p1_1_the_trade_name_can_be_changed_freely(scenario: Scenario) -> None:
    action, session = scenario.bakery.action("Adam"), scenario.bakery.tokens["Adam"].session
    for name in ("Chez Camille", "Chez Camille", None):
        assert (
            await details.change_trade_name(action, session, scenario.bakery.account, name)
        ).trade_name == name
    assert await scenario.legal_name() == "Le Fournil d'Aubry"


async def test_p1_4_a_companys_address_and_numbers_can_be_changed(scenario: Scenario) -> None:
    action, session = scenario.bakery.action("Camille"), scenario.bakery.tokens["Camille"].session
    address = Address("1 rue du Four", "75001", "Paris", "FR")
    account = await details.change_address(action, session, scenario.bakery.account, address)
    assert (account.street, account.postal_code, account.city, account.country) == (
        "1 rue du Four",
        "75001",
        "Paris",
        "FR",
    )
    account = await details.change_identifiers(
        action, session, scenario.bakery.account, "404 833 048 00022", "FR 83 404 833 048"
    )
    assert (account.siret, account.vat_number) == ("40483304800022", "FR83404833048")
    account = await details.change_identifiers(action, session, scenario.bakery.account, None, None)
    assert (account.siret, account.vat_number) == (None, None)
    for name in ("Bea", "Max"):
        change = details.change_address(
            scenario.bakery.action(name),
            scenario.bakery.tokens[name].session,
            scenario.bakery.account,
            address,
        )
        assert await outcome(change) == "FORBIDDEN"


@pytest.mark.parametrize(
    ("siret", "vat_number", "code"),
    [
        ("40483304800023", None, "SIRET_INVALID"),
        ("", None, "SIRET_INVALID"),
        ("40483304800000", None, "SIRET_INVALID"),  # no establishment has the number 00000
        ("00000000000000", None, "SIRET_INVALID"),
        ("35600000000000", None, "SIRET_INVALID"),
        ("1" * 100_000, None, "SIRET_INVALID"),
        (None, "FR12000000000", "VAT_NUMBER_INVALID"),
        (None, "FR" + " " * 100_000, "VAT_NUMBER_INVALID"),
        ("73282932000009", None, "SIREN_MISMATCH"),
        (None, "FR84404833048", "VAT_NUMBER_INVALID"),
        (None, "DE136695976", "VAT_NUMBER_INVALID"),
        (None, "FR44732829320", "SIREN_MISMATCH"),
    ],
)
async def test_p1_4_company_numbers_are_validated(
    scenario: Scenario, siret: str | None, vat_number: str | None, code: str
) -> None:
    action, session = scenario.bakery.action("Camille"), scenario.bakery.tokens["Camille"].session
    assert (
        await outcome(
            details.change_identifiers(action, session, scenario.bakery.account, siret, vat_number)
        )
        == code
    )


async def test_p1_4_sirets_of_la_poste_have_their_own_checksum(
    clock: "MovableClock", bus: "RecordingBus"
) -> None:
    la_poste = await create_company(clock, bus, "356000000", Zoe=Role.OWNER)
    action, session = la_poste.action("Zoe"), la_poste.tokens["Zoe"].session
    assert (
        await details.change_identifiers(action, session, la_poste.account, "35600000049837", None)
    ).siret == "35600000049837"


async def registry_state(scenario: Scenario) -> tuple[str | None, bool]:
    """Returns the registry's verdict on the bakery, and whether a lookup is still pending."""
    account = await Account.get(pk=scenario.bakery.account.pk)
    return (
        account.registry_verdict and account.registry_verdict.value,
        account.registry_due_at is not None,
    )


async def test_p1_4_a_new_company_is_looked_up_in_the_background(
    scenario: Scenario, auth: AuthServices
) -> None:
    """P1.4: a valid checksum doesn't prove that a company exists, and an unavailable registry never
    confirms it.
    """
    sign_up = await registration.sign_up(
        scenario.bakery.action(),
        auth,
        email="zoe@quais.example",
        password="mouette phare ardoise 77",
        name="Zoé",
        legal_name="Le Fournil d'Aubry",
        siren="732829320",
        locale=Locale.FR,
        client_address="192.0.2.1",
    )
    assert sign_up.account
    await Account.filter(pk=scenario.bakery.account.pk).update(siren="552100554")
    scenario.bakery.account = sign_up.account
    assert await registry_state(scenario) == (None, True)
    assert await legal_names.check_due_accounts(scenario.bakery.action(), NoRegistry()) == 0
    scenario.make_registry_unavailable()
    assert await legal_names.check_due_accounts(scenario.bakery.action(), scenario.registry) == 1
    assert await registry_state(scenario) == (None, True)
    scenario.set_registered_names("LE FOURNIL D AUBRY", siren="732829320")
    # Its turn comes later.
    assert await legal_names.check_due_accounts(scenario.bakery.action(), scenario.registry) == 0
    scenario.bakery.clock.advance(timedelta(hours=1))
    assert await legal_names.check_due_accounts(scenario.bakery.action(), scenario.registry) == 1
    assert await registry_state(scenario) == ("MATCH", False)


async def test_p1_4_signing_up_again_with_another_company_repeats_the_lookup(
    scenario: Scenario, auth: AuthServices
) -> None:
    """Otherwise the verdict on one company would appear next to the name of another."""
    scenario.set_registered_names("LE FOURNIL D AUBRY", siren="732829320")
    form: dict[str, Any] = {
        "email": "zoe@quais.example",
        "password": "mouette phare ardoise 77",
        "name": "Zoé",
        "locale": Locale.FR,
        "siren": "732829320",
        "client_address": "192.0.2.1",
    }
    sign_up = await registration.sign_up(
        scenario.bakery.action(), auth, legal_name="Le Fournil d'Aubry", **form
    )
    assert sign_up.account
    scenario.bakery.account = sign_up.account
    await legal_names.check_due_accounts(scenario.bakery.action(), scenario.registry)
    assert await registry_state(scenario) == ("MATCH", False)
    await registration.sign_up(
        scenario.bakery.action(), auth, legal_name="Banque des Quais", **form
    )
    assert await registry_state(scenario) == (None, True)
    await legal_names.check_due_accounts(scenario.bakery.action(), scenario.registry)
    assert await registry_state(scenario) == ("OTHER_NAME", False)


async def test_p1_1_a_new_name_is_looked_up_again(scenario: Scenario) -> None:
    scenario.set_registered_names("LE FOURNIL D AUBRY")
    change = await scenario.add_evidence(await scenario.request())
    await scenario.decide(change, LegalNameDecision.ACCEPT)
    assert await registry_state(scenario) == ("OTHER_NAME", False)
    scenario.make_registry_unavailable()
    change = await scenario.add_evidence(await scenario.request(legal_name="Aubry et Filles"))
    await scenario.decide(change, LegalNameDecision.ACCEPT)
    assert await registry_state(scenario) == (None, True)
    scenario.set_registered_names("AUBRY ET FILLES")
    assert await legal_names.check_due_accounts(scenario.bakery.action(), scenario.registry) == 1
    assert await registry_state(scenario) == ("MATCH", False)


async def test_p1_1_an_answer_about_a_previous_name_is_ignored(scenario: Scenario) -> None:
    await Account.filter(pk=scenario.bakery.account.pk).update(
        registry_due_at=scenario.bakery.clock.now()
    )

    class RenamingRegistry(NoRegistry):
        """A registry that changes the company's name before it answers."""

        is_configured = True

        async def find(self, siren: str) -> RegisteredCompany | None:
            await Account.filter(siren=siren).update(legal_name="Autre")
            return RegisteredCompany(("LE FOURNIL D AUBRY",))

    assert await legal_names.check_due_accounts(scenario.bakery.action(), RenamingRegistry()) == 1
    assert await registry_state(scenario) == (None, True)
