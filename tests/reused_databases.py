"""PostgreSQL databases that tests use one after the other, with connections that stay open.

A new database for each test, with all that its new connections have to find out about the tables,
took the server longer than most tests. After a test, the rows of the tables that it wrote are
restored. A database whose tables it changed is replaced by another one.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

import asyncpg
from asyncpg import Connection

from models.database import pool
from models.database.options import DatabaseOptions
from models.database.pool import ConnectionPool
from models.database.workload import Workload

PREFIX = "reused_"
RESETS_BETWEEN_VACUUMS = 20  # restoring leaves dead rows

_TABLES = """
SELECT c.relname AS name, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY c.relname
"""
_SEQUENCES = """
SELECT quote_ident(sequencename) AS name, start_value, last_value FROM pg_sequences
WHERE schemaname = 'public'
"""
# Records each command that changes tables, indexes, constraints, triggers or functions.
_WATCH_STRUCTURE = """
CREATE TABLE template.structure_change (command TEXT);
CREATE FUNCTION template.record_change() RETURNS event_trigger SECURITY DEFINER LANGUAGE plpgsql
AS $$ BEGIN INSERT INTO template.structure_change VALUES (tg_tag); END $$;
CREATE EVENT TRIGGER structure_changes ON ddl_command_end EXECUTE FUNCTION template.record_change();
"""


class ReusedDatabase:
    """A copy of a template, for one test at a time."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name, self._connection = name, connection
        self._resets = 0

    @classmethod
    async def create(cls, uri: Callable[[str], str], template: str) -> "ReusedDatabase":
        """Copies a template. `uri` returns the URI of a database of the server."""
        name = f"{PREFIX}{uuid.uuid4().hex}"
        server = await asyncpg.connect(uri("postgres"))
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        await server.close()
        database = cls(name, await asyncpg.connect(uri(name)))
        await database._prepare()
        return database

    async def _prepare(self) -> None:
        """Keeps the rows that the template has, and how to find out what a test changed."""
        await self._connection.execute("SET session_replication_role = replica")
        await self._connection.execute("CREATE SCHEMA template")
        self._columns = {
            row["name"]: row["columns"] for row in await self._connection.fetch(_TABLES)
        }
        self._filled: set[str] = set()
        conditions = []
        for table in self._columns:
            count = await self._connection.fetchval(f'SELECT count(*) FROM "{table}"')  # noqa: S608
            condition = f'EXISTS (SELECT FROM "{table}")'
            if count:
                self._filled.add(table)
                await self._connection.execute(
                    f'CREATE TABLE template."{table}" AS TABLE "{table}"'
                )
                condition = (
                    f'(SELECT count(*) FROM "{table}") <> {count}'  # noqa: S608
                    f' OR EXISTS (SELECT FROM "{table}" WHERE xmin::text::bigint > $1)'
                )
            conditions.append(f"SELECT '{table}' AS name WHERE {condition}")
        self._written = " UNION ALL ".join([*conditions, "SELECT NULL WHERE $1::bigint < 0"])
        self._sequences = await self._connection.fetch(_SEQUENCES)
        self._transaction = await self._connection.fetchval("SELECT txid_current()")
        await self._connection.execute(_WATCH_STRUCTURE)

    async def reset(self, kept_connections: Iterable[Connection]) -> bool:
        """Disconnects everybody else, and restores the rows. Returns False if the tables were
        changed: then the database can't be used again.
        """
        await self._connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid <> ALL ($1)",
            [each.get_server_pid() for each in kept_connections],
        )
        if await self._connection.fetchval("SELECT EXISTS (SELECT FROM template.structure_change)"):
            return False
        written = await self._connection.fetch(self._written, self._transaction)
        if written:  # asyncpg can't execute nothing
            statements = self._restoring_statements([row["name"] for row in written])
            await self._connection.execute("\n".join(statements))
        await self._restore_sequences()
        self._transaction = await self._connection.fetchval("SELECT txid_current()")
        self._resets += 1
        if self._resets % RESETS_BETWEEN_VACUUMS == 0:
            await self._connection.execute("VACUUM " + ", ".join(map('"{}"'.format, self._columns)))
        return True

    def _restoring_statements(self, tables: list[str]) -> Iterable[str]:
        for table in tables:
            yield f'DELETE FROM "{table}";'  # noqa: S608
            if table in self._filled:
                columns = self._columns[table]
                yield (
                    f'INSERT INTO "{table}" ({columns}) OVERRIDING SYSTEM VALUE'  # noqa: S608
                    f' SELECT {columns} FROM template."{table}";'
                )

    async def _restore_sequences(self) -> None:
        changed = {*await self._connection.fetch(_SEQUENCES)} - {*self._sequences}
        original = {each["name"]: each for each in self._sequences}
        for name in (each["name"] for each in changed):
            start, last = original[name]["start_value"], original[name]["last_value"]
            await self._connection.execute(
                f"SELECT setval('{name}', {start if last is None else last}, {last is not None})"
            )

    async def close(self) -> None:
        await self._connection.close()

    async def drop(self, uri: Callable[[str], str]) -> None:
        await self.close()
        server = await asyncpg.connect(uri("postgres"))
        await server.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
        await server.close()


