"""Access to the database: everything that writes SQL, or changes how Tortoise, the ORM, talks to a
driver.

Which module to use:

- `reading.read` loads the rows of a queryset with the columns that a request needs. Use it for
  lists and lookups in resolvers.
- `writing` inserts, finds and locks single rows. Use it where the ORM's own `create` and `get` are
  too slow.
- `sql.execute` and `sql.fetch_records` run SQL that the ORM can't express, written once for both
  databases.
- `searchable.Searchable` is the base of models with a column for full-text search.
- `connection` connects, disconnects and migrates. Only entry points, migrations and tests need it.

The other modules are implementation: `statement` compiles and caches the statements of `read`,
`instances` builds model instances from a driver's rows, and `postgres` and `sqlite` are the
database clients that Tortoise loads by name.
"""
