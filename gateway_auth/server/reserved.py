"""What is served under `/.gateway/` on the data port: one table of names. Everything else goes on to be judged."""

from __future__ import annotations

from collections.abc import Mapping

from gateway_auth.asgi.request_id import request_ids
from gateway_auth.asgi.respond import refuse_websocket, send_outcome
from gateway_auth.asgi.types import ASGIApp, Receive, Scope, Send
from gateway_auth.core.decision import Deny, Reason
from gateway_auth.core.outcome import deny_outcome
from gateway_auth.core.routes import RESERVED_PREFIX


class Reserved:
    """`rooms[name]` answers `/.gateway/name` and all below; a name without a room is no route, whatever routes say."""

    def __init__(self, app: ASGIApp, rooms: Mapping[str, ASGIApp], realm: str) -> None:
        self._app = app
        self._rooms = dict(rooms)
        self._realm = realm
        self._next_id = request_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The lifespan has no path and is the app's."""
        path: str = scope.get("path", "")
        if not path.startswith(RESERVED_PREFIX):
            await self._app(scope, receive, send)
            return
        room = self._rooms.get(path[len(RESERVED_PREFIX) :].partition("/")[0])
        if room is not None:
            await room(scope, receive, send)
        else:
            await self._refuse(scope, send)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        denial = Deny(Reason.NO_MATCHING_ROUTE)
        outcome = deny_outcome(denial, self._realm, self._next_id()[1].decode("ascii"))
        if scope["type"] == "websocket":
            await refuse_websocket(scope, send, outcome, denial.reason)
        else:
            await send_outcome(send, outcome)
