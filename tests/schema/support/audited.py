"""An example of each audited mutation of support, in a function with the mutation's name."""

from models.accounts.account import Account
from models.identity.user import Staff
from models.support.call import Call, CallDirection, CallOutcome
from models.support.file import File
from models.support.incoming_email import IncomingEmail, IncomingEmailSource, IncomingEmailStatus
from models.support.message import Message
from models.support.team import Team
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.ids import encode
from tests.people import create_staff_viewer
from tests.schema.audited_fixtures import Scenario, operator_viewer, owner_with_step_up


async def _operator(scenario: Scenario) -> Viewer:
    scenario.operator = scenario.operator or await operator_viewer(scenario)
    return scenario.operator


async def calendar_create(scenario: Scenario) -> str:
    operator, hours = (
        await _operator(scenario),
        [{"weekday": "MONDAY", "opens": "09:00", "closes": "18:00"}],
    )
    for _ in range(2):
        payload = await scenario.mutate(
            operator,
            "calendarCreate",
            "calendar { id }",
            name="MARKED NAME",
            weeklyHours=hours,
            idempotencyKey="MARKED KEY",
        )
    return str(payload["calendar"]["id"])


async def calendar_update(scenario: Scenario) -> None:
    operator, calendar = await _operator(scenario), await calendar_create(scenario)
    for _ in range(2):
        await scenario.mutate(
            operator, "calendarUpdate", calendarId=calendar, name="MARKED OTHER NAME"
        )


async def calendar_set_default(scenario: Scenario) -> None:
    operator, calendar = await _operator(scenario), await calendar_create(scenario)
    for _ in range(2):
        await scenario.mutate(operator, "calendarSetDefault", calendarId=calendar)


async def closure_add(scenario: Scenario) -> str:
    operator, calendar = await _operator(scenario), await calendar_create(scenario)
    for _ in range(2):
        payload = await scenario.mutate(
            operator,
            "closureAdd",
            "closure { id }",
            calendarId=calendar,
            startsAt="2026-12-24T12:00:00Z",
            endsAt="2026-12-25T00:00:00Z",
            reason="MARKED REASON",
            idempotencyKey="MARKED KEY",
        )
    return str(payload["closure"]["id"])


async def closure_remove(scenario: Scenario) -> None:
    closure = await closure_add(scenario)
    await scenario.mutate(await _operator(scenario), "closureRemove", closureId=closure)


async def sla_policy_set(scenario: Scenario) -> str:
    operator = await _operator(scenario)
    for _ in range(2):
        payload = await scenario.mutate(
            operator,
            "slaPolicySet",
            "policy { id }",
            channel="CHAT",
            priority="URGENT",
            firstResponseMinutes=1,
        )
    return str(payload["policy"]["id"])


async def sla_policy_remove(scenario: Scenario) -> None:
    policy = await sla_policy_set(scenario)
    await scenario.mutate(await _operator(scenario), "slaPolicyRemove", policyId=policy)


async def canned_reply_create(scenario: Scenario) -> str:
    for _ in range(2):
        payload = await scenario.mutate(
            scenario.dataset.alice,
            "cannedReplyCreate",
            "cannedReply { id }",
            shortcut="marked",
            name="MARKED NAME",
            bodyFr="MARKED BODY",
            idempotencyKey="MARKED KEY",
        )
    return str(payload["cannedReply"]["id"])


async def canned_reply_update(scenario: Scenario) -> None:
    reply = await canned_reply_create(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice,
            "cannedReplyUpdate",
            cannedReplyId=reply,
            shortcut="marked",
            name="MARKED OTHER NAME",
            bodyEn="MARKED BODY",
        )


async def canned_reply_delete(scenario: Scenario) -> None:
    reply = await canned_reply_create(scenario)
    await scenario.mutate(scenario.dataset.alice, "cannedReplyDelete", cannedReplyId=reply)


async def automation_create(scenario: Scenario) -> str:
    for _ in range(2):
        payload = await scenario.mutate(
            await _operator(scenario),
            "automationCreate",
            "automation { id }",
            name="MARKED NAME",
            definition={
                "event": "CUSTOMER_REPLIED",
                "conditions": {"contains": ["MARKED TEXT"], "tags": ["marked"]},
                "exceptions": {"channel": ["CHAT"]},
                "actions": {"replyFr": "MARKED BODY"},
            },
            idempotencyKey="MARKED KEY",
        )
    return str(payload["automation"]["id"])


