"""The outbox in the GraphQL API: an operator sees the emails that were given up, and retries
them.
"""

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
from tests.people import create_staff_viewer
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from tests.schema.conftest import Ask

FIELDS = "id template recipient state attempts createdAt sentAt nextAttemptAt"
LIST = (
    f"query($s: [EmailState!]) "
    f"{{ emails(filter: {{state: {{in: $s}}}}) {{ totalCount nodes {{ {FIELDS} }} }} }}"
)
RETRY = (
    "mutation($i: EmailRetryInput!) { emailRetry(input: $i) { email { state attempts } userErrors "
    "{ code field } } }"
)


@pytest.fixture
async def omar(db: str, action: Action) -> Viewer:
    """An operator."""
    return await create_staff_viewer(action, "Omar", Staff.OPERATOR)


async def stored(
    action: Action, template: str = "invoice_issued.fr", recipient: str = "marie@example.fr"
) -> Email:
    return await Email.create(
        template=template,
        recipient=recipient,
        subject="Sujet",
        text="Mots",
        html="<p>Mots",
        created_at=action.at,
        next_attempt_at=action.at,
    )


async def one_of_each(action: Action) -> dict[str, Email]:
    """A waiting email, one that was sent and two that were given up, one of which contained a
    token.
    """
    emails = {name: await stored(action) for name in ("waiting", "sent", "given up")}
    emails["deleted"] = await stored(action, "password_reset.fr", "@odd")
    await emails["sent"].mark_sent(action.at)
    for name in ("given up", "deleted"):
        await emails[name].mark_failed(action.at, permanent=True)
    return emails


async def listed(ask: "Ask", viewer: Viewer, *states: str) -> list[dict[str, Any]]:
    connection = (await ask(viewer, LIST, s=list(states) if states else None))["data"]["emails"]
    assert connection["totalCount"] == len(connection["nodes"])
    return list(connection["nodes"])


def key(email: Email) -> str:
    return encode("Email", email.pk)


async def test_p4_3_an_operator_lists_emails_by_state(
    ask: "Ask", omar: Viewer, action: Action
) -> None:
    emails = await one_of_each(action)
    at = "2026-11-23T09:00:00+00:00"
    deleted, given_up = await listed(ask, omar, "GIVEN_UP")
    assert given_up == {
        "id": key(emails["given up"]),
        "template": "invoice_issued.fr",
        "recipient": "m***@example.fr",
        "state": "GIVEN_UP",
        "attempts": 1,
        "createdAt": at,
        "sentAt": None,
        "nextAttemptAt": None,
    }
    assert (deleted["recipient"], deleted["template"]) == ("***@odd", "password_reset.fr")
    sent, waiting = await listed(ask, omar, "SENT", "WAITING")
    assert (sent["state"], sent["sentAt"], waiting["state"], waiting["nextAttemptAt"]) == (
        "SENT",
        at,
        "WAITING",
        at,
    )
    assert [each["id"] for each in await listed(ask, omar)] == [
        key(each) for each in reversed(emails.values())
    ]
    assert (await ask(omar, LIST, s=[]))["data"]["emails"] == {"totalCount": 0, "nodes": []}


async def test_p4_3_a_retried_email_gets_as_many_attempts_as_a_new_one(
    ask: "Ask", omar: Viewer, action: Action
) -> None:
    """A repeat changes nothing, and one entry is in the audit log."""
    email = (await one_of_each(action))["given up"]
    await Email.filter(pk=email.pk).update(attempts=20)
    for _ in range(2):
        payload = (await ask(omar, RETRY, i={"emailId": key(email)}))["data"]["emailRetry"]
        assert payload == {"email": {"state": "WAITING", "attempts": 0}, "userErrors": []}
    retried = await Email.get(pk=email.pk)
    assert retried.next_attempt_at
    assert retried.next_attempt_at - action.at < timedelta(minutes=1)
    entries = await AuditEntry.filter(action=OperationsAuditAction.EMAIL_RETRY.value)
    assert [(each.object_id, each.account_id, each.details) for each in entries] == [
        (email.pk, None, '{"attempts":20}')
    ]


@pytest.mark.parametrize(
    ("name", "code"), [("sent", "TRANSITION_ILLEGAL"), ("deleted", "EMAIL_CONTENT_DELETED")]
)
async def test_emails_that_cannot_be_retried(
    ask: "Ask", omar: Viewer, action: Action, name: str, code: str
) -> None:
    email = (await one_of_each(action))[name]
    payload = (await ask(omar, RETRY, i={"emailId": key(email)}))["data"]["emailRetry"]
    assert payload == {"email": None, "userErrors": [{"code": code, "field": ["input", "emailId"]}]}
    unknown = (await ask(omar, RETRY, i={"emailId": encode("User", email.pk)}))["data"][
        "emailRetry"
    ]
    assert [each["code"] for each in unknown["userErrors"]] == ["NOT_FOUND"]
    assert not await AuditEntry.filter(action=OperationsAuditAction.EMAIL_RETRY.value).exists()


async def test_only_operators_list_and_retry_emails(
    ask: "Ask", dataset: Dataset, action: Action
) -> None:
    email = (await one_of_each(action))["given up"]
    for viewer in (
        Viewer(),
        dataset.paul.owner,
        dataset.alice,
        dataset.nadia,
        dataset.alice_without_factor,
    ):
        for document, variables in ((LIST, {}), (RETRY, {"i": {"emailId": key(email)}})):
            response = await ask(viewer, document, **variables)
            assert response["errors"][0]["extensions"]["code"] in ("FORBIDDEN", "UNAUTHENTICATED")
        assert not await Email.visible_to(viewer).exists()
    assert (await Email.get(pk=email.pk)).state is EmailState.GIVEN_UP


async def test_the_content_of_an_email_is_never_read(
    ask: "Ask", omar: Viewer, action: Action, caplog: pytest.LogCaptureFixture
) -> None:
    await stored(action)
    caplog.set_level("DEBUG", logger="tortoise.db_client")
    await listed(ask, omar)
    statements = [
        each.getMessage() for each in caplog.records if 'FROM "email"' in each.getMessage()
    ]
    assert statements
    assert not any('"text"' in each or '"html"' in each or "Sujet" in each for each in statements)
