"""Operations on apps."""

from __future__ import annotations

from typing import cast

from gateway_auth.admin.bodies import AppChange, AppsQuery
from gateway_auth.admin.operation import Answered, Asked
from gateway_auth.admin.paging import next_page, read_cursor
from gateway_auth.admin.tagging import created, tagged
from gateway_auth.lifecycle.input import is_id

ROOT = "/api/v1/apps"


async def list_apps(asked: Asked) -> Answered:
    """A page of those the actor sees."""
    query = cast(AppsQuery, asked.query)  # the operation's model
    page = await asked.desk.apps.page(limit=query.limit, after=read_cursor(query.cursor, is_id))
    return Answered(page, next_page(asked.request, page, query.limit, "id"))


async def create_app(asked: Asked) -> Answered:
    """A new one."""
    return created(await asked.desk.apps.create(cast(AppChange, asked.body).fields()), ROOT)


async def show_app(asked: Asked) -> Answered:
    """One."""
    return tagged(await asked.desk.apps.get(asked.object_id))


async def update_app(asked: Asked) -> Answered:
    """Set fields."""
    return tagged(await asked.desk.apps.update(asked.object_id, cast(AppChange, asked.body).fields()))


async def disable_app(asked: Asked) -> Answered:
    """Stop its keys."""
    return tagged(await asked.desk.apps.disable(asked.object_id))


async def enable_app(asked: Asked) -> Answered:
    """Let them work again."""
    return tagged(await asked.desk.apps.enable(asked.object_id))


async def delete_app(asked: Asked) -> Answered:
    """With its keys."""
    await asked.desk.apps.delete(asked.object_id)
    return Answered()
