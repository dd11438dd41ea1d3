"""Header fields that came again, byte for byte, on one connection: what was made of them once holds again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gateway_auth.asgi.types import Header

if TYPE_CHECKING:
    from gateway_auth.asgi.scope import Reading


class Fields(tuple[Header, ...]):
    """The fields of a request's head. They never change, and last as long as their connection repeats them.

    `known` is what a reader (asgi.scope) has made of them, `notes` are of who sends them on.
    """

    known: Known | None = None
    notes: dict[str, Any]


class FieldList(list[Header]):
    """The same as a list, for apps that may want to change theirs. `fields` are what it was made of."""

    __slots__ = ("fields",)

    fields: Fields


class Known(NamedTuple):
    """A request of these fields as `reader` has read it, of this client by this scheme."""

    reader: object
    client: object
    scheme: object
    reading: Reading
