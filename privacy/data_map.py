"""The data map of all tables, and the record of processing activities that is printed from it
(GDPR, Article 30). The declarations are in `models/<domain>/data_map.py`.
"""

from collections.abc import Iterator

from models.accounts.data_map import TABLES as ACCOUNTS
from models.analytics.data_map import TABLES as ANALYTICS
from models.billing.data_map import TABLES as BILLING
from models.content.data_map import TABLES as CONTENT
from models.data_map import Activity, Basis, Category, Table
from models.identity.data_map import TABLES as IDENTITY
from models.operations.data_map import TABLES as OPERATIONS
from models.privacy.data_map import TABLES as PRIVACY
from models.support.data_map import TABLES as SUPPORT

DATA_MAP: dict[str, Table] = dict(
    sorted(
        (
            ACCOUNTS | ANALYTICS | BILLING | CONTENT | IDENTITY | OPERATIONS | PRIVACY | SUPPORT
        ).items()
    )
)
_HEADER = """# Data map

This page is printed by `bin/cli data-map` from the declarations in `models/<domain>/data_map.py`;
don't edit it. The first part is the record of processing activities (GDPR, Article 30), the second
one says what each table holds. Primary and foreign keys aren't listed.

The controller is the seller in `CAMCHA_SELLER`. Nothing is transferred outside the European Union
by this program; add the providers that you chose, and where they are. The security measures are in
[security.md](security.md), and the job that deletes what is kept no longer is described in
[operating.md](operating.md#retention).
"""


def record_page() -> str:
    """The whole page, in Markdown."""
    return "\n".join(
        [_HEADER, "## Processing activities\n", *_activities(), "## Tables", *_tables()]
    )


def _activities() -> Iterator[str]:
    tables_of: dict[Activity, list[tuple[str, Table]]] = {}
    for name, table in DATA_MAP.items():
        if table.activity:
            tables_of.setdefault(table.activity, []).append((name, table))
    for activity in sorted(tables_of, key=lambda each: each.name):
        tables = tables_of[activity]
        categories = {
            category
            for _, table in tables
            for category in table.columns
            if category not in (Category.KEYS, Category.TECHNICAL, Category.NOT_PERSONAL)
        }
        yield f"### {activity.name}\n"
        yield f"- **Purpose**: {activity.purpose}"
        yield f"- **Legal basis**: {_basis(activity.basis)}"
        yield f"- **People**: {activity.people}"
        yield f"- **Data**: {'; '.join(each for each in Category if each in categories)}"
        yield f"- **Recipients**: {activity.recipients}"
        yield f"- **Kept**: {'; '.join(sorted({str(table.kept) for _, table in tables}))}"
        yield f"- **Tables**: {', '.join(f'`{name}`' for name, _ in tables)}\n"


def _basis(basis: Basis) -> str:
    name, _, letter = basis.partition(" (")
    return f"{name} (GDPR, Article 6(1)({letter.removesuffix(')')}))"


def _names(columns: str) -> str:
    return ", ".join(f"`{column}`" for column in columns.split())


def _tables() -> Iterator[str]:
    for name, table in DATA_MAP.items():
        if table.activity is None:
            continue
        yield f"\n### `{name}`\n"
        yield f"{table.activity.name}. Kept {table.kept}. By an erasure: {table.on_erasure}.\n"
        for category, columns in table.columns.items():
            yield f"- {category}: {_names(columns)}"
        for columns, reason in table.withheld.items():
            yield f"- not in a person's archive: {_names(columns)} ({reason})"
        for columns, reason in table.kept_columns.items():
            yield f"- not cleared by an erasure: {_names(columns)} ({reason})"
        if table.not_in_archive:
            yield f"- not in a person's archive: {table.not_in_archive}"
    public_names = [name for name, table in DATA_MAP.items() if table.activity is None]
    yield "\n### Without personal data\n"
    yield f"{', '.join(f'`{name}`' for name in public_names)}"
