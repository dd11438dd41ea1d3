"""Limits on requests at once: a slot is held while the app's call lasts and free when it ends, however (L13, 063)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from gateway_auth import GatewayAuth
from gateway_auth.adapters.memory_slots import MemorySlotStore
from gateway_auth.decorator import requires
from gateway_auth.engine.in_flight import InFlightLimits
from gateway_auth.errors import BodyTooLarge
from tests.asgi.raw import Answer, call, connect, get, http_scope, websocket_scope
from tests.asgi.world import Echo, Mount
from tests.redis.patience import until

LIMITED = (429, "rate_limited")
AT_ONCE = {"id": "at-once", "in_flight": 5, "by": "key"}
ROUTES = [
    {"id": "slow", "path": "/slow", "limits": [AT_ONCE]},
    {"id": "socket", "path": "/socket", "websocket": True, "limits": [AT_ONCE]},
    {"id": "both", "path": "/both", "limits": [{"in_flight": 1, "by": "key"}, {"rate": "3/hour", "by": "key"}]},
    {"id": "alone", "path": "/alone", "scopes": ["orders:read"], "limits": [AT_ONCE]},
    {"id": "shadow", "path": "/shadow", "mode": "shadow", "limits": [{"in_flight": 1, "by": "key"}]},
    {"id": "free", "path": "/free"},
]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Slow(Echo):
    """An app whose requests stay until `done` is set. `inside` is how many there are."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = 0
        self.done = asyncio.Event()
        self.failure: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
            return
        self.inside += 1
        try:
            await self.done.wait()
            if self.failure is not None:
                raise self.failure
            await super().__call__(scope, receive, send)
        finally:
            self.inside -= 1


@pytest.fixture
def app() -> Slow:
    return Slow()


@pytest.fixture
async def gateway(mount: Mount, app: Slow) -> GatewayAuth:
    return await mount(app, routes=ROUTES)


def held(gateway: GatewayAuth) -> int:
    """How many slots are held in all."""
    assert gateway._gate is not None
    limits = gateway._gate.engine._limits
    assert isinstance(limits, InFlightLimits)
    assert isinstance(limits._slots, MemorySlotStore)
    return limits._slots.held()


async def inside(app: Slow, count: int) -> None:
    """Until so many requests are in the app."""
    await until(lambda: app.inside == count)


@asynccontextmanager
async def occupied(
    gateway: GatewayAuth, app: Slow, key: str, count: int = 5
) -> AsyncIterator[list[asyncio.Task[Answer]]]:
    """So many requests under way; they are over afterwards, and so are their slots."""
    tasks = [asyncio.create_task(get(gateway, "/slow", key)) for _ in range(count)]
    await inside(app, count)
    assert held(gateway) == count
    yield tasks
    app.done.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert held(gateway) == 0


async def test_five_are_held_the_sixth_is_429_and_one_released_lets_one_in(
    gateway: GatewayAuth, app: Slow, key: dict[str, str]
) -> None:
    async with occupied(gateway, app, key["plain"]) as tasks:
        sixth = await get(gateway, "/slow", key["plain"])
        assert sixth.refusal == LIMITED
        assert sixth.only("retry-after") == "1"
        assert sixth.only("ratelimit-policy") == '"at-once";q=5;qu="concurrent-requests"'
        assert sixth.only("ratelimit") == '"at-once";r=0'
        assert sixth.problem["violated-policies"] == ["at-once"]
        tasks[0].cancel()
        await inside(app, 4)
        app.done.set()
        answer = await get(gateway, "/slow", key["plain"])
        assert answer.status == 200
        assert answer.only("ratelimit-policy") == '"at-once";q=5;qu="concurrent-requests"'


async def test_keys_have_slots_of_their_own(gateway: GatewayAuth, app: Slow, key: dict[str, str]) -> None:
    async with occupied(gateway, app, key["plain"]):
        app.done.set()
        assert (await get(gateway, "/slow", key["reader"])).only("ratelimit") == '"at-once";r=4'


async def test_other_routes_are_not_held_up(gateway: GatewayAuth, app: Slow, key: dict[str, str]) -> None:
    async with occupied(gateway, app, key["plain"]):
        app.done.set()
        assert (await get(gateway, "/free", key["plain"])).values("ratelimit") == []


# -- however a request ends ----------------------------------------------------------------------------------------


