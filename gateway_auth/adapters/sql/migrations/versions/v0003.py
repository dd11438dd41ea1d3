"""The third schema: which keys descend from one another by rotation, so that limits count them together."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; a key without a family is the first of its own."""
    op.add_column("keys", sa.Column("family", sa.String(64)))
