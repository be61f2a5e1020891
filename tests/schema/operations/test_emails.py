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
    from tests.schema.conftest import Execute

EMAIL_FIELDS = "id template recipient state attempts createdAt sentAt nextAttemptAt"
EMAILS_QUERY = (
    f"query($s: [EmailState!]) "
    f"{{ emails(filter: {{state: {{in: $s}}}}) {{ totalCount nodes {{ {EMAIL_FIELDS} }} }} }}"
)
RETRY_MUTATION = (
    "mutation($i: EmailRetryInput!) { emailRetry(input: $i) { email { state attempts } userErrors "
    "{ code field } } }"
)


@pytest.fixture
async def omar(db: str, action: Action) -> Viewer:
    """An operator."""
    return await create_staff_viewer(action, "Omar", Staff.OPERATOR)


async def create_email(
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


async def create_email_of_each_state(action: Action) -> dict[str, Email]:
    """A waiting email, one that was sent and two that were given up, one of which contained a
    token.
    """
    emails = {name: await create_email(action) for name in ("waiting", "sent", "given up")}
    emails["deleted"] = await create_email(action, "password_reset.fr", "@odd")
    await emails["sent"].mark_sent(action.at)
    for name in ("given up", "deleted"):
        await emails[name].mark_failed(action.at, permanent=True)
    return emails


async def list_emails(execute: "Execute", viewer: Viewer, *states: str) -> list[dict[str, Any]]:
    connection = (await execute(viewer, EMAILS_QUERY, s=list(states) if states else None))["data"][
        "emails"
    ]
    assert connection["totalCount"] == len(connection["nodes"])
    return list(connection["nodes"])


def email_id(email: Email) -> str:
    return encode("Email", email.pk)


async def test_p4_3_an_operator_lists_emails_by_state(
    execute: "Execute", omar: Viewer, action: Action
) -> None:
    emails = await create_email_of_each_state(action)
    at = action.at.isoformat()
    deleted, given_up = await list_emails(execute, omar, "GIVEN_UP")
    assert given_up == {
        "id": email_id(emails["given up"]),
        "template": "invoice_issued.fr",
        "recipient": "m***@example.fr",
        "state": "GIVEN_UP",
        "attempts": 1,
        "createdAt": at,
        "sentAt": None,
        "nextAttemptAt": None,
    }
    assert (deleted["recipient"], deleted["template"]) == ("***@odd", "password_reset.fr")
    delivered_email, waiting_email = await list_emails(execute, omar, "SENT", "WAITING")
    assert (
        delivered_email["state"],
        delivered_email["sentAt"],
        waiting_email["state"],
        waiting_email["nextAttemptAt"],
    ) == (
        "SENT",
        at,
        "WAITING",
        at,
    )
    assert [each["id"] for each in await list_emails(execute, omar)] == [
        email_id(each) for each in reversed(emails.values())
    ]
    assert (await execute(omar, EMAILS_QUERY, s=[]))["data"]["emails"] == {
        "totalCount": 0,
        "nodes": [],
    }


async def test_p4_3_a_retried_email_gets_as_many_attempts_as_a_new_one(
    execute: "Execute", omar: Viewer, action: Action
) -> None:
    """A repeat changes nothing, and the audit log has one entry."""
    email = (await create_email_of_each_state(action))["given up"]
    await Email.filter(pk=email.pk).update(attempts=20)
    for _ in range(2):
        payload = (await execute(omar, RETRY_MUTATION, i={"emailId": email_id(email)}))["data"][
            "emailRetry"
        ]
        assert payload == {"email": {"state": "WAITING", "attempts": 0}, "userErrors": []}
    retried_email = await Email.get(pk=email.pk)
    assert retried_email.next_attempt_at
    assert retried_email.next_attempt_at - action.at < timedelta(minutes=1)
    entries = await AuditEntry.filter(action=OperationsAuditAction.EMAIL_RETRY.value)
    assert [(each.object_id, each.account_id, each.details) for each in entries] == [
        (email.pk, None, '{"attempts":20}')
    ]


@pytest.mark.parametrize(
    ("name", "code"), [("sent", "TRANSITION_ILLEGAL"), ("deleted", "EMAIL_CONTENT_DELETED")]
)
async def test_some_emails_cannot_be_retried(
    execute: "Execute", omar: Viewer, action: Action, name: str, code: str
) -> None:
    email = (await create_email_of_each_state(action))[name]
    payload = (await execute(omar, RETRY_MUTATION, i={"emailId": email_id(email)}))["data"][
        "emailRetry"
    ]
    assert payload == {"email": None, "userErrors": [{"code": code, "field": ["input", "emailId"]}]}
    unknown_payload = (
        await execute(omar, RETRY_MUTATION, i={"emailId": encode("User", email.pk)})
    )["data"]["emailRetry"]
    assert [each["code"] for each in unknown_payload["userErrors"]] == ["NOT_FOUND"]
    assert not await AuditEntry.filter(action=OperationsAuditAction.EMAIL_RETRY.value).exists()


async def test_only_operators_list_and_retry_emails(
    execute: "Execute", dataset: Dataset, action: Action
) -> None:
    email = (await create_email_of_each_state(action))["given up"]
    for viewer in (
        Viewer(),
        dataset.paul.owner,
        dataset.alice,
        dataset.nadia,
        dataset.alice_without_factor,
    ):
        for document, variables in (
            (EMAILS_QUERY, {}),
            (RETRY_MUTATION, {"i": {"emailId": email_id(email)}}),
        ):
            response = await execute(viewer, document, **variables)
            assert response["errors"][0]["extensions"]["code"] in ("FORBIDDEN", "UNAUTHENTICATED")
        assert not await Email.visible_to(viewer).exists()
    assert (await Email.get(pk=email.pk)).state is EmailState.GIVEN_UP


async def test_the_content_of_an_email_is_never_read(
    execute: "Execute", omar: Viewer, action: Action, caplog: pytest.LogCaptureFixture
) -> None:
    await create_email(action)
    caplog.set_level("DEBUG", logger="tortoise.db_client")
    await list_emails(execute, omar)
    statements = [
        each.getMessage() for each in caplog.records if 'FROM "email"' in each.getMessage()
    ]
    assert statements
    assert not any('"text"' in each or '"html"' in each or "Sujet" in each for each in statements)
