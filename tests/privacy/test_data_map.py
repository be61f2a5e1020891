"""P4.1: each column of the database is declared in the data map, and the archive of a person's data
and the erasure of a company leave out none that the map doesn't name.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tortoise import Tortoise, fields
from tortoise.exceptions import IntegrityError

from models.accounts.account import Account
from models.action import Action
from models.billing.invoice import Invoice
from models.billing.payment import PaymentStatus
from models.billing.purchase import Purchase
from models.data_map import OnErasure, Table
from models.idempotency import IdempotencyKey
from models.identity.user import User
from models.privacy.erasure import Erasure
from models.privacy.incident import IncidentStatus
from models.support.message import Message
from models.support.ticket import Ticket
from privacy.archive import _tables
from privacy.data_map import DATA_MAP
from privacy.erasure import erase_due_accounts
from resolvers.privacy.erasures import erasure_services
from storage.store import FolderStore
from tests.forked import inherited_environment, run

if TYPE_CHECKING:
    from resolvers.context import Services
    from tests.schema.conftest import Company, Dataset

PAGE = Path(__file__).parents[2] / "docs" / "data-map.md"
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MARK = "paulmark"
FIXED_VALUES: dict[str, dict[str, Any]] = {
    "payment": {"status": PaymentStatus.SUCCEEDED, "next_check_at": None},
    "incident": {"status": IncidentStatus.CLOSED},  # an open one is cleared when it is closed
    "file": {"key": f"{MARK}-file-0123456789", "content_key": None},
    "incoming_email": {"raw_key": f"{MARK}-email-0123456789"},
}


def declared_tables() -> Iterator[tuple[Any, Table]]:
    for model in Tortoise.apps["models"].values():
        yield model, DATA_MAP[model._meta.db_table]


def foreign_keys(model: Any) -> set[str]:
    meta = model._meta
    return {str(meta.fields_map[name].source_field) for name in meta.fk_fields | meta.o2o_fields}


@ON_SQLITE
@pytest.mark.usefixtures("db")
def test_p4_1_each_column_is_in_the_data_map() -> None:
    models = Tortoise.apps["models"].values()
    assert {model._meta.db_table for model in models} == DATA_MAP.keys()
    for model, table in declared_tables():
        name, columns = model._meta.db_table, {*model._meta.fields_db_projection.values()}
        declared = [column for names in table.columns.values() for column in names.split()]
        assert len(declared) == len({*declared}), name
        assert {*declared} <= columns, name
        assert columns - {*declared} <= foreign_keys(model) | {"id"}, name
        has_personal_data = any(each.is_personal for each in table.columns)
        assert table.activity or not has_personal_data, name


@ON_SQLITE
@pytest.mark.usefixtures("db")
def test_p4_1_the_archive_has_each_column_about_a_person() -> None:
    exported: dict[str, set[str]] = {}
    for each in _tables(1).values():
        exported.setdefault(each.rows.model._meta.db_table, set()).update(each.columns.values())
    for model, table in declared_tables():
        name, meta = model._meta.db_table, model._meta
        personal = {column for column, each in table.categories.items() if each.is_personal}
        withheld = {column for columns in table.withheld for column in columns.split()}
        if table.person:
            assert personal - withheld <= exported[name], name
            assert not withheld & exported[name], name
        elif personal and table.on_erasure is not OnErasure.NONE:
            relations = [meta.fields_map[each] for each in meta.fk_fields]
            refers_to_people = any(each.related_model is User for each in relations)
            assert not refers_to_people or table.not_in_archive, name


def test_the_page_is_up_to_date(tmp_path: Path) -> None:
    result = run(["data-map"], cwd=tmp_path, env=inherited_environment())
    assert result.returncode == 0, result.stderr
    assert PAGE.read_text("utf-8") == result.stdout, "run bin/cli data-map > the page"


class Rows:
    """A row of each table that belongs to a company and its owner, with the mark in all texts."""

    def __init__(self, company: "Company", action: Action) -> None:
        self._action = action
        self._company = company
        self._count = 0
        self.rows: dict[Any, Any] = {
            Account: company.account,
            User: company.owner.user,
            **{model: company.row(model) for model in (Ticket, Message, Invoice, Purchase)},
        }

    async def row_of(self, model: Any) -> Any:
        if model not in self.rows:
            values = await self._values(model)
            try:
                self.rows[model] = await model.create(**values)
            except IntegrityError:  # there is one of the same ticket, invoice, or person
                relations = model._meta.fk_fields | model._meta.o2o_fields
                same = {name: values[name] for name in relations if name in values}
                self.rows[model] = await model.get(**same)
        return self.rows[model]

    async def _values(self, model: Any) -> dict[str, Any]:
        meta, values = model._meta, {}
        for name in meta.fk_fields | meta.o2o_fields:
            related = meta.fields_map[name].related_model
            if related is not model and DATA_MAP[related._meta.db_table].activity:
                values[name] = await self.row_of(related)
            elif related is not model and not meta.fields_map[name].null:
                values[name] = await related.first() or await self.row_of(related)
        for name in meta.fields_db_projection.keys() - foreign_keys(model) - {"id"}:
            values[name] = self._value(meta.fields_map[name])
        if model is IdempotencyKey:
            values["owner"] = f"user:{self._company.owner.user_id}"
        return values | FIXED_VALUES.get(meta.db_table, {})

    def _value(self, field: Any) -> Any:
        self._count += 1
        if enum := getattr(field, "enum_type", None):
            return next(iter(enum))
        if isinstance(field, fields.TextField):
            return f"{MARK} {self._count}"
        if isinstance(field, fields.CharField):
            text = f"{MARK}{self._count}"
            return text if len(text) <= field.max_length else text[-field.max_length :]
        if isinstance(field, fields.JSONField):
            return {"x": MARK}
        if isinstance(field, fields.BinaryField):
            return MARK.encode()
        if isinstance(field, fields.DatetimeField):
            return self._action.at
        if isinstance(field, fields.DateField):
            return self._action.day
        if isinstance(field, fields.BooleanField):
            return False
        return self._count


@ON_SQLITE
async def test_p4_1_an_erasure_does_to_each_table_what_the_map_says(
    dataset: "Dataset", services: "Services", action: Action, tmp_path: Path
) -> None:
    company, store = dataset.paul, FolderStore(tmp_path / "files")
    rows = Rows(company, action)
    for model, table in declared_tables():
        if table.on_erasure in (OnErasure.DELETED, OnErasure.CLEARED):
            await rows.row_of(model)
    await Erasure.create(
        account=company.account,
        ticket=company.row(Ticket),
        scheduler=dataset.alice.user,
        requested_at=action.at,
        deadline=action.day,
        scheduled_at=action.at,
        due_at=action.at,
    )
    assert await erase_due_accounts(action, erasure_services(services, store)) == 1
    problems = []
    for model, table in declared_tables():
        name, row = model._meta.db_table, rows.rows.get(model)
        is_deleted = table.on_erasure is OnErasure.DELETED
        if is_deleted and row and await model.filter(pk=row.pk).exists():
            problems.append(f"{name}: the row was not deleted")
        if table.on_erasure is not OnErasure.CLEARED:
            continue
        kept = {column for columns in table.kept_columns for column in columns.split()}
        for values in await model.all().values():
            problems += [
                f"{name}.{column} was not cleared"
                for column, category in table.categories.items()
                if category.is_personal and column not in kept
                if MARK in str(values[column]).lower()
            ]
    assert not problems, "\n".join(problems)
