"""Every mutation is audited or says why not, and everybody reads of the log what is theirs to read."""

import ast
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyotp
import pytest
from strawberry.types.field import StrawberryField
from structlog.testing import capture_logs

from accounts import registration
from auth import sessions
from auth.factors import totp
from engine import Engine, Params
from models.accounts.account import Account, Membership, Role
from models.accounts.invitation import Invitation
from models.action import Action
from models.audit import TOLD, AuditEntry
from models.audit_action import AuditAction
from models.billing.audit_actions import BillingAuditAction
from models.billing.offer import Price
from models.billing.payment import Payment
from models.clock import SystemClock
from models.content.policy import Policy
from models.database.sql import dialect, rows
from models.identity.access_links import EmailChange, PasswordReset
from models.identity.authenticator import Authenticator
from models.identity.session import Session
from models.identity.user import Staff, User
from models.operations.email import Email
from models.support.file import File
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Context, Services
from resolvers.ids import encode
from resolvers.operations.enums import AnyAuditAction
from schema.fields import Unaudited
from schema.root import schema
from tests.auth.factors.passkey_device import Device
from tests.schema.conftest import Company, House, out_of_date, person, signed_in

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Ask

ROOT = Path(__file__).parents[3]
PASSWORD = "corneille sabot pluvier 42"
PEER = "198.51.100.7"
UNAUDITED = {  # each says why in schema/root.py
    "accountRequestDeactivation", "accountRequestDeletion", "accountRequestReactivation", "passkeyBegin", "passkeyChallenge",
    "ticketOpen", "ticketReply", "ticketTyping",
}  # fmt: skip
MUTATIONS = schema._schema.mutation_type.fields  # type: ignore[union-attr] # there are some


def declared(name: str) -> AuditAction | Unaudited:
    field = MUTATIONS[name].extensions["strawberry-definition"]
    assert isinstance(field, StrawberryField)
    found: AuditAction | Unaudited = field.metadata["audit"]
    return found


@dataclass
class Stage:
    """Whatever a mutation needs to be carried out."""

    house: House
    services: Services
    engine: Engine
    price: Price
    action: Action

    @property
    def owner(self) -> Viewer:
        return self.house.paul.owner

    async def do(self, viewer: Viewer, name: str, selected: str = "", /, **given: Any) -> dict[str, Any]:
        """Carry a mutation out; its payload's userErrors may say whatever they want. What it returns besides is selected."""
        kind = str(MUTATIONS[name].args["input"].type) if given else ""
        head, call = (f"($i: {kind})", "(input: $i)") if given else ("", "")
        query = f"mutation{head} {{ {name}{call} {{ {selected} userErrors {{ code }} }} }}"
        answer = await self.engine.execute(
            self.engine.prepare(Params(query, variables={"i": given})), Context(viewer, self.services, PEER)
        )
        assert "errors" not in answer, answer
        return dict(answer["data"][name])


@pytest.fixture
def stage(house: House, services: Services, engine: Engine, price: Price, action: Action) -> Stage:
    return Stage(house, services, engine, price, action)


async def known(stage: Stage, **facts: Any) -> User:
    """Somebody with a password, in Paul's company."""
    user = stage.house.paul.member.user
    assert user is not None
    facts["password_hash"] = await stage.services.auth.passwords.hash(PASSWORD)
    await User.filter(pk=user.pk).update(**facts)
    return await User.get(pk=user.pk)


async def account_sign_up(stage: Stage) -> None:
    form = {"email": "new@mark.example", "name": "MARKED NAME", "legalName": "MARKED LEGAL", "siren": "552 100 554"}
    await stage.do(Viewer(), "accountSignUp", password=PASSWORD, **form)


async def email_verify(stage: Stage) -> None:
    token = registration.verification_token(stage.services.auth, await known(stage, email_verified_at=None), stage.action.at)
    await stage.do(Viewer(), "emailVerify", token=token)


async def session_sign_in(stage: Stage) -> None:
    await stage.do(Viewer(), "sessionSignIn", email=(await known(stage)).email, password=PASSWORD)


async def session_refresh(stage: Stage) -> None:
    tokens = await sessions.sign_in(await known(stage), stage.house.paul.account, False, stage.action)
    for _ in range(3):  # the second use ends the session, the third changes nothing
        await stage.do(Viewer(), "sessionRefresh", refreshToken=tokens.refresh)


