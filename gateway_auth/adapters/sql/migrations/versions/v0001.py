"""The first schema: apps, keys, the change log, the audit, and the head that orders them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Never changed once released: later schemas are later files.
ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ONE = sa.CheckConstraint("id = 1", name="head_one_row")
KEY_LISTS = (
    "allow_networks", "deny_networks", "allow_referrers", "allow_android", "allow_ios", "allow_requests",
)  # fmt: skip


def upgrade() -> None:
    """Create everything."""
    head = create_head()
    create_objects()
    create_logs()
    op.bulk_insert(head, [{"id": 1, "revision": 0, "pruned": 0, "audit_seq": 0}])


def create_head() -> sa.Table:
    """The one row every writer locks."""
    return op.create_table(
        "head",
        sa.Column("id", sa.SmallInteger, ONE, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("pruned", sa.BigInteger, nullable=False),
        sa.Column("audit_seq", sa.BigInteger, nullable=False),
    )


def create_objects() -> None:
    """Apps and their keys."""
    op.create_table(
        "apps",
        sa.Column("id", ID, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("plan", sa.Text),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("id", ID, primary_key=True),
        sa.Column("app_id", ID, sa.ForeignKey("apps.id", name="keys_app"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("pepper_id", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("grants", sa.Text, nullable=False),
        sa.Column("not_before", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger),
        *(sa.Column(name, sa.Text, nullable=False) for name in KEY_LISTS),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("last_used_address", sa.String(64)),
        sa.Column("rotated_from", sa.String(64)),
        sa.Column("retires_at", sa.BigInteger),
        sa.Column("metadata", sa.Text, nullable=False),
    )
    op.create_index("keys_of_app", "keys", ["app_id", "id"])


def create_logs() -> None:
    """What workers follow, and what auditors read."""
    op.create_table(
        "changes",
        sa.Column("revision", SERIAL, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("object_id", sa.String(64), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("seq", SERIAL, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("object_kind", sa.String(16), nullable=False),
        sa.Column("object_id", sa.String(64), nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
    )
    op.create_index("audit_of_object", "audit", ["object_id", "seq"])
