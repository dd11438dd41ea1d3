"""What is measured beside each other, over HTTP on uvicorn: ours in its ways, and what would be used instead.

The one table of them. Each peer is a file of peers/, written as its own documentation says. Measures nothing.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Group = Literal["keys", "limits", "redis", "tokens"]
GROUPS: dict[Group, str] = {
    "keys": "API keys",
    "limits": "Limits counted in the process",
    "redis": "Limits counted in Redis",
    "tokens": "Bearer tokens, RS256",
}


class System(Struct, frozen=True, kw_only=True):
    """One system. `app` is a factory of server_apps, or of peers/ where `is_apart`: those run on a Python of their own.

    `does` says what a request passes, so that nobody compares what does different things. `bare` is the app it is held
    against: its own framework's, on uvicorn's own protocol. `ask` names the requests of `asking`, `server` a command of
    `servers`.
    """

    title: str
    group: Group
    does: str
    app: str = "guarded"
    site: str = "scoped"
    bare: str = "bare"
    ask: Literal["key", "cold", "token", "first_sight", "keyshield", "guard"] = "key"
    is_apart: bool = False
    server: str = "uvicorn"

    @property
    def is_ours(self) -> bool:
        """Whether it is gateway-auth."""
        return self.app == "guarded"


_SCOPES = "key, scopes, role, networks, referrer"
_LIMITS_ALONE = "two limits, no keys"

SYSTEMS: dict[str, System] = {
    "key": System(title="gateway-auth, key in memory", group="keys", does="key", site="key"),
    "scoped": System(title="gateway-auth, with all rules", group="keys", does=_SCOPES),
    "scoped_http1": System(
        title="gateway-auth, on its own HTTP/1.1", group="keys", does=_SCOPES, server="http1"
    ),
    "cold": System(title="gateway-auth, key read from SQLite", group="keys", does="key", site="key", ask="cold"),
    "keyshield": System(
        title="keyshield, keys in memory", group="keys", does="key, scopes; without its delay of 100 to 300 ms",
        app="keyshield_app", bare="bare_fastapi", ask="keyshield", is_apart=True,
    ),
    "one_limit": System(title="gateway-auth, one limit", group="limits", does=f"{_SCOPES}, one limit", site="one"),
    "three_limits": System(
        title="gateway-auth, three limits", group="limits", does=f"{_SCOPES}, three limits", site="three"
    ),
    "limits_memory": System(title="limits", group="limits", does=_LIMITS_ALONE, app="memory_limits"),
    "slowapi_memory": System(title="slowapi", group="limits", does=_LIMITS_ALONE, app="memory_slowapi"),
    "throttled_memory": System(title="throttled-py", group="limits", does=_LIMITS_ALONE, app="memory_throttled"),
    "fastapi_limiter": System(
        title="fastapi-limiter", group="limits", does=_LIMITS_ALONE, app="fastapi_limiter_app", bare="bare_fastapi",
        is_apart=True,
    ),
    "fastapi_guard": System(
        title="fastapi-guard", group="limits", does="key, network, referrer, one limit", app="fastapi_guard_app",
        bare="bare_fastapi", ask="guard", is_apart=True,
    ),
    "exact": System(title="gateway-auth, exact", group="redis", does=f"{_SCOPES}, two limits", site="exact"),
    "leased": System(title="gateway-auth, leased", group="redis", does=f"{_SCOPES}, two limits", site="leased"),
    "dead": System(
        title="gateway-auth, Redis is down", group="redis", does=f"{_SCOPES}, two limits by this worker alone",
        site="dead",
    ),
    "handwritten": System(
        title="handwritten middleware", group="redis", does="key looked up in Redis, scopes, two limits",
        app="peer_handwritten", site="exact",
    ),
    "limits_redis": System(title="limits", group="redis", does=_LIMITS_ALONE, app="peer_limits", site="exact"),
    "slowapi_redis": System(title="slowapi", group="redis", does=_LIMITS_ALONE, app="peer_slowapi", site="exact"),
    "throttled_redis": System(
        title="throttled-py", group="redis", does=_LIMITS_ALONE, app="peer_throttled", site="exact"
    ),
    "token": System(
        title="gateway-auth, token in memory", group="tokens", does="token, scopes, role, networks, referrer",
        site="tokens", ask="token",
    ),
    "first_sight": System(
        title="gateway-auth, each token new", group="tokens", does="token, scopes, role, networks, referrer",
        site="tokens", ask="first_sight",
    ),
    "pyjwt": System(
        title="Starlette and PyJWT", group="tokens", does="token", app="peer", site="tokens", ask="token"
    ),
}  # fmt: skip
"""By the name of their figures."""

BARE: dict[str, System] = {
    "bare": System(title="Starlette app, nothing in front", group="keys", does="nothing", app="bare"),
    "bare_fastapi": System(
        title="FastAPI app, nothing in front", group="keys", does="nothing", app="fastapi_bare", is_apart=True
    ),
}


def figures_of(name: str) -> tuple[str, ...]:
    """The names of a system's figures."""
    parts = ("rate", "cpu") if name in BARE else ("kept", "cpu_kept", "rate", "cpu")
    return tuple(f"beside.{name}.{part}" for part in parts)
