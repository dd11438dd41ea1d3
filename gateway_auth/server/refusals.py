"""What is answered where there is no request to judge: what came could not be read, or the app failed."""

from __future__ import annotations

from http import HTTPStatus

from gateway_auth.asgi.request_id import request_ids
from gateway_auth.core.decision import Deny, Reason
from gateway_auth.core.outcome import deny_outcome

FAILURE = (
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain\r\ncontent-length: 21\r\nconnection: close\r\n\r\n"
    b"Internal Server Error"
)

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n%b: %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_REALM = "gateway"  # a refusal of this kind names none


class Refusals:
    """Whole responses, each with an id of its own. The connection ends behind them."""

    def __init__(self) -> None:
        self._next_id = request_ids()

    def refusal(self, status: int) -> bytes:
        """To what cannot be read, by what the reader says of it."""
        request_id = self._next_id()
        if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            return _TOO_LARGE % request_id  # no reason of ours has this status (RFC 6585 section 5)
        outcome = deny_outcome(Deny(Reason.MALFORMED_REQUEST), _REALM, request_id[1].decode("ascii"))
        lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(header) for header in outcome.headers), b"connection: close"]
        return b"\r\n".join(lines) + b"\r\n\r\n" + outcome.body

    def failure(self) -> bytes:
        """For an app that answered nothing."""
        return FAILURE
