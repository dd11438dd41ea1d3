"""503: what the decision stands on cannot be asked. Never a 401 for a good key, never a 500."""

from __future__ import annotations

import asyncio

import pytest

from gateway_auth import GatewayAuth
from tests.asgi.raw import Answer, connect, get, lifespan, websocket_scope
from tests.asgi.world import Echo, Mount, Site

UNAVAILABLE = (503, "dependency_unavailable")


@pytest.fixture
def broken(site: Site) -> Site:
    """A site whose store is a directory, which no driver opens."""
    database = site.directory / "gateway.db"
    database.unlink()
    database.mkdir()
    return site


def repair(site: Site, template: Site) -> None:
    """Put the store where it should be."""
    database = site.directory / "gateway.db"
    database.rmdir()
    database.write_bytes((template.directory / "gateway.db").read_bytes())


def assert_unavailable(answer: Answer) -> None:
    assert answer.refusal == UNAVAILABLE
    assert int(answer.only("retry-after")) >= 1
    assert answer.values("www-authenticate") == []
    assert answer.problem["request_id"] != ""


@pytest.mark.parametrize("path", ["/known", "/public", "/nowhere"])
async def test_a_store_that_cannot_be_opened_at_the_first_request_is_503(
    broken: Site, app: Echo, key: dict[str, str], path: str
) -> None:
    gateway = GatewayAuth(app, config=broken.config())
    for _ in range(2):
        assert_unavailable(await get(gateway, path, key["plain"]))
    assert app.scopes == []


async def test_many_first_requests_at_once_get_503_each_with_its_own_id(broken: Site, key: dict[str, str]) -> None:
    gateway = GatewayAuth(Echo(), config=broken.config())
    answers = await asyncio.gather(*(get(gateway, "/known", key["plain"]) for _ in range(10)))
    for answer in answers:
        assert_unavailable(answer)
    assert len({answer.problem["request_id"] for answer in answers}) == 10


async def test_a_websocket_is_refused_before_it_is_accepted(broken: Site, app: Echo) -> None:
    gateway = GatewayAuth(app, config=broken.config())
    answer = await connect(gateway, websocket_scope("/socket"))
    assert answer.messages == [{"type": "websocket.close", "code": 1008, "reason": "dependency_unavailable"}]
    assert_unavailable(await connect(gateway, websocket_scope("/socket", extensions={"websocket.http.response": {}})))
    assert app.scopes == []


async def test_the_first_request_after_the_repair_is_served(
    broken: Site, template: Site, app: Echo, key: dict[str, str]
) -> None:
    gateway = GatewayAuth(app, config=broken.config())
    assert (await get(gateway, "/known", key["plain"])).status == 503
    repair(broken, template)
    assert (await get(gateway, "/known", key["plain"])).status == 200
    await gateway._runtime.stop()


async def test_the_lifespan_does_not_start_without_a_store(broken: Site, app: Echo) -> None:
    with pytest.raises(RuntimeError, match="gateway-auth: "):
        async with lifespan(GatewayAuth(app, config=broken.config())):
            pass


async def test_a_key_nobody_asked_for_before_is_503_while_the_store_is_away_and_a_known_one_serves(
    mount: Mount, site: Site, app: Echo, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await mount(app)
    assert (await get(gateway, "/known", key["plain"])).status == 200
    take_away(site, monkeypatch)
    for _ in range(2):
        assert_unavailable(await get(gateway, "/known", key["reader"]))
    assert (await get(gateway, "/known", key["plain"])).status == 200
    assert (await get(gateway, "/public")).status == 200
    assert (await get(gateway, "/known", "gwk_nonsense")).status == 401
    monkeypatch.undo()
    await asyncio.sleep(0.6)
    assert (await get(gateway, "/known", key["reader"])).status == 200


async def test_with_no_staleness_allowed_a_known_key_is_503_too(
    mount: Mount, site: Site, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = site.config()
    config["store"]["max_stale_seconds"] = 0
    gateway = await mount(Echo(), config=config)
    assert (await get(gateway, "/known", key["plain"])).status == 200
    take_away(site, monkeypatch)
    await asyncio.sleep(2.2)
    assert_unavailable(await get(gateway, "/known", key["plain"]))


async def test_an_unreadable_store_is_no_crash_of_the_log_reader(mount: Mount, site: Site, key: dict[str, str]) -> None:
    gateway = await mount(Echo())
    assert (await get(gateway, "/known", key["plain"])).status == 200
    overwrite(site)
    await asyncio.sleep(1.2)
    assert (await get(gateway, "/known", key["plain"])).status == 200
    assert (await get(gateway, "/known", key["reader"])).status in (200, 503)


def overwrite(site: Site) -> None:
    """Something else is where the database was."""
    (site.directory / "gateway.db").write_bytes(b"not a database" * 1000)


def take_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement fails as it does when the database cannot be reached."""
    from gateway_auth.adapters.sql import SqlStore
    from gateway_auth.errors import StoreUnavailable

    async def unreachable(*_: object) -> None:
        raise StoreUnavailable("the store cannot be reached")

    for name in ("read_key", "changes_since", "current_revision"):
        monkeypatch.setattr(SqlStore, name, unreachable)
