"""A gateway in front of an app, with issuers whose keys are in files, started by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway_auth import GatewayAuth
from tests.asgi.raw import lifespan
from tests.asgi.world import Echo
from tests.bearer.issuing import AUDIENCE, TokenIssuer

Table = dict[str, Any]
Start = Callable[..., Awaitable[GatewayAuth]]
PEPPER = "q7Wd0xVnT4ZbLr9KfEy2uHs6JmCa8PoG1iXv5NtB"

ROUTES: list[Table] = [
    {"id": "public", "path": "/public", "access": "public"},
    {"id": "optional", "path": "/optional", "access": "optional"},
    {"id": "known", "path": "/known"},
    {"id": "below", "path": "/known/{rest:path}"},
    {"id": "read", "path": "/orders/{id}", "scopes": ["orders:read"]},
    {"id": "analysts", "path": "/analysts", "roles": ["analyst"]},
    {"id": "keys", "path": "/keys", "credentials": ["api_key"]},
    {"id": "metered", "path": "/metered", "limits": [{"id": "per-app", "rate": "2/hour", "by": "app"}]},
    {"id": "subjects", "path": "/subjects", "limits": [{"id": "per-subject", "rate": "2/hour", "by": "subject"}]},
    {"id": "socket", "path": "/socket", "websocket": True, "scopes": ["orders:read"]},
]


def bearer(token: str) -> list[tuple[str, str]]:
    """The headers of a request with a token."""
    return [("authorization", f"Bearer {token}")]


def issuer_table(issuer: TokenIssuer, folder: Path, **changes: Any) -> Table:
    """The `[[issuers]]` table of an issuer whose keys are in a file; None takes a key away."""
    name = f"issuer-{len(list(folder.glob('*.jwks.json')))}"
    path = issuer.publish(folder / f"{name}.jwks.json")
    algorithms = list(dict.fromkeys(algorithm for algorithm, _ in issuer.keys.values()))
    table = {
        "id": name,
        "issuer": issuer.issuer,
        "audiences": [AUDIENCE],
        "algorithms": algorithms,
        "jwks_file": str(path),
        **changes,
    }
    return {key: value for key, value in table.items() if value is not None}


@pytest.fixture(scope="session")
def keys() -> TokenIssuer:
    """Keys of every kind, made once: making RSA keys is slow."""
    issuer = TokenIssuer()
    for algorithm in ("PS256", "ES256", "Ed25519"):
        issuer.add(f"k-{algorithm}", algorithm)
    return issuer


@pytest.fixture
def issuer(keys: TokenIssuer) -> TokenIssuer:
    """An issuer of the test's own, with those keys."""
    return TokenIssuer(keys.issuer, dict(keys.keys))


@pytest.fixture
def app() -> Echo:
    """The app behind, which remembers what reached it."""
    return Echo()


@pytest.fixture
async def start(tmp_path: Path, app: Echo) -> AsyncIterator[Start]:
    """`await start(issuers, routes=…, realm=…)` is a started gateway around `app`."""
    pepper = tmp_path / "pepper"
    pepper.touch(mode=0o600)
    pepper.write_text(PEPPER)
    async with AsyncExitStack() as stack:

        async def started(issuers: list[Table], routes: list[Table] | None = None, **gateway: Any) -> GatewayAuth:
            config = {
                "gateway": {"realm": "orders", **gateway},
                "store": {"url": f"sqlite:///{tmp_path}/gateway.db"},
                "secrets": {"pepper": f"file:{pepper}"},
                "roles": {"reader": ["orders:read"]},
                "issuers": issuers,
                "routes": ROUTES if routes is None else routes,
            }
            guarded = GatewayAuth(app, config=config)
            await stack.enter_async_context(lifespan(guarded))
            return guarded

        yield started


@pytest.fixture
async def gateway(start: Start, issuer: TokenIssuer, tmp_path: Path) -> GatewayAuth:
    """The usual routes, for the tokens of `issuer`."""
    return await start([issuer_table(issuer, tmp_path)])
