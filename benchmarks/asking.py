"""What `beside` asks with: a configuration for each system on disk, and the requests it is put. Measures nothing."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from benchmarks import keys
from benchmarks.figure import Sizes
from benchmarks.peers.their_keys import GUARD_KEY, KEYSHIELD_KEY
from benchmarks.server_apps import KEY, SITE
from benchmarks.servers import free_port
from benchmarks.shared_limits import leased, with_redis
from benchmarks.signing import AUDIENCE, ISSUER, Signer, key_set
from benchmarks.systems import System
from benchmarks.varied import request_bytes
from benchmarks.world import DEMANDING, PATH, REFERRER, make_site

LIMITS: tuple[dict[str, object], ...] = (
    {"id": "per-key", "rate": "100000000/minute", "by": "key"},
    {"id": "per-address", "rate": "1000000000/hour", "by": "address"},
    {"id": "per-app", "rate": "1000000000/day fixed", "by": "app"},
)


class Asking(Struct):
    """The requests by their kind, and where in each list a system goes on: what is to be new stays new."""

    kinds: dict[str, list[bytes]]
    sites: dict[str, Path]
    key: str
    _asked: Counter[str] = field(default_factory=Counter)

    def requests(self, name: str, system: System) -> Sequence[bytes]:
        """What to put to a system next."""
        requests = self.kinds[system.ask]
        start = self._asked[name] % len(requests)
        return requests[start:] + requests[:start]

    def asked(self, name: str, count: int) -> None:
        """So many were."""
        self._asked[name] += count

    def environment(self, name: str, system: System) -> dict[str, str]:
        """What its server finds its configuration by."""
        return {SITE: str(self.sites["cold" if name == "cold" else system.site]), KEY: self.key}


def prepare(directory: Path, redis: int, sizes: Sizes) -> Asking:
    """Everything in a directory. A few seconds: keys and tokens are made that nobody has seen."""
    site = asyncio.run(make_site(directory))
    signer = Signer("RS256")
    cold = directory / "cold"
    cold.mkdir()
    cold_site = asyncio.run(make_site(cold))
    keys.fill(cold / "gateway.db", cold_site, sizes.beside_keys)
    configurations = {
        "cold": _with_route(cold_site.config, _bare_route()),
        "key": _with_route(site.config, _bare_route()),
        "scoped": _with_route(site.config, _route(0)),
        "one": _with_route(site.config, _route(1)),
        "three": _with_route(site.config, _route(3)),
        "tokens": {**_with_route(site.config, _route(0)), "issuers": [_issuer(directory, signer)]},
        **_shared(_with_route(site.config, _route(2)), directory, redis),
    }
    sites = {}
    for name, config in configurations.items():
        sites[name] = directory / f"{name}.json"
        sites[name].write_text(json.dumps(config), "utf-8")
    return Asking(_requests(site.key, signer, sizes), sites, site.key)


def _shared(config: dict[str, Any], directory: Path, redis: int) -> dict[str, dict[str, Any]]:
    return {
        "exact": with_redis(config, directory, redis, "exact"),
        "leased": leased(with_redis(config, directory, redis, "leased")),
        "dead": with_redis(config, directory, free_port(), "dead"),
    }


def _requests(key: str, signer: Signer, sizes: Sizes) -> dict[str, list[bytes]]:
    def ask(name: str, value: str) -> bytes:
        return request_bytes(PATH, {name: value, "referer": REFERRER, "accept": "*/*"})

    tokens = [ask("authorization", f"Bearer {signer.token()}") for _ in range(sizes.beside_tokens)]
    return {
        "key": [ask("x-api-key", key)],
        "cold": [ask("x-api-key", keys.mint(number).text) for number in range(1, sizes.beside_keys + 1)],
        "token": tokens[:1],
        "first_sight": tokens,
        "keyshield": [ask("x-api-key", KEYSHIELD_KEY)],
        "guard": [ask("x-api-key", GUARD_KEY)],
    }


def _bare_route() -> dict[str, object]:
    return {name: DEMANDING[name] for name in ("id", "path", "methods")}


def _route(limits: int) -> dict[str, object]:
    return {**DEMANDING, "limits": list(LIMITS[:limits])}


def _with_route(config: dict[str, Any], route: dict[str, object]) -> dict[str, Any]:
    return {**config, "routes": [route, *config["routes"][1:]]}


def _issuer(directory: Path, signer: Signer) -> dict[str, object]:
    jwks = directory / "jwks.json"
    jwks.write_bytes(key_set(signer))
    return {"id": "corp", "issuer": ISSUER, "audiences": [AUDIENCE], "jwks_file": str(jwks)}
