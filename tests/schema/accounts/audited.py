"""An example of each audited mutation of accounts, in a function with the mutation's name."""

from typing import TYPE_CHECKING

from auth import sessions
from models.accounts.invitation import Invitation
from models.identity.user import User
from models.support.file import File
from models.viewer import Viewer
from resolvers.ids import encode
from tests.people import PASSWORD
from tests.schema.audited_fixtures import (
    Scenario,
    agent_viewer,
    member_id,
    member_with_password,
    operator_viewer,
    owner_viewer,
    owner_with_step_up,
)

if TYPE_CHECKING:
    pass


async def account_sign_up(scenario: Scenario) -> None:
    form = {
        "email": "new@mark.example",
        "name": "MARKED NAME",
        "legalName": "MARKED LEGAL",
        "siren": "552 100 554",
    }
    await scenario.mutate(Viewer(), "accountSignUp", password=PASSWORD, **form)


async def invitation_send(scenario: Scenario) -> str:
    for _ in range(2):
        input_fields = {
            "email": "marked@mark.example",
            "role": "MEMBER",
            "idempotencyKey": "MARKED KEY",
        }
        await scenario.mutate(scenario.owner, "invitationSend", **input_fields)
    return encode("Invitation", (await Invitation.get(email="marked@mark.example")).pk)


async def invitation_resend(scenario: Scenario) -> None:
    invitation = await invitation_send(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "invitationResend",
            invitationId=invitation,
            idempotencyKey="MARKED AGAIN",
        )


async def invitation_revoke(scenario: Scenario) -> None:
    invitation = await invitation_send(scenario)
    for _ in range(2):
        await scenario.mutate(scenario.owner, "invitationRevoke", invitationId=invitation)


async def invitation_accept(scenario: Scenario) -> None:
    await invitation_send(scenario)
    token = "cam_in_marked"
    await Invitation.filter(email="marked@mark.example").update(
        token_hash=sessions.token_hash(token)
    )
    for _ in range(2):
        await scenario.mutate(
            Viewer(), "invitationAccept", token=token, name="MARKED NAME", password=PASSWORD
        )


async def member_change_role(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.owner, "memberChangeRole", userId=member_id(scenario), role="ADMIN"
        )


async def member_remove(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(scenario.owner, "memberRemove", userId=member_id(scenario))


async def account_leave(scenario: Scenario) -> None:
    await scenario.mutate(scenario.dataset.paul.member, "accountLeave")


async def account_transfer_ownership(scenario: Scenario) -> None:
    await scenario.mutate(
        await owner_with_step_up(scenario), "accountTransferOwnership", userId=member_id(scenario)
    )


async def member_reset_second_factor(scenario: Scenario) -> None:
    await member_with_password(scenario, second_factor_at=scenario.action.at)
    for _ in range(2):
        await scenario.mutate(
            await owner_with_step_up(scenario),
            "memberResetSecondFactor",
            userId=member_id(scenario),
            idempotencyKey="1",
        )


async def user_reset_second_factor(scenario: Scenario) -> None:
    await member_with_password(scenario, second_factor_at=scenario.action.at)
    viewer = await operator_viewer(scenario)
    for _ in range(2):
        await scenario.mutate(
            viewer,
            "userResetSecondFactor",
            userId=member_id(scenario),
            reason="REQUESTED",
            idempotencyKey="1",
        )


async def account_change_trade_name(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(scenario.owner, "accountChangeTradeName", tradeName="MARKED")


async def account_change_address(scenario: Scenario) -> None:
    address = {"street": "MARKED", "postalCode": "75001", "city": "MARKED"}
    for _ in range(2):
        await scenario.mutate(scenario.owner, "accountChangeAddress", address=address)


async def account_change_identifiers(scenario: Scenario) -> None:
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "accountChangeIdentifiers",
            siret="40483304800022",
            vatNumber="FR83404833048",
        )


async def account_request_legal_name(scenario: Scenario) -> str:
    viewer = await owner_viewer(scenario)
    for _ in range(2):
        input_fields = {"legalName": "MARKED SARL", "idempotencyKey": "k"}
        payload = await scenario.mutate(
            viewer, "accountRequestLegalName", "change { id }", **input_fields
        )
    return str(payload["change"]["id"])


async def legal_name_change_add_evidence(scenario: Scenario) -> str:
    change_id = await account_request_legal_name(scenario)
    assert scenario.owner.user
    kbis = await File.create(
        key="kbis",
        uploader=scenario.owner.user,
        account=scenario.owner.account,
        name="MARKED.pdf",
        size=3,
        content_type="application/pdf",
        created_at=scenario.action.at,
        uploaded_at=scenario.action.at,
        cleared_at=scenario.action.at,
    )
    await scenario.mutate(
        scenario.owner,
        "legalNameChangeAddEvidence",
        changeId=change_id,
        fileIds=[encode("File", kbis.pk)],
    )
    return change_id


async def legal_name_change_cancel(scenario: Scenario) -> None:
    change_id = await account_request_legal_name(scenario)
    for _ in range(2):
        await scenario.mutate(scenario.owner, "legalNameChangeCancel", changeId=change_id)


async def legal_name_change_decide(scenario: Scenario) -> None:
    change_id = await legal_name_change_add_evidence(scenario)
    viewer = await agent_viewer(scenario)
    for _ in range(2):
        await scenario.mutate(
            viewer,
            "legalNameChangeDecide",
            changeId=change_id,
            decision="ACCEPT",
            reason="MARKED",
            idempotencyKey="1",
        )


async def account_deactivate(scenario: Scenario) -> None:
    viewer = await agent_viewer(scenario)
    for _ in range(2):
        await scenario.mutate(
            viewer,
            "accountDeactivate",
            accountId=encode("Account", scenario.dataset.paul.account.pk),
            reason="SECURITY",
            message="MARKED",
        )


async def account_reactivate(scenario: Scenario) -> None:
    await account_deactivate(scenario)
    viewer = await agent_viewer(scenario)
    for _ in range(2):
        await scenario.mutate(
            viewer,
            "accountReactivate",
            accountId=encode("Account", scenario.dataset.paul.account.pk),
        )


async def account_decline_reactivation(scenario: Scenario) -> None:
    await account_deactivate(scenario)
    account = encode("Account", scenario.dataset.paul.account.pk)
    session = await sessions.sign_in(scenario.owner.user, None, False, scenario.action)  # type: ignore[arg-type] # she is signed in
    viewer = Viewer(scenario.owner.user, session=session.session)
    input_fields = {"accountId": account, "message": "MARKED", "idempotencyKey": "k"}
    await scenario.mutate(viewer, "accountRequestReactivation", **input_fields)
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.alice,
            "accountDeclineReactivation",
            accountId=account,
            reason="MARKED",
            idempotencyKey="1",
        )


