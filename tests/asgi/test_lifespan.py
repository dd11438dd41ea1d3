"""Starting and stopping: in the lifespan, on the first request without one, again and again, and not at all."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from gateway_auth import GatewayAuth
from gateway_auth.config import load
from gateway_auth.errors import ConfigError
from tests.asgi.raw import Answer, get, lifespan
from tests.asgi.world import Echo, Mount, Site


def write_toml(site: Site) -> Path:
    """The same configuration as a file, with paths relative to it."""
    path = site.directory / "gateway.toml"
    path.write_text(
        '[store]\nurl = "sqlite:///gateway.db"\n[secrets]\npepper = "file:pepper"\n'
        '[[routes]]\nid = "known"\npath = "/known"\n'
    )
    return path


@pytest.mark.parametrize("form", ["path", "text", "mapping", "loaded"])
async def test_the_configuration_is_a_path_a_mapping_or_a_loaded_one(mount: Mount, site: Site, form: str) -> None:
    path = write_toml(site)
    config = {"path": path, "text": os.fspath(path), "mapping": site.config(), "loaded": load(path)}[form]
    gateway = await mount(Echo(), config=config)
    assert (await get(gateway, "/known")).status == 401
    assert (await get(gateway, "/known", site.keys["plain"])).status == 200


async def test_add_middleware_of_starlette_starts_with_the_lifespan(site: Site) -> None:
    async def hello(request: Request) -> Response:
        return PlainTextResponse(request.user.display_name)

    app = Starlette(routes=[Route("/known", hello)])
    app.add_middleware(GatewayAuth, config=site.config())
    async with lifespan(app):
        assert (await get(app, "/known", site.keys["plain"])).body == b"nothing granted"


def test_nothing_is_read_or_opened_before_the_start(tmp_path: Path) -> None:
    GatewayAuth(Echo(), config=tmp_path / "does-not-exist.toml")
    GatewayAuth(Echo(), config={"nonsense": True})
    assert list(tmp_path.iterdir()) == []


async def test_without_lifespan_the_first_request_starts_it_once(
    site: Site, app: Echo, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway_auth import bootstrap

    starts = []
    opened = bootstrap.open_gateway

    async def counted(source: Any) -> Any:
        starts.append(source)
        return await opened(source)

    monkeypatch.setattr(bootstrap, "open_gateway", counted)
    gateway = GatewayAuth(app, config=site.config())
    answers = await asyncio.gather(*(get(gateway, "/known", key["plain"]) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert len(starts) == 1
    await gateway._runtime.stop()


async def test_the_apps_own_lifespan_runs_inside_ours_and_shares_the_state(site: Site) -> None:
    class Stateful(Echo):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                scope["state"]["pool"] = "open"
            await super().__call__(scope, receive, send)

    async with lifespan(GatewayAuth(Stateful(), config=site.config())) as state:
        assert state == {"pool": "open"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"routes": [{"id": "a"}]}, "routes[0].path"),
        ({"secrets": {"pepper": "env:NOT_SET_ANYWHERE"}}, "secrets.pepper"),
        ({"nonsense": {}}, "nonsense"),
        ({"store": {"url": "mysql://x"}}, "store.url"),
    ],
)
async def test_a_configuration_that_cannot_be_used_fails_the_start_with_its_problems(
    site: Site, app: Echo, change: dict[str, Any], said: str
) -> None:
    gateway = GatewayAuth(app, config=site.config() | change)
    with pytest.raises(RuntimeError) as failure:
        async with lifespan(gateway):
            pass
    assert str(failure.value).startswith("gateway-auth: ")
    assert said in str(failure.value)
    with pytest.raises(ConfigError):
        await get(gateway, "/public")
    assert app.scopes == []


async def test_every_problem_is_told_at_once(site: Site, app: Echo) -> None:
    gateway = GatewayAuth(app, config=site.config() | {"one": 1, "two": 2})
    with pytest.raises(RuntimeError, match=r"(?s)one.*two"):
        async with lifespan(gateway):
            pass


async def test_an_app_that_fails_to_start_closes_the_gateway(site: Site) -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    gateway = GatewayAuth(failing, config=site.config())
    with pytest.raises(RuntimeError, match="no database"):
        async with lifespan(gateway):
            pass
    assert not following()


async def without_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """What plain ASGI apps do on a lifespan scope."""
    if scope["type"] != "http":
        raise TypeError("only http here")
    await Echo()(scope, receive, send)


async def silent_without_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await Echo()(scope, receive, send)


@pytest.mark.parametrize("app", [without_lifespan, silent_without_lifespan])
async def test_an_app_without_lifespan_is_started_and_stopped_all_the_same(site: Site, app: Any) -> None:
    gateway = GatewayAuth(app, config=site.config())
    async with lifespan(gateway):
        assert (await get(gateway, "/known", site.keys["plain"])).status == 200
    assert not following()


async def test_after_the_stop_nothing_of_the_gateway_goes_on(mount: Mount, site: Site) -> None:
    gateway = GatewayAuth(Echo(), config=site.config())
    before = connections()
    async with lifespan(gateway):
        assert (await get(gateway, "/known", site.keys["plain"])).status == 200
        assert following()
        assert connections() - before
    assert not following()
    assert left_open(before) == []


async def test_it_can_be_started_again_on_the_same_loop_with_what_is_then_configured(site: Site) -> None:
    path = write_toml(site)
    gateway = GatewayAuth(Echo(), config=path)
    async with lifespan(gateway):
        assert (await get(gateway, "/known", site.keys["plain"])).status == 200
        assert (await get(gateway, "/public")).status == 403
    path.write_text(path.read_text() + '[[routes]]\nid = "public"\npath = "/public"\naccess = "public"\n')
    async with lifespan(gateway):
        assert (await get(gateway, "/public")).status == 200
        assert (await get(gateway, "/known", site.keys["plain"])).status == 200


def test_a_test_client_with_a_new_loop_per_request_works_and_leaves_nothing_open(site: Site) -> None:
    gateway = GatewayAuth(Echo(), config=site.config())
    client = TestClient(gateway)
    client.get("/public")
    gc.collect()
    before = connections()
    for _ in range(5):
        assert client.get("/known", headers={"x-api-key": site.keys["plain"]}).status_code == 200
    gc.collect()
    assert left_open(before) == []


def test_a_test_client_with_lifespan_can_be_entered_twice(site: Site) -> None:
    gateway = GatewayAuth(Echo(), config=site.config())
    for _ in range(2):
        with TestClient(gateway) as client:
            assert client.get("/known", headers={"x-api-key": site.keys["plain"]}).status_code == 200
            assert client.get("/known").status_code == 401


@pytest.mark.parametrize("kind", ["http.extra", "webtransport", "", "LIFESPAN", "Http"])
async def test_a_scope_of_unknown_type_is_refused_and_reaches_nobody(mount: Mount, app: Echo, kind: str) -> None:
    gateway = await mount(app)
    answer = Answer()
    with pytest.raises(ValueError, match="scope type"):
        answer = await get(gateway, "/public", type=kind)
    assert app.scopes == answer.messages == []


async def test_the_start_tells_what_is_open_and_what_is_trusted(mount: Mount, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "gateway_auth")
    await mount(Echo(), trusted_proxies=["192.0.2.0/24", "2001:db8::/32"])
    assert "public routes: public (any /public)" in caplog.text
    assert "optional routes: optional (any /optional)" in caplog.text
    assert "trusted proxies: 192.0.2.0/24, 2001:db8::/32" in caplog.text
    assert "503" in caplog.text


def connections() -> set[threading.Thread]:
    """Open connections to SQLite: each is a thread."""
    return {thread for thread in threading.enumerate() if "connection_worker" in thread.name}


def left_open(before: set[threading.Thread]) -> list[threading.Thread]:
    """Connections made since that are not about to end: the last word of a thread comes after its close."""
    made = connections() - before
    for thread in made:
        thread.join(1)
    return [thread for thread in made if thread.is_alive()]


def following() -> list[str]:
    """Tasks of ours on this loop."""
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("gateway-auth")]
