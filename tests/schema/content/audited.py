"""An example of each audited mutation of content, in a function with the mutation's name."""

from typing import TYPE_CHECKING

from models.content.policy import Policy
from resolvers.ids import encode
from tests.schema.audited_fixtures import Stage

if TYPE_CHECKING:
    pass


async def policy_accept(stage: Stage) -> None:
    policy = await Policy.create(
        kind="TERMS",
        version="2.0",
        effective_on=stage.action.day,
        text_fr="# MARK\n",
        text_en="# MARK\n",
        sha256="-",
        installed_at=stage.action.at,
    )
    for _ in range(2):
        await stage.do(stage.owner, "policyAccept", policyId=encode("Policy", policy.pk))
