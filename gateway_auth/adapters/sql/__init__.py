"""The store over SQL: SQLite by default, PostgreSQL by URL. Importing it loads SQLAlchemy."""

from gateway_auth.adapters.sql.store import SqlStore

__all__ = ["SqlStore"]
