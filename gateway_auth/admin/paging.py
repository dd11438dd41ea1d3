"""Pages of lists: a cursor that says after which object the next one begins, and the header fields that carry it."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

from starlette.requests import Request

from gateway_auth.admin.problems import Refusal
from gateway_auth.lifecycle.views import View

_FORM = b"1:"
"""So that a later form of cursors can be told apart."""


def next_page(request: Request, page: Sequence[View], limit: int, by: str) -> dict[str, str]:
    """The header fields of a full page (RFC 8288); none where it is the last."""
    if len(page) < limit:
        return {}
    cursor = write_cursor(str(page[-1][by]))
    query = urlencode([*((name, text) for name, text in request.query_params.items() if name != "cursor"),
                       ("cursor", cursor)])  # fmt: skip
    return {"link": f'<{request.url.path}?{query}>; rel="next"', "x-next-cursor": cursor}


def write_cursor(position: str) -> str:
    """Opaque to clients, which need not know what lists are sorted by."""
    return urlsafe_b64encode(_FORM + position.encode()).decode().rstrip("=")


def read_cursor(cursor: str, is_position: Callable[[str], bool]) -> str:
    """The position; "" for the beginning. A made-up cursor is refused, or is a position like any other."""
    if not cursor:
        return ""
    try:
        data = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        position = data.removeprefix(_FORM).decode("ascii") if data.startswith(_FORM) else ""
    except ValueError:
        position = ""
    if not is_position(position) or write_cursor(position) != cursor:
        raise Refusal("invalid_input", errors=[("cursor", "is none that was given out; begin without")])
    return position


def parameters(query: Mapping[str, object], *without: str) -> dict[str, object]:
    """The parameters that are not about pages."""
    return {name: value for name, value in query.items() if name not in without}
