"""Operations on keys."""

from __future__ import annotations

from typing import cast

from gateway_auth.admin.bodies import DeletionQuery, KeyChange, KeysQuery, NewGrant, NewKey, PresentedKey, Rotation
from gateway_auth.admin.operation import Answered, Asked
from gateway_auth.admin.paging import next_page, read_cursor
from gateway_auth.admin.tagging import created, tagged
from gateway_auth.lifecycle.input import is_id

ROOT = "/api/v1/keys"


async def list_keys(asked: Asked) -> Answered:
    """A page of those the actor sees."""
    query = cast(KeysQuery, asked.query)  # the operation's model
    after = read_cursor(query.cursor, is_id)
    page = await asked.desk.keys.page(limit=query.limit, after=after, app_id=query.app_id)
    return Answered(page, next_page(asked.request, page, query.limit, "id"))


async def create_key(asked: Asked) -> Answered:
    """A new one."""
    body = cast(NewKey, asked.body)
    return created(await asked.desk.keys.create(body.app_id, body.environment, body.fields()), ROOT)


async def show_key(asked: Asked) -> Answered:
    """One."""
    return tagged(await asked.desk.keys.get(asked.object_id))


async def update_key(asked: Asked) -> Answered:
    """Set fields."""
    return tagged(await asked.desk.keys.update(asked.object_id, cast(KeyChange, asked.body).fields()))


async def rotate_key(asked: Asked) -> Answered:
    """A second one in its place."""
    body = cast(Rotation, asked.body)
    return created(await asked.desk.keys.rotate(asked.object_id, body.fields(), overlap=body.overlap), ROOT)


async def disable_key(asked: Asked) -> Answered:
    """Stop it."""
    return tagged(await asked.desk.keys.disable(asked.object_id))


async def enable_key(asked: Asked) -> Answered:
    """Let it work again."""
    return tagged(await asked.desk.keys.enable(asked.object_id))


async def revoke_key(asked: Asked) -> Answered:
    """Stop it for good."""
    return tagged(await asked.desk.keys.revoke(asked.object_id))


async def grant(asked: Asked) -> Answered:
    """One more scope, for a time."""
    body = cast(NewGrant, asked.body)
    return tagged(await asked.desk.keys.grant(asked.object_id, body.scope, body.expires_in))


async def delete_key(asked: Asked) -> Answered:
    """For good."""
    await asked.desk.keys.delete(asked.object_id, force=cast(DeletionQuery, asked.query).force)
    return Answered()


async def verify_key(asked: Asked) -> Answered:
    """What a text is."""
    return Answered(await asked.desk.keys.verify(cast(PresentedKey, asked.body).key))
