"""What the tests of the audit log need to execute each mutation once, as a viewer who may."""

from dataclasses import dataclass, replace
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


def declared(name: str) -> AuditAction | Unaudited:
    field = MUTATIONS[name].extensions["strawberry-definition"]
    assert isinstance(field, StrawberryField)
    audit: AuditAction | Unaudited = field.metadata["audit"]
    return audit


@dataclass
class Stage:
    """The rows, services and viewers that the examples use."""

    dataset: Dataset
    services: Services
    engine: Engine
    price: Price
    action: Action

    @property
    def owner(self) -> Viewer:
        return self.dataset.paul.owner

    async def do(
        self, viewer: Viewer, name: str, selected: str = "", /, **given: Any
    ) -> dict[str, Any]:
        """Executes a mutation, whose payload may contain any userErrors. `selected` is selected as
        well.
        """
        kind = str(MUTATIONS[name].args["input"].type) if given else ""
        head, call = (f"($i: {kind})", "(input: $i)") if given else ("", "")
        query = f"mutation{head} {{ {name}{call} {{ {selected} userErrors {{ code }} }} }}"
        response = await self.engine.execute(
            self.engine.prepare(Params(query, variables={"i": given})),
            Context(viewer, self.services, PEER),
        )
        assert "errors" not in response, response
        return dict(response["data"][name])


async def known(stage: Stage, **facts: Any) -> User:
    """A member of Paul's company who has a password."""
    user = stage.dataset.paul.member.user
    assert user is not None
    facts["password_hash"] = await stage.services.auth.passwords.hash(PASSWORD)
    await User.filter(pk=user.pk).update(**facts)
    return await User.get(pk=user.pk)


def member_id(stage: Stage) -> str:
    return encode("User", stage.dataset.paul.member.user_id or 0)


async def proved(stage: Stage) -> Viewer:
    """Paul's owner, with a recent step-up."""
    assert stage.owner.session
    await Session.filter(pk=stage.owner.session.pk).update(
        fresh_until=stage.action.at + timedelta(minutes=5)
    )
    return stage.owner


async def known_viewer(stage: Stage, **facts: Any) -> Viewer:
    return replace(stage.dataset.paul.member, user=await known(stage, **facts))


async def operating(stage: Stage) -> Viewer:
    """An operator with a recent step-up."""
    operator = await create_staff(stage.action, "Omar", Staff.OPERATOR)
    viewer = await create_viewer(stage.action, operator, second_factor=True)
    assert viewer.session
    await Session.filter(pk=viewer.session.pk).update(
        fresh_until=stage.action.at + timedelta(minutes=5)
    )
    return viewer


async def managing(stage: Stage) -> Viewer:
    """Paul's owner with a recent step-up."""
    session = stage.owner.session
    assert session
    await Session.filter(pk=session.pk).update(fresh_until=stage.action.at + timedelta(minutes=5))
    return replace(stage.owner, session=await Session.get(pk=session.pk))


async def answering(stage: Stage) -> Viewer:
    """Alice with a recent step-up."""
    session = stage.dataset.alice.session
    assert session
    await Session.filter(pk=session.pk).update(fresh_until=stage.action.at + timedelta(minutes=5))
    return replace(stage.dataset.alice, session=await Session.get(pk=session.pk))


async def enrolled(stage: Stage) -> Authenticator:
    user = await known(stage, second_factor_at=stage.action.at)
    return await totp.store_app(
        user, stage.services.auth.secret_box.encrypt(pyotp.random_base32()), stage.action.at
    )
