"""Apply and revert migrations, without building models that no migration asks for.

Tortoise copies the models of all tables before each operation, and prepares all of them for
queries. Ours change data with SQL only, and few operations look at the models from before. So a
copy is built when it is first looked at, and nothing is prepared for queries: a new database takes
a third of the time.
"""

from collections.abc import Callable
from typing import Any

from tortoise import Tortoise
from tortoise.connection import get_connection
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget
from tortoise.migrations.graph import MigrationKey
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


class _LazyApps(StateApps):
    """The models of a state. Those of a copy are built when they are first looked at."""

    _built: dict[str, dict[str, type[Model]]]
    _states: dict[tuple[str, str], ModelState] | None = None

    @property
    def apps(self) -> dict[str, dict[str, type[Model]]]:
        if self._states is not None:
            states, self._states = self._states, None
            for (app, _), state in states.items():
                self.register_model(app, state.render(self, deepcopy_fields=False))
            self._init_relations()
        return self._built

    @apps.setter
    def apps(self, apps: dict[str, dict[str, type[Model]]]) -> None:
        self._built = apps

    def clone(self, model_states: dict[tuple[str, str], ModelState] | None = None) -> "_LazyApps":
        copy = _LazyApps(dict(self._default_connections), self._connections)
        copy._states = model_states
        return copy

    def _build_initial_querysets(self) -> None:
        pass


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
    return State(models={}, apps=_LazyApps({APP: "default"}))
