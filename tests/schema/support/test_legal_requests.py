"""P1.2, P4.1, P4.5: a legal request keeps its deadline, is listed for operators from the
start, and is closed only by those whose request it is.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models.accounts.account import Role
from models.action import Action
from models.audit import AuditEntry
from models.identity.user import Staff
from models.locale import Locale
from models.operations.email import Email
from models.support.classification import Category, Channel, TicketKind
from models.support.legal_deadlines import LEGAL_DEADLINES, legal_deadline
from models.support.message import Message
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from models.viewer import Viewer
from realtime.delivered_positions import DeliveredPositions
from resolvers.ids import encode
from support.assignment import claim
from support.deadline_reminders import send_deadline_reminders
from support.reply_emails import send_due_replies
from tests.people import add_member, create_staff, create_staff_viewer, create_user, create_viewer
from tests.schema.conftest import Dataset, Execute

if TYPE_CHECKING:
    from tests.conftest import MovableClock

CLOSE_MUTATION = """mutation($input: TicketCloseInput!) { ticketClose(input: $input) {
    ticket { status deadlineAt } userErrors { code field message } } }"""
MOVE_MUTATION = """mutation($input: TicketMoveInput!) { ticketMove(input: $input) {
    ticket { status deadlineAt } userErrors { code field } } }"""
LIST_QUERY = """query($filter: LegalRequestFilter, $orderBy: LegalRequestOrder) {
    legalRequests(filter: $filter, orderBy: $orderBy) { totalCount nodes {
    number kind category status deadlineAt createdAt account { legalName } requester { name }
    lastMessage { body } messages { totalCount } } } }"""
LEGAL_REQUESTS = [
    (key, Category.ACCOUNT) if isinstance(key, TicketKind) else (TicketKind.GENERAL, key)
    for key in LEGAL_DEADLINES
]
every_legal_request = pytest.mark.parametrize(("kind", "category"), LEGAL_REQUESTS)


async def open_request(
    action: Action,
    requester: Viewer,
    kind: TicketKind = TicketKind.ACCOUNT_DELETION,
    category: Category = Category.ACCOUNT,
) -> Ticket:
    assert requester.user and requester.account  # noqa: PT018 - a member's
    async with replace(action, actor=requester.user).transaction() as tx:
        ticket = await Ticket.open(
            tx,
            requester.account,
            requester.user,
            subject="Suppression",
            channel=Channel.WEB,
            category=category,
            kind=kind,
        )
        await (await tx.lock(Ticket, ticket.pk)).post(tx, requester.user, "Adieu.", "1")
    return ticket


async def member(action: Action, dataset: Dataset, name: str, role: Role) -> Viewer:
    """Another member of Paul's company."""
    user = await create_user(action, name)
    await add_member(action, dataset.paul.account, user, role)
    return await create_viewer(action, user, dataset.paul.account)


async def close(execute: Execute, viewer: Viewer, ticket: Ticket, **values: str) -> dict[str, Any]:
    values["ticketId"] = encode("Ticket", ticket.pk)
    result: dict[str, Any] = (await execute(viewer, CLOSE_MUTATION, input=values))["data"]
    return dict(result["ticketClose"])


async def closing_emails() -> set[str]:
    """The recipients of emails about closed requests."""
    return {email.recipient for email in await Email.filter(template__startswith="request_closed")}


@every_legal_request
async def test_other_members_cannot_close_a_legal_request(
    execute: Execute, dataset: Dataset, action: Action, kind: TicketKind, category: Category
) -> None:
    ticket = await open_request(action, dataset.paul.owner, kind, category)
    for role in (Role.MEMBER, Role.BILLING, Role.ADMIN):
        payload = await close(execute, await member(action, dataset, role.title(), role), ticket)
        (error,) = payload["userErrors"]
        assert (error["code"], error["field"]) == ("CLOSING_RESERVED", ["input", "ticketId"])
        assert "propriétaire" in error["message"]
    assert (await Ticket.get(pk=ticket.pk)).status is TicketStatus.NEW
    assert await closing_emails() == set()


@every_legal_request
async def test_the_requester_and_the_owners_close_it_and_are_notified(
    execute: Execute, dataset: Dataset, action: Action, kind: TicketKind, category: Category
) -> None:
    requester = await member(action, dataset, "Rita", Role.MEMBER)
    await member(action, dataset, "Bea", Role.BILLING)
    odile = await member(action, dataset, "Odile", Role.OWNER)
    owner = dataset.paul.owner.user
    assert owner
    for closing_viewer in (requester, odile):
        await Email.all().delete()
        ticket = await open_request(action, requester, kind, category)
        deadline = ticket.deadline_at
        payload = await close(execute, closing_viewer, ticket)
        assert (payload["ticket"]["status"], payload["userErrors"]) == ("CLOSED", [])
        assert await closing_emails() == {
            owner.email,
            "odile@fournil.example",
            "rita@fournil.example",
        }
        assert closing_viewer.user
        email = (await Email.filter(recipient=owner.email))[0]
        assert closing_viewer.user.name in email.text
        assert ticket.number in email.subject
        assert await close(execute, closing_viewer, ticket) == payload  # a repeat changes nothing
        assert await Email.all().count() == 3
        assert (await Ticket.get(pk=ticket.pk)).deadline_at == deadline


