"""The second schema: tokens that were taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the table; nothing else changes."""
    op.create_table(
        "revocations",
        sa.Column("id", sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql"), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text),
        sa.Column("revoked_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_index("revocations_by_revision", "revocations", ["revision"])
    op.create_index("revocations_by_end", "revocations", ["expires_at"])