async def session_sign_out(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.owner, "sessionSignOut")


async def session_switch_account(stage: Stage) -> None:
    user, account = stage.owner.user, stage.house.marie.account
    assert user is not None
    await Membership.create(user=user, account=account, role=Role.MEMBER, created_at=stage.action.at)
    await stage.do(stage.owner, "sessionSwitchAccount", accountId=encode("Account", account.pk))


async def invitation_send(stage: Stage) -> str:
    for _ in range(2):
        given = {"email": "marked@mark.example", "role": "MEMBER", "idempotencyKey": "MARKED KEY"}
        await stage.do(stage.owner, "invitationSend", **given)
    return encode("Invitation", (await Invitation.get(email="marked@mark.example")).pk)


async def invitation_resend(stage: Stage) -> None:
    invitation = await invitation_send(stage)
    for _ in range(2):
        await stage.do(stage.owner, "invitationResend", invitationId=invitation, idempotencyKey="MARKED AGAIN")


async def invitation_revoke(stage: Stage) -> None:
    invitation = await invitation_send(stage)
    for _ in range(2):
        await stage.do(stage.owner, "invitationRevoke", invitationId=invitation)


async def invitation_accept(stage: Stage) -> None:
    await invitation_send(stage)
    token = "cam_in_marked"
    await Invitation.filter(email="marked@mark.example").update(token_hash=sessions.hashed(token))
    for _ in range(2):
        await stage.do(Viewer(), "invitationAccept", token=token, name="MARKED NAME", password=PASSWORD)


def _member(stage: Stage) -> str:
    return encode("User", stage.house.paul.member.user_id or 0)


async def policy_accept(stage: Stage) -> None:
    policy = await Policy.create(
        kind="TERMS", version="2.0", effective_on=stage.action.day, text_fr="# MARK\n", text_en="# MARK\n", sha256="-",
        installed_at=stage.action.at,
    )  # fmt: skip
    for _ in range(2):
        await stage.do(stage.owner, "policyAccept", policyId=encode("Policy", policy.pk))


async def member_change_role(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.owner, "memberChangeRole", userId=_member(stage), role="ADMIN")


async def member_remove(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.owner, "memberRemove", userId=_member(stage))


async def account_leave(stage: Stage) -> None:
    await stage.do(stage.house.paul.member, "accountLeave")


async def account_transfer_ownership(stage: Stage) -> None:
    await stage.do(await _proved(stage), "accountTransferOwnership", userId=_member(stage))


async def member_reset_second_factor(stage: Stage) -> None:
    await known(stage, second_factor_at=stage.action.at)
    for _ in range(2):
        await stage.do(await _proved(stage), "memberResetSecondFactor", userId=_member(stage))


async def user_reset_second_factor(stage: Stage) -> None:
    await known(stage, second_factor_at=stage.action.at)
    viewer = await _operating(stage)
    for _ in range(2):
        await stage.do(viewer, "userResetSecondFactor", userId=_member(stage))


async def _proved(stage: Stage) -> Viewer:
    """Paul's owner, with fresh proof."""
    assert stage.owner.session
    await Session.filter(pk=stage.owner.session.pk).update(fresh_until=stage.action.at + timedelta(minutes=5))
    return stage.owner


async def totp_set_up(stage: Stage) -> None:
    await stage.do(await _known_viewer(stage), "totpSetUp", password=PASSWORD)


async def totp_confirm(stage: Stage) -> None:
    secret = pyotp.random_base32()
    viewer = await _known_viewer(stage)
    await Authenticator.create(
        user=viewer.user,
        kind="TOTP",
        name="MARKED",
        created_at=stage.action.at,
        secret=stage.services.auth.secret_box.seal(secret),
    )
    await stage.do(viewer, "totpConfirm", code=pyotp.TOTP(secret).at(stage.action.at))


async def session_end(stage: Stage) -> None:
    tokens = await sessions.sign_in(await known(stage), stage.house.paul.account, False, stage.action)
    for _ in range(2):
        await stage.do(await _known_viewer(stage), "sessionEnd", sessionId=encode("Session", tokens.session.pk))


