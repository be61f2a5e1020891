"""Apply and revert migrations, without building models that no migration needs.

Tortoise copies the fields of all tables before each operation, builds the models that an operation
changes and all that are related to them, and prepares all of them for queries. Ours change data
with SQL only, and few operations look at the models from before. So models are built when they are
first looked at, and nothing is prepared for queries.
"""

from collections.abc import Callable
from copy import copy
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from tortoise import Tortoise
from tortoise.connection import get_connection
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.operations import DIRECT_RELATION_FIELDS
from tortoise.migrations.schema_generator.state import ModelState, State
from tortoise.migrations.schema_generator.state_apps import StateApps
from tortoise.models import Model

APP = "models"
Progress = Callable[[str, str, str], object]


async def migrate(
    config: dict[str, Any], target: str, direction: str, progress: Progress | None = None
) -> None:
    """Migrate the database of a configuration to a migration (`0001_initial`, `__first__`,
    `__latest__`). `direction` is `forward`, `backward` or `both`. `progress` is called with
    `apply_done` or `rollback_done`, the app, and the name of each migration.
    """
    await Tortoise.init(config=config, init_connections=False)
    executor = Executor(get_connection("default"), config["apps"])
    await executor.migrate([MigrationTarget(APP, target)], direction=direction, progress=progress)


def migration_names() -> list[str]:
    """The names of all migrations in their order. Imports none of them, because a server would
    answer nothing meanwhile.
    """
    folder = import_module("migrations").__path__
    return sorted(each.name for each in iter_modules(folder))


class _LazyApps(StateApps):
    """The models of a state. Each is built when an operation asks for it, with those that it refers
    to.
    """

    _states: dict[tuple[str, str], ModelState]

    def build_later(self, states: dict[tuple[str, str], ModelState]) -> None:
        """Build models from these states, and no longer from those before a change."""
        self._states, self.apps = states, {}

    def get_model(self, app_label: str, model_name: str | None = None) -> type[Model]:
        key = (app_label, model_name) if model_name else self.split_reference(app_label)
        self._build(key)
        self._init_relations()
        return super().get_model(*key)

    def _build(self, key: tuple[str, str]) -> None:
        app, name = key
        if name in self.apps.get(app, {}) or key not in self._states:
            return
        self.register_model(app, self._states[key].render(self))
        for field in self._states[key].fields.values():
            if isinstance(field, DIRECT_RELATION_FIELDS):
                self._build(self.split_reference(field.model_name))

    def clone(self, model_states: dict[tuple[str, str], ModelState] | None = None) -> "_LazyApps":
        copy = _LazyApps(dict(self._default_connections), self._connections)
        copy.build_later(model_states or {})
        return copy

    def _build_initial_querysets(self) -> None:
        pass


class _LazyState(State):
    """The state of all tables, whose models are built when needed."""

    apps: _LazyApps

    def _find_related_models(self, app_label: str, model_name: str) -> set[tuple[str, str]]:
        return set()

    def _reload(self, models_to_reload: object) -> None:
        self.apps.build_later(self.models)

    def clone(self) -> "_LazyState":
        models = {key: _clone_model_state(each) for key, each in self.models.items()}
        return _LazyState(models=models, apps=self.apps.clone(models))


def _clone_model_state(state: ModelState) -> ModelState:
    """A copy that shares the fields: operations replace fields and never change them in place."""
    clone = copy(state)
    clone.options, clone.fields = {**state.options}, {**state.fields}
    return clone


class Executor(MigrationExecutor):
    """Tortoise's executor, with states whose models are built when needed."""

    async def _project_state(
        self, applied: set[MigrationKey], *, upto: MigrationKey | None = None
    ) -> State:
        state = _empty_state()
        for key in self._applied_in_order(applied):
            if key == upto:
                break
            await self._apply_to(state, key)
        return state

    async def _project_state_cache(self, applied: set[MigrationKey]) -> dict[MigrationKey, State]:
        state = _empty_state()
        states = {}
        for key in self._applied_in_order(applied):
            states[key] = state.clone()
            await self._apply_to(state, key)
        return states

    def _applied_in_order(self, applied: set[MigrationKey]) -> list[MigrationKey]:
        return [key for key in self._full_plan() if key in applied]

    async def _apply_to(self, state: State, key: MigrationKey) -> None:
        migration = self.loader.graph.nodes[key]
        assert migration is not None, "an applied migration has a file"  # noqa: S101
        await migration.apply(state, dry_run=True, schema_editor=None)


def _empty_state() -> State:
    return _LazyState(models={}, apps=_LazyApps({APP: "default"}))