async def automation_update(scenario: Scenario) -> None:
    automation = await automation_create(scenario)
    definition = {"event": "TICKET_OPENED", "actions": {"note": "MARKED NOTE"}}
    for _ in range(2):
        await scenario.mutate(
            await _operator(scenario),
            "automationUpdate",
            automationId=automation,
            name="MARKED OTHER NAME",
            definition=definition,
        )


async def automation_set_enabled(scenario: Scenario) -> None:
    automation = await automation_create(scenario)
    for _ in range(2):
        await scenario.mutate(
            await _operator(scenario),
            "automationSetEnabled",
            automationId=automation,
            enabled=True,
        )


async def automation_move(scenario: Scenario) -> None:
    automation = await automation_create(scenario)
    await scenario.mutate(
        await _operator(scenario),
        "automationCreate",
        name="MARKED SECOND",
        definition={"event": "TICKET_OPENED", "actions": {"note": "MARKED NOTE"}},
        idempotencyKey="MARKED SECOND KEY",
    )
    for _ in range(2):
        await scenario.mutate(
            await _operator(scenario), "automationMove", automationId=automation, position=2
        )


async def automation_archive(scenario: Scenario) -> None:
    automation = await automation_create(scenario)
    for _ in range(2):
        await scenario.mutate(
            await _operator(scenario), "automationArchive", automationId=automation
        )


async def macro_create(scenario: Scenario) -> str:
    supervisor = await create_staff_viewer(scenario.action, "Sophie", Staff.SUPERVISOR)
    team = await Team.create(name="MARKED TEAM", created_at=scenario.action.at)
    at = scenario.action.at
    file = await File.create(
        key="a-file-of-a-macro",
        uploader=supervisor.user,
        name="MARKED FILE.pdf",
        content_type="application/pdf",
        size=1,
        created_at=at,
        uploaded_at=at,
        cleared_at=at,
    )
    for _ in range(2):
        payload = await scenario.mutate(
            supervisor,
            "macroCreate",
            "macro { id }",
            name="MARKED NAME",
            actions={"replyFr": "MARKED BODY", "addTags": ["marked"], "category": "BUG"},
            personal=False,
            teamId=encode("Team", team.pk),
            fileIds=[encode("File", file.pk)],
            idempotencyKey="MARKED KEY",
        )
    return str(payload["macro"]["id"])


async def macro_update(scenario: Scenario) -> None:
    macro = await macro_create(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.requests["macroCreate"][0],
            "macroUpdate",
            macroId=macro,
            name="MARKED OTHER NAME",
            actions={"note": "MARKED NOTE"},
            fileIds=[],
        )


async def macro_archive(scenario: Scenario) -> None:
    macro = await macro_create(scenario)
    for _ in range(2):
        await scenario.mutate(scenario.requests["macroCreate"][0], "macroArchive", macroId=macro)


async def macro_apply(scenario: Scenario) -> None:
    macro = await macro_create(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.requests["macroCreate"][0],
            "macroApply",
            macroId=macro,
            ticketId=scenario.dataset.paul.id(Ticket),
            idempotencyKey="MARKED KEY 2",
        )


async def message_edit(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "messageEdit",
            messageId=scenario.dataset.paul.id(Message),
            body="MARKED BODY",
        )


async def message_delete(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.owner, "messageDelete", messageId=scenario.dataset.paul.id(Message)
        )


async def account_export_messages(scenario: Scenario) -> None:
    await scenario.mutate(
        await owner_with_step_up(scenario), "accountExportMessages", format="JSON"
    )


async def ticket_export(scenario: Scenario) -> None:
    await scenario.mutate(
        scenario.owner,
        "ticketExport",
        ticketId=scenario.dataset.paul.id(Ticket),
        format="PDF",
    )


async def ticket_send_transcript(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "ticketSendTranscript",
            ticketId=scenario.dataset.paul.id(Ticket),
            idempotencyKey="MARKED KEY",
        )


async def ticket_claim(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice, "ticketClaim", ticketId=scenario.dataset.paul.id(Ticket)
        )


