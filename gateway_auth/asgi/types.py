"""The shapes of ASGI (spec 3.0), once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

SCOPE_KEY = "gateway_auth"
"""Where the scope of an admitted request holds what is known of it: an `asgi.exchange.Exchange`."""