async def _known_viewer(stage: Stage, **facts: Any) -> Viewer:
    return replace(stage.house.paul.member, user=await known(stage, **facts))


async def session_end_others(stage: Stage) -> None:
    await stage.do(stage.owner, "sessionEndOthers")


async def session_step_up(stage: Stage) -> Viewer:
    viewer = await _known_viewer(stage)
    await stage.do(viewer, "sessionStepUp", password=PASSWORD)
    return viewer


async def password_request_reset(stage: Stage) -> None:
    await stage.do(Viewer(), "passwordRequestReset", email=(await known(stage)).email)


async def session_request_unlock(stage: Stage) -> None:
    await stage.do(Viewer(), "sessionRequestUnlock", email=(await known(stage)).email)


async def _operating(stage: Stage) -> Viewer:
    """An operator with fresh proof."""
    operator = await person(stage.action, "Omar", Staff.OPERATOR)
    viewer = await signed_in(stage.action, operator, factor=True)
    assert viewer.session
    await Session.filter(pk=viewer.session.pk).update(fresh_until=stage.action.at + timedelta(minutes=5))
    return viewer


async def _managing(stage: Stage) -> Viewer:
    """Paul's owner with fresh proof."""
    session = stage.owner.session
    assert session
    await Session.filter(pk=session.pk).update(fresh_until=stage.action.at + timedelta(minutes=5))
    return replace(stage.owner, session=await Session.get(pk=session.pk))


async def account_change_trade_name(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.owner, "accountChangeTradeName", tradeName="MARKED")


async def account_change_address(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.owner, "accountChangeAddress", street="MARKED", postalCode="75001", city="MARKED")


async def account_change_identifiers(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.owner, "accountChangeIdentifiers", siret="40483304800022", vatNumber="FR83404833048")


async def account_request_legal_name(stage: Stage) -> str:
    viewer = await _managing(stage)
    for _ in range(2):
        given = {"legalName": "MARKED SARL", "idempotencyKey": "k"}
        made = await stage.do(viewer, "accountRequestLegalName", "change { id }", **given)
    return str(made["change"]["id"])


async def legal_name_change_add_evidence(stage: Stage) -> str:
    change = await account_request_legal_name(stage)
    assert stage.owner.user
    kbis = await File.create(
        key="kbis", uploader=stage.owner.user, account=stage.owner.account, name="MARKED.pdf", size=3,
        content_type="application/pdf", created_at=stage.action.at, uploaded_at=stage.action.at, cleared_at=stage.action.at,
    )  # fmt: skip
    await stage.do(stage.owner, "legalNameChangeAddEvidence", changeId=change, fileIds=[encode("File", kbis.pk)])
    return change


async def legal_name_change_cancel(stage: Stage) -> None:
    change = await account_request_legal_name(stage)
    for _ in range(2):
        await stage.do(stage.owner, "legalNameChangeCancel", changeId=change)


async def legal_name_change_decide(stage: Stage) -> None:
    change = await legal_name_change_add_evidence(stage)
    for _ in range(2):
        await stage.do(stage.house.alice, "legalNameChangeDecide", changeId=change, decision="ACCEPT", reason="MARKED")


async def _answering(stage: Stage) -> Viewer:
    """Alice with fresh proof."""
    session = stage.house.alice.session
    assert session
    await Session.filter(pk=session.pk).update(fresh_until=stage.action.at + timedelta(minutes=5))
    return replace(stage.house.alice, session=await Session.get(pk=session.pk))


async def account_deactivate(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.house.alice, "accountDeactivate", accountId=encode("Account", stage.house.paul.account.pk))


async def account_reactivate(stage: Stage) -> None:
    await account_deactivate(stage)
    for _ in range(2):
        await stage.do(stage.house.alice, "accountReactivate", accountId=encode("Account", stage.house.paul.account.pk))


async def account_decline_reactivation(stage: Stage) -> None:
    await account_deactivate(stage)
    account = encode("Account", stage.house.paul.account.pk)
    session = await sessions.sign_in(stage.owner.user, None, False, stage.action)  # type: ignore[arg-type] # she is signed in
    asking = Viewer(stage.owner.user, session=session.session)
    given = {"accountId": account, "message": "MARKED", "idempotencyKey": "k"}
    await stage.do(asking, "accountRequestReactivation", **given)
    for _ in range(2):
        await stage.do(stage.house.alice, "accountDeclineReactivation", accountId=account, reason="MARKED")


