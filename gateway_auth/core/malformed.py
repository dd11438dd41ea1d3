"""The answer of a parser that refuses a request before it is judged."""

from __future__ import annotations

from msgspec import Struct


class Malformed(Struct, frozen=True):
    """Why a request cannot be read. `detail` is for people and holds nothing the client sent."""

    detail: str
