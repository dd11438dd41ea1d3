"""Runs migrations on the connection, and in the transaction, of whoever asked. Needs no alembic.ini."""

from alembic import context

from gateway_auth.adapters.sql.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE, transactional_ddl=True
)
context.run_migrations()
