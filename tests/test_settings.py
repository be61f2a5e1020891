"""Reading the settings: all errors are reported together."""

from dataclasses import replace
from pathlib import Path

import pytest

import billing
from settings import DEMONSTRATION_DATABASE, PACKAGED_SELLER, SettingsError, read_settings

KEY = "k8Zp2vQx7Lr4Ns9Tb3Wc6Yd1Hf5Jg0Ma"
VALID = {"CAMCHA_DATABASE_URL": "postgres://camcha@db.example/camcha", "CAMCHA_SECRET_KEY": KEY}
PLATFORM = {
    "CAMCHA_INVOICE_PLATFORM_URL": "https://flow.pa.example/flow-service",
    "CAMCHA_INVOICE_PLATFORM_TOKEN_URL": "https://auth.pa.example/token",
    "CAMCHA_INVOICE_PLATFORM_CLIENT_ID": "camcha",
    "CAMCHA_INVOICE_PLATFORM_CLIENT_SECRET": "secret",
}
INCOMING_MAIL = {"CAMCHA_INCOMING_MAIL_ADDRESS": "support@camcha.example"}
PAYPAL = {"CAMCHA_PAYPAL_CLIENT_ID": "x", "CAMCHA_PAYPAL_CLIENT_SECRET": "y"}
STRIPE = {"CAMCHA_STRIPE_KEY": "sk_live_x", "CAMCHA_STRIPE_WEBHOOK_SECRET": "whsec_x"}

