"""An installation for real customers does not start with example content or the sandbox."""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from installation import Finding, Severity, database_findings, setting_findings
from models.billing.offer import Interval, Offer, Price, Segment
from settings import PACKAGED_POLICIES, PACKAGED_SELLER, read_settings
from tests.forked import run
from tests.test_cli import SECRET_KEY, environment

NUMBERS = {
    "404833048": "552100554",
    "40483304800022": "55210055400013",
    "FR83404833048": "FR96552100554",
    "CAMCHA SAS (démonstration)": "Le Fournil SAS",
    "camcha.example": "fournil.fr",
}
EXAMPLES = {"payments", "mail", "sender", "seller", "policies"}


def own_seller(folder: Path, **kept_values: bool) -> Path:
    """A copy of the example with the details of another company, except for the values to keep."""
    text = PACKAGED_SELLER.read_text(encoding="utf-8")
    for old, new in NUMBERS.items():
        text = text if kept_values.get(old) else text.replace(f'"{old}"', f'"{new}"')
    path = folder / "seller.toml"
    path.write_text(text.replace("camcha.example", "fournil.fr"), encoding="utf-8")
    return path


def own_policies(folder: Path) -> Path:
    """A copy of the example with other texts."""
    shutil.copytree(PACKAGED_POLICIES, folder / "policies")
    for path in (folder / "policies").rglob("*.md"):
        path.write_text(f"{path.read_text(encoding='utf-8')}\nLe Fournil.\n", encoding="utf-8")
    return folder / "policies"


@pytest.fixture
def ready_environment(tmp_path: Path) -> dict[str, str]:
    """Settings without any problem."""
    return {
        "CAMCHA_DATABASE_URL": "postgres://camcha:x@db.fournil.fr/camcha?ssl=verify-full",
        "CAMCHA_SECRET_KEY": SECRET_KEY,
        "CAMCHA_BASE_URL": "https://api.fournil.fr",
        "CAMCHA_ALLOWED_HOSTS": "api.fournil.fr",
        "CAMCHA_MAIL_URL": "smtp://mail.fournil.fr",
        "CAMCHA_MAIL_SENDER": "Le Fournil <bonjour@fournil.fr>",
        "CAMCHA_REDIS_URL": "redis://redis.fournil.fr",
        "CAMCHA_SCANNER": "tcp://scanner.fournil.fr:3310",
        "CAMCHA_SELLER": str(own_seller(tmp_path)),
        "CAMCHA_POLICIES": str(own_policies(tmp_path)),
        "CAMCHA_STRIPE_KEY": "sk_live_0123456789",
        "CAMCHA_STRIPE_WEBHOOK_SECRET": "whsec_0123456789",
        "CAMCHA_PAYPAL_CLIENT_ID": "0123456789",
        "CAMCHA_PAYPAL_CLIENT_SECRET": "9876543210",
    }


def findings(environ: Mapping[str, str]) -> dict[str, Finding]:
    return {finding.name: finding for finding in setting_findings(read_settings(environ))}


def test_an_installation_that_is_ready_has_no_findings(ready_environment: dict[str, str]) -> None:
    assert findings(ready_environment) == {}


NO_STRIPE = {"CAMCHA_STRIPE_KEY": "", "CAMCHA_STRIPE_WEBHOOK_SECRET": ""}


