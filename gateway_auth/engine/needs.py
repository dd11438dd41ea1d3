"""What a decision still waits for. The synchronous path returns one of these instead of waiting itself."""

from __future__ import annotations

from typing import final

from msgspec import Struct

from gateway_auth.core.credential import Jwt, Opaque
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.policy import Policy
from gateway_auth.core.principal import Principal
from gateway_auth.core.request import RequestFacts


class VerifyKey(Struct, frozen=True):
    """The key is not known here, or what is known is too old: the store has to be asked."""

    policy: Policy
    facts: RequestFacts
    presented: bytes


class VerifyToken(Struct, frozen=True):
    """The issuer's keys, or its word on an opaque token, have to be fetched; or the change log has to be read."""

    policy: Policy
    facts: RequestFacts
    credential: Jwt | Opaque


@final
class TakeLimits(Struct, frozen=True):
    """Everything else is decided; the limits are counted elsewhere."""

    policy: Policy
    facts: RequestFacts
    principal: Principal
    limits: LimitSet
    partitions: list[str | int]


Need = VerifyKey | VerifyToken | TakeLimits
