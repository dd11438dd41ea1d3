"""`ForwardAuth`: the way in for proxies that ask before they forward. It judges nothing itself.

A question is put back into the request it is about and goes through the same middleware as every request, so that
its answer is the one the request itself would get.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from gateway_auth.asgi.middleware import GatewayAuth
from gateway_auth.asgi.request_id import request_ids
from gateway_auth.asgi.respond import send_outcome
from gateway_auth.asgi.types import ASGIApp, Receive, Scope, Send
from gateway_auth.config import Configuration, load
from gateway_auth.core.decision import Deny, Reason
from gateway_auth.core.outcome import deny_outcome
from gateway_auth.core.routes import RESERVED_PREFIX
from gateway_auth.forward_auth.answer import Answer, Answering
from gateway_auth.forward_auth.original import Original, OriginalReader
from gateway_auth.forward_auth.telling import AUTHORIZE_PATH

MAX_WARNINGS = 16

logger = logging.getLogger("gateway_auth.forward_auth")

_UNTRUSTED = Deny(
    Reason.NETWORK_NOT_ALLOWED,
    detail="Only a trusted proxy may ask here. If this is one, add its address to gateway.trusted_proxies.",
)
_NOT_HERE = Deny(Reason.NO_MATCHING_ROUTE)


class ForwardAuth:
    """An ASGI app for `/.gateway/authorize`: 200 with identity headers, or the refusal to hand to the client.

    `config` is the path of a gateway.toml, a mapping with the same keys, or a loaded configuration; it is read at once
    and a ConfigError raised. `judge` is a GatewayAuth around an `Answering` that exists already; without one it makes
    its own, which starts and stops in the lifespan.
    """

    def __init__(
        self,
        config: str | os.PathLike[str] | Mapping[str, object] | Configuration = "gateway.toml",
        *,
        judge: ASGIApp | None = None,
    ) -> None:
        configuration = load(config)
        self._judge: ASGIApp = judge or GatewayAuth(Answering(), config=configuration)
        self._reader = OriginalReader(configuration)
        self._realm = configuration.rules.realm
        self._next_id = request_ids()
        self._warned: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one question; the lifespan is the judge's."""
        if scope["type"] not in ("http", "websocket"):
            await self._judge(scope, receive, send)
            return
        original = self.original(scope)
        # Asked this way round: an `isinstance` that is true is cheap, a false one asks the metaclass.
        if isinstance(original, Original):
            answer = Answer(scope, send, needs_problem_header=original.needs_problem_header)
            await self._judge(original.scope, receive, answer.send)
        else:
            await self._refuse(scope, send, original)

    def original(self, scope: Scope) -> Original | Deny:
        """The request that a trusted proxy asks about, or why nobody is told of it."""
        if not _is_asked_here(scope):
            return _NOT_HERE
        if not self._reader.trusts(scope):
            self._warn_of(scope)
            return _UNTRUSTED
        original = self._reader.read(scope)
        if not isinstance(original, Original):
            return Deny(Reason.MALFORMED_REQUEST, detail=f"The request cannot be read: {original.detail}.")
        # No route is there on the gateway's own port either; what is behind may be another gateway.
        return _NOT_HERE if original.scope["path"].startswith(RESERVED_PREFIX) else original

    async def _refuse(self, scope: Scope, send: Send, denial: Deny) -> None:
        """Nothing was judged: the request is not one that may be asked about."""
        request_id = self._next_id()[1].decode("ascii")
        answer = Answer(scope, send, needs_problem_header=True)
        await send_outcome(answer.send, deny_outcome(denial, self._realm, request_id))

    def _warn_of(self, scope: Scope) -> None:
        """Once per peer, and not for ever: who is not trusted must not fill the log either."""
        peer = scope.get("client")
        name = str(peer[0]) if peer else "unix"
        if name not in self._warned and len(self._warned) < MAX_WARNINGS:
            self._warned.add(name)
            logger.warning("%s asks at %s and is not in gateway.trusted_proxies", name, AUTHORIZE_PATH.decode())


def _is_asked_here(scope: Scope) -> bool:
    """By the bytes on the wire: another spelling of the path is another path."""
    raw_path: bytes = scope.get("raw_path") or b""
    rest = raw_path.removeprefix(AUTHORIZE_PATH)
    return rest != raw_path and rest[:1] in (b"", b"/")