async def ticket_release(scenario: Scenario) -> None:
    await scenario.mutate(
        scenario.dataset.alice, "ticketClaim", ticketId=scenario.dataset.paul.id(Ticket)
    )
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice, "ticketRelease", ticketId=scenario.dataset.paul.id(Ticket)
        )


async def ticket_take_over(scenario: Scenario) -> None:
    sonia = await create_staff_viewer(scenario.action, "Sonia", Staff.SUPERVISOR)
    for _ in range(2):
        await scenario.mutate(sonia, "ticketTakeOver", ticketId=scenario.dataset.paul.id(Ticket))


async def ticket_transfer(scenario: Scenario) -> None:
    bruno = await create_staff_viewer(scenario.action, "Bruno", Staff.AGENT)
    for _ in range(2):
        await scenario.mutate(
            bruno,
            "ticketTransfer",
            ticketId=scenario.dataset.paul.id(Ticket),
            userId=encode("User", bruno.user_id or 0),
        )


async def ticket_update(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice,
            "ticketUpdate",
            ticketId=scenario.dataset.paul.id(Ticket),
            priority="HIGH",
        )


async def _create_team(scenario: Scenario) -> str:
    sonia = await create_staff_viewer(scenario.action, "Sonia", Staff.SUPERVISOR)
    payload = await scenario.mutate(
        sonia, "teamCreate", "team { id }", name="MARKED", idempotencyKey="k"
    )
    return str(payload["team"]["id"])


async def team_create(scenario: Scenario) -> None:
    await _create_team(scenario)


async def team_update(scenario: Scenario) -> None:
    team = await _create_team(scenario)
    operator = await operator_viewer(scenario)
    await scenario.mutate(operator, "teamUpdate", teamId=team, name="MARKED too")


async def team_archive(scenario: Scenario) -> None:
    team = await _create_team(scenario)
    operator = await operator_viewer(scenario)
    for _ in range(2):
        await scenario.mutate(operator, "teamArchive", teamId=team)


async def team_set_calendar(scenario: Scenario) -> None:
    team, calendar = await _create_team(scenario), await calendar_create(scenario)
    operator = await _operator(scenario)
    for _ in range(2):
        await scenario.mutate(operator, "teamSetCalendar", teamId=team, calendarId=calendar)


async def agent_update(scenario: Scenario) -> None:
    operator = await operator_viewer(scenario)
    alice = encode("User", scenario.dataset.alice.user_id or 0)
    await scenario.mutate(operator, "agentUpdate", userId=alice, chatCapacity=2)


async def _scheduled_reply(scenario: Scenario) -> str:
    payload = await scenario.mutate(
        scenario.dataset.alice,
        "scheduledReplyCreate",
        "scheduledReply { id }",
        ticketId=scenario.dataset.paul.id(Ticket),
        body="MARKED BODY",
        sendAt="2026-12-24T12:00:00Z",
        idempotencyKey="MARKED KEY",
    )
    return str(payload["scheduledReply"]["id"])


async def scheduled_reply_cancel(scenario: Scenario) -> None:
    reply = await _scheduled_reply(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice, "scheduledReplyCancel", scheduledReplyId=reply
        )


async def scheduled_reply_send(scenario: Scenario) -> None:
    reply = await _scheduled_reply(scenario)
    for _ in range(2):
        await scenario.mutate(scenario.dataset.alice, "scheduledReplySend", scheduledReplyId=reply)


async def ticket_change_category(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice,
            "ticketChangeCategory",
            ticketId=scenario.dataset.paul.id(Ticket),
            category="BUG",
        )


async def ticket_move(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice,
            "ticketMove",
            ticketId=scenario.dataset.paul.id(Ticket),
            status="SOLVED",
        )


async def ticket_close(scenario: Scenario) -> None:
    await scenario.mutate(scenario.owner, "ticketClose", ticketId=scenario.dataset.paul.id(Ticket))


async def file_announce(scenario: Scenario) -> None:
    await scenario.mutate(
        scenario.owner,
        "fileAnnounce",
        name="MARKED FILE.pdf",
        contentType="application/pdf",
        size=9,
    )


async def _unmatched_email(scenario: Scenario, status: IncomingEmailStatus) -> str:
    email = await IncomingEmail.create(
        source=IncomingEmailSource.LMTP,
        size=3,
        fingerprint="-",
        sender="marked@elsewhere.example",
        subject="MARKED",
        text="MARKED",
        status=status,
        received_at=scenario.action.at,
    )
    return encode("IncomingEmail", email.pk)