ERRORS = [
    ("payments", NO_STRIPE),
    ("payments", {"CAMCHA_STRIPE_KEY": "sk_test_0123456789"}),
    ("payments", {"CAMCHA_STRIPE_URL": "http://127.0.0.1:8420"}),
    ("payments", {"CAMCHA_PAYPAL_URL": "https://api-m.sandbox.paypal.com"}),
    ("mail", {"CAMCHA_MAIL_URL": "file:var/mail"}),
    ("mail", {"CAMCHA_MAIL_URL": ""}),
    ("sender", {"CAMCHA_MAIL_SENDER": ""}),
    ("sender", {"CAMCHA_MAIL_SENDER": "bonjour@camcha.example"}),
    ("sender", {"CAMCHA_MAIL_SENDER": "Le Fournil <bonjour@example.com>"}),
    ("sender", {"CAMCHA_MAIL_SENDER": "bonjour@mail.fournil.test"}),
    ("seller", {"CAMCHA_SELLER": ""}),
    ("policies", {"CAMCHA_POLICIES": ""}),
]
WARNINGS = [
    ("base URL", {"CAMCHA_BASE_URL": "http://api.fournil.fr"}),
    ("base URL", {"CAMCHA_BASE_URL": ""}),
    ("origins", {"CAMCHA_ALLOWED_ORIGINS": "http://app.fournil.fr"}),
    ("hosts", {"CAMCHA_ALLOWED_HOSTS": ""}),
    ("mail encryption", {"CAMCHA_MAIL_URL": "smtp://mail.fournil.fr?starttls=optional"}),
    (
        "mailbox encryption",
        {
            "CAMCHA_INCOMING_MAIL_ADDRESS": "aide@fournil.fr",
            "CAMCHA_INCOMING_MAIL_IMAP": "imap://u:p@mail.fournil.fr",
        },
    ),
    (
        "listener encryption",
        {
            "CAMCHA_INCOMING_MAIL_ADDRESS": "aide@fournil.fr",
            "CAMCHA_INCOMING_MAIL_LISTENER": "smtp://0.0.0.0:25",
        },
    ),
    ("mail encryption", {"CAMCHA_MAIL_URL": "smtp://mail.fournil.fr?starttls=never"}),
    ("database", {"CAMCHA_DATABASE_URL": "sqlite://var/camcha.sqlite3"}),
    ("database encryption", {"CAMCHA_DATABASE_URL": "postgres://c:x@db.fournil.fr/camcha"}),
    ("database encryption", {"CAMCHA_DATABASE_URL": "postgres:///camcha?host=db.fournil.fr"}),
    ("redis", {"CAMCHA_REDIS_URL": ""}),
    ("scanner", {"CAMCHA_SCANNER": ""}),
    ("secret key", {"CAMCHA_SECRET_KEY": "passwordpassword-0123456789-abcdef"}),
]


@pytest.mark.parametrize(("name", "environ"), ERRORS, ids=str)
def test_example_values_are_errors(
    name: str, environ: dict[str, str], ready_environment: dict[str, str]
) -> None:
    reported_findings = findings(ready_environment | environ)
    assert reported_findings.keys() == {name}
    assert reported_findings[name].severity is Severity.ERROR
    assert reported_findings[name].hint


@pytest.mark.parametrize(("name", "environ"), WARNINGS, ids=str)
def test_weaknesses_are_warnings(
    name: str, environ: dict[str, str], ready_environment: dict[str, str]
) -> None:
    reported_findings = findings(ready_environment | environ)
    assert reported_findings.keys() == {name}
    assert reported_findings[name].severity is Severity.WARNING
    assert reported_findings[name].hint


@pytest.mark.parametrize(
    "values", [["404833048", "40483304800022"], ["FR83404833048"], ["CAMCHA SAS (démonstration)"]]
)
def test_a_seller_with_a_value_of_the_example_is_an_error(
    values: list[str], ready_environment: dict[str, str], tmp_path: Path
) -> None:
    seller = own_seller(tmp_path, **dict.fromkeys(values, True))
    assert "seller" in findings(ready_environment | {"CAMCHA_SELLER": str(seller)})


def test_one_policy_of_the_example_is_an_error(ready_environment: dict[str, str]) -> None:
    name = Path("terms", "1.0.fr.md")
    shutil.copy(PACKAGED_POLICIES / name, Path(ready_environment["CAMCHA_POLICIES"]) / name)
    assert "terms/1.0.fr.md." in findings(ready_environment)["policies"].problem


@pytest.mark.parametrize(
    "url",
    [
        "postgres://camcha@/camcha?host=/run/postgresql",
        "postgres://camcha@%2Frun%2Fpostgresql/camcha",
        "postgres://c:x@127.0.0.1/camcha",
    ],
)
def test_a_database_on_this_machine_needs_no_encryption(
    url: str, ready_environment: dict[str, str]
) -> None:
    assert findings(ready_environment | {"CAMCHA_DATABASE_URL": url}) == {}