class KeptConnections:
    """The idle connections to reused databases, which the pools of the next test take."""

    def __init__(self) -> None:
        self._keys: WeakKeyDictionary[Connection, tuple[str, str]] = WeakKeyDictionary()
        self._idle: defaultdict[tuple[str, str], list[Connection]] = defaultdict(list)

    def install(self) -> None:
        """Makes the pools take connections from here, and return them when they are closed."""
        create_connector, close_pool = pool._connector, ConnectionPool.close

        def connector(
            kind: Workload, options: DatabaseOptions, parameters: dict[str, Any]
        ) -> Callable[[], Awaitable[Connection]]:
            connect = create_connector(kind, options, parameters)
            database = parameters["database"]
            if not database.startswith(PREFIX):
                return connect
            key = database, repr((kind, options, parameters))

            async def take() -> Connection:
                while self._idle[key]:
                    connection = self._idle[key].pop()
                    if not connection.is_closed():
                        return connection
                connection = await connect()
                self._keys[connection] = key
                return connection

            return take

        async def close(self_: ConnectionPool) -> None:
            for connection in [*self_._idle]:
                if connection in self._keys and not connection.is_closed():
                    self_._idle.remove(connection)
                    self._idle[self._keys[connection]].append(connection)
            await close_pool(self_)

        pool._connector = connector
        ConnectionPool.close = close  # type: ignore[assignment, method-assign]

    def of(self, database: str) -> list[Connection]:
        """The idle connections to a database."""
        return [
            connection
            for (name, _), connections in self._idle.items()
            for connection in connections
            if name == database and not connection.is_closed()
        ]

    def abort(self, database: str) -> None:
        """Aborts the connections to a database."""
        for connection in self.of(database):
            connection.terminate()

    async def close(self) -> None:
        """Aborts all connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.terminate()
        self._idle.clear()
        await asyncio.sleep(0)  # the event loop closes them


KEPT_CONNECTIONS = KeptConnections()
KEPT_CONNECTIONS.install()


class ReusedDatabases:
    """The databases of one worker, by their template."""

    def __init__(self, uri: Callable[[str], str], runner: asyncio.Runner) -> None:
        self._uri, self._runner = uri, runner
        self._free: defaultdict[str, list[ReusedDatabase]] = defaultdict(list)

    def take(self, template: str) -> ReusedDatabase:
        """A database with the rows of a template."""
        if self._free[template]:
            return self._free[template].pop()
        return self._runner.run(ReusedDatabase.create(self._uri, template))

    def put_back(self, template: str, database: ReusedDatabase) -> None:
        """Restores a database, or drops it."""
        if self._runner.run(database.reset(KEPT_CONNECTIONS.of(database.name))):
            self._free[template].append(database)
            return
        KEPT_CONNECTIONS.abort(database.name)
        self._runner.run(database.drop(self._uri))

    def close(self) -> None:
        """Closes their own connections."""
        for database in (each for databases in self._free.values() for each in databases):
            self._runner.run(database.close())
