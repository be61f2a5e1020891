"""A repeated request returns the result of the first one and does nothing twice. A key that is
repeated with other arguments is refused.
"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from graphql import get_named_type

from engine import Engine, Params
from models.action import Action
from models.billing.offer import Price
from models.identity.user import User
from models.operations.email import Email
from models.support.file import File
from models.viewer import Viewer
from operations.retention import delete_due
from resolvers.context import Context, Services
from resolvers.ids import encode
from tests.schema.audited_fixtures import (
    MUTATIONS,
    PEER,
    Scenario,
    member_id,
    member_with_password,
    member_with_totp,
    operator_viewer,
    owner_viewer,
)
from tests.schema.conftest import Dataset

SIGN_UP_FORM = {
    "email": "new@mark.example",
    "password": "corneille sabot pluvier 42",
    "name": "Noé",
    "legalName": "Atelier Noé",
    "siren": "732829320",
}
# docs/decisions/0024-idempotency.md gives the reason for each.
MUTATIONS_WITHOUT_KEY = {
    "changes the state of a row, so a repeat changes nothing": {
        "accountChangeAddress",
        "accountChangeIdentifiers",
        "accountChangeTradeName",
        "accountDeactivate",
        "accountLeave",
        "accountReactivate",
        "accountScheduleDeletion",
        "accountTransferOwnership",
        "agentUpdate",
        "articleGiveFeedback",
        "articlePublish",
        "articleUnpublish",
        "articleUpdate",
        "authenticatorRemove",
        "authenticatorRename",
        "automationArchive",
        "automationMove",
        "automationSetEnabled",
        "automationUpdate",
        "bankLineDismiss",
        "calendarSetDefault",
        "callDismiss",
        "callLink",
        "calendarUpdate",
        "closureRemove",
        "bankLineMatchReversal",
        "bankLineUndo",
        "refundMarkFailed",
        "restrictionLift",
        "refundMarkSent",
        "consentUpdate",
        "dataRequestCarryOut",
        "dataRequestDecide",
        "dataRequestExtend",
        "disputeReject",
        "emailRetry",
        "incidentDecide",
        "incidentMove",
        "incidentAuthorityNoticeEdit",
        "incidentNoticeConfirmSending",  # a repeat sends nothing more
        "incidentNoticeRecordSent",
        "incidentNoticeRequestSending",
        "incidentPeopleNoticeEdit",
        "incidentRecordNotification",
        "incidentUpdate",
        "incomingEmailDismiss",
        "incomingEmailLink",
        "incomingEmailRetry",
        "invitationRevoke",
        "invoiceDeliveryRetry",
        "invoiceRecipientRemove",
        "legalNameChangeAddEvidence",
        "legalNameChangeCancel",
        "mailingStop",
        "memberChangeRole",
        "memberRemove",
        "messageDelete",
        "messageEdit",
        "offerPublish",
        "offerReorder",
        "offerUpdate",
        "offerWithdraw",
        "paymentCancel",
        "paymentConfirm",
        "paymentMethodConfirm",
        "paymentMethodRemove",
        "paymentMethodSetDefault",
        "paymentRefresh",
        "phoneNumberAdd",
        "phoneNumberRemove",
        "policyAccept",
        "priceDelete",
        "priceEnd",
        "promotionDeactivate",
        "providerEventRetry",
        "purchaseApplyPromotion",
        "purchaseCancel",
        "purchaseCancelChange",
        "purchaseConfirmBilling",
        "purchaseGrantAccess",
        "purchaseDiscard",
        "purchasePause",
        "purchaseReprice",
        "purchaseUndoCancellation",
        "purchaseUpdateBilling",
        "pushDeviceRemove",
        "pushDeviceSubscribe",  # a repeat returns the same device
        "pushDeviceUpdate",
        "reactionAdd",
        "reactionRemove",
        "savedFilterDelete",
        "apiKeyRevoke",
        "serviceAccountDelete",
        "serviceAccountUpdate",
        "savedQueryDelete",
        "savedQueryUpdate",
        "queryScheduleDelete",
        "queryScheduleUpdate",
        "webhookDeliveryReplay",  # a repeat sends it under the same ID
        "webhookEndpointDelete",
        "webhookEndpointUpdate",
        "savedFilterUpdate",
        "scheduledReplyCancel",
        "scheduledReplySend",
        "scheduledReplyUpdate",
        "sessionEnd",
        "sessionEndOthers",
        "sessionSignOut",
        "slaPolicyRemove",
        "slaPolicySet",
        "staffChangeRole",
        "statusBoardTurnOff",
        "staffDismiss",
        "agentSetChatAvailability",
        "ticketChangeCategory",
        "ticketClaim",
        "ticketClose",
        "ticketMarkRead",
        "ticketMerge",
        "ticketMove",
        "ticketRate",
        "ticketRelease",
        "ticketResolveEscalation",
        "cannedReplyDelete",
        "cannedReplyUpdate",
        "macroArchive",
        "macroUpdate",
        "draftDiscard",
        "draftSave",
        "ticketSnooze",
        "ticketTakeOver",
        "ticketUnmerge",
        "ticketWake",
        "ticketTransfer",
        "ticketUpdate",
        "webinarCancel",
        "webinarSchedule",
        "webinarSignUp",
        "webinarWithdraw",
        "teamArchive",
        "teamSetCalendar",
        "teamUpdate",
    },
    "is carried out by a token, code, challenge or password that works once": {
        "emailConfirmChange",
        "emailVerify",
        "invitationAccept",
        "passkeyRegister",
        "passwordChange",
        "passwordReset",
        "sessionRefresh",
        "sessionSignInWithPasskey",
        "totpConfirm",
    },
    "returns a secret that is stored as a hash only, so a repeat can't return it": {
        "passkeyBegin",
        "passkeyChallenge",
        "recoveryCodesRenew",
        "sessionSignIn",
        "sessionStepUp",
        "sessionSwitchAccount",
        "totpSetUp",
    },
    "replaces a link, of which only the latest works, and a repeat returns that": {
        "statusBoardRenewLink",
    },
    "is neither stored nor sent": {
        "accountExportInvoices",
        "accountExportMessages",
        "accountExportMovements",
        "incidentNoticeExport",
        "personalDataExport",
        "ticketExport",
        "clockAdvance",
        "fecExport",
        "ticketTyping",
    },
}


@pytest.fixture
def scenario(
    dataset: Dataset, services: Services, engine: Engine, price: Price, action: Action
) -> Scenario:
    return Scenario(dataset, services, engine, price, action)


async def codes(
    scenario: Scenario, viewer: Viewer, name: str, peer: str = PEER, /, **arguments: Any
) -> list[str]:
    """The codes of a mutation's user errors."""
    kind = MUTATIONS[name].args["input"].type
    query = f"mutation($i: {kind}) {{ {name}(input: $i) {{ userErrors {{ code }} }} }}"
    operation = scenario.engine.prepare(Params(query, variables={"i": arguments}))
    response = await scenario.engine.execute(operation, Context(viewer, scenario.services, peer))
    assert "errors" not in response, response
    return [error["code"] for error in response["data"][name]["userErrors"]]