async def test_an_app_that_fails_frees_its_slot(gateway: GatewayAuth, app: Slow, key: dict[str, str]) -> None:
    app.done.set()
    for failure in (ZeroDivisionError(), BodyTooLarge(), asyncio.CancelledError(), SystemExit(), GeneratorExit()):
        app.failure = failure
        with pytest.raises(type(failure)):
            await get(gateway, "/slow", key["plain"])
        assert held(gateway) == 0


async def test_a_call_that_fails_before_anything_is_awaited_frees_its_slot(mount: Mount, key: dict[str, str]) -> None:
    def broken(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return Echo()(scope, receive, send)
        raise ZeroDivisionError

    gateway = await mount(broken, routes=ROUTES)
    with pytest.raises(ZeroDivisionError):
        await get(gateway, "/slow", key["plain"])
    assert held(gateway) == 0


async def test_a_server_that_drops_the_call_frees_its_slot(
    gateway: GatewayAuth, app: Slow, key: dict[str, str]
) -> None:
    coroutine: Any = get(gateway, "/slow", key["plain"])
    task = asyncio.create_task(get(gateway, "/free", key["plain"]))  # so that the key is known
    app.done.set()
    await task
    app.done.clear()
    coroutine.send(None)
    assert held(gateway) == 1
    coroutine.close()
    assert held(gateway) == 0


async def test_a_client_that_leaves_frees_its_slot_when_the_app_notices(
    gateway: GatewayAuth, key: dict[str, str], mount: Mount
) -> None:
    async def until_left(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        while (await receive())["type"] != "http.disconnect":
            pass

    gateway = await mount(until_left, routes=ROUTES)
    await call(gateway, http_scope("GET", "/slow", [("x-api-key", key["plain"])]), b"", b"")
    assert held(gateway) == 0


async def test_a_send_that_fails_frees_the_slot(gateway: GatewayAuth, app: Slow, key: dict[str, str]) -> None:
    app.done.set()

    async def send(message: Message) -> None:
        raise OSError("the client is gone")

    async def receive() -> Message:
        return {"type": "http.request"}

    with pytest.raises(OSError, match="gone"):
        await gateway(http_scope("GET", "/slow", [("x-api-key", key["plain"])]), receive, send)
    assert held(gateway) == 0


async def test_a_streamed_answer_holds_its_slot_to_its_end(mount: Mount, key: dict[str, str]) -> None:
    gateway = await mount(streaming, routes=ROUTES)
    seen = []

    async def send(message: Message) -> None:
        seen.append((message["type"], held(gateway)))

    async def receive() -> Message:
        return {"type": "http.request"}

    await gateway(http_scope("GET", "/slow", [("x-api-key", key["plain"])]), receive, send)
    assert seen == [("http.response.start", 1), *[("http.response.body", 1)] * 4]
    assert held(gateway) == 0


async def streaming(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await Echo()(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for number in range(4):
        await send({"type": "http.response.body", "body": b"x", "more_body": number < 3})


# -- refused after the slot was taken ------------------------------------------------------------------------------


async def test_a_body_that_turns_out_too_large_frees_the_slot(mount: Mount, key: dict[str, str]) -> None:
    gateway = await mount(Echo(), routes=ROUTES, max_body_bytes=10)
    scope = http_scope("POST", "/slow", [("x-api-key", key["plain"]), ("transfer-encoding", "chunked")])
    answer = await call(gateway, scope, b"x" * 6, b"x" * 6)
    assert answer.refusal == (413, "body_too_large")
    assert answer.only("ratelimit") == '"at-once";r=4'
    assert held(gateway) == 0


async def test_a_refusal_inside_the_app_frees_the_slot(mount: Mount, key: dict[str, str]) -> None:
    @requires(scopes=["orders:write"])
    async def endpoint(request: Request) -> None: ...

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        await endpoint(Request(scope))

    gateway = await mount(app, routes=ROUTES)
    assert (await get(gateway, "/slow", key["plain"])).refusal == (403, "insufficient_scope")
    assert held(gateway) == 0


async def test_what_is_refused_before_holds_nothing(gateway: GatewayAuth, key: dict[str, str]) -> None:
    assert (await get(gateway, "/alone", key["plain"])).status == 403
    assert (await get(gateway, "/slow")).status == 401
    assert held(gateway) == 0


async def test_a_request_the_rate_refuses_holds_no_slot_and_one_without_a_slot_is_not_charged(
    gateway: GatewayAuth, app: Slow, key: dict[str, str]
) -> None:
    first = asyncio.create_task(get(gateway, "/both", key["plain"]))
    await inside(app, 1)
    for _ in range(9):
        refused = await get(gateway, "/both", key["plain"])
        assert refused.problem["violated-policies"] == ["key-1-in-flight"]
        assert refused.only("ratelimit-policy") == '"key-1-in-flight";q=1;qu="concurrent-requests"'
    app.done.set()
    assert (await first).only("ratelimit").startswith('"key-3-per-hour";r=2;t=')
    for left in (1, 0):
        answer = await get(gateway, "/both", key["plain"])
        assert f'"key-3-per-hour";r={left};t=' in answer.only("ratelimit")
        assert answer.only("ratelimit").endswith(', "key-1-in-flight";r=0')
    refused = await get(gateway, "/both", key["plain"])
    assert refused.problem["violated-policies"] == ["key-3-per-hour"]
    assert refused.only("ratelimit").endswith(', "key-1-in-flight";r=1')
    assert held(gateway) == 0


async def test_a_route_in_shadow_mode_lets_all_pass(gateway: GatewayAuth, app: Slow, key: dict[str, str]) -> None:
    tasks = [asyncio.create_task(get(gateway, "/shadow", key["plain"])) for _ in range(3)]
    await inside(app, 3)
    assert held(gateway) == 1
    app.done.set()
    assert [answer.status for answer in await asyncio.gather(*tasks)] == [200, 200, 200]
    assert held(gateway) == 0


# -- websockets and plans ------------------------------------------------------------------------------------------


async def test_a_websocket_holds_its_slot_while_it_is_open(
    gateway: GatewayAuth, app: Slow, key: dict[str, str]
) -> None:
    headers = [("x-api-key", key["plain"])]
    sockets = [asyncio.create_task(connect(gateway, websocket_scope("/socket", headers))) for _ in range(5)]
    await inside(app, 5)
    scope = websocket_scope("/socket", headers, extensions={"websocket.http.response": {}})
    assert (await connect(gateway, scope)).refusal == LIMITED
    sockets[0].cancel()
    await inside(app, 4)
    assert held(gateway) == 4
    app.done.set()
    assert (await connect(gateway, scope)).messages[0]["type"] == "websocket.accept"
    await asyncio.gather(*sockets, return_exceptions=True)
    assert held(gateway) == 0


async def test_a_plans_slots_are_the_apps_on_every_route(
    mount: Mount, site: Any, app: Slow, key: dict[str, str]
) -> None:
    config = site.config(ROUTES)
    config["plans"]["free"]["limits"] = [{"in_flight": 2, "by": "app"}]
    gateway = await mount(app, config)
    tasks = [asyncio.create_task(get(gateway, path, key["metered"])) for path in ("/free", "/slow")]
    await inside(app, 2)
    refused = await get(gateway, "/free", key["metered"])
    assert refused.problem["violated-policies"] == ["app-2-in-flight"]
    app.done.set()
    assert [answer.status for answer in await asyncio.gather(*tasks)] == [200, 200]
    assert held(gateway) == 0


# -- ten thousand --------------------------------------------------------------------------------------------------


async def test_ten_thousand_clients_that_leave_at_any_moment_leave_no_slot_held(
    mount: Mount, key: dict[str, str]
) -> None:
    chance = random.Random(13)

    async def busy(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        if chance.random() < 0.1:
            raise ZeroDivisionError
        await streaming(scope, receive, send)

    gateway = await mount(busy, routes=ROUTES)
    statuses: set[int] = set()

    async def visit(kind: str) -> None:
        statuses.add((await get(gateway, "/slow", key[kind])).status)

    for _ in range(200):
        tasks = [asyncio.create_task(visit(kind)) for kind in ("plain", "reader") * 25]
        for task in tasks:
            if chance.random() < 0.2:
                await asyncio.sleep(0)
            if chance.random() < 0.7:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert held(gateway) == 0
    assert statuses == {200, 429}


# -- what it costs others ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [[], [{"rate": "5/hour", "by": "key"}]], ids=["none", "a rate"])
async def test_a_configuration_without_slots_keeps_no_count_of_them(
    mount: Mount, limits: Iterable[object], key: dict[str, str]
) -> None:
    gateway = await mount(Echo(), routes=[{"id": "r", "path": "/r", "limits": limits}])
    assert (await get(gateway, "/r", key["plain"])).status == 200
    assert gateway._gate is not None
    assert not isinstance(gateway._gate.engine._limits, InFlightLimits)