async def account_schedule_deletion(stage: Stage) -> None:
    given = {"message": "MARKED", "idempotencyKey": "k"}
    asked = await stage.do(await _managing(stage), "accountRequestDeletion", "ticket { id }", **given)
    account, ticket = encode("Account", stage.house.paul.account.pk), asked["ticket"]["id"]
    for _ in range(2):
        await stage.do(await _answering(stage), "accountScheduleDeletion", accountId=account, ticketId=ticket)


async def staff_hire(stage: Stage) -> Viewer:
    viewer = await _operating(stage)
    for _ in range(2):
        given = {"email": "hired@mark.example", "name": "MARKED", "role": "AGENT", "idempotencyKey": "MARKED KEY"}
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
    await stage.do(await _operating(stage), "userEndSessions", userId=_member(stage))


async def email_retry(stage: Stage) -> None:
    email = await Email.create(
        template="verification.fr", recipient="x@mark.example", subject="-", text="MARKED", html="-", created_at=stage.action.at
    )
    viewer = await _operating(stage)
    for _ in range(2):
        await stage.do(viewer, "emailRetry", emailId=encode("Email", email.pk))


async def password_reset(stage: Stage) -> None:
    token, at = "cam_pr_marked", stage.action.at + timedelta(minutes=1)
    await PasswordReset.create(user=await known(stage), token_hash=sessions.hashed(token), expires_at=at)
    for _ in range(2):
        await stage.do(Viewer(), "passwordReset", token=token, password="MARKED ardoise 77")


async def password_change(stage: Stage) -> None:
    given = {"currentPassword": PASSWORD, "newPassword": "MARKED ardoise 77"}
    await stage.do(await _known_viewer(stage), "passwordChange", **given)


async def email_request_change(stage: Stage) -> None:
    await stage.do(await session_step_up(stage), "emailRequestChange", email="moved@mark.example")


async def email_confirm_change(stage: Stage) -> None:
    await email_request_change(stage)
    await EmailChange.all().update(new_token_hash=sessions.hashed("cam_ec_marked"))
    for _ in range(2):
        await stage.do(Viewer(), "emailConfirmChange", token="cam_ec_marked")


async def _enrolled(stage: Stage) -> Authenticator:
    user = await known(stage, second_factor_at=stage.action.at)
    return await totp.enrolled(user, stage.services.auth.secret_box.seal(pyotp.random_base32()), stage.action.at)


async def authenticator_rename(stage: Stage) -> None:
    viewer, mine = await _known_viewer(stage), await _enrolled(stage)
    await stage.do(viewer, "authenticatorRename", authenticatorId=encode("Authenticator", mine.pk), name="MARKED phone")


async def authenticator_remove(stage: Stage) -> None:
    viewer, mine = await session_step_up(stage), await _enrolled(stage)
    for _ in range(2):
        await stage.do(viewer, "authenticatorRemove", authenticatorId=encode("Authenticator", mine.pk))


async def passkey_register(stage: Stage) -> Device:
    viewer, device = await session_step_up(stage), Device()
    options = (await stage.do(viewer, "passkeyBegin", "options"))["options"]
    await stage.do(viewer, "passkeyRegister", passkey=device.made(options), name="MARKED key")
    return device


async def session_sign_in_with_passkey(stage: Stage) -> None:
    device = await passkey_register(stage)
    options = (await stage.do(Viewer(), "passkeyChallenge", "options"))["options"]
    await stage.do(Viewer(), "sessionSignInWithPasskey", passkey=device.got(options))


async def recovery_codes_renew(stage: Stage) -> None:
    viewer = await session_step_up(stage)
    await _enrolled(stage)
    await stage.do(viewer, "recoveryCodesRenew")


async def purchase_draft(stage: Stage) -> None:
    for _ in range(2):
        price = encode("Price", stage.price.pk)
        await stage.do(stage.owner, "purchaseDraft", priceId=price, idempotencyKey="MARKED KEY")


async def _drafted(stage: Stage) -> str:
    await purchase_draft(stage)
    drafted = await AuditEntry.filter(action=BillingAuditAction.PURCHASE_DRAFT.value).order_by("-id").first()
    assert drafted is not None
    return encode("Purchase", drafted.object_id or 0)