ERRORS = [
    ({"CAMCHA_METRICS": "9464"}, "CAMCHA_METRICS: must be an address and a port"),
    ({"CAMCHA_METRICS": "127.0.0.1:0"}, "CAMCHA_METRICS: must be an address and a port"),
    ({"CAMCHA_METRICS": "::1:9464"}, "CAMCHA_METRICS: must be an address and a port"),
    ({"CAMCHA_DATABSE_URL": "sqlite://x"}, "CAMCHA_DATABSE_URL: unknown setting"),
    (
        {"CAMCHA_DATABASE_URL": "mysql://camcha@db.example/camcha"},
        "CAMCHA_DATABASE_URL: must be sqlite://",
    ),
    ({"CAMCHA_DATABASE_URL": "postgres://db.example"}, "CAMCHA_DATABASE_URL: must be sqlite://"),
    ({"CAMCHA_DATABASE_URL": "postgres:camcha"}, "CAMCHA_DATABASE_URL: must be sqlite://"),
    ({"CAMCHA_DATABASE_URL": "sqlite://"}, "CAMCHA_DATABASE_URL: must be sqlite://"),
    ({"CAMCHA_ANALYTICS_URL": "postgres://db.example"}, "CAMCHA_ANALYTICS_URL: must be sqlite://"),
    ({"CAMCHA_ANALYTICS_URL": "sqlite://copy"}, "CAMCHA_ANALYTICS_URL: must be a copy"),
    (
        {"CAMCHA_ANALYTICS_URL": "postgres://db.example/camcha?lock_timeout=never"},
        "CAMCHA_ANALYTICS_URL: lock_timeout must be a number of seconds greater than 0",
    ),
    (
        {"CAMCHA_DATABASE_URL": "postgres://db.example/camcha?lock_timeout=never"},
        "CAMCHA_DATABASE_URL: lock_timeout must be a number of seconds greater than 0",
    ),
    (
        {"CAMCHA_DATABASE_URL": "postgres://db.example/camcha?lock_timout=4&maxsize=20"},
        "CAMCHA_DATABASE_URL: unknown parameter lock_timout, maxsize",
    ),
    *(
        ({"CAMCHA_DATABASE_URL": f"postgres://{url}"}, f"CAMCHA_DATABASE_URL: {error}")
        for url, error in (
            ("db.example:99999/camcha", "must be sqlite://"),
            ("db.example:0/camcha", "must be sqlite://"),
            ("db.example:port/camcha", "must be sqlite://"),
            ("db.example/camcha?ssl=yes", "ssl must be one of disable, allow, prefer, require"),
            ("db.example/camcha?sslmode=full", "ssl must be one of disable, allow, prefer"),
            ("db.example/camcha?sslrootcert=/nowhere/ca.pem", "can't read sslrootcert (No such"),
            ("db.example/camcha?host=/run/postgresql", "name the host once"),
        )
    ),
    (
        {"CAMCHA_INCOMING_MAIL_ADDRESS": "support@camcha.example"},
        "CAMCHA_INCOMING_MAIL_ADDRESS: required with",
    ),
    (
        {"CAMCHA_INCOMING_MAIL_LISTENER": "lmtp://127.0.0.1:8024"},
        "CAMCHA_INCOMING_MAIL_ADDRESS: required with",
    ),
    (
        {
            "CAMCHA_INCOMING_MAIL_ADDRESS": "support+1@camcha.example",
            "CAMCHA_INCOMING_MAIL_LISTENER": "lmtp://127.0.0.1:8024",
        },
        "CAMCHA_INCOMING_MAIL_ADDRESS: must be an address",
    ),
    (
        {**INCOMING_MAIL, "CAMCHA_INCOMING_MAIL_LISTENER": "lmtp://127.0.0.1"},
        "CAMCHA_INCOMING_MAIL_LISTENER: a",
    ),
    (
        {**INCOMING_MAIL, "CAMCHA_INCOMING_MAIL_LISTENER": "http://x:1"},
        "CAMCHA_INCOMING_MAIL_LISTENER: the URL",
    ),
    (
        {**INCOMING_MAIL, "CAMCHA_INCOMING_MAIL_LISTENER": "smtp://[::]:25?certificate=x&key=y"},
        "CAMCHA_INCOMING_MAIL_LISTENER: certificate and key are not readable",
    ),
    (
        {**INCOMING_MAIL, "CAMCHA_INCOMING_MAIL_LISTENER": "smtp://[::]:25?certificate=x"},
        "CAMCHA_INCOMING_MAIL_LISTENER: a listener has both",
    ),
    (
        {**INCOMING_MAIL, "CAMCHA_INCOMING_MAIL_IMAP": "imaps://mail.example"},
        "CAMCHA_INCOMING_MAIL_IMAP: a mailbox",
    ),
    (
        {**INCOMING_MAIL, "CAMCHA_INCOMING_MAIL_IMAP": "imaps://u:p@mail.example?x=1"},
        "CAMCHA_INCOMING_MAIL_IMAP: the URL has no option x",
    ),
    (
        {**INCOMING_MAIL, "CAMCHA_INCOMING_MAIL_IMAP": "imaps://u:p@mail.example:x"},
        "CAMCHA_INCOMING_MAIL_IMAP: the port",
    ),
    (
        {**INCOMING_MAIL, "CAMCHA_INCOMING_MAIL_IMAP": "imaps://u:p@mail.example?ca_file=none.pem"},
        "CAMCHA_INCOMING_MAIL_IMAP: ca_file",
    ),
    ({"CAMCHA_INCOMING_MAIL_POLL_SECONDS": "0"}, "CAMCHA_INCOMING_MAIL_POLL_SECONDS: must be"),
    ({"CAMCHA_SECRET_KEY": ""}, "CAMCHA_SECRET_KEY: required"),
    ({"CAMCHA_SECRET_KEY": "short"}, "CAMCHA_SECRET_KEY: too weak"),
    ({"CAMCHA_SECRET_KEY": "a" * 64}, "CAMCHA_SECRET_KEY: too weak"),
    (
        {"CAMCHA_SECRET_KEY": "only-for-the-demonstration-on-this-machine"},
        "CAMCHA_SECRET_KEY: the demonstration's key",
    ),
    ({"CAMCHA_BASE_URL": "app.example.fr"}, "CAMCHA_BASE_URL: must be https://host"),
    ({"CAMCHA_DATABASE_URL": "postgres://[db/camcha"}, "CAMCHA_DATABASE_URL: must be sqlite://"),
    ({"CAMCHA_BASE_URL": "https://[app"}, "CAMCHA_BASE_URL: must be https://host"),
    ({"CAMCHA_BASE_URL": "https://app.example.fr:port"}, "CAMCHA_BASE_URL: must be https://host"),
    (
        {"CAMCHA_BASE_URL": "https://app.example.fr/api"},
        "CAMCHA_BASE_URL: must be https://host, without a path",
    ),
    ({"CAMCHA_BASE_URL": "https://u@app.example.fr"}, "CAMCHA_BASE_URL: must be https://host"),
    (
        {"CAMCHA_ALLOWED_ORIGINS": "https://[app"},
        "CAMCHA_ALLOWED_ORIGINS: https://[app is not an origin",
    ),
    (
        {"CAMCHA_ALLOWED_ORIGINS": "https://app.example.fr/x"},
        "CAMCHA_ALLOWED_ORIGINS: https://app.example.fr/x is not",
    ),
    (
        {"CAMCHA_ALLOWED_HOSTS": "api.example.fr https://app.example.fr"},
        "CAMCHA_ALLOWED_HOSTS: https://app.example.fr is not a host name",
    ),
    ({"CAMCHA_ALLOWED_HOSTS": "api.example.fr:80"}, "CAMCHA_ALLOWED_HOSTS: api.example.fr:80 is"),
    ({"CAMCHA_BASE_URL": "ftp://app.example.fr"}, "CAMCHA_BASE_URL: must be https://host"),
    (
        {"CAMCHA_ALLOWED_ORIGINS": "https://*.example.fr"},
        "CAMCHA_ALLOWED_ORIGINS: https://*.example.fr is not an origin",
    ),
    (
        {"CAMCHA_ALLOWED_ORIGINS": "https://a.fr *"},
        "CAMCHA_ALLOWED_ORIGINS: * is not an origin",
    ),
    (
        {"CAMCHA_ALLOWED_ORIGINS": "null"},
        "CAMCHA_ALLOWED_ORIGINS: null is not an origin",
    ),
    (
        {"CAMCHA_PASSKEY_ORIGINS": "android:apk-key-hash:abc"},
        "CAMCHA_PASSKEY_ORIGINS: android:apk-key-hash:abc is not an Android app",
    ),
    (
        {"CAMCHA_PASSKEY_ORIGINS": "https://*.example.fr"},
        "CAMCHA_PASSKEY_ORIGINS: https://*.example.fr is not an Android app",
    ),
    (
        {"CAMCHA_ALLOWED_ORIGINS": "https://a.example app.example"},
        "CAMCHA_ALLOWED_ORIGINS: app.example is not an origin",
    ),
    ({"CAMCHA_FILES": "s3://bucket"}, "CAMCHA_FILES: must be s3://bucket/prefix?endpoint="),
    ({"CAMCHA_REDIS_URL": "http://redis.example"}, "CAMCHA_REDIS_URL: must be redis://host:6379/0"),
    (
        {"CAMCHA_BREACHED_PASSWORDS": "api.example/range"},
        "CAMCHA_BREACHED_PASSWORDS: must be https://host/range",
    ),
    (
        {"CAMCHA_BREACHED_PASSWORDS": "https://[api"},
        "CAMCHA_BREACHED_PASSWORDS: must be https://host/range",
    ),
    ({"CAMCHA_REGISTRY": "registry.example"}, "CAMCHA_REGISTRY: must be https://host"),
    ({"CAMCHA_REGISTRY": "https://[registry"}, "CAMCHA_REGISTRY: must be https://host"),
    ({"CAMCHA_REGISTRY": "https://registry.example:port"}, "CAMCHA_REGISTRY: must be https://host"),
    ({"CAMCHA_REGISTRY": "https://u@registry.example"}, "CAMCHA_REGISTRY: must be https://host"),
    (
        {"CAMCHA_BREACHED_PASSWORDS": "https://u@api.example"},
        "CAMCHA_BREACHED_PASSWORDS: must be https://host/range",
    ),
    (
        {"CAMCHA_SCANNER": "http://scanner.example"},
        "CAMCHA_SCANNER: must be tcp://host:3310 or unix:///",
    ),
    ({"CAMCHA_STRIPE_KEY": "sk_live_x"}, "CAMCHA_STRIPE_WEBHOOK_SECRET: must be the signing"),
    ({"CAMCHA_STRIPE_WEBHOOK_SECRET": "whsec_x"}, "CAMCHA_STRIPE_KEY: must be a secret"),
    (STRIPE | {"CAMCHA_STRIPE_KEY": "pk_live_x"}, "CAMCHA_STRIPE_KEY: must be a secret"),
    (STRIPE | {"CAMCHA_STRIPE_URL": "stripe.fr"}, "CAMCHA_STRIPE_URL: must be https://host"),
    ({"CAMCHA_PAYPAL_CLIENT_ID": "x"}, "CAMCHA_PAYPAL_CLIENT_SECRET: required to offer PayPal"),
    ({"CAMCHA_PAYPAL_CLIENT_SECRET": "y"}, "CAMCHA_PAYPAL_CLIENT_ID: required to offer PayPal"),
    (PAYPAL | {"CAMCHA_PAYPAL_URL": "paypal.fr"}, "CAMCHA_PAYPAL_URL: must be https://host"),
    (PLATFORM | {"CAMCHA_INVOICE_PLATFORM_URL": "pa.fr"}, "CAMCHA_INVOICE_PLATFORM_URL: must be"),
    (
        PLATFORM | {"CAMCHA_INVOICE_PLATFORM_TOKEN_URL": ""},
        "CAMCHA_INVOICE_PLATFORM_TOKEN_URL: must be https://host/path",
    ),
    (
        PLATFORM | {"CAMCHA_INVOICE_PLATFORM_CLIENT_SECRET": ""},
        "CAMCHA_INVOICE_PLATFORM_CLIENT_SECRET: required with CAMCHA_INVOICE_PLATFORM_URL",
    ),
    ({"CAMCHA_RETURN_URLS": "shop.example"}, "CAMCHA_RETURN_URLS: shop.example is not a URL"),
    ({"CAMCHA_RETURN_URLS": "https://a.fr/?b"}, "CAMCHA_RETURN_URLS: https://a.fr/?b is not a"),
    ({"CAMCHA_VAT_SERVICE": "vies.example"}, "CAMCHA_VAT_SERVICE: must be https://host/path"),
    ({"CAMCHA_VAT_SERVICE": "https://u@vies"}, "CAMCHA_VAT_SERVICE: must be https://host/path"),
    ({"CAMCHA_TAX_RULES": "nowhere.toml"}, "CAMCHA_TAX_RULES: file nowhere.toml not found"),
    ({"CAMCHA_POLICIES": "nowhere"}, "CAMCHA_POLICIES: file nowhere/versions.toml not found"),
    ({"CAMCHA_SELLER": "nowhere.toml"}, "CAMCHA_SELLER: file nowhere.toml not found"),
    ({"CAMCHA_DOCUMENTS": "nowhere.json"}, "CAMCHA_DOCUMENTS: file nowhere.json not found"),
    (
        {"CAMCHA_TRUSTED_DOCUMENTS_ONLY": "yes"},
        "CAMCHA_TRUSTED_DOCUMENTS_ONLY: must be true or false",
    ),
    ({"CAMCHA_SECRET_KEY_PREVIOUS": KEY}, "CAMCHA_SECRET_KEY_PREVIOUS: must be another key"),
    ({"CAMCHA_SECRET_KEY_PREVIOUS": "short"}, "CAMCHA_SECRET_KEY_PREVIOUS: must be the earlier"),
    ({"CAMCHA_TEST_INSTALLATION": "yes"}, "CAMCHA_TEST_INSTALLATION: must be true or false"),
    (
        {"CAMCHA_TRUSTED_DOCUMENTS_ONLY": "true"},
        "CAMCHA_TRUSTED_DOCUMENTS_ONLY: requires CAMCHA_DOCUMENTS",
    ),
    ({"CAMCHA_LIMIT_HEADERS": "0"}, "CAMCHA_LIMIT_HEADERS: must be a whole number above 0"),
    ({"CAMCHA_LIMIT_HEADERS": "1.5"}, "CAMCHA_LIMIT_HEADERS: must be a whole number above 0"),
    ({"CAMCHA_LIMIT_HEADERS": "many"}, "CAMCHA_LIMIT_HEADERS: must be a whole number above 0"),
    ({"CAMCHA_LIMIT_HEADERS": "9" * 5_000}, "CAMCHA_LIMIT_HEADERS: must be a whole number"),
    ({"CAMCHA_LIMIT_HEADERS": "\u00b2"}, "CAMCHA_LIMIT_HEADERS: must be a whole number above 0"),
    ({"CAMCHA_LIMIT_IDLE_SECONDS": "-1"}, "CAMCHA_LIMIT_IDLE_SECONDS: must be a number above 0"),
    ({"CAMCHA_LIMIT_IDLE_SECONDS": "nan"}, "CAMCHA_LIMIT_IDLE_SECONDS: must be a number above 0"),
    ({"CAMCHA_LIMIT_IDLE_SECONDS": "1.2.3"}, "CAMCHA_LIMIT_IDLE_SECONDS: must be a number above 0"),
    ({"CAMCHA_LIMIT_IDLE_SECONDS": "."}, "CAMCHA_LIMIT_IDLE_SECONDS: must be a number above 0"),
]


