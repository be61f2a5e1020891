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
    Stage,
    answering,
    known,
    managing,
    member_id,
    operating,
    proved,
)

if TYPE_CHECKING:
    pass


async def account_sign_up(stage: Stage) -> None:
    form = {
        "email": "new@mark.example",
        "name": "MARKED NAME",
        "legalName": "MARKED LEGAL",
        "siren": "552 100 554",
    }
    await stage.do(Viewer(), "accountSignUp", password=PASSWORD, **form)


async def invitation_send(stage: Stage) -> str:
    for _ in range(2):
        given = {"email": "marked@mark.example", "role": "MEMBER", "idempotencyKey": "MARKED KEY"}
        await stage.do(stage.owner, "invitationSend", **given)
    return encode("Invitation", (await Invitation.get(email="marked@mark.example")).pk)


async def invitation_resend(stage: Stage) -> None:
    invitation = await invitation_send(stage)
    for _ in range(2):
        await stage.do(
            stage.owner, "invitationResend", invitationId=invitation, idempotencyKey="MARKED AGAIN"
        )


async def invitation_revoke(stage: Stage) -> None:
    invitation = await invitation_send(stage)
    for _ in range(2):
        await stage.do(stage.owner, "invitationRevoke", invitationId=invitation)


async def invitation_accept(stage: Stage) -> None:
    await invitation_send(stage)
    token = "cam_in_marked"
    await Invitation.filter(email="marked@mark.example").update(
        token_hash=sessions.token_hash(token)
    )
    for _ in range(2):
        await stage.do(
            Viewer(), "invitationAccept", token=token, name="MARKED NAME", password=PASSWORD
        )


async def member_change_role(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.owner, "memberChangeRole", userId=member_id(stage), role="ADMIN")


async def member_remove(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.owner, "memberRemove", userId=member_id(stage))


async def account_leave(stage: Stage) -> None:
    await stage.do(stage.dataset.paul.member, "accountLeave")


async def account_transfer_ownership(stage: Stage) -> None:
    await stage.do(await proved(stage), "accountTransferOwnership", userId=member_id(stage))


async def member_reset_second_factor(stage: Stage) -> None:
    await known(stage, second_factor_at=stage.action.at)
    for _ in range(2):
        await stage.do(
            await proved(stage),
            "memberResetSecondFactor",
            userId=member_id(stage),
            idempotencyKey="1",
        )


async def user_reset_second_factor(stage: Stage) -> None:
    await known(stage, second_factor_at=stage.action.at)
    viewer = await operating(stage)
    for _ in range(2):
        await stage.do(viewer, "userResetSecondFactor", userId=member_id(stage), idempotencyKey="1")


async def account_change_trade_name(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.owner, "accountChangeTradeName", tradeName="MARKED")


async def account_change_address(stage: Stage) -> None:
    address = {"street": "MARKED", "postalCode": "75001", "city": "MARKED"}
    for _ in range(2):
        await stage.do(stage.owner, "accountChangeAddress", address=address)


async def account_change_identifiers(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(
            stage.owner,
            "accountChangeIdentifiers",
            siret="40483304800022",
            vatNumber="FR83404833048",
        )


async def account_request_legal_name(stage: Stage) -> str:
    viewer = await managing(stage)
    for _ in range(2):
        given = {"legalName": "MARKED SARL", "idempotencyKey": "k"}
        payload = await stage.do(viewer, "accountRequestLegalName", "change { id }", **given)
    return str(payload["change"]["id"])


async def legal_name_change_add_evidence(stage: Stage) -> str:
    change = await account_request_legal_name(stage)
    assert stage.owner.user
    kbis = await File.create(
        key="kbis",
        uploader=stage.owner.user,
        account=stage.owner.account,
        name="MARKED.pdf",
        size=3,
        content_type="application/pdf",
        created_at=stage.action.at,
        uploaded_at=stage.action.at,
        cleared_at=stage.action.at,
    )
    await stage.do(
        stage.owner,
        "legalNameChangeAddEvidence",
        changeId=change,
        fileIds=[encode("File", kbis.pk)],
    )
    return change


async def legal_name_change_cancel(stage: Stage) -> None:
    change = await account_request_legal_name(stage)
    for _ in range(2):
        await stage.do(stage.owner, "legalNameChangeCancel", changeId=change)


async def legal_name_change_decide(stage: Stage) -> None:
    change = await legal_name_change_add_evidence(stage)
    for _ in range(2):
        await stage.do(
            stage.dataset.alice,
            "legalNameChangeDecide",
            changeId=change,
            decision="ACCEPT",
            reason="MARKED",
            idempotencyKey="1",
        )


async def account_deactivate(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(
            stage.dataset.alice,
            "accountDeactivate",
            accountId=encode("Account", stage.dataset.paul.account.pk),
        )


async def account_reactivate(stage: Stage) -> None:
    await account_deactivate(stage)
    for _ in range(2):
        await stage.do(
            stage.dataset.alice,
            "accountReactivate",
            accountId=encode("Account", stage.dataset.paul.account.pk),
        )


async def account_decline_reactivation(stage: Stage) -> None:
    await account_deactivate(stage)
    account = encode("Account", stage.dataset.paul.account.pk)
    session = await sessions.sign_in(stage.owner.user, None, False, stage.action)  # type: ignore[arg-type] # she is signed in
    asking = Viewer(stage.owner.user, session=session.session)
    given = {"accountId": account, "message": "MARKED", "idempotencyKey": "k"}
    await stage.do(asking, "accountRequestReactivation", **given)
    for _ in range(2):
        await stage.do(
            stage.dataset.alice,
            "accountDeclineReactivation",
            accountId=account,
            reason="MARKED",
            idempotencyKey="1",
        )


async def account_schedule_deletion(stage: Stage) -> None:
    given = {"message": "MARKED", "idempotencyKey": "k"}
    payload = await stage.do(
        await managing(stage), "accountRequestDeletion", "ticket { id }", **given
    )
    account, ticket = encode("Account", stage.dataset.paul.account.pk), payload["ticket"]["id"]
    for _ in range(2):
        await stage.do(
            await answering(stage), "accountScheduleDeletion", accountId=account, ticketId=ticket
        )


async def staff_hire(stage: Stage) -> Viewer:
    viewer = await operating(stage)
    for _ in range(2):
        given = {
            "email": "hired@mark.example",
            "name": "MARKED",
            "role": "AGENT",
            "idempotencyKey": "MARKED KEY",
        }
        await stage.do(viewer, "staffHire", **given)
    return viewer


async def staff_change_role(stage: Stage) -> None:
    viewer = await staff_hire(stage)
    hired = encode("User", (await User.get(email="hired@mark.example")).pk)
    for _ in range(2):
        await stage.do(viewer, "staffChangeRole", userId=hired, role="ANALYST")


async def staff_dismiss(stage: Stage) -> None:
    viewer = await staff_hire(stage)
    hired = encode("User", (await User.get(email="hired@mark.example")).pk)
    for _ in range(2):
        await stage.do(viewer, "staffDismiss", userId=hired)


async def user_end_sessions(stage: Stage) -> None:
    await stage.do(
        await operating(stage), "userEndSessions", userId=member_id(stage), idempotencyKey="1"
    )
