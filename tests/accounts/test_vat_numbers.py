"""A VAT number counts once the tax authorities have confirmed it. While they don't answer it is
pending, and they are asked again.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from accounts import details
from accounts.vat_numbers import (
    NoVatService,
    VatAnswer,
    VatServiceUnavailable,
    Vies,
    check_due_numbers,
    check_now,
    vat_service_from_url,
)
from models.accounts.account import Account, Role
from models.accounts.vat_number import (
    INVALID_RECHECK_INTERVAL,
    MAX_RETRY_DELAY,
    RECHECK_INTERVAL,
    VatCheck,
    VatNumberStatus,
)
from models.audit import AuditEntry
from models.operations.email import Email
from tests.accounts.company_fixtures import Company, create_company
from tests.accounts.registry_server import answer
from tests.accounts.vat_server import CONSULTATION_NUMBER, VatServer, serve_vat_numbers

if TYPE_CHECKING:
    from tests.conftest import MovableClock, RecordingBus

OWN_NUMBER = "FR83404833048"
NUMBER, OTHER_NUMBER = "BE0697449992", "BE0428759497"


@pytest.fixture
async def authorities() -> AsyncIterator[VatServer]:
    async with serve_vat_numbers() as server:
        server.names[NUMBER] = "Brasserie de la Senne"
        yield server


@pytest.fixture
async def brewery(db: str, clock: "MovableClock", bus: "RecordingBus") -> Company:
    company = await create_company(clock, bus, An=Role.OWNER)
    await Account.filter(pk=company.account.pk).update(country="BE", siren=None)
    await company.account.refresh_from_db()
    return company


async def enter(brewery: Company, number: str | None) -> Account:
    session = brewery.tokens["An"].session
    return await details.change_identifiers(
        brewery.action("An"), session, brewery.account, vat_number=number
    )


async def state(brewery: Company) -> tuple[str, VatNumberStatus, str | None]:
    check = await VatCheck.get(account_id=brewery.account.pk)
    return check.vat_number, check.status, check.consultation_number


async def test_a_number_is_confirmed_with_a_proof(authorities: VatServer) -> None:
    answer = await Vies(authorities.url, OWN_NUMBER).check(NUMBER)
    assert answer == VatAnswer(True, CONSULTATION_NUMBER, "Brasserie de la Senne")
    assert authorities.paths == [
        "/rest-api/ms/BE/vat/0697449992?requesterMemberStateCode=FR&requesterNumber=83404833048"
    ]
    assert await Vies(authorities.url).check(NUMBER) == VatAnswer(
        True, None, answer.registered_name
    )
    assert await Vies(authorities.url, OWN_NUMBER).check(OTHER_NUMBER) == VatAnswer(False)


async def test_a_name_that_is_not_disclosed_is_not_stored(authorities: VatServer) -> None:
    authorities.names[NUMBER] = "---"
    assert (await Vies(authorities.url).check(NUMBER)).registered_name is None


@pytest.mark.parametrize(
    "raw",
    [
        answer({"isValid": False, "userError": "MS_UNAVAILABLE"}),
        answer({"isValid": False, "userError": "MS_MAX_CONCURRENT_REQ"}),
        answer({"isValid": False}),
        answer({"isValid": True}),
        answer({"isValid": True, "userError": "INVALID"}),
        answer({"isValid": False, "userError": "VALID"}),
        answer({"isValid": "true", "userError": "VALID"}),
        answer({"userError": "VALID"}),
        answer([]),
        answer(b"<html>"),
        answer({"isValid": True, "userError": "VALID"}, "503 Closed"),
        b"nothing of HTTP\r\n\r\n",
        b"",
    ],
)
async def test_anything_else_is_no_answer(authorities: VatServer, raw: bytes) -> None:
    authorities.raw = raw
    with capture_logs() as logs, pytest.raises(VatServiceUnavailable):
        await Vies(authorities.url).check(NUMBER)
    assert [log["event"] for log in logs] == ["vat_service.unavailable"]


async def test_a_silent_service_is_not_waited_for(authorities: VatServer) -> None:
    authorities.is_silent = True
    with capture_logs(), pytest.raises(VatServiceUnavailable):
        await Vies(authorities.url, timeout=0.1).check(NUMBER)


async def test_a_new_number_is_asked_about_at_once(
    brewery: Company, authorities: VatServer
) -> None:
    account = await enter(brewery, "BE 0697.449.992")
    assert account.vat_number == NUMBER
    assert await state(brewery) == (NUMBER, VatNumberStatus.PENDING, None)
    await check_now(brewery.action(), Vies(authorities.url, OWN_NUMBER), account.pk)
    assert await state(brewery) == (NUMBER, VatNumberStatus.VALID, CONSULTATION_NUMBER)
    check = await VatCheck.get()
    assert (check.checked_at, check.registered_name) == (
        brewery.clock.now(),
        "Brasserie de la Senne",
    )
    assert await AuditEntry.filter(action="account.check_vat_number").count() == 1
    await enter(brewery, NUMBER)  # unchanged: the answer stays
    assert (await state(brewery))[1] is VatNumberStatus.VALID
    await enter(brewery, OTHER_NUMBER)
    assert await state(brewery) == (OTHER_NUMBER, VatNumberStatus.PENDING, None)
    await check_now(brewery.action(), Vies(authorities.url, OWN_NUMBER), account.pk)
    assert await state(brewery) == (OTHER_NUMBER, VatNumberStatus.INVALID, None)
    await enter(brewery, None)
    assert await VatCheck.all().count() == 0


async def test_a_number_stays_pending_while_the_service_is_down(
    brewery: Company, authorities: VatServer
) -> None:
    service = Vies(authorities.url, OWN_NUMBER)
    account = await enter(brewery, NUMBER)
    authorities.outage = "MS_UNAVAILABLE"
    with capture_logs():
        await check_now(brewery.action(), service, account.pk)
        assert (await state(brewery))[1] is VatNumberStatus.PENDING
        assert await check_due_numbers(brewery.action(), service) == 0  # not due yet
        for _ in range(12):
            brewery.clock.advance(MAX_RETRY_DELAY)
            assert await check_due_numbers(brewery.action(), service) == 1
    authorities.outage = None
    brewery.clock.advance(MAX_RETRY_DELAY)
    assert await check_due_numbers(brewery.action(), service) == 1
    assert await state(brewery) == (NUMBER, VatNumberStatus.VALID, CONSULTATION_NUMBER)


async def test_an_answer_is_renewed_and_kept_until_the_next_one(
    brewery: Company, authorities: VatServer
) -> None:
    service = Vies(authorities.url, OWN_NUMBER)
    await enter(brewery, NUMBER)
    await check_due_numbers(brewery.action(), service)
    brewery.clock.advance(RECHECK_INTERVAL - timedelta(seconds=1))
    assert await check_due_numbers(brewery.action(), service) == 0
    brewery.clock.advance(timedelta(seconds=1))
    authorities.outage = "SERVICE_UNAVAILABLE"
    with capture_logs():
        assert await check_due_numbers(brewery.action(), service) == 1
    assert await state(brewery) == (NUMBER, VatNumberStatus.VALID, CONSULTATION_NUMBER)
    authorities.outage = None
    assert await Email.all().count() == 0  # nothing is known to be wrong
    del authorities.names[NUMBER]
    for delay in (MAX_RETRY_DELAY, INVALID_RECHECK_INTERVAL):
        brewery.clock.advance(delay)
        assert await check_due_numbers(brewery.action(), service) == 1
        assert await state(brewery) == (NUMBER, VatNumberStatus.INVALID, None)
        [email] = await Email.all()  # once
        assert email.template == "vat_number_invalid.fr"
        assert NUMBER in email.text


async def test_who_waited_for_the_answer_about_a_new_number_gets_no_email(
    brewery: Company, authorities: VatServer
) -> None:
    service = Vies(authorities.url, OWN_NUMBER)
    account = await enter(brewery, OTHER_NUMBER)
    await check_now(brewery.action(), service, account.pk)
    assert (await state(brewery))[1] is VatNumberStatus.INVALID
    assert await Email.all().count() == 0
    await enter(brewery, None)
    await enter(brewery, OTHER_NUMBER)
    await check_due_numbers(brewery.action(), service)  # nobody did
    assert await Email.all().count() == 1


class SlowService:
    """Answers when the test lets it."""

    is_configured = True

    def __init__(self) -> None:
        self.asked, self.answers, self.count = asyncio.Event(), asyncio.Event(), 0

    async def check(self, number: str) -> VatAnswer:
        self.count += 1
        self.asked.set()
        await self.answers.wait()
        return VatAnswer(True)


async def test_an_answer_about_a_former_number_is_dropped(brewery: Company) -> None:
    """This also shows that no row is locked while the service is asked."""
    service: Any = SlowService()
    await enter(brewery, NUMBER)
    asking = asyncio.create_task(check_due_numbers(brewery.action(), service))
    await service.asked.wait()
    await enter(brewery, OTHER_NUMBER)
    service.answers.set()
    await asking
    assert await state(brewery) == (OTHER_NUMBER, VatNumberStatus.PENDING, None)


async def test_two_processes_ask_once(brewery: Company) -> None:
    service: Any = SlowService()
    service.answers.set()
    await enter(brewery, NUMBER)
    action = brewery.action()
    await asyncio.gather(*(check_due_numbers(action, service) for _ in range(4)))
    assert service.count == 1
    assert (await state(brewery))[1] is VatNumberStatus.VALID


async def test_without_a_service_nobody_is_asked(brewery: Company) -> None:
    await enter(brewery, NUMBER)
    service = vat_service_from_url(None, OWN_NUMBER)
    assert isinstance(service, NoVatService)
    assert await check_due_numbers(brewery.action(), service) == 0
    await check_now(brewery.action(), service, brewery.account.pk)
    assert (await state(brewery))[1] is VatNumberStatus.PENDING
    with pytest.raises(VatServiceUnavailable):
        await service.check(NUMBER)