def test_every_other_mutation_takes_a_key() -> None:
    def takes_a_key(name: str) -> bool:
        arguments = MUTATIONS[name].args
        fields = get_named_type(arguments["input"].type).fields if arguments else {}
        return bool({"idempotencyKey", "clientMessageId"} & set(fields))

    without_key = set().union(*MUTATIONS_WITHOUT_KEY.values())
    assert {name for name in MUTATIONS if not takes_a_key(name)} == without_key


async def test_a_repeated_sign_up_sends_one_email(scenario: Scenario) -> None:
    for _ in range(2):
        assert (
            await codes(scenario, Viewer(), "accountSignUp", **SIGN_UP_FORM, idempotencyKey="k")
            == []
        )
    assert await Email.filter(recipient=SIGN_UP_FORM["email"]).count() == 1
    other = {**SIGN_UP_FORM, "name": "Léa"}
    assert await codes(scenario, Viewer(), "accountSignUp", **other, idempotencyKey="k") == [
        "IDEMPOTENCY_MISMATCH"
    ]
    assert await codes(scenario, Viewer(), "accountSignUp", **other, idempotencyKey="l") == []
    assert await Email.filter(recipient=SIGN_UP_FORM["email"]).count() == 2


async def test_keys_are_kept_for_30_days(scenario: Scenario) -> None:
    """After that the same key belongs to a new request."""
    now = scenario.services.clock.now()
    assert (
        await codes(scenario, Viewer(), "accountSignUp", **SIGN_UP_FORM, idempotencyKey="k") == []
    )
    assert (await delete_due(now + timedelta(days=30)))["idempotency_key"] == 0
    assert (
        await codes(scenario, Viewer(), "accountSignUp", **SIGN_UP_FORM, idempotencyKey="k") == []
    )
    assert await Email.filter(recipient=SIGN_UP_FORM["email"]).count() == 1
    assert (await delete_due(now + timedelta(days=31)))["idempotency_key"] > 0
    assert (
        await codes(scenario, Viewer(), "accountSignUp", **SIGN_UP_FORM, idempotencyKey="k") == []
    )
    assert await Email.filter(recipient=SIGN_UP_FORM["email"]).count() == 2


