"""What one request after the other is taken through: the running gateway's parts, bound once for speed."""

from __future__ import annotations

from asyncio import get_running_loop

from gateway_auth.asgi.credentials import Credentials
from gateway_auth.asgi.request_id import request_ids
from gateway_auth.asgi.resource import ResourceGuide
from gateway_auth.asgi.scope import Reading, ScopeReader
from gateway_auth.asgi.types import Scope
from gateway_auth.bootstrap import Gateway
from gateway_auth.core.decision import Decision, Deny, Reason
from gateway_auth.core.headers import API_KEY, AUTHORIZATION
from gateway_auth.core.memo import Memo
from gateway_auth.core.principal import Principal
from gateway_auth.engine.needs import Need

MAX_CREDENTIALS = 16_384
_OUR_SCHEMES = (b"bearer", b"apikey")


Begun = tuple[Reading | None, Decision | Need]
"""A request as it was read, if it can be, and the decision or what has to be awaited for it."""


class Gate:
    """One per event loop and configuration. `credentials` remembers `request.auth` of each principal."""

    __slots__ = (
        "_kinds", "_marker", "credentials", "engine", "guide", "max_body_bytes", "next_id", "passed", "reader", "realm",
        "recorder", "running_loop", "usage", "watches",
    )  # fmt: skip

    def __init__(self, gateway: Gateway) -> None:
        rules = gateway.engine.rules
        self.next_id = request_ids()
        self.running_loop = get_running_loop
        self.reader = ScopeReader(rules)
        self.engine = gateway.engine
        self.recorder = gateway.recorder
        self.passed = gateway.recorder.passed
        self.usage = gateway.usage
        self.watches = gateway.watches
        self.realm = rules.realm
        self.guide = ResourceGuide(rules)
        self.max_body_bytes = rules.max_body_bytes
        self.credentials: Memo[Principal, Credentials] = Memo(Credentials, MAX_CREDENTIALS)
        self._kinds = rules.headers
        self._marker = rules.key_format.marker

    def begin(self, scope: Scope) -> Begun:
        """Read a request and decide about it as far as that goes without waiting. Limits are taken: once for each."""
        reading = self.reader.read(scope)
        # Asked this way round: an `isinstance` that is true is cheap, a false one asks the metaclass.
        if isinstance(reading, Reading):
            return reading, self.engine.begin(reading.facts)
        return None, Deny(Reason.MALFORMED_REQUEST, detail=f"The request cannot be read: {reading.detail}.")

    def metadata_url(self, scope: Scope, reading: Reading | None) -> str:
        """The address of the resource metadata for a challenge; empty where there is none to tell."""
        return self.guide.url_for(scope, reading) if reading is not None else ""

    def may_hold_key(self, value: bytes) -> bool:
        """Whether an Authorization header is, or is meant as, one for us: by its scheme or by a key anywhere in it."""
        return self._marker in value or value.replace(b"\t", b" ").partition(b" ")[0].lower() in _OUR_SCHEMES

    def is_credential(self, name: bytes) -> bool:
        """Whether a header of this name carries credentials."""
        return self._kinds[name] in (API_KEY, AUTHORIZATION)
