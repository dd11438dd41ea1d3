"""A request that repeats the fields of the one before is told as llhttp would have told it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway_auth.asgi.fields import Fields
from gateway_auth.server.http1 import repeats
from gateway_auth.server.http1.request import BadRequest, RequestReader, Upgraded
from tests.server.http1.test_request import Told

HOST = b"host: h\r\nx-api-key: secret\r\n\r\n"
LINES = [
    b"GET /a HTTP/1.1\r\n",
    b"GET /b?c=%d0&e=/?f HTTP/1.1\r\n",
    b"HEAD /a//b/../c HTTP/1.1\r\n",
    b"DELETE /a HTTP/1.1\r\n",
    b"OPTIONS /a HTTP/1.1\r\n",
    b"OPTIONS * HTTP/1.1\r\n",
    b"POST /a HTTP/1.1\r\n",
    b"GET /%61 HTTP/1.1\r\n",
    b"GET /a#b HTTP/1.1\r\n",
    b"GET /a HTTP/1.0\r\n",
    b"GET /a HTTP/1.1\n",
    b"GET /a HTTP/1.1 \r\n",
    b"GET  /a HTTP/1.1\r\n",
    b"get /a HTTP/1.1\r\n",
    b"GET http://h/a HTTP/1.1\r\n",
    b"CONNECT h:1 HTTP/1.1\r\n",
    b"\r\nGET /a HTTP/1.1\r\n",
    b"GET /a HTTP/1.1\r\nGET /b HTTP/1.1\r\n",
    b"GET /a HTTP/1.1\r\ncontent-length: 40\r\n",
    b"GET /a HTTP/1.1\r\nx-more: 1\r\n",
    b"GET /a\xff HTTP/1.1\r\n",
    b"GET /a\x00 HTTP/1.1\r\n",
    b"GET /a",
    b"",
]
BLOCKS = [
    HOST,
    b"\r\n",
    b"host: h\r\nconnection: keep-alive\r\n\r\n",
    b"host: h\r\nconnection: close\r\n\r\n",
    b"host: h\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    b"host: h\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n",
    b"host: h\r\nexpect: 100-continue\r\n\r\n",
    b"host: h\r\ncontent-length: 0\r\n\r\n",
    b"host: h\r\ncontent-length: 3\r\n\r\nabc",
    b"host: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"host: h\r\nx: \xff\r\n\r\n",
    b"host: h\r\n folded\r\n\r\n",
    b"host: h\n\n",
    b"host: h\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: h\r\n\r\n",
    b"host: h\r\n\r\n\r\n",
    b"no field\r\n\r\n",
    b"x: " + b"y" * repeats.MAX_BLOCK_BYTES + b"\r\n\r\n",
]
BODY_OF_A_LINE = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(LINES[0])
MESSAGES = st.builds(bytes.__add__, st.sampled_from(LINES), st.sampled_from(BLOCKS))
PLAIN = st.builds(bytes.__add__, st.sampled_from(LINES[:5]), st.sampled_from([*BLOCKS[:3], *BLOCKS[13:15]]))


class Nothing:
    """Recognises no request."""

    def recognise(self, data: bytes) -> None:
        pass

    def learn(self, data: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        pass


class Reading:
    """A reader, what it told, and what became of each feed."""

    def __init__(self, *, recognises: bool) -> None:
        self.told = Told()
        self._reader = RequestReader(self.told, {"type": "http", "scheme": "http"})
        if not recognises:
            self._reader._repeats = Nothing()  # type: ignore[assignment]
        self.states: list[tuple[Any, ...]] = []

    def feed(self, data: bytes) -> bool:
        reader, told, ended = self._reader, self.told, ""
        try:
            reader.feed(data)
        except (BadRequest, Upgraded) as error:
            ended = type(error).__name__
        headers = [list(scope["headers"]) for scope in told.scopes]
        scopes = [{**scope, "headers": None} for scope in told.scopes]
        state = (ended, scopes, headers, list(told.bodies), told.ends, reader.is_between, reader.is_persistent)
        self.states.append((*state, reader.is_waited_for))
        return not ended


@settings(max_examples=400, deadline=None)
@given(st.lists(PLAIN | MESSAGES, max_size=6), st.lists(st.integers(0, 200), max_size=3))
@example([LINES[0] + HOST, LINES[17] + HOST], [])
@example([LINES[0] + HOST, LINES[18] + HOST, LINES[0] + HOST], [])
@example([LINES[0] + BLOCKS[13], LINES[0] + BLOCKS[13]], [])
@example([LINES[16] + HOST, b"GET /b HTTP/1.1\r\nGET /a HTTP/1.1\r\n" + HOST], [])
@example([LINES[0] + BLOCKS[1], LINES[0] + BLOCKS[1], LINES[0]], [])
@example(
    [LINES[0] + HOST, b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(LINES[0] + HOST), LINES[0] + HOST], []
)
@example([LINES[0] + HOST, LINES[0] + BLOCKS[3], LINES[0] + HOST], [])
@example([BODY_OF_A_LINE, LINES[0] + LINES[0] + HOST, LINES[0] + LINES[0] + HOST], [])
@example([LINES[0] + BLOCKS[4] + LINES[1] + HOST] * 2, [])
def test_it_is_told_as_without(messages: list[bytes], cuts: list[int]) -> None:
    stream, pieces = b"".join(messages), list(messages)
    if cuts:
        places = sorted({min(cut, len(stream)) for cut in cuts})
        pieces = [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]
    ours, plainly = Reading(recognises=True), Reading(recognises=False)
    for piece in pieces:
        goes_on = [ours.feed(piece), plainly.feed(piece)]
        assert ours.states == plainly.states
        if not all(goes_on):
            return


@pytest.mark.parametrize("block", BLOCKS[:3])
def test_the_fields_are_one_object(block: bytes) -> None:
    ours = Reading(recognises=True)
    for line in LINES[:4]:
        ours.feed(line + block)
    first, *others = (scope["headers"] for scope in ours.told.scopes)
    assert type(first) is list
    assert all(type(fields) is Fields and fields is others[0] for fields in others)
    assert list(others[0]) == first


def test_who_repeats_nothing_is_not_looked_at_any_more() -> None:
    ours = Reading(recognises=True)
    for number in range(repeats.MAX_MISSES + 1):
        ours.feed(LINES[0] + b"host: h\r\nx: %d\r\n\r\n" % number)
    for _ in range(3):
        ours.feed(LINES[0] + HOST)
    assert {type(scope["headers"]) for scope in ours.told.scopes} == {list}


def test_a_secret_is_not_kept_beyond_the_request_that_follows_it() -> None:
    ours = Reading(recognises=True)
    for _ in range(3):
        ours.feed(LINES[0] + HOST)
    ours.feed(LINES[0] + BLOCKS[2])
    kept = ours._reader._repeats
    assert b"secret" not in kept._block + kept._said
    assert all(b"secret" not in value for _, value in kept._fields)
    assert not kept._told


def test_a_request_said_again_whole_has_a_scope_of_its_own() -> None:
    ours = Reading(recognises=True)
    for _ in range(4):
        ours.feed(LINES[0] + HOST)
        ours.told.scopes[-1]["path"] += "/changed"
        ours.told.scopes[-1]["state"] = {}
    assert [scope["path"] for scope in ours.told.scopes] == ["/a/changed"] * 4
    kept = ours._reader._repeats._told
    assert (kept["path"], "state" in kept) == ("/a", False)


def test_a_query_is_not_kept() -> None:
    ours = Reading(recognises=True)
    for _ in range(3):
        ours.feed(b"GET /a?access_token=secret HTTP/1.1\r\nhost: h\r\n\r\n")
    kept = ours._reader._repeats
    assert type(ours.told.scopes[-1]["headers"]) is Fields
    assert (kept._said, kept._told) == (b"", {})