@every_legal_request
@pytest.mark.parametrize("status", ["SOLVED", "CLOSED"])
async def test_staff_give_a_reason_which_the_requester_and_the_owners_read(
    execute: Execute,
    dataset: Dataset,
    action: Action,
    kind: TicketKind,
    category: Category,
    status: str,
) -> None:
    requester = await member(action, dataset, "Rita", Role.ADMIN)
    ticket = await open_request(action, requester, kind, category)
    input_value = {"ticketId": encode("Ticket", ticket.pk), "status": status}
    for reason in (None, "", " "):
        for document, values in (
            (MOVE_MUTATION, input_value | {"reason": reason}),
            (CLOSE_MUTATION, {"ticketId": input_value["ticketId"], "reason": reason}),
        ):
            response = await execute(dataset.alice, document, input=values)
            (payload,) = response["data"].values()
            (error,) = payload["userErrors"]
            assert (error["code"], error["field"]) == ("BLANK", ["input", "reason"])
    assert await Message.filter(ticket_id=ticket.pk).count() == 1
    response = await execute(
        dataset.alice, MOVE_MUTATION, input=input_value | {"reason": "Déjà fait."}
    )
    assert response["data"]["ticketMove"]["ticket"]["status"] == status
    message = await Message.filter(ticket_id=ticket.pk).order_by("-id").first()
    assert message
    assert (message.body, message.from_staff) == ("Déjà fait.", True)
    owner = dataset.paul.owner.user
    assert owner
    assert await closing_emails() == {owner.email, "rita@fournil.example"}
    for email in await Email.filter(template__startswith="request_closed"):
        assert "Déjà fait." in email.text
        assert "cnil.fr" in email.text
    entry = await AuditEntry.get(action="ticket.move")
    assert f'"message":{message.pk}' in entry.details
    # Closing what was answered takes no second reason.
    assert (await close(execute, dataset.alice, ticket))["userErrors"] == []
    assert await Email.filter(template__startswith="request_closed").count() == 2


@pytest.mark.parametrize("has_earlier_reply", [False, True])
async def test_a_reason_sent_by_email_is_not_sent_again_as_a_reply(
    execute: Execute, dataset: Dataset, action: Action, *, has_earlier_reply: bool
) -> None:
    """The reason is emailed as a reply only to a member who wrote in the ticket but wasn't
    notified,
    or together with an earlier reply.
    """
    ticket = await open_request(action, dataset.paul.owner)
    writer = await member(action, dataset, "Wanda", Role.MEMBER)
    assert writer.user
    assert dataset.paul.owner.user
    assert dataset.alice.user
    await ticket.reply(replace(action, actor=writer.user), writer.user, "Moi aussi.", "2")
    if has_earlier_reply:
        staff_action = replace(action, actor=dataset.alice.user)
        await ticket.reply(staff_action, dataset.alice.user, "Nous vérifions.", "3")
    payload = await close(execute, dataset.alice, ticket, reason="Déjà fait.")
    assert payload["userErrors"] == []
    await send_due_replies(
        replace(action, at=action.at + timedelta(minutes=6)),
        DeliveredPositions(),
        timedelta(minutes=5),
    )
    emails = {
        email.recipient: email.text for email in await Email.filter(template="ticket_replies.fr")
    }
    owner_email = dataset.paul.owner.user.email
    expected = {writer.user.email, owner_email} if has_earlier_reply else {writer.user.email}
    assert set(emails) == expected
    for text in emails.values():
        assert "Déjà fait." in text
        assert ("Nous vérifions." in text) is has_earlier_reply


async def test_ordinary_tickets_are_closed_by_any_member_without_an_email(
    execute: Execute, dataset: Dataset, action: Action
) -> None:
    ticket = await open_request(action, dataset.paul.owner, TicketKind.GENERAL, Category.USAGE)
    payload = await close(execute, dataset.paul.member, ticket)
    assert payload == {"ticket": {"status": "CLOSED", "deadlineAt": None}, "userErrors": []}
    assert await closing_emails() == set()


