"""Every fault of the environment is named, all of them at once."""

from pathlib import Path

import pytest

import billing
from settings import DEMONSTRATION_DATABASE, SettingsError, read

KEY = "k8Zp2vQx7Lr4Ns9Tb3Wc6Yd1Hf5Jg0Ma"
GOOD = {"CAMCHA_DATABASE_URL": "postgres://camcha@db.example/camcha", "CAMCHA_SECRET_KEY": KEY}

FAULTS = [
    ({"CAMCHA_DATABSE_URL": "sqlite://x"}, "CAMCHA_DATABSE_URL: no such setting"),
    ({"CAMCHA_DATABASE_URL": "mysql://camcha@db.example/camcha"}, "CAMCHA_DATABASE_URL: sqlite://"),
    ({"CAMCHA_DATABASE_URL": "postgres://db.example"}, "CAMCHA_DATABASE_URL: sqlite://"),
    ({"CAMCHA_DATABASE_URL": "sqlite://"}, "CAMCHA_DATABASE_URL: sqlite://"),
    ({"CAMCHA_SECRET_KEY": ""}, "CAMCHA_SECRET_KEY: required"),
    ({"CAMCHA_SECRET_KEY": "short"}, "CAMCHA_SECRET_KEY: too weak"),
    ({"CAMCHA_SECRET_KEY": "a" * 64}, "CAMCHA_SECRET_KEY: too weak"),
    ({"CAMCHA_SECRET_KEY": "only-for-the-demonstration-on-this-machine"}, "CAMCHA_SECRET_KEY: the demonstration's key"),
    ({"CAMCHA_BASE_URL": "app.example.fr"}, "CAMCHA_BASE_URL: https://host"),
    ({"CAMCHA_DATABASE_URL": "postgres://[db/camcha"}, "CAMCHA_DATABASE_URL: sqlite://"),
    ({"CAMCHA_BASE_URL": "https://[app"}, "CAMCHA_BASE_URL: https://host"),
    ({"CAMCHA_BASE_URL": "https://app.example.fr:port"}, "CAMCHA_BASE_URL: https://host"),
    ({"CAMCHA_BASE_URL": "https://app.example.fr/api"}, "CAMCHA_BASE_URL: https://host, without a path"),
    ({"CAMCHA_BASE_URL": "https://u@app.example.fr"}, "CAMCHA_BASE_URL: https://host"),
    ({"CAMCHA_ALLOWED_ORIGINS": "https://[app"}, "CAMCHA_ALLOWED_ORIGINS: https://[app is not an origin"),
    ({"CAMCHA_ALLOWED_ORIGINS": "https://app.example.fr/x"}, "CAMCHA_ALLOWED_ORIGINS: https://app.example.fr/x is not"),
    ({"CAMCHA_BASE_URL": "ftp://app.example.fr"}, "CAMCHA_BASE_URL: https://host"),
    ({"CAMCHA_ALLOWED_ORIGINS": "https://a.example app.example"}, "CAMCHA_ALLOWED_ORIGINS: app.example is not an origin"),
    ({"CAMCHA_FILES": "s3://bucket"}, "CAMCHA_FILES: s3://bucket/prefix?endpoint="),
    ({"CAMCHA_REDIS_URL": "http://redis.example"}, "CAMCHA_REDIS_URL: redis://host:6379/0"),
    ({"CAMCHA_BREACHED_PASSWORDS": "api.example/range"}, "CAMCHA_BREACHED_PASSWORDS: https://host/range"),
    ({"CAMCHA_BREACHED_PASSWORDS": "https://[api"}, "CAMCHA_BREACHED_PASSWORDS: https://host/range"),
    ({"CAMCHA_REGISTRY": "registry.example"}, "CAMCHA_REGISTRY: https://host"),
    ({"CAMCHA_REGISTRY": "https://[registry"}, "CAMCHA_REGISTRY: https://host"),
    ({"CAMCHA_REGISTRY": "https://registry.example:port"}, "CAMCHA_REGISTRY: https://host"),
    ({"CAMCHA_REGISTRY": "https://u@registry.example"}, "CAMCHA_REGISTRY: https://host"),
    ({"CAMCHA_BREACHED_PASSWORDS": "https://u@api.example"}, "CAMCHA_BREACHED_PASSWORDS: https://host/range"),
    ({"CAMCHA_SCANNER": "http://scanner.example"}, "CAMCHA_SCANNER: tcp://host:3310 or unix:///"),
    ({"CAMCHA_POLICIES": "nowhere"}, "CAMCHA_POLICIES: there is no file nowhere/versions.toml"),
    ({"CAMCHA_SELLER": "nowhere.toml"}, "CAMCHA_SELLER: there is no file nowhere.toml"),
    ({"CAMCHA_DOCUMENTS": "nowhere.json"}, "CAMCHA_DOCUMENTS: there is no file nowhere.json"),
    ({"CAMCHA_TRUSTED_DOCUMENTS_ONLY": "yes"}, "CAMCHA_TRUSTED_DOCUMENTS_ONLY: true or false"),
    ({"CAMCHA_TRUSTED_DOCUMENTS_ONLY": "true"}, "CAMCHA_TRUSTED_DOCUMENTS_ONLY: nobody could ask for anything"),
]