async def purchase_confirm_billing(stage: Stage) -> str:
    purchase = await _drafted(stage)
    where = {"street": "MARKED STREET", "postalCode": "69001", "city": "MARKED CITY", "orderNumber": "MARKED ORDER"}
    await stage.do(stage.owner, "purchaseConfirmBilling", purchaseId=purchase, **where)
    return purchase


async def purchase_pay(stage: Stage, method: str = "pm_sandbox_success") -> None:
    purchase = await purchase_confirm_billing(stage)
    await stage.do(stage.owner, "purchasePay", purchaseId=purchase, paymentMethod=method, idempotencyKey="MARKED PAY")


async def payment_refresh(stage: Stage) -> None:
    await purchase_pay(stage, "pm_sandbox_confirmation")
    payment = await Payment.all().order_by("-id").first()
    assert payment is not None
    await stage.services.gateway.decide(payment.provider_reference, approved=True)  # type: ignore[attr-defined] # the sandbox
    for _ in range(2):
        await stage.do(stage.owner, "paymentRefresh", paymentId=encode("Payment", payment.pk))


async def ticket_claim(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.house.alice, "ticketClaim", ticketId=stage.house.paul.id(Ticket))


async def ticket_move(stage: Stage) -> None:
    for _ in range(2):
        await stage.do(stage.house.alice, "ticketMove", ticketId=stage.house.paul.id(Ticket), status="SOLVED")


async def ticket_close(stage: Stage) -> None:
    await stage.do(stage.owner, "ticketClose", ticketId=stage.house.paul.id(Ticket))


async def file_announce(stage: Stage) -> None:
    await stage.do(stage.owner, "fileAnnounce", name="MARKED FILE.pdf", contentType="application/pdf", size=9)


async def clock_advance(stage: Stage) -> None:
    oscar = await signed_in(stage.action, await person(stage.action, "Oscar", Staff.OPERATOR), factor=True)
    travelling = replace(stage, services=replace(stage.services, clock=SystemClock(), demonstration=True))
    await travelling.do(oscar, "clockAdvance", seconds=60)


EXAMPLES: dict[str, Callable[[Stage], Awaitable[Any]]] = {
    "accountSignUp": account_sign_up,
    "emailVerify": email_verify,
    "sessionSignIn": session_sign_in,
    "sessionRefresh": session_refresh,
    "sessionSignOut": session_sign_out,
    "sessionSwitchAccount": session_switch_account,
    "invitationSend": invitation_send,
    "invitationResend": invitation_resend,
    "invitationRevoke": invitation_revoke,
    "invitationAccept": invitation_accept,
    "policyAccept": policy_accept,
    "memberChangeRole": member_change_role,
    "memberRemove": member_remove,
    "accountLeave": account_leave,
    "accountTransferOwnership": account_transfer_ownership,
    "accountChangeTradeName": account_change_trade_name,
    "accountChangeAddress": account_change_address,
    "accountChangeIdentifiers": account_change_identifiers,
    "accountRequestLegalName": account_request_legal_name,
    "legalNameChangeAddEvidence": legal_name_change_add_evidence,
    "legalNameChangeCancel": legal_name_change_cancel,
    "legalNameChangeDecide": legal_name_change_decide,
    "accountDeactivate": account_deactivate,
    "accountReactivate": account_reactivate,
    "accountDeclineReactivation": account_decline_reactivation,
    "accountScheduleDeletion": account_schedule_deletion,
    "totpSetUp": totp_set_up,
    "totpConfirm": totp_confirm,
    "authenticatorRename": authenticator_rename,
    "authenticatorRemove": authenticator_remove,
    "passkeyRegister": passkey_register,
    "sessionSignInWithPasskey": session_sign_in_with_passkey,
    "recoveryCodesRenew": recovery_codes_renew,
    "sessionEnd": session_end,
    "sessionEndOthers": session_end_others,
    "sessionStepUp": session_step_up,
    "passwordRequestReset": password_request_reset,
    "sessionRequestUnlock": session_request_unlock,
    "staffHire": staff_hire,
    "staffChangeRole": staff_change_role,
    "staffDismiss": staff_dismiss,
    "userEndSessions": user_end_sessions,
    "emailRetry": email_retry,
    "memberResetSecondFactor": member_reset_second_factor,
    "userResetSecondFactor": user_reset_second_factor,
    "passwordReset": password_reset,
    "passwordChange": password_change,
    "emailRequestChange": email_request_change,
    "emailConfirmChange": email_confirm_change,
    "purchaseDraft": purchase_draft,
    "purchaseConfirmBilling": purchase_confirm_billing,
    "purchasePay": purchase_pay,
    "paymentRefresh": payment_refresh,
    "ticketClaim": ticket_claim,
    "ticketMove": ticket_move,
    "ticketClose": ticket_close,
    "fileAnnounce": file_announce,
    "clockAdvance": clock_advance,
}


