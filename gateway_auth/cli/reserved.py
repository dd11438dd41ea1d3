"""The paths under `/.gateway/` that the standalone gateway answers itself, before anything is judged.

A path is one of them in its plain spelling alone. Every other, unknown ones under the prefix too, goes on to be
judged, and no route ever reaches there: nothing of it comes to an upstream.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from gateway_auth.asgi.types import ASGIApp, Receive, Scope, Send
from gateway_auth.core.routes import RESERVED_PREFIX

_PREFIX = RESERVED_PREFIX.encode()


class ReservedPaths:
    """`own` are apps by path, of HTTP; `trees` are apps by path, which get all below it as well.

    Whatever else there is, the lifespan among it, is `app`'s.
    """

    def __init__(self, app: ASGIApp, own: Mapping[str, ASGIApp], trees: Mapping[str, ASGIApp]) -> None:
        """Raises ValueError for a path that a route could have."""
        if not all(path.startswith(RESERVED_PREFIX) for path in (*own, *trees)):
            raise ValueError(f"only paths under {RESERVED_PREFIX} are the gateway's own")
        self._app = app
        self._own = {path.encode(): own_app for path, own_app in own.items()}
        self._trees = {path.removeprefix(RESERVED_PREFIX).encode(): tree for path, tree in trees.items()}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Hand on. Not a coroutine itself: that would be one more to resume, on every step of every request."""
        raw_path: bytes = scope.get("raw_path") or b""
        app = self._find(scope, raw_path) if raw_path.startswith(_PREFIX) else self._app
        return app(scope, receive, send)

    def _find(self, scope: Scope, raw_path: bytes) -> ASGIApp:
        tree = self._trees.get(raw_path[len(_PREFIX) :].partition(b"/")[0])
        if tree is not None:
            return tree
        return self._own.get(raw_path, self._app) if scope["type"] == "http" else self._app