def test_a_test_installation_only_gets_warnings(ready_environment: dict[str, str]) -> None:
    keys = ("CAMCHA_DATABASE_URL", "CAMCHA_SECRET_KEY")
    environ = {key: ready_environment[key] for key in keys} | {"CAMCHA_TEST_INSTALLATION": "true"}
    reported_findings = findings(environ)
    assert {each.severity for each in reported_findings.values()} == {Severity.WARNING}
    assert reported_findings.keys() > {*EXAMPLES, "test installation"}


def test_a_demonstration_is_reported_as_one() -> None:
    assert findings({}).keys() == {"demonstration"}


def test_check_prints_everything_at_once(tmp_path: Path) -> None:
    settings = {
        "DATABASE_URL": f"sqlite://{tmp_path}/x.sqlite3",
        "SECRET_KEY": "x",
        "NONSENSE": "1",
    }
    result = run(["check"], cwd=tmp_path, env=environment(**settings))
    names = [line.split(": ")[1] for line in result.stdout.splitlines()[:-1]]
    assert names[:2] == ["CAMCHA_NONSENSE", "CAMCHA_SECRET_KEY"]
    assert {*names} > {*EXAMPLES, "scanner", "base URL"}
    assert (result.returncode, result.stderr) == (1, "")


@pytest.mark.parametrize(
    ("setting", "url"), [("MAIL_URL", "smtp://[bad"), ("DATABASE_URL", "postgres://[bad/camcha")]
)
def test_check_reports_a_malformed_url_beside_everything_else(
    tmp_path: Path, setting: str, url: str
) -> None:
    settings = {"DATABASE_URL": f"sqlite://{tmp_path}/x.sqlite3", "SECRET_KEY": SECRET_KEY}
    result = run(["check"], cwd=tmp_path, env=environment(**settings | {setting: url}))
    names = {line.split(": ")[1] for line in result.stdout.splitlines()[:-1]}
    assert names > {f"CAMCHA_{setting}", "payments", "scanner"}
    assert (result.returncode, result.stderr) == (1, "")


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["bill"]])
def test_what_customers_depend_on_refuses_what_check_finds(
    command: list[str], tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": f"sqlite://{tmp_path}/x.sqlite3", "SECRET_KEY": SECRET_KEY}
    result = run(command, cwd=tmp_path, env=environment(**settings))
    lines = result.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines[:-1]] == [
        "payments",
        "mail",
        "sender",
        "seller",
        "policies",
    ]
    assert "CAMCHA_TEST_INSTALLATION=true" in lines[-1]
    assert (result.returncode, result.stdout) == (2, "")


async def test_check_examines_the_database(database_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": database_url, "SECRET_KEY": SECRET_KEY, "TEST_INSTALLATION": "true"}
    env = environment(**settings)
    result = run(["check"], cwd=tmp_path, env=env)
    assert result.returncode == 0
    assert {"warning: content", "warning: operator"} <= {
        ": ".join(line.split(": ")[:2]) for line in result.stdout.splitlines()
    }
    assert run(["check", "--strict"], cwd=tmp_path, env=env).returncode == 1
    assert run(["seed"], cwd=tmp_path, env=env).returncode == 0
    assert "warning: content" not in run(["check"], cwd=tmp_path, env=env).stdout
    assert "error: rates" not in run(["check"], cwd=tmp_path, env=env).stdout
    assert run(["migrate", "--to", "0035_disputes"], cwd=tmp_path, env=env).returncode == 0
    result = run(["check"], cwd=tmp_path, env=env)
    assert "error: database: migrations are missing" in result.stdout
    assert result.returncode == 1


async def test_a_rate_that_no_invoice_may_state_is_an_error(db: str) -> None:
    offer = await Offer.create(slug="pme", segment=Segment.PME, texts={})
    for rate in (2000, 1900, 850):
        await Price.create(
            offer=offer,
            interval=Interval.MONTH,
            net_cents=100,
            vat_rate=rate,
            valid_from=datetime(2026, 11, 1, tzinfo=UTC),
        )
    reported_findings = await database_findings(read_settings({}))
    assert [finding.problem for finding in reported_findings if finding.name == "rates"] == [
        "There is no such rate of VAT in France: 19 %."
    ]