def test_every_mutation_is_audited_or_on_the_list() -> None:
    assert {name for name in MUTATIONS if isinstance(declared(name), Unaudited)} == UNAUDITED
    assert all(len(each.reason) > 10 for each in map(declared, UNAUDITED) if isinstance(each, Unaudited))
    assert MUTATIONS.keys() - UNAUDITED == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_mutation_carried_out_is_told_once_and_tells_no_secret(stage: Stage, name: str) -> None:
    before = await AuditEntry.all().count()
    await EXAMPLES[name](stage)
    entries = await AuditEntry.filter(id__gt=before).order_by("id")
    action = declared(name)
    told = [entry for entry in entries if entry.action == action]
    assert len(told) == (2 if name == "paymentRefresh" else 1)  # the payment began to wait, and was settled
    assert told[0].address == PEER
    assert told[0].object_id or name == "clockAdvance"
    text = str([[getattr(entry, column) for column in TOLD] for entry in entries])
    assert [secret for secret in ("MARK", PASSWORD, "@", "cam_", "pm_sandbox") if secret in text] == []
    assert await out_of_date() == []  # whatever was given another name is found by it


def used(path: Path) -> Iterator[str]:
    """The actions that a file tells of."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id.endswith("AuditAction"):
            yield node.attr


def test_every_action_is_told_by_somebody() -> None:
    layers = ("models", "storage", "auth", "accounts", "billing", "privacy", "operations", "resolvers")
    paths = [path for layer in layers for path in (ROOT / layer).rglob("*.py")]
    assert {name for path in paths for name in used(path)} == set(AnyAuditAction.__members__)


ENTRIES = """query($action: [AuditAction!], $actor: ID, $object: ID, $since: DateTime, $until: DateTime,
                   $first: Int, $after: String) {
    auditEntries(action: $action, actorId: $actor, objectId: $object, since: $since, until: $until,
                 first: $first, after: $after) {
        totalCount pageInfo { hasNextPage endCursor }
        nodes { sequence at action fromVendor staff objectType objectId address hash
                actor { name } account { legalName } details { name value } } } }"""


async def listed(ask: "Ask", viewer: Viewer, **given: Any) -> list[dict[str, Any]]:
    answer = await ask(viewer, ENTRIES, **{"first": 100, **given})
    assert "errors" not in answer, answer
    return list(answer["data"]["auditEntries"]["nodes"])


@pytest.fixture
async def oscar(stage: Stage) -> Viewer:
    return await signed_in(stage.action, await person(stage.action, "Oscar", Staff.OPERATOR), factor=True)


async def test_the_operator_reads_everything_an_owner_their_companys_part(ask: "Ask", stage: Stage, oscar: Viewer) -> None:
    paul = stage.house.paul
    await ticket_claim(stage)
    await ticket_close(stage)
    everything, pauls = await listed(ask, oscar), await listed(ask, paul.owner)
    assert [entry["sequence"] for entry in everything] == list(range(len(everything), 0, -1))
    assert {entry["account"]["legalName"] for entry in pauls} == {paul.account.legal_name}
    assert [e["sequence"] for e in pauls] == [
        e["sequence"] for e in everything if e["account"] and "PAUL" in e["account"]["legalName"]
    ]
    closed, claimed = pauls[:2]
    assert (claimed["action"], claimed["fromVendor"], claimed["objectId"]) == ("TICKET_CLAIM", True, paul.id(Ticket))
    assert (claimed["actor"], claimed["staff"], claimed["address"]) == (None, None, None)
    assert (closed["action"], closed["fromVendor"], closed["address"]) == ("TICKET_MOVE", False, PEER)
    assert closed["actor"] == {"name": "PAULMARK OWNER"}
    assert closed["details"] == [{"name": "before", "value": "OPEN"}, {"name": "status", "value": "CLOSED"}]
    seen = next(entry for entry in everything if entry["sequence"] == claimed["sequence"])
    assert (seen["actor"], seen["staff"], seen["address"]) == ({"name": "Alice"}, "AGENT", PEER)


async def test_nobody_else_reads_it(ask: "Ask", stage: Stage, oscar: Viewer) -> None:
    house = stage.house
    admin = replace(house.paul.owner, role=house.paul.member.role)
    bare = replace(oscar, session=house.paul.owner.session)  # without the second factor
    for viewer in (house.paul.member, admin, house.alice, house.nadia, house.alice_without_factor, bare):
        answer = await ask(viewer, "{ auditEntries { totalCount } }")
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    for viewer in (house.paul.owner, house.alice):
        answer = await ask(viewer, "{ auditProof { fault } }")
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    stranger = await ask(Viewer(), "{ auditEntries { totalCount } auditProof { fault } }")
    assert {error["extensions"]["code"] for error in stranger["errors"]} == {"UNAUTHENTICATED"}


async def test_who_tries_what_is_not_for_their_role_is_logged(ask: "Ask", stage: Stage) -> None:
    member = stage.house.paul.member
    with capture_logs() as logged:
        await ask(member, "{ auditEntries { totalCount } }")
        await ask(Viewer(), "{ auditEntries { totalCount } }")  # a stranger may sign in yet
    assert logged == [
        {"event": "access.denied", "log_level": "warning", "to": "resolvers.operations.audit.entries", "user": member.user_id}
    ]


async def test_it_is_searched_and_paged(ask: "Ask", stage: Stage, oscar: Viewer, clock: "MovableClock") -> None:
    clock.advance(timedelta(hours=1))
    await ticket_claim(stage)
    await ticket_close(stage)
    alice, ticket = stage.house.alice.user, stage.house.paul.id(Ticket)
    assert alice is not None
    assert [e["action"] for e in await listed(ask, oscar, object=ticket)] == ["TICKET_MOVE", "TICKET_CLAIM"]
    assert [e["action"] for e in await listed(ask, oscar, actor=encode("User", alice.pk))] == [
        "TICKET_CLAIM",
        *["SESSION_SIGN_IN"] * 2,
    ]
    assert {e["action"] for e in await listed(ask, oscar, action=["TICKET_MOVE", "INVOICE_ISSUE"])} == {
        "TICKET_MOVE",
        "INVOICE_ISSUE",
    }
    late = await listed(ask, oscar, since=clock.now().isoformat())
    assert [e["action"] for e in late] == ["TICKET_MOVE", "TICKET_CLAIM"]
    early = await listed(ask, oscar, until=clock.now().replace(tzinfo=None).isoformat())
    assert len(early) + len(late) == len(await listed(ask, oscar))
    pages, after, more = [], None, True
    while more:
        page = (await ask(oscar, ENTRIES, first=3, after=after))["data"]["auditEntries"]
        pages += [node["sequence"] for node in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert pages == list(range(page["totalCount"], 0, -1))


@pytest.mark.parametrize(
    "given",
    [
        {"actor": encode("Ticket", 1)},
        {"object": "x"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"until": "9999-12-31T23:59:59-14:00"},
    ],
)
async def test_a_filter_that_means_nothing_is_refused(ask: "Ask", oscar: Viewer, given: dict[str, Any]) -> None:
    answer = await ask(oscar, ENTRIES, **given)
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_an_owner_cannot_find_out_by_a_filter_which_of_the_vendors_people_it_was(ask: "Ask", stage: Stage) -> None:
    await ticket_claim(stage)
    alice, marie = stage.house.alice.user, stage.house.marie.owner.user
    assert alice is not None
    assert marie is not None
    for other in (alice, marie):
        assert await listed(ask, stage.owner, actor=encode("User", other.pk)) == []


async def tried(stage: Stage, viewer: Viewer, email: str) -> None:
    await stage.do(viewer, "sessionSignIn", email=email, password="wrong")


def shape(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an owner reads, but for numbers."""
    return [{name: value for name, value in entry.items() if name not in ("sequence", "hash")} for entry in entries]


