"""What Alembic runs to migrate: over the connection that it is handed, inside its transaction."""

from alembic import context

from ssdbench.harness.stores.sql.schema import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