async def account_schedule_deletion(scenario: Scenario) -> None:
    input_fields = {"message": "MARKED", "idempotencyKey": "k"}
    payload = await scenario.mutate(
        await owner_viewer(scenario), "accountRequestDeletion", "ticket { id }", **input_fields
    )
    account, ticket = encode("Account", scenario.dataset.paul.account.pk), payload["ticket"]["id"]
    for _ in range(2):
        await scenario.mutate(
            await agent_viewer(scenario),
            "accountScheduleDeletion",
            accountId=account,
            ticketId=ticket,
        )


async def staff_hire(scenario: Scenario) -> Viewer:
    viewer = await operator_viewer(scenario)
    for _ in range(2):
        input_fields = {
            "email": "hired@mark.example",
            "name": "MARKED",
            "role": "AGENT",
            "idempotencyKey": "MARKED KEY",
        }
        await scenario.mutate(viewer, "staffHire", **input_fields)
    return viewer


async def staff_change_role(scenario: Scenario) -> None:
    viewer = await staff_hire(scenario)
    user_id = encode("User", (await User.get(email="hired@mark.example")).pk)
    for _ in range(2):
        await scenario.mutate(viewer, "staffChangeRole", userId=user_id, role="ANALYST")


async def staff_dismiss(scenario: Scenario) -> None:
    viewer = await staff_hire(scenario)
    user_id = encode("User", (await User.get(email="hired@mark.example")).pk)
    for _ in range(2):
        await scenario.mutate(viewer, "staffDismiss", userId=user_id)


async def user_end_sessions(scenario: Scenario) -> None:
    await scenario.mutate(
        await operator_viewer(scenario),
        "userEndSessions",
        userId=member_id(scenario),
        reason="SECURITY",
        idempotencyKey="1",
    )


async def service_account_create(scenario: Scenario) -> None:
    for _ in range(2):
        await _service_account(scenario)


async def _service_account(scenario: Scenario) -> str:
    """The ID of a service account of Paul's company."""
    payload = await scenario.mutate(
        scenario.owner,
        "serviceAccountCreate",
        "serviceAccount { id }",
        name="MARKED SYSTEM",
        description="MARKED DESCRIPTION",
        idempotencyKey="MARKED",
    )
    return str(payload["serviceAccount"]["id"])


async def service_account_update(scenario: Scenario) -> None:
    service_account = await _service_account(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.owner,
            "serviceAccountUpdate",
            serviceAccountId=service_account,
            name="MARKED OTHER",
        )


async def service_account_delete(scenario: Scenario) -> None:
    service_account = await _service_account(scenario)
    await scenario.mutate(
        await owner_with_step_up(scenario),
        "serviceAccountDelete",
        serviceAccountId=service_account,
    )


async def api_key_create(scenario: Scenario) -> None:
    for _ in range(2):
        await _api_key(scenario)


async def _api_key(scenario: Scenario) -> str | None:
    """The ID of a key of that service account."""
    payload = await scenario.mutate(
        await owner_with_step_up(scenario),
        "apiKeyCreate",
        "apiKey { id }",
        serviceAccountId=await _service_account(scenario),
        name="MARKED KEY",
        scopes=["READ_BILLING"],
        idempotencyKey="MARKED",
    )
    return payload["apiKey"] and str(payload["apiKey"]["id"])


async def api_key_revoke(scenario: Scenario) -> None:
    key = await _api_key(scenario)
    for _ in range(2):
        await scenario.mutate(await owner_with_step_up(scenario), "apiKeyRevoke", apiKeyId=key)