async def test_the_log_tells_an_owner_who_failed_at_their_door_and_nobody_whose_addresses_are_known(
    ask: "Ask", stage: Stage, oscar: Viewer
) -> None:
    marie, alice = stage.house.marie, stage.house.alice.user
    assert marie.owner.user is not None
    assert alice is not None
    addresses = (marie.owner.user.email, alice.email, "nobody@camcha.example")
    before = await listed(ask, stage.owner)
    for email in addresses:
        await tried(stage, stage.owner, email)
        form = {"name": "N", "legalName": "L", "siren": "404833048", "password": PASSWORD}
        if email != "nobody@camcha.example":
            await stage.do(stage.owner, "accountSignUp", email=email, **form)
        assert await listed(ask, stage.owner) == before
    (told,) = await listed(ask, marie.owner, action=["SESSION_SIGN_IN_FAILED"])
    assert told["details"] == [{"name": "reason", "value": "CREDENTIALS_INVALID"}]
    assert (told["objectId"], told["actor"], told["address"]) == (encode("User", marie.owner.user.pk), None, PEER)
    failures = await listed(ask, oscar, action=["SESSION_SIGN_IN_FAILED"])
    people = [encode("User", alice.pk), encode("User", marie.owner.user.pk)]
    assert [failure["objectId"] for failure in failures] == [None, *people]
    assert {failure["actor"]["name"] for failure in failures} == {"PAULMARK OWNER"}  # who was signed in while trying