async def test_two_sign_ups_at_once_send_one_email(scenario: Scenario) -> None:
    responses = await asyncio.gather(
        *(
            codes(scenario, Viewer(), "accountSignUp", **SIGN_UP_FORM, idempotencyKey="k")
            for _ in range(2)
        )
    )
    assert responses == [[], []]
    assert await Email.filter(recipient=SIGN_UP_FORM["email"]).count() == 1
    assert await User.filter(email=SIGN_UP_FORM["email"]).count() == 1


@pytest.mark.parametrize(
    "name", ["emailRequestVerification", "passwordRequestReset", "sessionRequestUnlock"]
)
async def test_a_key_without_a_session_counts_for_one_network_and_address(
    scenario: Scenario, name: str
) -> None:
    """A stranger elsewhere neither uses up a key nor learns from it whether an address is known."""
    verified_at = None if name == "emailRequestVerification" else scenario.action.at
    user = await member_with_password(scenario, email_verified_at=verified_at)
    for email in (user.email, "unknown@mark.example"):
        for peer in (PEER, PEER, "192.0.2.1"):
            assert (
                await codes(scenario, Viewer(), name, peer, email=email, idempotencyKey="k") == []
            )
    assert await Email.filter(recipient=user.email).count() == 2  # one for each network
    requests = (
        codes(scenario, Viewer(), name, email=user.email, idempotencyKey="together")
        for _ in range(2)
    )
    assert await asyncio.gather(*requests) == [[], []]
    assert await Email.filter(recipient=user.email).count() == 3


async def test_a_change_of_address_that_is_requested_again_keeps_its_emails_valid(
    scenario: Scenario,
) -> None:
    viewer = await owner_viewer(scenario)
    for _ in range(2):
        arguments = {"email": "moved@mark.example", "idempotencyKey": "k"}
        assert await codes(scenario, viewer, "emailRequestChange", **arguments) == []
    assert await Email.filter(recipient="moved@mark.example").count() == 1
    arguments = {"email": "elsewhere@mark.example", "idempotencyKey": "k"}
    assert await codes(scenario, viewer, "emailRequestChange", **arguments) == [
        "IDEMPOTENCY_MISMATCH"
    ]


async def test_a_late_repeat_ends_no_newer_session_and_resets_no_newer_factor(
    scenario: Scenario,
) -> None:
    operator, user = await operator_viewer(scenario), member_id(scenario)
    await member_with_totp(scenario)
    reset = {"userId": user, "reason": "REQUESTED", "idempotencyKey": "k"}
    assert await codes(scenario, operator, "userResetSecondFactor", **reset) == []
    await member_with_totp(scenario)
    assert await codes(scenario, operator, "userResetSecondFactor", **reset) == []
    assert (await member_with_password(scenario)).second_factor
    first = await scenario.mutate(
        operator, "userEndSessions", "ended", userId=user, reason="SECURITY", idempotencyKey="k"
    )
    repeated_payload = await scenario.mutate(
        operator, "userEndSessions", "ended", userId=user, reason="SECURITY", idempotencyKey="k"
    )
    assert first == repeated_payload
    other = {
        "userId": encode("User", scenario.owner.user_id or 0),
        "reason": "SECURITY",
        "idempotencyKey": "k",
    }
    assert await codes(scenario, operator, "userEndSessions", **other) == ["IDEMPOTENCY_MISMATCH"]


async def test_a_file_is_announced_once(scenario: Scenario) -> None:
    arguments: dict[str, Any] = {
        "name": "a.pdf",
        "contentType": "application/pdf",
        "size": 9,
        "idempotencyKey": "k",
    }
    before = await File.all().count()
    payloads = await asyncio.gather(
        *(
            scenario.mutate(scenario.owner, "fileAnnounce", "file { id }", **arguments)
            for _ in range(2)
        )
    )
    assert payloads[0] == payloads[1]
    assert await File.all().count() == before + 1
    assert await codes(scenario, scenario.owner, "fileAnnounce", **{**arguments, "size": 10}) == [
        "IDEMPOTENCY_MISMATCH"
    ]
    marie = await scenario.mutate(
        scenario.dataset.marie.owner, "fileAnnounce", "file { id }", **arguments
    )
    assert marie["file"] != payloads[0]["file"]