@pytest.mark.parametrize(("environ", "fault"), FAULTS)
def test_a_fault_is_named(environ: dict[str, str], fault: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(GOOD | environ)
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith(fault)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read({"CAMCHA_DATABASE_URL": "mysql://x", "CAMCHA_NONSENSE": "1", "CAMCHA_BASE_URL": "x"})
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "CAMCHA_NONSENSE", "CAMCHA_DATABASE_URL", "CAMCHA_SECRET_KEY", "CAMCHA_BASE_URL",
    ]  # fmt: skip


def test_nothing_set_is_the_demonstration() -> None:
    settings = read({}, "http://127.0.0.1:9000")
    assert settings.demonstration
    assert (settings.database_url, settings.base_url) == (DEMONSTRATION_DATABASE, "http://127.0.0.1:9000")


def test_a_database_of_ones_own_is_no_demonstration() -> None:
    settings = read({**GOOD, "CAMCHA_ALLOWED_ORIGINS": "https://a.example, https://b.example", "HOME": "/"})
    assert not settings.demonstration
    assert settings.allowed_origins == {"https://a.example", "https://b.example"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://App.Example.fr/", "https://app.example.fr"),
        ("HTTPS://app.example.fr:443", "https://app.example.fr"),
        ("http://app.example.fr:80/", "http://app.example.fr"),
        ("https://app.example.fr:8443", "https://app.example.fr:8443"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_addresses_are_compared_as_browsers_write_them(written: str, meant: str) -> None:
    """However an operator writes them: else no page would ever be one of ours, and nobody told why."""
    settings = read({**GOOD, "CAMCHA_BASE_URL": written, "CAMCHA_ALLOWED_ORIGINS": written})
    assert settings.base_url == meant
    assert settings.allowed_origins == {meant}


def test_trusted_documents_are_a_file_and_may_be_the_only_ones(tmp_path: Path) -> None:
    path = tmp_path / "documents.json"
    path.touch()
    settings = read({"CAMCHA_DOCUMENTS": str(path), "CAMCHA_TRUSTED_DOCUMENTS_ONLY": "true"})
    assert (settings.documents, settings.trusted_documents_only) == (path, True)
    settings = read({"CAMCHA_DOCUMENTS": "", "CAMCHA_TRUSTED_DOCUMENTS_ONLY": "false"})
    assert (settings.documents, settings.trusted_documents_only) == (None, False)


def test_secrets_are_not_shown() -> None:
    shown = repr(read({**GOOD, "CAMCHA_MAIL_URL": "smtp://user:hunter2@mail.example"}))
    assert KEY not in shown
    assert "hunter2" not in shown


def test_a_mail_url_or_a_sender_that_make_no_sense_are_named() -> None:
    with pytest.raises(SettingsError) as refused:
        read({"CAMCHA_MAIL_URL": "pigeon:loft", "CAMCHA_MAIL_SENDER": "nobody"})
    assert [fault.partition(":")[0] for fault in refused.value.faults] == ["CAMCHA_MAIL_URL", "CAMCHA_MAIL_SENDER"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "says nothing of 'address_lines'"),
        ("name = ", "seller.toml: Invalid value"),
        ("[[retention]]\nfrom = 2026-01-01\ngrace_days = 'x'\n", "seller.toml"),
    ],
)
def test_a_seller_that_cannot_be_read_is_told_at_the_start(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "seller.toml"
    good = (Path(billing.__file__).with_name("seller.toml")).read_text(encoding="utf-8")
    path.write_text(good.partition("[[retention]]")[0] + text if "retention" in text else text, encoding="utf-8")
    with pytest.raises(SettingsError) as refused:
        read(GOOD | {"CAMCHA_SELLER": str(path)})
    assert fault in refused.value.faults[0]
