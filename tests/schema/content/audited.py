"""An example of each audited mutation of content, in a function with the mutation's name."""

from typing import TYPE_CHECKING

from models.content.policy import Policy
from resolvers.ids import encode
from tests.schema.audited_fixtures import Scenario

if TYPE_CHECKING:
    pass


async def policy_accept(scenario: Scenario) -> None:
    policy = await Policy.create(
        kind="TERMS",
        version="2.0",
        effective_on=scenario.action.day,
        text_fr="# MARK\n",
        text_en="# MARK\n",
        sha256="-",
        installed_at=scenario.action.at,
    )
    for _ in range(2):
        await scenario.mutate(scenario.owner, "policyAccept", policyId=encode("Policy", policy.pk))