async def test_who_signs_in_as_another_is_told_of_in_the_others_part(ask: "Ask", stage: Stage, oscar: Viewer) -> None:
    """A customer who has the credentials of one of the vendor's people, or a renewal of theirs."""
    before = len(await listed(ask, stage.owner))
    alice = stage.house.alice.user
    assert alice is not None
    await User.filter(pk=alice.pk).update(password_hash=await stage.services.auth.passwords.hash(PASSWORD))
    await stage.do(stage.owner, "sessionSignIn", email=alice.email, password=PASSWORD)
    tokens = await sessions.sign_in(await User.get(pk=alice.pk), None, True, stage.action)
    for _ in range(2):
        await stage.do(stage.owner, "sessionRefresh", refreshToken=tokens.refresh)
    assert [entry["action"] for entry in await listed(ask, oscar)][:1] == ["SESSION_REFRESH_REUSED"]
    assert len(await listed(ask, stage.owner)) == before


async def test_the_operator_proves_the_log_and_is_told_the_first_fault(ask: "Ask", stage: Stage, oscar: Viewer) -> None:
    query = "{ auditProof { entries lastSequence lastHash brokenAt fault } }"
    count = await AuditEntry.all().count()
    last = await AuditEntry.get(id=count)
    found = (await ask(oscar, query))["data"]["auditProof"]
    assert found == {"entries": count, "lastSequence": count, "lastHash": last.hash, "brokenAt": None, "fault": None}
    drop = "ALTER TABLE audit_entry DISABLE TRIGGER USER" if dialect() == "postgres" else "DROP TRIGGER audit_entry_unchanged"
    await rows(drop)
    await rows("UPDATE audit_entry SET account_id = 1 WHERE account_id = 2")
    broken = (await ask(oscar, query))["data"]["auditProof"]
    assert broken["fault"] == f"entry {broken['brokenAt']} was changed"


async def test_what_others_did_to_a_company_stays_with_the_company(ask: "Ask", stage: Stage) -> None:
    """Every entry that an owner reads belongs to their company: by all acts of both companies."""
    for company in (stage.house.paul, stage.house.marie):
        await both(stage, company)
    for mine, other in ((stage.house.paul, "MARIE"), (stage.house.marie, "PAUL")):
        assert other not in orjson.dumps(await listed(ask, mine.owner)).decode()


async def both(stage: Stage, company: Company) -> None:
    assert await Account.filter(pk=company.account.pk).exists()
    await stage.do(stage.house.alice, "ticketClaim", ticketId=company.id(Ticket))
    await stage.do(company.owner, "ticketClose", ticketId=company.id(Ticket))
