"""Lists: bare arrays, a page at a time, the next one by a cursor."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway_auth.admin.paging import write_cursor
from gateway_auth.core.usage import UsageBatch
from gateway_auth.lifecycle.input import format_time
from tests.admin.world import AdminWorld, code


async def walk(world: AdminWorld, path: str, limit: int, role: str = "admin", **more: str) -> list[list[str]]:
    """The ids (or numbers) on each page, following Link."""
    pages = []
    params = {"limit": str(limit), **more}
    while True:
        response = await world.ask("GET", path, role=role, params=params)
        assert response.status_code == 200, response.text
        pages.append([str(one.get("id", one.get("seq"))) for one in response.json()])
        if "link" not in response.headers:
            assert "x-next-cursor" not in response.headers
            return pages
        match = re.fullmatch(r'<(.*)>; rel="next"', response.headers["link"])
        assert match
        target = urlsplit(match[1])
        params = {name: value for name, (value,) in parse_qs(target.query, keep_blank_values=True).items()}
        assert (target.path, params["cursor"]) == (path, response.headers["x-next-cursor"])


def flat(pages: list[list[str]]) -> list[str]:
    return [one for page in pages for one in page]


async def test_every_app_stands_on_one_page(world: AdminWorld) -> None:
    ids = sorted([(await world.an_app(name=f"n{number}")).id for number in range(7)])
    pages = await walk(world, "/api/v1/apps", 3)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert flat(pages) == ids


async def test_a_last_page_that_is_full_is_followed_by_an_empty_one(world: AdminWorld) -> None:
    for number in range(4):
        await world.an_app(name=f"n{number}")
    assert [len(page) for page in await walk(world, "/api/v1/apps", 2)] == [2, 2, 0]


async def test_keys_of_an_app_and_a_developers_own(world: AdminWorld) -> None:
    own, foreign = await world.an_app("dev"), await world.an_app("somebody")
    of_own = sorted([(await world.a_key(own)).record.id for _ in range(3)])
    of_foreign = sorted([(await world.a_key(foreign)).record.id for _ in range(3)])
    assert flat(await walk(world, "/api/v1/keys", 2, app_id=foreign.id)) == of_foreign
    assert flat(await walk(world, "/api/v1/keys", 2)) == sorted(of_own + of_foreign)
    assert flat(await walk(world, "/api/v1/keys", 2, role="developer")) == of_own
    # A cursor of somebody else is a position, and shows nothing of theirs.
    cursor = write_cursor(min(of_foreign))
    response = await world.ask("GET", "/api/v1/keys", role="developer", params={"cursor": cursor})
    assert [one["id"] for one in response.json()] == [one for one in of_own if one > min(of_foreign)]
    assert (await world.ask("GET", "/api/v1/keys", role="developer", params={"app_id": foreign.id})).status_code == 404


async def test_the_audit_goes_backwards_and_is_filtered(world: AdminWorld) -> None:
    app = await world.an_app()
    for _ in range(3):
        await world.a_key(app)
    pages = await walk(world, "/api/v1/audit", 3)
    assert [int(one) for one in flat(pages)] == list(range(len(world.memory.audit), 0, -1))
    created = flat(await walk(world, "/api/v1/audit", 2, action="key.create"))
    assert len(created) == 3
    of_app = (await world.ask("GET", "/api/v1/audit", params={"object_id": app.id})).json()
    assert [(one["action"], one["after"]["name"]) for one in of_app] == [("app.create", "shop")]


@pytest.mark.parametrize("path", ["/api/v1/apps", "/api/v1/keys", "/api/v1/audit"])
@pytest.mark.parametrize("cursor", ["x", "MQ", "MTo", "MTo\u00e4", "MToBL0I", "MTo2=", "!", "a" * 200, "MTon"])
async def test_a_made_up_cursor_is_refused(world: AdminWorld, path: str, cursor: str) -> None:
    response = await world.ask("GET", path, params={"cursor": cursor})
    assert (response.status_code, code(response)) == (422, "invalid_input")
    assert response.json()["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "1000000000", "1.5", "x", "", "1e3"])
@pytest.mark.parametrize("path", ["/api/v1/apps", "/api/v1/keys", "/api/v1/audit", "/api/v1/usage"])
async def test_a_page_has_a_size(world: AdminWorld, path: str, limit: str) -> None:
    response = await world.ask("GET", path, params={"limit": limit})
    assert (response.status_code, code(response)) == (422, "invalid_input")
    assert response.json()["errors"][0]["field"] == "limit"


async def test_unknown_and_repeated_parameters_are_refused(world: AdminWorld) -> None:
    for query, field in (("offset=1", "offset"), ("limit=1&limit=2", "limit"), ("LIMIT=1", "LIMIT")):
        response = await world.ask("GET", f"/api/v1/apps?{query}")
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, field)
    for path in ("/api/v1/apps/app_1?x=1", "/api/v1/usage?cursor=a"):
        assert (await world.ask("GET", path)).status_code == 422


async def test_usage_in_one_sum_begins_when_it_was_asked_for(world: AdminWorld) -> None:
    now = int(world.clock.now())
    hour = now - now % 3600
    for at in (hour - 7200, hour - 3600, hour):
        await world.memory.add_usage(UsageBatch(at, {("key1", "orders", 2): 1}, {}))
    response = await world.ask("GET", "/api/v1/usage", params={"by": "all", "since": f"{now - hour + 1}s"})
    (found,) = response.json()
    assert (found["at"], found["count"]) == (format_time(hour), 1)
    (found,) = (await world.ask("GET", "/api/v1/usage", params={"by": "all", "since": "1h"})).json()
    assert (found["at"], found["count"]) == (format_time(hour - 3600), 2)