async def test_a_former_member_is_not_notified(
    execute: Execute, dataset: Dataset, action: Action
) -> None:
    requester = await member(action, dataset, "Rita", Role.MEMBER)
    ticket = await open_request(action, requester)
    assert requester.user
    await requester.user.memberships.all().delete()
    await close(execute, dataset.paul.owner, ticket)
    assert "rita@fournil.example" not in await closing_emails()


@every_legal_request
async def test_operators_see_a_request_before_anyone_acts_without_its_messages(
    execute: Execute, dataset: Dataset, action: Action, kind: TicketKind, category: Category
) -> None:
    ticket = await open_request(action, dataset.paul.owner, kind, category)
    await open_request(action, dataset.paul.owner, TicketKind.GENERAL, Category.USAGE)
    omar = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    expected_deadline = legal_deadline(kind, category, action.at)
    assert expected_deadline
    for viewer in (omar, dataset.alice):
        requests = (await execute(viewer, LIST_QUERY))["data"]["legalRequests"]
        assert requests["totalCount"] == 1
        (request,) = requests["nodes"]
        assert (request["number"], request["kind"], request["category"], request["status"]) == (
            ticket.number,
            kind.value,
            category.value,
            "NEW",
        )
        assert datetime.fromisoformat(request["deadlineAt"]) == expected_deadline
        assert request["account"] == {"legalName": "PAULMARK legal"}
        assert request["requester"]["name"].startswith("PAULMARK")
        is_agent = viewer is dataset.alice
        assert (request["lastMessage"] is not None, request["messages"]["totalCount"]) == (
            is_agent,
            int(is_agent),
        )
    # Other tickets stay invisible to operators.
    other = await Ticket.get(
        deadline_at=None, category=Category.USAGE, kind="GENERAL", subject="Suppression"
    )
    nodes = "query($id: ID!) { node(id: $id) { id } }"
    assert (await execute(omar, nodes, id=encode("Ticket", other.pk)))["data"]["node"] is None
    assert (await execute(omar, nodes, id=encode("Ticket", ticket.pk)))["data"]["node"]


async def test_only_staff_who_handle_requests_list_them(
    execute: Execute, dataset: Dataset, action: Action
) -> None:
    await open_request(action, dataset.paul.owner)
    for viewer in (Viewer(), dataset.paul.owner, dataset.nadia, dataset.alice_without_factor):
        response = await execute(viewer, LIST_QUERY)
        assert response["errors"][0]["extensions"]["code"] in ("FORBIDDEN", "UNAUTHENTICATED")


async def test_legal_requests_are_filtered_and_ordered_by_deadline(
    execute: Execute, dataset: Dataset, action: Action, clock: "MovableClock"
) -> None:
    deletion = await open_request(action, dataset.paul.owner)
    breach = await open_request(action, dataset.marie.owner, TicketKind.GENERAL, Category.SECURITY)
    later_action = replace(action, at=action.at + timedelta(days=40))
    reactivation = await open_request(
        later_action, dataset.marie.owner, TicketKind.ACCOUNT_REACTIVATION
    )
    await Ticket.filter(pk=breach.pk).update(status=TicketStatus.OPEN)

    async def numbers(**variables: Any) -> list[str]:
        requests = (await execute(dataset.alice, LIST_QUERY, **variables))["data"]["legalRequests"]
        return [request["number"] for request in requests["nodes"]]

    all_requests = [breach.number, deletion.number, reactivation.number]
    assert await numbers() == all_requests
    newest_first = {"field": "CREATED_AT", "direction": "DESC"}
    assert await numbers(orderBy=newest_first) == [
        reactivation.number,
        breach.number,
        deletion.number,
    ]
    assert await numbers(filter={"status": {"eq": "OPEN"}}) == [breach.number]
    assert await numbers(filter={"category": {"eq": "ACCOUNT"}}) == all_requests[1:]
    assert await numbers(filter={"kind": {"in": ["ACCOUNT_DELETION"]}}) == [deletion.number]
    overdue_filter = {"deadlineAt": {"lt": later_action.at.isoformat()}}
    assert await numbers(filter=overdue_filter) == all_requests[:2]


async def test_a_follow_up_of_a_legal_request_keeps_its_deadline(
    execute: Execute, dataset: Dataset, action: Action
) -> None:
    owner = dataset.paul.owner.user
    assert owner
    ticket = await open_request(action, dataset.paul.owner)
    await close(execute, dataset.alice, ticket, reason="Nous n’avons rien trouvé.")
    later_action = replace(action, actor=owner, at=action.at + timedelta(days=20))
    message = await (await Ticket.get(pk=ticket.pk)).reply(later_action, owner, "J’insiste.", "2")
    follow_up = await Ticket.get(pk=message.ticket_id)
    assert follow_up.pk != ticket.pk
    # It requests nothing by itself: a deletion is requested with a step-up.
    assert (follow_up.kind, follow_up.deadline_at) == (TicketKind.GENERAL, ticket.deadline_at)


