"""The fourth schema: which keys descend from one another by rotation, and how much each is used."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add a column, an index and a table; a key without a family is the first of its own."""
    op.add_column("keys", sa.Column("family", sa.String(64)))
    op.create_index("keys_by_pepper", "keys", ["pepper_id", "status"])
    op.create_table(
        "usage",
        sa.Column("key_id", sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql"), primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("route", sa.Text, primary_key=True),
        sa.Column("status_class", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_index("usage_by_time", "usage", ["at"])
