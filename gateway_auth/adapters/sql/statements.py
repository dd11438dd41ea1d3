"""What is read while requests wait, each in one statement, which is one snapshot; and what its numbers must be.

`head` always has its row, so a reading of nothing still answers with the revision.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select, true, update

from gateway_auth.adapters.sql.rows import Row
from gateway_auth.adapters.sql.schema import apps, changes, head, keys, revocations
from gateway_auth.core.token import Revocation
from gateway_auth.errors import StoreUnavailable
from gateway_auth.ports import Change

MAX_BATCH = 1000

READ_KEY = (
    select(head.c.revision, apps, keys)
    .select_from(head.outerjoin(keys, keys.c.id == bindparam("key_id")).outerjoin(apps, apps.c.id == keys.c.app_id))
    .where(head.c.id == 1)
)
READ_REVISION = select(head.c.revision).where(head.c.id == 1)
# Bounded before it is joined: a reader far behind must not have the database sort all that it missed, each time.
_NEXT = (
    select(changes.c.revision, changes.c.kind, changes.c.object_id)
    .where(changes.c.revision > bindparam("after"))
    .order_by(changes.c.revision)
    .limit(MAX_BATCH)
    .subquery("next")
)
READ_CHANGES = (
    select(head.c.revision, head.c.pruned, _NEXT)
    .select_from(head.outerjoin(_NEXT, true()))
    .where(head.c.id == 1)
    .order_by(_NEXT.c.revision)
)
READ_REVOCATIONS = (
    select(head.c.revision, *(revocations.c[name] for name in Revocation.__struct_fields__))
    .select_from(head.outerjoin(revocations, revocations.c.revision > bindparam("after")))
    .where(head.c.id == 1)
    .order_by(revocations.c.revision)
)
# Whoever changes the key right now has the last word; it is digested anew when it is used again.
_FREE_KEY = select(keys.c.id).where(keys.c.id == bindparam("key_id"), keys.c.digest == bindparam("old"))
REPLACE_DIGEST = (
    update(keys)
    .where(keys.c.id == _FREE_KEY.with_for_update(skip_locked=True).scalar_subquery())
    .values(digest=bindparam("new_digest"), pepper_id=bindparam("new_pepper"))
)


def change_in(row: Row) -> Change:
    """The change of a row of the change log. Raises StoreUnavailable for one of a newer program."""
    revision, kind, object_id = row
    if kind == "app" or kind == "key" or kind == "token":
        return Change(number_in(revision), kind, str(object_id))
    raise StoreUnavailable(f"the change log holds an unknown kind {kind!r}; update the program")


def number_in(value: object) -> int:
    """A revision. Raises StoreUnavailable for what is none."""
    if not isinstance(value, int):
        raise StoreUnavailable("the store has no number for its revision; restore it from a backup")
    return value
