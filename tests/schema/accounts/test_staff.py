"""Staff in the GraphQL API: only operators manage staff, and a new staff user reaches the page that
their email names.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from models.action import Action
from models.identity.session import Session
from models.identity.user import Staff, User
from models.operations.email import Email
from models.viewer import Viewer
from resolvers.ids import encode
from tests.people import create_staff_viewer
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

STAFF_QUERY = "{ staff { totalCount nodes { id name email staff secondFactor } } }"
HIRE_MUTATION = """mutation {
    staffHire(input: {email: "Lea@camcha.example", name: "Léa", role: AGENT, locale: FR,
    idempotencyKey: "%s"}) {
    user { id email staff secondFactor } userErrors { code field } } }"""


@pytest.fixture
async def omar(dataset: Dataset, action: Action) -> Viewer:
    """An operator with a recent step-up."""
    viewer = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    assert viewer.session
    await Session.filter(pk=viewer.session.pk).update(
        step_up_expires_at=action.at + timedelta(minutes=5)
    )
    return viewer


async def test_p4_3_an_operator_hires_and_lists_staff(execute: "Execute", omar: Viewer) -> None:
    payload = (await execute(omar, HIRE_MUTATION % "k"))["data"]["staffHire"]
    assert (await execute(omar, HIRE_MUTATION % "k"))["data"]["staffHire"] == payload
    lea = await User.get(email="lea@camcha.example")
    expected = {
        "id": encode("User", lea.pk),
        "email": lea.email,
        "staff": "AGENT",
        "secondFactor": False,
    }
    assert payload == {"user": expected, "userErrors": []}
    email = await Email.get(recipient=lea.email)
    assert (email.template, "/reset?token=cam_pr_" in email.text) == ("staff_welcome.fr", True)
    repeated_payload = (await execute(omar, HIRE_MUTATION % "other"))["data"]["staffHire"]
    assert repeated_payload == {
        "user": None,
        "userErrors": [{"code": "EMAIL_TAKEN", "field": ["input", "email"]}],
    }
    staff_page = (await execute(omar, STAFF_QUERY))["data"]["staff"]
    assert [each["name"] for each in staff_page["nodes"]] == ["Alice", "Nadia", "Omar", "Léa"]
    assert staff_page["totalCount"] == 4


async def test_only_operators_manage_staff(execute: "Execute", dataset: Dataset) -> None:
    key = encode("User", dataset.alice.user.pk)  # type: ignore[union-attr] # she is signed in
    documents = [
        STAFF_QUERY,
        HIRE_MUTATION % "k",
        f'mutation {{ staffDismiss(input: {{userId: "{key}"}}) {{ dismissed }} }}',
        (
            f'mutation {{ staffChangeRole(input: {{userId: "{key}", '
            f"role: OPERATOR}}) {{ user {{ staff }} }} }}"
        ),
        (
            f'mutation {{ userEndSessions(input: {{userId: "{key}", '
            f'reason: SECURITY, idempotencyKey: "1"}}) {{ ended }} }}'
        ),
        (
            f'mutation {{ userResetSecondFactor(input: {{userId: "{key}", '
            f'reason: SECURITY, idempotencyKey: "1"}}) {{ reset }} }}'
        ),
    ]
    for viewer in (
        Viewer(),
        dataset.paul.owner,
        dataset.alice,
        dataset.nadia,
        dataset.alice_without_factor,
    ):
        for document in documents:
            response = await execute(viewer, document)
            assert response["errors"][0]["extensions"]["code"] in ("FORBIDDEN", "UNAUTHENTICATED")
    assert (await User.get(pk=dataset.alice.user.pk)).staff is Staff.AGENT  # type: ignore[union-attr]
