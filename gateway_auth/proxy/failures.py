"""Why an exchange ended badly, and which answer that is.

Knows the contract's codes, not their wording or status.

    GatewayAuthError
    ├── ExchangeFailed           answered with its `code` while no response has begun
    │   ├── RequestRefused       malformed_request     ambiguous, or its body broke off
    │   ├── UpstreamUnavailable  upstream_unavailable  refused, saturated, or not speaking HTTP
    │   │   ├── NotConnected                           refused, not resolved, or not who it should be
    │   │   ├── ConnectionLost                         closed or reset by the upstream
    │   │   └── HandshakeRefused                       answered with the upstream's own refusal of a WebSocket
    │   └── UpstreamTimeout      upstream_timeout
    │       └── NotConnectedInTime
    ├── ResponseBroken           raised to the server once a response has begun, so that it drops the client
    └── ClientLeft               nobody is there to answer
        └── BodyBrokenOff        malformed_request     unless the client has really gone
"""

from __future__ import annotations

from typing import ClassVar

from gateway_auth.errors import GatewayAuthError


class ExchangeFailed(GatewayAuthError):
    """No usable response; `code` is the contract's code of the answer.

    The text is for the operator's log alone.
    """

    code: ClassVar[str] = "upstream_unavailable"


class RequestRefused(ExchangeFailed):
    """The request cannot be serialised without ambiguity, or its body is not what its head declared."""

    code = "malformed_request"


class UpstreamUnavailable(ExchangeFailed):
    """The upstream could not be reached, went away, or answered something that is not a valid response."""

    code = "upstream_unavailable"


class NotConnected(UpstreamUnavailable):
    """No connection could be made, or the server did not prove who it is. Nothing was sent."""


class ConnectionLost(UpstreamUnavailable):
    """The upstream closed the connection, or it broke. On a reused one before any answer.

    Worth one more attempt.
    """


class HandshakeRefused(UpstreamUnavailable):
    """The upstream answered a WebSocket handshake with an HTTP response.

    `is_answer` tells whether that can be a client's answer; names of `fields` are lower-case.
    """

    def __init__(self, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
        super().__init__(f"the handshake was answered with {status}")
        self.status = status
        self.fields = fields
        self.body = body

    @property
    def is_answer(self) -> bool:
        """A redirection or an error; a success that is no WebSocket makes no sense."""
        return 300 <= self.status <= 599


class UpstreamTimeout(ExchangeFailed):
    """The upstream did not connect, answer or go on in time."""

    code = "upstream_timeout"


class NotConnectedInTime(UpstreamTimeout):
    """No connection was made in time. Nothing was sent."""


class ResponseBroken(GatewayAuthError):
    """A response that had begun cannot be completed.

    Servers drop the client's connection on it (RFC 9112 section 8).
    """


class ClientLeft(GatewayAuthError):
    """The client closed its connection."""


class BodyBrokenOff(ClientLeft):
    """The server ended the request before its body did: the client left, or its chunks made no sense.

    Servers report both alike, so an answer is tried; to somebody gone it does no harm.
    """

    code: ClassVar[str] = "malformed_request"
