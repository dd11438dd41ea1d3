"""What one request after the other is taken through: the running gateway's parts, bound once for speed."""

from __future__ import annotations

from gateway_auth.asgi.credentials import Credentials
from gateway_auth.asgi.request_id import request_ids
from gateway_auth.asgi.scope import ScopeReader
from gateway_auth.bootstrap import Gateway
from gateway_auth.core.headers import API_KEY, AUTHORIZATION
from gateway_auth.core.principal import Principal

MAX_CREDENTIALS = 16_384


class Gate:
    """One per event loop and configuration.

    `credentials` remembers `request.auth` by the identity of the principal, which is kept beside it so that the
    identity cannot be another object's.
    """

    __slots__ = ("_kinds", "begin", "credentials", "max_body_bytes", "next_id", "read", "realm", "recorder", "resume")

    def __init__(self, gateway: Gateway) -> None:
        rules = gateway.engine.rules
        self.next_id = request_ids()
        self.read = ScopeReader(rules).read
        self.begin = gateway.engine.begin
        self.resume = gateway.engine.resume
        self.recorder = gateway.recorder
        self.realm = rules.realm
        self.max_body_bytes = rules.max_body_bytes
        self.credentials: dict[int, tuple[Principal, Credentials]] = {}
        self._kinds = rules.headers

    def make_credentials(self, principal: Principal) -> Credentials:
        """`request.auth` for a principal seen for the first time."""
        if len(self.credentials) >= MAX_CREDENTIALS:
            self.credentials.clear()
        credentials = Credentials(principal)
        self.credentials[id(principal)] = (principal, credentials)
        return credentials

    def is_credential(self, name: bytes) -> bool:
        """Whether a header of this name carries credentials."""
        return self._kinds[name] in (API_KEY, AUTHORIZATION)
