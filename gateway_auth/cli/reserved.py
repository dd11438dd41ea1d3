"""The paths under `/.gateway/` that the standalone gateway answers itself, before anything is judged.

A path is one of them in its plain spelling alone. Every other, unknown ones under the prefix too, goes on to be
judged, and no route ever reaches there: nothing of it comes to an upstream.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from gateway_auth.asgi.types import ASGIApp, Receive, Scope, Send
from gateway_auth.core.routes import RESERVED_PREFIX


class ReservedPaths:
    """`own` are apps by path. Whatever is not HTTP, the lifespan among it, is `app`'s."""

    def __init__(self, app: ASGIApp, own: Mapping[str, ASGIApp]) -> None:
        """Raises ValueError for a path that a route could have."""
        if not all(path.startswith(RESERVED_PREFIX) for path in own):
            raise ValueError(f"only paths under {RESERVED_PREFIX} are the gateway's own")
        self._app = app
        self._own = {path.encode(): own_app for path, own_app in own.items()}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Hand on. Not a coroutine itself: that would be one more to resume, on every step of every request."""
        own = self._own.get(scope.get("raw_path", b"")) if scope["type"] == "http" else None
        return (own or self._app)(scope, receive, send)