async def create_operator(action: Action, name: str, **columns: Any) -> None:
    columns = {"second_factor_at": action.at} | columns
    await create_staff(action, name, Staff.OPERATOR, **columns)


async def run_reminders(action: Action, hours: int) -> list[tuple[int, str, str]]:
    """The hour, recipient and subject of every email of the job, which runs twice an hour."""
    emails: list[tuple[int, str, str]] = []
    for hour in range(hours):
        await Email.all().delete()
        for _ in range(2):
            await send_deadline_reminders(replace(action, at=action.at + timedelta(hours=hour)))
        emails += [
            (hour, email.recipient, email.subject) for email in await Email.all().order_by("id")
        ]
    return emails


async def test_operators_are_reminded_once_a_week_and_once_a_day_before_the_deadline(
    dataset: Dataset, action: Action
) -> None:
    await create_operator(action, "Omar")
    await create_operator(action, "Ida", locale=Locale.EN)
    await create_operator(action, "Nora", second_factor_at=None)  # she has no role yet
    ticket = await open_request(action, dataset.paul.owner)
    assert ticket.deadline_at == action.at.replace(microsecond=0) + timedelta(days=29, hours=14)
    reminders = await run_reminders(action, 40 * 24)
    french = f"La demande {ticket.number} doit recevoir une réponse sous "
    english = f"Request {ticket.number} must be answered within "
    assert reminders == [
        (hour, recipient, subject)
        for hour, time_left in ((22 * 24 + 14, 7 * 24), (28 * 24 + 14, 24))
        for recipient, subject in (
            (
                "omar@camcha.example",
                french + ("7\u00a0jours" if time_left > 24 else "24\u00a0heures"),
            ),
            ("ida@camcha.example", english + ("7 days" if time_left > 24 else "24 hours")),
        )
    ]


async def test_operators_are_not_reminded_of_what_was_answered(
    execute: Execute, dataset: Dataset, action: Action
) -> None:
    await create_operator(action, "Omar")
    await open_request(action, dataset.paul.owner, TicketKind.GENERAL, Category.USAGE)
    ticket = await open_request(action, dataset.paul.owner)
    await close(execute, dataset.alice, ticket, reason="Nous n’avons rien trouvé.")
    assert await run_reminders(action, 40 * 24) == []


async def test_operators_are_reminded_a_day_before_the_deadline_of_a_possible_breach(
    dataset: Dataset, action: Action
) -> None:
    await create_operator(action, "Omar")
    ticket = await open_request(action, dataset.paul.owner, TicketKind.GENERAL, Category.SECURITY)
    await claim(action, ticket, dataset.alice.user)  # type: ignore[arg-type]
    (reminder,) = await run_reminders(action, 80)
    assert reminder[:2] == (48, "omar@camcha.example")


async def test_after_a_downtime_operators_read_once_that_the_deadline_has_passed(
    dataset: Dataset, action: Action
) -> None:
    await create_operator(action, "Omar")
    ticket = await open_request(action, dataset.paul.owner)
    reminders = await run_reminders(replace(action, at=action.at + timedelta(days=30)), 3)
    subject = f"Le délai de la demande {ticket.number} est dépassé"
    assert reminders == [(0, "omar@camcha.example", subject)]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ((2026, 11, 23, 9), (2026, 12, 22, 23)),  # the start of 23 December in Paris
        ((2026, 1, 31, 9), (2026, 2, 27, 23)),
        ((2026, 3, 1, 9), (2026, 3, 31, 22)),  # summer time
    ],
)
def test_the_deadline_is_a_month_after_the_request(
    at: tuple[int, int, int, int], expected: tuple[int, int, int, int]
) -> None:
    opened_at = datetime(*at, tzinfo=UTC)
    deadline = legal_deadline(TicketKind.ACCOUNT_DELETION, Category.ACCOUNT, opened_at)
    assert deadline == datetime(*expected, tzinfo=UTC)


def test_the_earliest_deadline_applies() -> None:
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    deadline = legal_deadline(TicketKind.ACCOUNT_DELETION, Category.SECURITY, at)
    assert deadline == at + timedelta(hours=72)
    assert legal_deadline(TicketKind.GENERAL, Category.BILLING, at) is None


def test_every_kind_except_general_has_a_deadline() -> None:
    """Each of these kinds requests more than an answer: decide on its deadline when you add one."""
    assert set(TicketKind) - LEGAL_DEADLINES.keys() == {TicketKind.GENERAL}
