"""The tables of the store as they are now, and which schema version that is. Knows no rows and no connection.

`migrations/` is how a store gets here; a test holds both to be the same. Times are UTC epoch seconds.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

VERSION_TABLE = "gateway_auth_schema"


class Schema(Struct, frozen=True):
    """The version a program works with, and the directory of migrations that lead to it."""

    version: str
    migrations: Path


CURRENT_SCHEMA = Schema("0008", Path(__file__).parent / "migrations")

# Pages go by id in byte order. PostgreSQL would sort by the language of the database.
_ID = String(64).with_variant(String(64, collation="C"), "postgresql")

# In SQLite only a key spelled INTEGER (64 bits there) orders the table itself; others need an index besides.
_SERIAL = BigInteger().with_variant(Integer, "sqlite")

_ONE = CheckConstraint("id = 1", name="head_one_row")

metadata = MetaData()

head = Table(
    "head",
    metadata,
    # One row. Every write transaction holds its lock from beginning to end, so revisions become visible in
    # order. A sequence would not do: a reader could see 8 while the transaction of 7 is still open.
    Column("id", SmallInteger, _ONE, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),  # of the last change
    Column("pruned", BigInteger, nullable=False),  # changes up to this revision are gone
    Column("audit_seq", BigInteger, nullable=False),  # of the last audit record
    Column("audit_hash", LargeBinary, nullable=False),  # of the same, which stands for all before it
)

apps = Table(
    "apps",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("plan", Text),
    Column("status", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Index("apps_of_owner", "owner", "id"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("app_id", _ID, ForeignKey("apps.id", name="keys_app"), nullable=False),
    Column("name", Text, nullable=False),
    Column("environment", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("pepper_id", String(64), nullable=False),
    # Lists and mappings are JSON text: they are read and written whole, and nothing searches in them.
    Column("scopes", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("grants", Text, nullable=False),
    Column("not_before", BigInteger),
    Column("expires_at", BigInteger),
    Column("allow_networks", Text, nullable=False),
    Column("deny_networks", Text, nullable=False),
    Column("allow_referrers", Text, nullable=False),
    Column("allow_android", Text, nullable=False),
    Column("allow_ios", Text, nullable=False),
    Column("allow_requests", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("last_used_at", BigInteger),
    Column("last_used_address", String(64)),
    Column("rotated_from", String(64)),
    Column("retires_at", BigInteger),
    Column("metadata", Text, nullable=False),
    Column("family", String(64)),
    Index("keys_of_app", "app_id", "id"),
    Index("keys_by_pepper", "pepper_id", "status"),
)

changes = Table(
    "changes",
    metadata,
    Column("revision", _SERIAL, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("object_id", String(64), nullable=False),
    Column("at", Double, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", _SERIAL, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(64), nullable=False),
    Column("object_kind", String(16), nullable=False),
    Column("object_id", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("request_id", String(64)),
    Column("address", String(64)),
    Column("before", Text),
    Column("after", Text),
    Column("hash", LargeBinary, nullable=False),  # `core.audit.link` of this record and the one before it
    # Rows are inserted and nothing else. Each index serves one filter, newest first.
    Index("audit_of_object", "object_id", "seq"),
    Index("audit_by_actor", "actor", "seq"),
    Index("audit_by_action", "action", "seq"),
    Index("audit_by_time", "at"),
)

usage = Table(
    "usage",
    metadata,
    # Without a foreign key: what a deleted key was used for stays known. Empty where no key was presented.
    Column("key_id", _ID, primary_key=True),
    # The beginning of a minute; of an hour, once it is some days old.
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("route", Text, primary_key=True),
    Column("status_class", SmallInteger, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Index("usage_by_time", "at"),
)

key_networks = Table(
    "key_networks",
    metadata,
    # As in usage, without a foreign key.
    Column("key_id", _ID, primary_key=True),
    Column("network", String(64), primary_key=True),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),  # right to within a day
    Index("key_networks_by_time", "last_at"),
)

webhook_cursors = Table(
    "webhook_cursors",
    metadata,
    Column("webhook_id", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False),  # of the last audit record that events were made of
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(200, collation="C").with_variant(String(200), "sqlite"), primary_key=True),
    Column("webhook_id", String(64), nullable=False),
    Column("event_id", String(128), nullable=False),
    Column("event_type", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("next_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("last_error", Text),
    Index("deliveries_due", "status", "next_at"),
)

revocations = Table(
    "revocations",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("revision", BigInteger, nullable=False),  # of its change, by which workers ask for what is new
    Column("kind", String(16), nullable=False),
    Column("value", Text, nullable=False),
    Column("issuer", Text),
    Column("revoked_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("revocations_by_revision", "revision"),
    Index("revocations_by_end", "expires_at"),
)

imported_keys = Table(
    "imported_keys",
    metadata,
    Column("key_id", _ID, ForeignKey("keys.id", name="imported_key", ondelete="CASCADE"), primary_key=True),
    Column("lookup", LargeBinary, nullable=False),
    Column("pepper_id", String(64), nullable=False),
    Column("hash_kind", String(16)),
    Column("hash", Text, nullable=False),
    Index("imported_keys_by_lookup", "lookup", unique=True),
)

admins = Table(
    "admins",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("pepper_id", String(64), nullable=False),
    Column("may_grant_scopes", Text, nullable=False),  # JSON, as in keys; "null" is no bound
    Column("may_grant_roles", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Index("admins_by_name", "name", unique=True),
)

creations = Table(
    "creations",
    metadata,
    Column("actor_id", _ID, primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("object_id", String(64), nullable=False),
    Column("answer", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("creations_by_time", "at"),
)
