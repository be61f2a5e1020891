"""A stranger can sign up with a company's public details, and never confirm the address. Staff can
tell such a sign-up from one by the company itself.
"""

from typing import TYPE_CHECKING, Any

from models.accounts.account import Account, AccountStatus, Role
from models.action import Action
from models.identity.user import Staff, User
from models.viewer import Viewer
from resolvers.ids import encode
from tests.people import (
    OTHER_SIREN,
    SIREN,
    add_member,
    create_account,
    create_staff_viewer,
    create_user,
)
from tests.schema.conftest import Dataset

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

ACCOUNT_QUERY = """query($id: ID!) { account(id: $id) { status isVerified
    sirenClaims { id isVerified members { role user { email emailVerifiedAt } } } } }"""
SEARCH_QUERY = """query($s: String!) { users(search: $s) { nodes { email emailVerifiedAt
    memberships { account { id siren status isVerified sirenClaims { id } } } } } }"""
STRANGER_EMAIL = "stranger@elsewhere.example"


async def sign_up(action: Action, email: str, siren: str, *, verified: bool) -> Account:
    """A company with one owner, who has verified the address or not."""
    user = await create_user(
        action, "Étranger", email=email, email_verified_at=action.at if verified else None
    )
    account = await create_account(action, "PAULMARK legal", siren)
    await add_member(action, account, user, Role.OWNER)
    return account


async def account_data(execute: "Execute", viewer: Viewer, account: Account) -> dict[str, Any]:
    response = await execute(viewer, ACCOUNT_QUERY, id=encode("Account", account.pk))
    return dict(response["data"]["account"])


async def test_staff_can_tell_a_strangers_sign_up_from_the_company(
    execute: "Execute", dataset: Dataset, action: Action
) -> None:
    paul = dataset.paul.account
    stranger = await sign_up(action, STRANGER_EMAIL, SIREN, verified=False)
    data = await account_data(execute, dataset.alice, stranger)
    assert (data["status"], data["isVerified"]) == ("ACTIVE", False)
    (claim,) = data["sirenClaims"]
    assert (claim["id"], claim["isVerified"]) == (encode("Account", paul.pk), True)
    data = await account_data(execute, dataset.alice, paul)
    assert data["isVerified"] is True
    assert data["sirenClaims"] == [
        {
            "id": encode("Account", stranger.pk),
            "isVerified": False,
            "members": [
                {"role": "OWNER", "user": {"email": STRANGER_EMAIL, "emailVerifiedAt": None}}
            ],
        }
    ]
    omar = await create_staff_viewer(action, "Omar", Staff.OPERATOR)
    for viewer in (dataset.alice, omar):
        response = await execute(viewer, SEARCH_QUERY, s="elsewhere")
        (user,) = response["data"]["users"]["nodes"]
        assert user["emailVerifiedAt"] is None
        (membership,) = user["memberships"]
        assert membership["account"] == {
            "id": encode("Account", stranger.pk),
            "siren": SIREN,
            "status": "ACTIVE",
            "isVerified": False,
            "sirenClaims": [{"id": encode("Account", paul.pk)}],
        }


async def test_verifying_the_address_verifies_the_account(
    execute: "Execute", dataset: Dataset, action: Action
) -> None:
    account = await sign_up(action, STRANGER_EMAIL, "552100554", verified=False)
    # A member who isn't an owner vouches for nothing.
    await add_member(action, account, await create_user(action, "Max"), Role.ADMIN)
    assert (await account_data(execute, dataset.alice, account))["isVerified"] is False
    await User.filter(email=STRANGER_EMAIL).update(email_verified_at=action.at)
    data = await account_data(execute, dataset.alice, account)
    assert (data["isVerified"], data["sirenClaims"]) == (True, [])


async def test_several_claims_are_listed_without_erased_accounts(
    execute: "Execute", dataset: Dataset, action: Action
) -> None:
    first = await sign_up(action, "a@elsewhere.example", OTHER_SIREN, verified=True)
    second = await sign_up(action, "b@elsewhere.example", OTHER_SIREN, verified=False)
    await Account.filter(pk=second.pk).update(status=AccountStatus.DEACTIVATED)
    erased_account = await sign_up(action, "c@elsewhere.example", OTHER_SIREN, verified=True)
    await Account.filter(pk=erased_account.pk).update(status=AccountStatus.ERASED)
    data = await account_data(execute, dataset.alice, dataset.marie.account)
    assert [claim["id"] for claim in data["sirenClaims"]] == [
        encode("Account", account.pk) for account in (first, second)
    ]


async def test_members_do_not_see_who_else_claims_their_siren(
    execute: "Execute", dataset: Dataset, action: Action
) -> None:
    await sign_up(action, STRANGER_EMAIL, SIREN, verified=False)
    for viewer in (dataset.paul.owner, dataset.paul.member):
        data = await account_data(execute, viewer, dataset.paul.account)
        assert data == {"status": "ACTIVE", "isVerified": True, "sirenClaims": []}
