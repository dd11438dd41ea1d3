"""What the admin plane works with. Made by `bootstrap`, or by a test over any adapters. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from gateway_auth.core.audit import AuditHead
from gateway_auth.engine.brake import Brake
from gateway_auth.lifecycle.admission import Admission
from gateway_auth.lifecycle.workplace import Tools

Health = Mapping[str, str]
"""What each thing it depends on is: `ok` or `unavailable`."""


class AdminPlane(Struct, frozen=True, kw_only=True):
    """`hosts` are the names it may be called by, besides addresses and `localhost`."""

    tools: Tools
    admission: Admission
    brake: Brake
    health: Callable[[], Awaitable[Health]]
    audit_head: Callable[[], Awaitable[AuditHead]]
    hosts: frozenset[str] = frozenset()
    realm: str = "gateway"
