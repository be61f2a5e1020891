"""What the tests of the audit log need to execute each mutation once, as a viewer who may."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyotp
from strawberry.types.field import StrawberryField

from auth.factors import totp
from engine import Engine, Params
from models.action import Action
from models.audit_action import AuditAction
from models.billing.offer import Price
from models.identity.authenticator import Authenticator
from models.identity.session import Session
from models.identity.user import Staff, User
from models.viewer import Viewer
from resolvers.context import Context, Services
from resolvers.ids import encode
from schema.fields import Unaudited
from schema.root import schema
from tests.people import PASSWORD, create_staff, create_viewer
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    pass


PEER = "198.51.100.7"


MUTATIONS = schema._schema.mutation_type.fields  # type: ignore[union-attr] # there are some


def declared_audit(name: str) -> AuditAction | Unaudited:
    field = MUTATIONS[name].extensions["strawberry-definition"]
    assert isinstance(field, StrawberryField)
    audit: AuditAction | Unaudited = field.metadata["audit"]
    return audit


@dataclass
class Scenario:
    """The rows, services and viewers that the examples use."""

    dataset: Dataset
    services: Services
    engine: Engine
    price: Price
    action: Action
    operator: Viewer | None = None  # of examples that need the same one several times
    # The last request of each mutation: who sent it, and its input.
    requests: dict[str, tuple[Viewer, dict[str, Any]]] = field(default_factory=dict)

    @property
    def owner(self) -> Viewer:
        return self.dataset.paul.owner

    async def mutate(
        self, viewer: Viewer, name: str, selection: str = "", /, **input_fields: Any
    ) -> dict[str, Any]:
        """Executes a mutation, whose payload may contain any userErrors. `selection` is selected as
        well.
        """
        self.requests[name] = viewer, input_fields
        kind = str(MUTATIONS[name].args["input"].type) if input_fields else ""
        head, call = (f"($i: {kind})", "(input: $i)") if input_fields else ("", "")
        query = f"mutation{head} {{ {name}{call} {{ {selection} userErrors {{ code }} }} }}"
        response = await self.engine.execute(
            self.engine.prepare(Params(query, variables={"i": input_fields})),
            Context(viewer, self.services, PEER),
        )
        assert "errors" not in response, response
        return dict(response["data"][name])


async def member_with_password(scenario: Scenario, **columns: Any) -> User:
    """A member of Paul's company who has a password."""
    user = scenario.dataset.paul.member.user
    assert user is not None
    columns["password_hash"] = await scenario.services.auth.passwords.hash(PASSWORD)
    await User.filter(pk=user.pk).update(**columns)
    return await User.get(pk=user.pk)


def member_id(scenario: Scenario) -> str:
    return encode("User", scenario.dataset.paul.member.user_id or 0)


async def owner_with_step_up(scenario: Scenario) -> Viewer:
    """Paul's owner, with a recent step-up."""
    assert scenario.owner.session
    await Session.filter(pk=scenario.owner.session.pk).update(
        step_up_expires_at=scenario.action.at + timedelta(minutes=5)
    )
    return scenario.owner


async def member_viewer(scenario: Scenario, **columns: Any) -> Viewer:
    return replace(
        scenario.dataset.paul.member, user=await member_with_password(scenario, **columns)
    )


async def operator_viewer(scenario: Scenario, name: str = "Omar") -> Viewer:
    """An operator with a recent step-up."""
    operator = await create_staff(scenario.action, name, Staff.OPERATOR)
    viewer = await create_viewer(scenario.action, operator, second_factor=True)
    assert viewer.session
    await Session.filter(pk=viewer.session.pk).update(
        step_up_expires_at=scenario.action.at + timedelta(minutes=5)
    )
    return viewer


async def owner_viewer(scenario: Scenario) -> Viewer:
    """Paul's owner with a recent step-up."""
    session = scenario.owner.session
    assert session
    await Session.filter(pk=session.pk).update(
        step_up_expires_at=scenario.action.at + timedelta(minutes=5)
    )
    return replace(scenario.owner, session=await Session.get(pk=session.pk))


async def agent_viewer(scenario: Scenario) -> Viewer:
    """Alice with a recent step-up."""
    session = scenario.dataset.alice.session
    assert session
    await Session.filter(pk=session.pk).update(
        step_up_expires_at=scenario.action.at + timedelta(minutes=5)
    )
    return replace(scenario.dataset.alice, session=await Session.get(pk=session.pk))


async def member_with_totp(scenario: Scenario) -> Authenticator:
    user = await member_with_password(scenario, second_factor_at=scenario.action.at)
    return await totp.store_app(
        user, scenario.services.auth.secret_box.encrypt(pyotp.random_base32()), scenario.action.at
    )