@pytest.mark.parametrize(("environ", "error"), ERRORS)
def test_an_invalid_setting_is_reported(environ: dict[str, str], error: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(VALID | environ)
    assert len(raised.value.errors) == 1
    assert raised.value.errors[0].startswith(error)


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(
            {"CAMCHA_DATABASE_URL": "mysql://x", "CAMCHA_NONSENSE": "1", "CAMCHA_BASE_URL": "x"}
        )
    assert [error.partition(":")[0] for error in raised.value.errors] == [
        "CAMCHA_NONSENSE",
        "CAMCHA_DATABASE_URL",
        "CAMCHA_SECRET_KEY",
        "CAMCHA_BASE_URL",
    ]


def test_without_settings_the_server_is_a_demonstration() -> None:
    settings = read_settings({}, "http://127.0.0.1:9000")
    assert settings.demonstration
    assert (settings.database_url, settings.base_url) == (
        DEMONSTRATION_DATABASE,
        "http://127.0.0.1:9000",
    )


def test_p6_3_analysts_see_the_numbers_of_the_few_companies_of_the_demonstration() -> None:
    assert read_settings({}).analytics.min_companies == 1
    assert read_settings({"CAMCHA_ANALYTICS_MIN_COMPANIES": "3"}).analytics.min_companies == 3
    assert read_settings(VALID).analytics.min_companies == 5


def test_with_a_database_the_server_is_not_a_demonstration() -> None:
    settings = read_settings(
        {**VALID, "CAMCHA_ALLOWED_ORIGINS": "https://a.example, https://b.example", "HOME": "/"}
    )
    assert not settings.demonstration
    assert settings.allowed_origins == {"https://a.example", "https://b.example"}


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://App.Example.fr/", "https://app.example.fr"),
        ("HTTPS://app.example.fr:443", "https://app.example.fr"),
        ("http://app.example.fr:80/", "http://app.example.fr"),
        ("https://app.example.fr:8443", "https://app.example.fr:8443"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://Boulangerie-Évian.fr", "https://xn--boulangerie-vian-mqb.fr"),
    ],
)
def test_urls_are_spelled_as_in_the_origin_header(url: str, origin: str) -> None:
    """Otherwise no page would match, and no error would explain why."""
    settings = read_settings({**VALID, "CAMCHA_BASE_URL": url, "CAMCHA_ALLOWED_ORIGINS": url})
    assert settings.base_url == origin
    assert settings.allowed_origins == {origin}


