"""Which close code one side is told when the other is gone (RFC 6455 section 7.4). Knows no connection."""

from __future__ import annotations

from typing import NamedTuple

from websockets.exceptions import ConnectionClosed

MAX_REASON_BYTES = 123
NORMAL, GOING_AWAY, NO_STATUS, MESSAGE_TOO_BIG, INTERNAL_ERROR = 1000, 1001, 1005, 1009, 1011


class Close(NamedTuple):
    """What a close frame says. `code` is one that may be sent."""

    code: int
    reason: str = ""


LEFT = Close(GOING_AWAY)
TOO_BIG = Close(MESSAGE_TOO_BIG, "message too big")


def of_client(code: int, reason: str | None) -> Close:
    """For the upstream, when the client has closed with `code` or was lost.

    Servers tell an empty close and a broken connection alike (1005): both mean that nobody is there any more.
    """
    return Close(code, _bounded(reason or "")) if _is_sendable(code) else LEFT


def of_upstream(closed: ConnectionClosed) -> Close:
    """For the client, when the upstream has closed, was lost, or broke the protocol."""
    received, sent = closed.rcvd, closed.sent
    if received is not None and (sent is None or closed.rcvd_then_sent):
        if _is_sendable(received.code):
            return Close(received.code, _bounded(received.reason))
        return Close(NORMAL) if received.code == NO_STATUS else Close(INTERNAL_ERROR)
    if sent is not None and sent.code == MESSAGE_TOO_BIG:
        return TOO_BIG
    return Close(INTERNAL_ERROR, "upstream lost")


def _is_sendable(code: int) -> bool:
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def _bounded(reason: str) -> str:
    return reason.encode("utf-8", "replace")[:MAX_REASON_BYTES].decode("utf-8", "ignore")
