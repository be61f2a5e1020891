"""P4.2: emails that need a consent go only to those who have given it, once, with a way to
withdraw it in each.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from mail.delivery import deliver_due
from mail.message import Sender
from mail.transport import transport_from_url
from models.action import Action
from models.identity.user import Staff, User
from models.operations.email import Email, EmailPriority
from models.privacy.consent import ConsentChange, ConsentChannel, ConsentPurpose
from models.privacy.mailing import Mailing
from models.viewer import Viewer
from privacy import mailings
from privacy.consents import link_of_token
from tests.mail.smtp_server import SmtpServer
from tests.people import create_staff_viewer, record_step_up
from tests.schema.billing.catalogue_fixtures import codes, mutate

if TYPE_CHECKING:
    from resolvers.context import Services
    from tests.schema.conftest import Dataset, Execute

SENDER = Sender("CAMCHA <bonjour@camcha.example>", "https://camcha.example")
TEXTS = {
    "subjectFr": "Les nouveautés de novembre",
    "subjectEn": "What’s new in November",
    "bodyFr": "Bonne nouvelle.\n\nLes exports sont plus rapides.",
    "bodyEn": "Good news.\n\nExports are faster.",
}
MAILING = "mailing { id purpose subject recipientCount finishedAt sender { name } }"
STOPPED = "mailing { recipientCount canceledCount finishedAt stoppedAt }"
PREVIEW = """query($i: MailingPreviewInput!) { mailingPreview(input: $i) { recipientCount
    emails { locale subject text html } } }"""


@pytest.fixture
async def server() -> AsyncIterator[SmtpServer]:
    async with SmtpServer().open() as server:
        yield server


async def create_sender(action: Action) -> Viewer:
    """An operator with a recent step-up."""
    operator = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    assert operator.session
    await record_step_up(action, operator.session)
    return operator


async def record(action: Action, user: User | None, given: bool = True) -> None:
    assert user
    async with action.transaction() as tx:
        await ConsentChange.record(
            tx, user, ConsentPurpose.NEWSLETTER, given=given, channel=ConsentChannel.WEB
        )


async def send(execute: "Execute", operator: Viewer, **fields: Any) -> dict[str, Any]:
    values = TEXTS | {"purpose": "NEWSLETTER", "idempotencyKey": "november"} | fields
    return await mutate(execute, operator, "mailingSend", MAILING, **values)


async def deliver(server: SmtpServer, action: Action, limit: int = 20) -> int:
    url = f"smtp://127.0.0.1:{server.port}?starttls=never"
    return await deliver_due(transport_from_url(url), action.at, limit, sender=SENDER)


async def test_p4_2_a_mailing_reaches_those_who_consented_once(
    execute: "Execute",
    dataset: "Dataset",
    services: "Services",
    server: SmtpServer,
    action: Action,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mailings, "BATCH_SIZE", 1)
    await Email.all().delete()  # those of the dataset
    paul, marie = dataset.paul, dataset.marie
    for viewer in (paul.owner, paul.member, marie.owner, marie.member):
        await record(action, viewer.user)
    await record(action, paul.member.user, given=False)
    unverified = marie.member.user
    assert unverified
    await User.filter(pk=unverified.pk).update(email_verified_at=None)
    operator = await create_sender(action)
    for _ in range(2):  # a repeat sends nothing more
        payload = await send(execute, operator)
    assert payload["mailing"]["subject"] == TEXTS["subjectFr"]
    assert payload["mailing"]["finishedAt"] is None
    signer = services.auth.signer
    while await Mailing.filter(finished_at=None).exists():  # as in several processes
        await asyncio.gather(*(mailings.send_mailings(action, signer) for _ in range(2)))
    assert await mailings.send_mailings(action, signer) == 0
    assert (await send(execute, operator))["mailing"]["recipientCount"] == 2

    assert paul.owner.user
    assert marie.owner.user
    await record(action, marie.owner.user, given=False)  # before it is delivered
    assert {email.priority for email in await Email.all()} == {EmailPriority.BULK}
    assert await deliver(server, action) == 1
    assert await Email.filter(sent_at=None).count() == 0
    [(address, message)] = server.received
    assert address == paul.owner.user.email
    assert message["Subject"] == TEXTS["subjectFr"]
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = str(message["List-Unsubscribe"])
    head = "<https://camcha.example/consents/withdraw?token="
    assert url.startswith(head)
    link = link_of_token(action, signer, url.removeprefix(head).removesuffix(">"))
    assert (link.user_id, link.purpose) == (paul.owner.user_id, ConsentPurpose.NEWSLETTER)
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        assert part
        content = part.get_content()
        assert url[1:-1] in content
        assert "Les exports sont plus rapides." in content


async def test_p4_2_a_mailing_is_previewed_and_stopped(
    execute: "Execute",
    dataset: "Dataset",
    services: "Services",
    server: SmtpServer,
    action: Action,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mailings, "BATCH_SIZE", 1)
    await Email.all().delete()  # those of the dataset
    paul, marie = dataset.paul, dataset.marie
    for viewer in (paul.owner, paul.member, marie.owner, marie.member):
        await record(action, viewer.user)
    await record(action, paul.member.user, given=False)
    operator = await create_sender(action)
    draft = {name: TEXTS[name] for name in TEXTS} | {"purpose": "NEWSLETTER"}
    preview = (await execute(operator, PREVIEW, i=draft))["data"]["mailingPreview"]
    assert preview["recipientCount"] == 3
    french, english = preview["emails"]
    assert (french["locale"], french["subject"]) == ("FR", TEXTS["subjectFr"])
    assert (english["locale"], english["subject"]) == ("EN", TEXTS["subjectEn"])
    assert operator.user
    for text in (english["text"], english["html"]):
        assert "Exports are faster." in text
        assert operator.user.name in text
    assert await Mailing.filter(subject_fr=TEXTS["subjectFr"]).count() == 0
    response = await execute(operator, PREVIEW, i=draft | {"subjectFr": " ", "bodyEn": ""})
    errors = response["errors"][0]["extensions"]["errors"]
    assert [each["field"][-1] for each in errors] == ["subjectFr", "bodyEn"]

    mailing = (await send(execute, operator))["mailing"]["id"]
    for _ in range(3):  # of four people, of whom one has withdrawn the consent
        await mailings.send_mailings(action, services.auth.signer)
    assert await deliver(server, action, 1) == 1
    for _ in range(2):  # a repeat changes nothing
        payload = await mutate(execute, operator, "mailingStop", STOPPED, mailingId=mailing)
    stopped = payload["mailing"]
    assert (stopped["recipientCount"], stopped["canceledCount"]) == (2, 1)
    assert stopped["stoppedAt"] == stopped["finishedAt"] == action.at.isoformat()
    assert await mailings.send_mailings(action, services.auth.signer) == 0
    assert await deliver(server, action) == 0
    assert len(server.received) == 1
    other = (await send(execute, operator, idempotencyKey="december"))["mailing"]["id"]
    while await mailings.send_mailings(action, services.auth.signer):
        pass
    assert await deliver(server, action) == 3
    payload = await mutate(execute, operator, "mailingStop", STOPPED, mailingId=other)
    assert codes(payload) == [("TRANSITION_ILLEGAL", "mailingId")]


async def test_p4_2_only_operators_send_mailings(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    operator = await create_sender(action)
    payload = await send(execute, operator, subjectFr=" ", bodyEn="x" * 9_000)
    assert codes(payload) == [("BLANK", "subjectFr"), ("TOO_LONG", "bodyEn")]
    document = "{ mailings(first: 5) { totalCount nodes { subject } } }"
    await send(execute, operator)
    mailings_list = (await execute(operator, document))["data"]["mailings"]
    assert mailings_list == {"totalCount": 1, "nodes": [{"subject": TEXTS["subjectFr"]}]}
    for viewer in (Viewer(), dataset.paul.owner, dataset.alice, dataset.nadia):
        response = await execute(viewer, document)
        assert response["errors"]


async def test_a_mailing_requires_a_step_up(
    execute: "Execute", dataset: "Dataset", action: Action
) -> None:
    payload = await send(execute, await create_staff_viewer(action, "Omar", Staff.OPERATOR))
    assert [each["code"] for each in payload["userErrors"]] == ["STEP_UP_REQUIRED"]
    assert not await Mailing.exists()