def test_android_apps_are_allowed_for_passkeys_only() -> None:
    app = "android:apk-key-hash:" + "aB3_-" * 8 + "xyz"
    settings = read_settings({**VALID, "CAMCHA_PASSKEY_ORIGINS": f"{app}, {app}"})
    assert settings.passkey_origins == {app}
    assert settings.allowed_origins == frozenset()


def test_trusted_documents_are_read_from_a_file_and_can_be_required(tmp_path: Path) -> None:
    path = tmp_path / "documents.json"
    path.touch()
    settings = read_settings(
        {"CAMCHA_DOCUMENTS": str(path), "CAMCHA_TRUSTED_DOCUMENTS_ONLY": "true"}
    )
    assert (settings.documents, settings.trusted_documents_only) == (path, True)
    settings = read_settings({"CAMCHA_DOCUMENTS": "", "CAMCHA_TRUSTED_DOCUMENTS_ONLY": "false"})
    assert (settings.documents, settings.trusted_documents_only) == (None, False)


def test_secrets_are_not_printed() -> None:
    text = repr(read_settings({**VALID, "CAMCHA_MAIL_URL": "smtp://user:hunter2@mail.example"}))
    assert KEY not in text
    assert "hunter2" not in text


def test_invalid_mail_settings_are_reported() -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings({"CAMCHA_MAIL_URL": "pigeon:loft", "CAMCHA_MAIL_SENDER": "nobody"})
    assert [error.partition(":")[0] for error in raised.value.errors] == [
        "CAMCHA_MAIL_URL",
        "CAMCHA_MAIL_SENDER",
    ]


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        ({"CAMCHA_FRONT_URL": "javascript:alert(1)"}, "CAMCHA_FRONT_URL: must be https://host"),
        ({"CAMCHA_FRONT_URL": "https://a.fr/?x=1"}, "CAMCHA_FRONT_URL: must be https://host"),
        ({"CAMCHA_FRONT_URL": "https://u:p@a.fr"}, "CAMCHA_FRONT_URL: must be https://host"),
        ({"CAMCHA_FRONT_URL": 'https://a.fr/">'}, "CAMCHA_FRONT_URL: must be https://host"),
        ({"CAMCHA_FRONT_PATHS": "sign-in=/x"}, "CAMCHA_FRONT_PATHS: requires CAMCHA_FRONT_URL"),
        ({"CAMCHA_FRONT_PATHS": "home=/x"}, "CAMCHA_FRONT_PATHS: home=/x is not purpose=path"),
        ({"CAMCHA_FRONT_PATHS": "verify"}, "CAMCHA_FRONT_PATHS: verify is not purpose=path"),
        ({"CAMCHA_FRONT_PATHS": "verify=/v"}, "the path of verify must contain {token}"),
        ({"CAMCHA_FRONT_PATHS": "ticket=/t"}, "the path of ticket must contain {number}"),
        ({"CAMCHA_FRONT_PATHS": "sign-in=//evil.fr"}, "//evil.fr is not a path"),
        ({"CAMCHA_FRONT_PATHS": "sign-in=@evil.fr"}, "@evil.fr is not a path"),
        ({"CAMCHA_MAIL_REPLY_DELAY": "86401"}, "CAMCHA_MAIL_REPLY_DELAY: must be at most 86400"),
    ],
)
def test_invalid_settings_of_the_customer_space_are_reported(
    environ: dict[str, str], error: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(environ)
    assert error in "\n".join(raised.value.errors)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "lacks 'address_lines'"),
        ("name = ", "seller.toml: Invalid value"),
        ("[[retention]]\nfrom = 2026-01-01\ngrace_days = 'x'\n", "seller.toml"),
    ],
)
def test_an_invalid_seller_file_is_reported_at_start_up(
    tmp_path: Path, text: str, error: str
) -> None:
    path = tmp_path / "seller.toml"
    valid = (Path(billing.__file__).with_name("seller.toml")).read_text(encoding="utf-8")
    path.write_text(
        valid.partition("[[retention]]")[0] + text if "retention" in text else text,
        encoding="utf-8",
    )
    with pytest.raises(SettingsError) as raised:
        read_settings(VALID | {"CAMCHA_SELLER": str(path)})
    assert error in raised.value.errors[0]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('PMT = "Fixed', 'pmt = "Fixed', "the terms from 2026-01-01 lack PMT in en"),
        ('AAB = "Pas', 'AAB = " "\nother = "Pas', "the terms from 2026-01-01 lack AAB in fr"),
        ('due = "Due', 'owed = "Due', "the terms from 2026-01-01 lack due in en"),
        ("Paid on {day}", "Paid on {date}", "paid in en may contain {day}"),
        ('country = "FR"', 'country = "XX"', "country must be in the code list"),
        ('siren = "404833048"', 'siren = "404833049"', "siren is not a valid number"),
        ('"40483304800022"', '"73282932000074"', "the SIRET starts with the SIREN"),
        ('"FR83404833048"', '"FR00404833048"', "vat_number is not valid"),
        ('name = "CAMCHA SAS (démonstration)"', 'name = " "', "seller: a name is required"),
        ('email = "support@', 'email = "support.', "is not an email address"),
        (
            "[[terms]]\nfrom = 2026-01-01",
            "[[terms]]\nfrom = 2126-01-01",
            "no [[terms]] is in force",
        ),
        (
            "[[retention]]\nfrom = 2026-01-01",
            "[[retention]]\nfrom = 2126-01-01",
            "no [[retention]] is in force",
        ),
    ],
)
def test_a_seller_that_could_not_issue_invoices_is_refused_at_start_up(
    tmp_path: Path, old: str, new: str, error: str
) -> None:
    text = PACKAGED_SELLER.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "seller.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        read_settings(VALID | {"CAMCHA_SELLER": str(path)})
    assert error in "\n".join(raised.value.errors)
    assert "CAMCHA_SELLER" in raised.value.errors[0]


def test_limits_can_be_configured() -> None:
    defaults = read_settings(VALID).connection_limits
    environ = {"CAMCHA_LIMIT_HEADERS": "7", "CAMCHA_LIMIT_IDLE_SECONDS": "2.5"}
    assert read_settings(VALID | environ).connection_limits == replace(
        defaults, headers=7, idle_seconds=2.5
    )


def test_any_host_is_accepted_unless_hosts_are_configured() -> None:
    urls = {"CAMCHA_BASE_URL": "https://api.example.fr", "CAMCHA_ALLOWED_ORIGINS": "https://a.fr:8"}
    assert read_settings({**VALID, **urls}).hosts == frozenset()
    environ = {**VALID, **urls, "CAMCHA_ALLOWED_HOSTS": "Camcha, 10.0.0.1 ::1"}
    assert read_settings(environ).hosts == {"api.example.fr", "a.fr", "camcha", "10.0.0.1", "::1"}
