"""Tokens through a server: this middleware, and what teams write today, each beside the bare app, round by round."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure, Sizes, show, summarize
from benchmarks.load import offer
from benchmarks.over_http import WARM_SECONDS, Round, measure
from benchmarks.server_apps import SITE
from benchmarks.servers import cores, serving
from benchmarks.signing import AUDIENCE, ISSUER, Signer, key_set
from benchmarks.world import PATH, REFERRER, describe

APPS = ("bare", "guarded", "peer")


def run(sizes: Sizes) -> list[Figure]:
    """The figures of `bearer`, on uvicorn."""
    signer = Signer("RS256")
    core, load_core = cores()
    rounds: dict[str, list[Round]] = {app: [] for app in APPS}
    with tempfile.TemporaryDirectory() as name:
        environment = {SITE: str(prepare(Path(name), signer))}
        headers = {"authorization": f"Bearer {signer.token()}", "referer": REFERRER, "accept": "*/*"}
        with (
            serving("uvicorn", "bare", core, environment) as bare,
            serving("uvicorn", "guarded", core, environment) as guarded,
            serving("uvicorn", "peer", core, environment) as peer,
        ):
            servers = dict(zip(APPS, (bare, guarded, peer), strict=True))
            for server in servers.values():
                offer(server.port, PATH, headers, min(WARM_SECONDS, sizes.server_seconds), load_core)
            for _ in range(sizes.server_rounds):
                for app, server in servers.items():
                    rounds[app].append(measure(server, headers, sizes.server_seconds, load_core))
    ours = _shares("bearer", rounds["bare"], rounds["guarded"])
    return [*ours, *_shares("bearer.peer", rounds["bare"], rounds["peer"])]


def prepare(directory: Path, signer: Signer, **source: str) -> Path:
    """The configuration, with the issuer's keys in a file unless another source of them is given."""
    jwks = directory / "jwks.json"
    jwks.write_bytes(key_set(signer))
    issuer = {"id": "corp", "issuer": ISSUER, "audiences": [AUDIENCE], **(source or {"jwks_file": str(jwks)})}
    site = directory / "site.json"
    site.write_text(json.dumps(describe(directory, issuers=[issuer])), "utf-8")
    return site


def _shares(name: str, bare: list[Round], measured: list[Round]) -> list[Figure]:
    """What is kept of the bare app's requests per second, and of its CPU time per request."""
    pairs = list(zip(measured, bare, strict=True))
    joint = "_" if "." in name else "."
    note = f"CPU {show(median(each.cpu for each in measured))} µs per request, bare {show(median(b.cpu for b in bare))}"
    return [
        summarize(f"{name}{joint}share", [m.rate / b.rate * 100 for m, b in pairs], lowest_is_best=False),
        summarize(
            f"{name}{joint}cpu_share",
            [b.cpu / m.cpu * 100 if m.cpu else 0.0 for m, b in pairs],
            lowest_is_best=False,
            note=note,
        ),
    ]
