"""The outbox through the graph: an operator sees what did not arrive, and has it tried again."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models.action import Action
from models.audit import AuditEntry
from models.identity.user import Staff
from models.operations.audit_actions import OperationsAuditAction
from models.operations.email import Email, EmailState
from models.viewer import Viewer
from resolvers.ids import encode
from tests.schema.conftest import House, person, signed_in

if TYPE_CHECKING:
    from tests.schema.conftest import Ask

FIELDS = "emailId template recipient state attempts createdAt sentAt nextAttemptAt"
LISTED = f"query($s: [EmailState!]) {{ emails(state: $s) {{ totalCount nodes {{ {FIELDS} }} }} }}"
RETRY = "mutation($i: EmailRetryInput!) { emailRetry(input: $i) { email { state attempts } userErrors { code field } } }"


@pytest.fixture
async def omar(db: str, action: Action) -> Viewer:
    """An operator."""
    return await signed_in(action, await person(action, "Omar", Staff.OPERATOR), factor=True)


async def written(action: Action, template: str = "invoice_issued.fr", recipient: str = "marie@example.fr") -> Email:
    return await Email.create(
        template=template, recipient=recipient, subject="Sujet", text="Mots", html="<p>Mots", created_at=action.at,
        next_attempt_at=action.at,
    )  # fmt: skip


async def one_of_each(action: Action) -> dict[str, Email]:
    """One that waits, one that was sent, two that were given up: one of which carried a token."""
    found = {name: await written(action) for name in ("waits", "sent", "given up")}
    found["forgotten"] = await written(action, "password_reset.fr", "@odd")
    await found["sent"].mark_sent(action.at)
    for name in ("given up", "forgotten"):
        await found[name].mark_failed(action.at, permanent=True)
    return found


async def listed(ask: "Ask", viewer: Viewer, *states: str) -> list[dict[str, Any]]:
    found = (await ask(viewer, LISTED, s=list(states) if states else None))["data"]["emails"]
    assert found["totalCount"] == len(found["nodes"])
    return list(found["nodes"])


def key(email: Email) -> str:
    return encode("Email", email.pk)


async def test_p4_3_an_operator_sees_what_was_given_up(ask: "Ask", omar: Viewer, action: Action) -> None:
    found = await one_of_each(action)
    at = "2026-11-23T09:00:00+00:00"
    lost, given_up = await listed(ask, omar, "GIVEN_UP")
    assert given_up == {
        "emailId": key(found["given up"]), "template": "invoice_issued.fr", "recipient": "m***@example.fr",
        "state": "GIVEN_UP", "attempts": 1, "createdAt": at, "sentAt": None, "nextAttemptAt": None,
    }  # fmt: skip
    assert (lost["recipient"], lost["template"]) == ("***@odd", "password_reset.fr")
    sent, waits = await listed(ask, omar, "SENT", "WAITING")
    assert (sent["state"], sent["sentAt"], waits["state"], waits["nextAttemptAt"]) == ("SENT", at, "WAITING", at)
    assert [each["emailId"] for each in await listed(ask, omar)] == [key(each) for each in reversed(found.values())]
    assert (await ask(omar, LISTED, s=[]))["data"]["emails"] == {"totalCount": 0, "nodes": []}


async def test_p4_3_one_that_was_given_up_is_tried_as_often_as_a_new_one(ask: "Ask", omar: Viewer, action: Action) -> None:
    """Once however often it is asked for, and the auditor is told."""
    email = (await one_of_each(action))["given up"]
    await Email.filter(pk=email.pk).update(attempts=20)
    for _ in range(2):
        done = (await ask(omar, RETRY, i={"emailId": key(email)}))["data"]["emailRetry"]
        assert done == {"email": {"state": "WAITING", "attempts": 0}, "userErrors": []}
    again = await Email.get(pk=email.pk)
    assert again.next_attempt_at
    assert again.next_attempt_at - action.at < timedelta(minutes=1)
    told = await AuditEntry.filter(action=OperationsAuditAction.EMAIL_RETRY.value)
    assert [(each.object_id, each.account_id, each.details) for each in told] == [(email.pk, None, '{"attempts":20}')]


@pytest.mark.parametrize(("name", "code"), [("sent", "TRANSITION_ILLEGAL"), ("forgotten", "EMAIL_CONTENT_DELETED")])
async def test_what_can_not_be_tried_again(ask: "Ask", omar: Viewer, action: Action, name: str, code: str) -> None:
    email = (await one_of_each(action))[name]
    done = (await ask(omar, RETRY, i={"emailId": key(email)}))["data"]["emailRetry"]
    assert done == {"email": None, "userErrors": [{"code": code, "field": ["input", "emailId"]}]}
    unknown = (await ask(omar, RETRY, i={"emailId": encode("User", email.pk)}))["data"]["emailRetry"]
    assert [each["code"] for each in unknown["userErrors"]] == ["NOT_FOUND"]
    assert not await AuditEntry.filter(action=OperationsAuditAction.EMAIL_RETRY.value).exists()


async def test_nobody_else_sees_or_retries_any(ask: "Ask", house: House, action: Action) -> None:
    email = (await one_of_each(action))["given up"]
    for viewer in (Viewer(), house.paul.owner, house.alice, house.nadia, house.alice_without_factor):
        for document, given in ((LISTED, {}), (RETRY, {"i": {"emailId": key(email)}})):
            answer = await ask(viewer, document, **given)
            assert answer["errors"][0]["extensions"]["code"] in ("FORBIDDEN", "UNAUTHENTICATED")
        assert not await Email.visible_to(viewer).exists()
    assert (await Email.get(pk=email.pk)).state is EmailState.GIVEN_UP


async def test_its_words_are_not_even_read(ask: "Ask", omar: Viewer, action: Action, caplog: pytest.LogCaptureFixture) -> None:
    await written(action)
    caplog.set_level("DEBUG", logger="tortoise.db_client")
    await listed(ask, omar)
    read = [each.getMessage() for each in caplog.records if 'FROM "email"' in each.getMessage()]
    assert read
    assert not any('"text"' in each or '"html"' in each or "Sujet" in each for each in read)
