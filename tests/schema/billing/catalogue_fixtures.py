"""An operator who manages the catalogue, and short ways to buy from it."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from models.action import Action
from models.clock import PARIS
from models.identity.session import Session
from models.identity.user import Staff
from models.viewer import Viewer
from resolvers.ids import encode
from tests.people import create_staff_viewer
from tests.schema.billing.test_drafts import ADDRESS

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

TEXTS = {
    "name": "Standard",
    "description": "Un standard téléphonique.",
    "features": ["Deux lignes", "Un répondeur"],
    "advantages": ["Sans engagement"],
}


async def create_operator(action: Action) -> Viewer:
    """An operator with a step-up that lasts longer than any test moves the clock."""
    viewer = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    assert viewer.session
    await Session.filter(pk=viewer.session.pk).update(
        step_up_expires_at=action.at + timedelta(days=3_650)
    )
    return viewer


async def mutate(
    execute: "Execute", viewer: Viewer, name: str, selection: str, /, **input_fields: Any
) -> dict[str, Any]:
    """The payload of a mutation, with its user errors."""
    kind = name[0].upper() + name[1:] + "Input"
    response = await execute(
        viewer,
        f"mutation($i: {kind}!) {{ {name}(input: $i) {{ {selection} "
        "userErrors { code field message } } }",
        i=input_fields,
    )
    assert "errors" not in response, response
    return dict(response["data"][name])


def codes(payload: dict[str, Any]) -> list[tuple[str, str]]:
    """The user errors of a payload: code and path."""
    return [(each["code"], ".".join(each["field"][1:])) for each in payload["userErrors"]]


async def confirmed(
    execute: "Execute", viewer: Viewer, price_id: int, key: str = "draft", **draft: Any
) -> str:
    """The ID of a draft with confirmed billing details."""
    fields = {"priceId": encode("Price", price_id), "idempotencyKey": key, **draft}
    payload = await mutate(execute, viewer, "purchaseDraft", "purchase { id }", **fields)
    assert not payload["userErrors"], payload
    purchase_id: str = payload["purchase"]["id"]
    billing = {"purchaseId": purchase_id, "billingAddress": ADDRESS}
    await mutate(execute, viewer, "purchaseConfirmBilling", "purchase { id }", **billing)
    return purchase_id


def noon(day: date) -> datetime:
    """Noon of a day in Paris."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=PARIS)
