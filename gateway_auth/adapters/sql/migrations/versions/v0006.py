"""The sixth schema: keys that were issued elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table; nothing else changes."""
    op.create_table(
        "imported_keys",
        sa.Column(
            "key_id",
            sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql"),
            sa.ForeignKey("keys.id", name="imported_key", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("lookup", sa.LargeBinary, nullable=False),
        sa.Column("pepper_id", sa.String(64), nullable=False),
        sa.Column("hash_kind", sa.String(16)),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index("imported_keys_by_lookup", "imported_keys", ["lookup"], unique=True)
