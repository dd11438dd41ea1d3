"""What is opened of one issuer. Light: it imports no driver."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from gateway_auth.core.issuer import Issuer
from gateway_auth.engine.keysets import MAX_AGE_SECONDS
from gateway_auth.engine.opaque import IntrospectedIssuer
from gateway_auth.ports import KeySetSource

Close = Callable[[], Awaitable[None]]


class IssuerSource(Struct, frozen=True, kw_only=True):
    """One issuer: where its keys come from, and how it is asked; `close` ends what the adapters of it hold."""

    rules: Issuer
    keys: KeySetSource | None = None
    introspected: IntrospectedIssuer | None = None
    keys_max_age_seconds: float = MAX_AGE_SECONDS
    close: Close | None = None
