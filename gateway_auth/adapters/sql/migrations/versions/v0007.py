"""The seventh schema: admins, what they created under an idempotency key, and apps by owner."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Add two tables and an index; there are no admins yet."""
    op.create_table(
        "admins",
        sa.Column("id", ID, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("pepper_id", sa.String(64), nullable=False),
        sa.Column("may_grant_scopes", sa.Text, nullable=False),
        sa.Column("may_grant_roles", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
    )
    op.create_index("admins_by_name", "admins", ["name"], unique=True)
    op.create_table(
        "creations",
        sa.Column("actor_id", ID, primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("object_id", sa.String(64), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_index("creations_by_time", "creations", ["at"])
    op.create_index("apps_of_owner", "apps", ["owner", "id"])