async def incoming_email_link(scenario: Scenario) -> None:
    email_id = await _unmatched_email(scenario, IncomingEmailStatus.UNMATCHED)
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice,
            "incomingEmailLink",
            incomingEmailId=email_id,
            accountId=scenario.dataset.paul.id(Account),
            requesterId=encode("User", scenario.dataset.paul.owner.user_id or 0),
        )


async def incoming_email_dismiss(scenario: Scenario) -> None:
    email_id = await _unmatched_email(scenario, IncomingEmailStatus.UNMATCHED)
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice, "incomingEmailDismiss", incomingEmailId=email_id
        )


async def incoming_email_retry(scenario: Scenario) -> None:
    email_id = await _unmatched_email(scenario, IncomingEmailStatus.FAILED)
    viewer = await operator_viewer(scenario)
    for _ in range(2):
        await scenario.mutate(viewer, "incomingEmailRetry", incomingEmailId=email_id)


async def status_board_renew_link(scenario: Scenario) -> None:
    await scenario.mutate(scenario.owner, "statusBoardRenewLink")


async def status_board_turn_off(scenario: Scenario) -> None:
    await status_board_renew_link(scenario)
    for _ in range(2):
        await scenario.mutate(scenario.owner, "statusBoardTurnOff")


async def ticket_merge(scenario: Scenario) -> None:
    payload = await scenario.mutate(
        scenario.owner,
        "ticketOpen",
        "ticket { id }",
        subject="MARKED",
        body="MARKED",
        idempotencyKey="MARKED KEY",
    )
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice,
            "ticketMerge",
            ticketId=scenario.dataset.paul.id(Ticket),
            intoTicketId=payload["ticket"]["id"],
        )


async def ticket_split(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice,
            "ticketSplit",
            ticketId=scenario.dataset.paul.id(Ticket),
            messageIds=[scenario.dataset.paul.id(Message)],
            subject="MARKED SUBJECT",
            category="BUG",
            idempotencyKey="MARKED KEY",
        )


async def ticket_unmerge(scenario: Scenario) -> None:
    await ticket_merge(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice, "ticketUnmerge", ticketId=scenario.dataset.paul.id(Ticket)
        )


async def ticket_escalate(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "ticketEscalate",
            ticketId=scenario.dataset.paul.id(Ticket),
            details="MARKED DETAILS",
            stepsTried="MARKED STEPS",
            idempotencyKey="MARKED KEY",
        )


async def ticket_resolve_escalation(scenario: Scenario) -> None:
    await ticket_escalate(scenario)
    supervisor = await create_staff_viewer(scenario.action, "Sophie", Staff.SUPERVISOR)
    await scenario.mutate(
        supervisor,
        "ticketResolveEscalation",
        ticketId=scenario.dataset.paul.id(Ticket),
        outcome="MARKED OUTCOME",
    )


async def _reported_call(scenario: Scenario) -> str:
    call = await Call.create(
        direction=CallDirection.INBOUND,
        outcome=CallOutcome.MISSED,
        number="+33142685300",
        started_at=scenario.action.at,
        duration_seconds=0,
        created_at=scenario.action.at,
    )
    return encode("Call", call.pk)


async def call_link(scenario: Scenario) -> None:
    call_id = await _reported_call(scenario)
    target = {"ticketId": scenario.dataset.paul.id(Ticket)}
    for _ in range(2):
        await scenario.mutate(scenario.dataset.alice, "callLink", callId=call_id, target=target)


async def call_dismiss(scenario: Scenario) -> None:
    call_id = await _reported_call(scenario)
    for _ in range(2):
        await scenario.mutate(scenario.dataset.alice, "callDismiss", callId=call_id)


async def phone_number_add(scenario: Scenario) -> str:
    for _ in range(2):
        payload = await scenario.mutate(
            scenario.owner, "phoneNumberAdd", "phoneNumber { id }", number="01 42 68 53 00"
        )
    return str(payload["phoneNumber"]["id"])


async def phone_number_remove(scenario: Scenario) -> None:
    number_id = await phone_number_add(scenario)
    await scenario.mutate(scenario.owner, "phoneNumberRemove", phoneNumberId=number_id)
