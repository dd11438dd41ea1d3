"""The eighth schema: the networks each key is used from."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Add a table; nothing is known yet."""
    op.create_table(
        "key_networks",
        sa.Column("key_id", ID, primary_key=True),
        sa.Column("network", sa.String(64), primary_key=True),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
    )
    op.create_index("key_networks_by_time", "key_networks", ["last_at"])
