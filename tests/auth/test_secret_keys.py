"""The secret key of an installation can be changed, and a wrong one is noticed."""

from pathlib import Path

import pytest
from cryptography.fernet import InvalidToken

from auth import secret_keys
from auth.factors.totp import store_app
from auth.secret_box import SecretBox, key_fingerprint
from auth.tokens import Purpose, Signer
from auth.webhook_signatures import new_secret
from models.action import Action
from models.audit import AuditEntry
from models.identity.authenticator import Authenticator
from models.operations.installation import Installation
from models.operations.webhook import WebhookEndpoint
from tests.forked import run
from tests.people import create_account, create_user
from tests.test_cli import environment

OLD, NEW, OTHER = (f"{name}-secret-key-0123456789-abcdefghij" for name in ("old", "new", "other"))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_keys, "BATCH_SIZE", 2)


async def add_apps(action: Action, key: str, number: int) -> None:
    for each in range(number):
        user = await create_user(action, f"{key[:3]}{each} Aubry")
        await store_app(user, SecretBox(key).encrypt(f"seed {user.pk}"), action.at)


@pytest.mark.usefixtures("db")
async def test_the_first_key_is_recorded_and_another_one_is_noticed() -> None:
    assert await secret_keys.has_expected_key(NEW)
    await secret_keys.record_first_key(OLD)
    assert await secret_keys.has_expected_key(OLD)
    await secret_keys.record_first_key(NEW)
    assert not await secret_keys.has_expected_key(NEW)
    assert not await secret_keys.has_expected_key(NEW, (OTHER,))
    assert await secret_keys.has_expected_key(NEW, (OTHER, OLD))
    assert not await secret_keys.is_encrypted_with(NEW)
    assert OLD not in str((await Installation.current()).key_fingerprint)


@pytest.mark.usefixtures("db")
async def test_a_database_without_a_recorded_key_knows_it_by_its_authenticators(
    action: Action,
) -> None:
    await add_apps(action, OLD, 1)
    assert not await secret_keys.has_expected_key(NEW)
    assert await secret_keys.has_expected_key(NEW, (OLD,))
    assert await secret_keys.has_expected_key(OLD)
    await secret_keys.record_first_key(NEW)
    assert (await Installation.current()).key_fingerprint is None
    await secret_keys.record_first_key(OLD)
    assert (await Installation.current()).key_fingerprint == key_fingerprint(OLD)


@pytest.mark.usefixtures("db", "small_batches")
async def test_after_encrypting_again_the_previous_key_is_not_needed(action: Action) -> None:
    await secret_keys.record_first_key(OLD)
    await add_apps(action, OLD, 5)
    secret = SecretBox(OLD).encrypt(new_secret())
    await WebhookEndpoint.create(
        account=await create_account(action),
        url="https://www.example.fr",
        secret=secret,
        previous_secret=secret,
        stream="account:1",
        sequence=0,
        created_at=action.at,
    )
    for _ in range(2):
        assert await secret_keys.encrypt_again(action, NEW, (OLD,)) == 0
        endpoint = await WebhookEndpoint.get()
        for encrypted in (endpoint.secret, endpoint.previous_secret):
            assert SecretBox(NEW).decrypt(str(encrypted)).startswith("whsec_")
        for app in await Authenticator.all():
            assert SecretBox(NEW).decrypt(str(app.secret)) == f"seed {app.user_id}"
            with pytest.raises(InvalidToken):
                SecretBox(OLD).decrypt(str(app.secret))
    assert await secret_keys.has_expected_key(NEW)
    assert await secret_keys.is_encrypted_with(NEW)
    assert not await secret_keys.has_expected_key(OLD)
    assert await AuditEntry.filter(action="secret_key.change").count() == 2


@pytest.mark.usefixtures("db", "small_batches")
async def test_secrets_of_unknown_keys_are_counted_and_kept(action: Action) -> None:
    await add_apps(action, OLD, 3)
    await add_apps(action, OTHER, 3)
    before = {app.pk: app.secret for app in await Authenticator.all().order_by("id")}
    assert await secret_keys.encrypt_again(action, NEW, (OLD,)) == 3
    after = {app.pk: app.secret for app in await Authenticator.all().order_by("id")}
    assert [before[key] == after[key] for key in before] == [False] * 3 + [True] * 3
    assert not await secret_keys.is_encrypted_with(NEW)
    assert await secret_keys.encrypt_again(action, NEW, (OLD, OTHER)) == 0


async def test_serve_refuses_another_key_until_it_was_changed(db: str, tmp_path: Path) -> None:
    await secret_keys.record_first_key(OLD)

    def command(*arguments: str, **settings: str) -> tuple[int, str]:
        env = environment(DATABASE_URL=db, TEST_INSTALLATION="true", **settings)
        result = run(arguments, cwd=tmp_path, env=env)
        return result.returncode, result.stdout + result.stderr

    for keys in ({"SECRET_KEY": NEW}, {"SECRET_KEY": NEW, "SECRET_KEY_PREVIOUS": OTHER}):
        status, output = command("serve", "--port", "0", **keys)
        assert status == 1
        assert output.startswith("error: CAMCHA_SECRET_KEY: this database was set up with another")
        status, output = command("check", **keys)
        assert status == 1
        assert "error: CAMCHA_SECRET_KEY: this database was set up with another" in output
    keys = {"SECRET_KEY": NEW, "SECRET_KEY_PREVIOUS": f"{OTHER} {OLD}"}
    assert "warning: secret key: Secrets are still encrypted" in command("check", **keys)[1]
    assert command("encrypt-again", **keys)[0] == 0
    assert command("check", SECRET_KEY=NEW)[0] == 0
    assert command("serve", "--port", "0", SECRET_KEY=OLD)[0] == 1


def test_links_of_a_previous_key_are_accepted(action: Action) -> None:
    token = Signer(OLD).sign(Purpose.EMAIL_DOWNLOAD, action.at, invoice=7)
    signer = Signer(NEW, OTHER, OLD)
    assert signer.read(Purpose.EMAIL_DOWNLOAD, token, action.at) == {"invoice": 7}
    new_token = signer.sign(Purpose.EMAIL_DOWNLOAD, action.at, invoice=8)
    assert Signer(NEW).read(Purpose.EMAIL_DOWNLOAD, new_token, action.at) == {"invoice": 8}
