"""Runs the migrations for Alembic, over the connection it is handed and inside its transaction."""

from alembic import context

from ssdbench.harness.stores.sql.schema import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
