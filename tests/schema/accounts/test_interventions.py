"""Staff who act on a customer need a step-up and a reason, and the people affected are notified."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from graphql import GraphQLInputObjectType, get_named_type

from engine import Engine
from engine.errors import RequestError
from models.accounts.intervention import InterventionReason
from models.action import Action
from models.audit import AuditEntry
from models.billing.offer import Price
from models.identity.session import Session
from models.operations.email import Email
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from tests.schema.audited_fixtures import (
    MUTATIONS,
    Scenario,
    agent_viewer,
    member_id,
    member_with_password,
    operator_viewer,
)
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

Intervention = tuple[Callable[[Scenario], Awaitable[Viewer]], str]
INTERVENTIONS: dict[str, Intervention] = {
    "accountDeactivate": (agent_viewer, "account.deactivate"),
    "userEndSessions": (operator_viewer, "session.end_all"),
    "userResetSecondFactor": (operator_viewer, "second_factor.reset"),
}


@pytest.fixture
def scenario(
    dataset: Dataset, services: Services, engine: Engine, price: Price, action: Action
) -> Scenario:
    return Scenario(dataset, services, engine, price, action)


def arguments(scenario: Scenario, name: str) -> dict[str, Any]:
    if name == "accountDeactivate":
        account = encode("Account", scenario.dataset.paul.account.pk)
        return {"accountId": account, "message": "Trois relances."}
    return {"userId": member_id(scenario), "idempotencyKey": "k"}


def test_every_mutation_that_requires_a_reason_is_in_the_table() -> None:
    """Add a new intervention here: the test below verifies that it is audited and that the user is
    notified.
    """
    with_reason = {
        name
        for name, field in MUTATIONS.items()
        for argument in field.args.values()
        for each in cast("GraphQLInputObjectType", get_named_type(argument.type)).fields.values()
        if get_named_type(each.type).name == "InterventionReason"
    }
    assert with_reason == INTERVENTIONS.keys()


@pytest.mark.parametrize("name", INTERVENTIONS)
async def test_every_intervention_requires_a_step_up_and_a_reason_and_sends_an_email(
    execute: "Execute", scenario: Scenario, name: str
) -> None:
    create_viewer, audit_action = INTERVENTIONS[name]
    viewer = await create_viewer(scenario)
    assert viewer.session
    user = await member_with_password(scenario, second_factor_at=scenario.action.at)
    input_value = arguments(scenario, name)
    kind = MUTATIONS[name].args["input"].type
    document = f"mutation($i: {kind}) {{ {name}(input: $i) {{ userErrors {{ code }} }} }}"
    with pytest.raises(RequestError, match="reason"):
        await execute(viewer, document, i=input_value)
    await Email.all().delete()
    input_value["reason"] = "SECURITY"
    await Session.filter(pk=viewer.session.pk).update(step_up_expires_at=None)
    stale_viewer = replace(viewer, session=await Session.get(pk=viewer.session.pk))
    refused_payload = await execute(stale_viewer, document, i=input_value)
    assert refused_payload["data"][name]["userErrors"] == [{"code": "STEP_UP_REQUIRED"}]
    assert await AuditEntry.filter(action=audit_action).count() == 0
    await Session.filter(pk=viewer.session.pk).update(
        step_up_expires_at=scenario.action.at.replace(year=2027)
    )
    assert (await execute(viewer, document, i=input_value))["data"][name]["userErrors"] == []
    (entry,) = await AuditEntry.filter(action=audit_action)
    assert f'"reason":"{InterventionReason.SECURITY}"' in entry.details
    owner = scenario.owner.user
    assert owner
    recipient = owner.email if name == "accountDeactivate" else user.email
    assert await Email.filter(recipient=recipient).count() == 1
