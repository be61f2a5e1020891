"""P5.6: when support is open, and how operators plan it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from models.action import Action
from models.identity.user import Staff
from models.locale import Locale
from models.support.opening_hours import HolidayCalendar, OpeningHours
from models.viewer import Viewer
from support.opening_hours_text import hours_text
from tests.conftest import MovableClock
from tests.models.support.test_opening_hours import ALWAYS, OFFICE, PARIS, ZONES
from tests.people import create_staff_viewer
from tests.schema.conftest import Dataset, Execute

CONTACT_QUERY = """{ contact { openingHours timeZone isOpen opensAt closesAt
    weeklyHours { weekday opens closes } } }"""
CALENDARS_QUERY = """{ calendars { nodes { id name timeZone holidays isDefault
    closures { id startsAt endsAt reason } } } }"""
OFFICE_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")


def without_breaks(french: str) -> str:
    """The text with no-break spaces instead of tildes."""
    return french.replace("~", "\N{NO-BREAK SPACE}")


async def change(execute: Execute, viewer: Viewer, name: str, /, **values: Any) -> dict[str, Any]:
    """The payload of a mutation that succeeds."""
    selection = "closure { id }" if name == "closureAdd" else ""
    kind = f"{name[0].upper()}{name[1:]}Input"
    document = f"""mutation($input: {kind}!) {{ {name}(input: $input) {{
        {selection} calendar {{ id name isDefault }} userErrors {{ code field }} }} }}"""
    payload: dict[str, Any] = (await execute(viewer, document, input=values))["data"][name]
    assert payload["userErrors"] == []
    return payload


async def test_p5_6_everybody_sees_when_support_is_open(
    execute: Execute, db: str, clock: MovableClock
) -> None:
    response = await execute(Viewer(), CONTACT_QUERY)
    assert response["data"]["contact"] == {
        "openingHours": without_breaks(
            "du lundi au vendredi, de 9~h à 18~h, heure de Paris, hors jours fériés"
        ),
        "timeZone": "Europe/Paris",
        "isOpen": True,
        "opensAt": None,
        "closesAt": "2026-11-23T17:00:00+00:00",
        "weeklyHours": [
            {"weekday": day, "opens": "09:00", "closes": "18:00"} for day in OFFICE_DAYS
        ],
    }
    clock.time = datetime(2026, 12, 24, 17, 0, tzinfo=UTC)  # 18:00 in Paris, before Christmas
    contact = (await execute(Viewer(), CONTACT_QUERY))["data"]["contact"]
    assert not contact["isOpen"]
    assert contact["opensAt"] == "2026-12-28T08:00:00+00:00"
    assert contact["closesAt"] is None


async def test_p5_6_operators_plan_closures_and_other_hours(
    execute: Execute, db: str, action: Action
) -> None:
    omar = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    alice = await create_staff_viewer(action, "Alice", Staff.AGENT)
    (standard,) = (await execute(alice, CALENDARS_QUERY))["data"]["calendars"]["nodes"]
    assert standard["isDefault"]
    closure = {
        "calendarId": standard["id"],
        "startsAt": "2026-11-23T08:30:00Z",
        "endsAt": "2026-11-24T10:00:00Z",
        "reason": "Déménagement",
        "idempotencyKey": "move",
    }
    added = [await change(execute, omar, "closureAdd", **closure) for _ in range(2)]
    assert added[0] == added[1]
    contact = (await execute(Viewer(), CONTACT_QUERY))["data"]["contact"]
    assert (contact["isOpen"], contact["opensAt"]) == (False, "2026-11-24T10:00:00+00:00")
    await change(execute, omar, "closureRemove", closureId=added[0]["closure"]["id"])
    assert (await execute(Viewer(), CONTACT_QUERY))["data"]["contact"]["isOpen"]

    night = {
        "name": "Nuit",
        "weeklyHours": [
            {"weekday": "MONDAY", "opens": "20:00", "closes": "24:00"},
            {"weekday": "MONDAY", "opens": "18:00", "closes": "20:00"},
        ],
        "idempotencyKey": "night",
    }
    calendar = (await change(execute, omar, "calendarCreate", **night))["calendar"]
    await change(execute, omar, "calendarUpdate", calendarId=calendar["id"], holidays="NONE")
    await change(execute, omar, "calendarSetDefault", calendarId=calendar["id"])
    contact = (await execute(Viewer(), CONTACT_QUERY))["data"]["contact"]
    assert contact["weeklyHours"] == [{"weekday": "MONDAY", "opens": "18:00", "closes": "24:00"}]
    assert contact["opensAt"] == "2026-11-23T17:00:00+00:00"
    nodes = (await execute(alice, CALENDARS_QUERY))["data"]["calendars"]["nodes"]
    assert [(node["name"], node["isDefault"]) for node in nodes] == [
        ("Support", False),
        ("Nuit", True),
    ]


async def test_p5_6_only_staff_see_the_calendars_and_only_operators_change_them(
    execute: Execute, dataset: Dataset
) -> None:
    document = """mutation($id: ID!) { calendarSetDefault(input: {calendarId: $id}) {
        userErrors { code } } }"""
    for viewer in (dataset.paul.owner, dataset.nadia):
        response = await execute(viewer, CALENDARS_QUERY)
        assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    response = await execute(dataset.alice, document, id="x")
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"


SHOP = (((540, 720), (840, 1110)),) * 2 + ((), ((540, 720),)) + ((),) * 3


@pytest.mark.parametrize(
    ("hours", "english", "french"),
    [
        (
            OpeningHours(PARIS, SHOP, HolidayCalendar.ALSACE_MOSELLE),
            "Monday to Tuesday, 9:00 to 12:00 and 14:00 to 18:30; Thursday, 9:00 to 12:00 "
            "Paris time, except public holidays in Alsace and Moselle",
            "du lundi au mardi, de 9~h à 12~h et de 14~h à 18~h~30\u202f; le jeudi, de 9~h à 12~h, "
            "heure de Paris, hors jours fériés d’Alsace-Moselle",
        ),
        (
            OpeningHours(PARIS, ALWAYS),
            "every day, 24 hours Paris time",
            "tous les jours, 24~h/24, heure de Paris",
        ),
        (OpeningHours(PARIS, ((),) * 7), "closed", "fermé"),
        (
            OpeningHours(ZONES[1], OFFICE),
            "Monday to Friday, 9:00 to 18:00 (local time in Santiago)",
            "du lundi au vendredi, de 9~h à 18~h (heure locale~: Santiago)",
        ),
    ],
)
def test_p5_6_hours_are_written_as_people_write_them(
    hours: OpeningHours, english: str, french: str
) -> None:
    assert hours_text(hours, Locale.EN) == english
    assert hours_text(hours, Locale.FR) == without_breaks(french)
