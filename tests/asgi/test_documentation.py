"""The page about the middleware and the examples: every program in them runs and does what it is there for."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.asgi.world import PEPPER, Site

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "middleware.md").read_text("utf-8")
PROGRAMS = re.findall(r"^### (.+?)\n|^## (.+?)\n|^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def titled_programs() -> Iterator[tuple[str, str]]:
    """Every Python block with the heading above it."""
    title = ""
    for smaller, larger, program in PROGRAMS:
        title = smaller or larger or title
        if program:
            yield title, program


BLOCKS = dict(titled_programs())


@pytest.fixture
def place(site: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the store and the page's own gateway.toml."""
    (toml,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (site.directory / "gateway.toml").write_text(toml)
    monkeypatch.setenv("GATEWAY_AUTH_PEPPER", PEPPER.decode())
    monkeypatch.chdir(site.directory)
    return site.directory


def run(program: str) -> Any:
    """The `app` a program makes."""
    namespace: dict[str, Any] = {}
    exec(compile(program, "docs/middleware.md", "exec"), namespace)
    return namespace["app"]


def test_the_page_has_the_programs_it_promises() -> None:
    assert {"Starlette", "FastAPI", "Any ASGI app", "`requires`", "Under a mount or a root path", "WebSockets"} == set(
        BLOCKS
    )


@pytest.mark.parametrize("title", BLOCKS)
def test_a_program_of_the_page_serves_who_may_and_nobody_else(title: str, place: Path, key: dict[str, str]) -> None:
    path = "/shop/v1/orders/7" if "mount" in title else "/v1/orders/7"
    with TestClient(run(BLOCKS[title])) as client:
        assert client.get(path).json()["code"] == "credential_required"
        assert client.get(path, headers={"x-api-key": key["plain"]}).json()["code"] == "insufficient_scope"
        assert client.get(path, headers={"x-api-key": key["reader"]}).status_code == 200
        assert client.get("/docs").status_code in (403, 404)


def test_the_websocket_program_talks_to_who_may(place: Path, key: dict[str, str]) -> None:
    with TestClient(run(BLOCKS["WebSockets"])) as client:
        with client.websocket_connect("/v1/feed", headers={"x-api-key": key["reader"]}) as socket:
            assert socket.receive_text() == "orders of alice"
        assert client.get("/v1/feed").status_code == 401


@pytest.mark.parametrize("title", ["Starlette", "FastAPI", "Any ASGI app"])
def test_a_mounting_takes_fifteen_lines_and_a_definition(title: str) -> None:
    lines = [line for line in BLOCKS[title].splitlines() if line.strip()]
    assert len(lines) <= 15


@pytest.mark.parametrize("name", ["starlette_app", "fastapi_app"])
def test_an_example_runs(name: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_AUTH_PEPPER", PEPPER.decode())
    monkeypatch.setenv("GATEWAY_AUTH_STORE__URL", f"sqlite:///{site.directory}/gateway.db")
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    keys = site.keys
    with TestClient(module.app) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        answer = client.get("/v1/orders/7", headers={"x-api-key": keys["reader"]})
        assert (answer.json(), answer.headers["ratelimit-policy"]) == (
            {"id": "7", "for": "alice"},
            '"per-key";q=100;w=60',
        )
        assert client.get("/v1/orders/7").status_code == 401
        refused = client.delete("/v1/orders/7", headers={"x-api-key": keys["reader"]})
        assert refused.json()["code"] == "insufficient_scope"
        assert 'scope="orders:delete"' in refused.headers["www-authenticate"]
        assert client.delete("/v1/orders/7", headers={"x-api-key": keys["wildcard"]}).status_code == 204


def test_the_examples_are_short() -> None:
    for path in sorted((ROOT / "examples").glob("*.py")):
        assert len(path.read_text("utf-8").splitlines()) <= 60
