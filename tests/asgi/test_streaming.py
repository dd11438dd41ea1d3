"""Answers pass as the app sends them: message by message, untouched, whatever the extension."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.asgi.raw import call, get, http_scope
from tests.asgi.world import Echo, Mount


def sending(*messages: Message) -> ASGIApp:
    """An app that sends these messages."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        for message in messages:
            await send(message)

    return app


async def test_a_chunk_is_with_the_client_before_the_next_is_made(mount: Mount) -> None:
    seen: list[bytes] = []

    async def events() -> AsyncIterator[bytes]:
        for number in range(5):
            assert len(seen) == number
            yield b"data: %d\n\n" % number

    async def stream(request: Request) -> Response:
        return StreamingResponse(events(), media_type="text/event-stream")

    gateway = await mount(Starlette(routes=[Route("/public", stream)]))

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message.get("body"):
            seen.append(message["body"])

    await gateway(http_scope("GET", "/public"), receive, send)
    assert seen == [b"data: %d\n\n" % number for number in range(5)]


START = {"type": "http.response.start", "status": 200, "headers": []}
STREAMS: dict[str, list[Message]] = {
    "many-chunks": [START, *({"type": "http.response.body", "body": b"x", "more_body": n < 99} for n in range(100))],
    "pathsend": [START, {"type": "http.response.pathsend", "path": "/srv/file"}],
    "zero-copy": [
        START,
        {"type": "http.response.zerocopysend", "file": 7, "offset": 1, "count": 2, "more_body": False},
    ],
    "trailers": [
        START | {"trailers": True},
        {"type": "http.response.body", "body": b"x"},
        {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": False},
    ],
    "early-hint": [{"type": "http.response.early_hint", "links": [b"</a>"]}, START, {"type": "http.response.body"}],
    "push": [{"type": "http.response.push", "path": "/a", "headers": []}, START, {"type": "http.response.body"}],
    "unknown": [START, {"type": "http.response.of.the.future", "a": 1}, {"type": "http.response.body"}],
}


@pytest.mark.parametrize("messages", STREAMS.values(), ids=STREAMS.keys())
async def test_every_message_but_the_start_passes_as_the_same_object(mount: Mount, messages: list[Message]) -> None:
    answer = await get(await mount(sending(*messages)), "/public")
    assert len(answer.messages) == len(messages)
    for sent, got in zip(messages, answer.messages, strict=True):
        if sent["type"] == "http.response.start":
            assert {**got, "headers": []} == sent
        else:
            assert got is sent


async def test_the_apps_start_message_is_not_changed(mount: Mount) -> None:
    start = START | {"headers": [(b"x-a", b"1")]}
    await get(await mount(sending(start, {"type": "http.response.body"})), "/public")
    assert start["headers"] == [(b"x-a", b"1")]


async def test_background_tasks_run_after_the_answer(mount: Mount) -> None:
    done: list[str] = []

    async def later(request: Request) -> Response:
        return PlainTextResponse("answer", background=BackgroundTask(done.append, "task"))

    answer = await get(await mount(Starlette(routes=[Route("/public", later)])), "/public")
    assert (answer.body, done) == (b"answer", ["task"])


async def test_extensions_of_the_server_are_offered_to_the_app(mount: Mount, app: Echo) -> None:
    extensions = {"http.response.pathsend": {}, "http.response.zerocopysend": {}, "tls": {"server_cert": None}}
    await get(await mount(app), "/public", extensions=extensions)
    assert app.last["extensions"] == extensions


async def test_the_body_passes_in_the_pieces_it_came_in(mount: Mount) -> None:
    pieces: list[bytes] = []

    async def read(request: Request) -> Response:
        pieces.extend([piece async for piece in request.stream() if piece])
        return PlainTextResponse("read")

    gateway = await mount(Starlette(routes=[Route("/public", read, methods=["POST"])]))
    for headers in ([("content-length", "6")], [("transfer-encoding", "chunked")]):
        pieces.clear()
        await call(gateway, http_scope("POST", "/public", headers), b"ab", b"cd", b"ef")
        assert pieces == [b"ab", b"cd", b"ef"]


async def test_a_client_that_leaves_is_told_to_the_app(mount: Mount) -> None:
    left: list[bool] = []

    async def wait(request: Request) -> Response:
        await request.body()
        left.append(await request.is_disconnected())
        return PlainTextResponse("")

    gateway = await mount(Starlette(routes=[Route("/public", wait, methods=["POST"])]))
    await call(gateway, http_scope("POST", "/public", [("transfer-encoding", "chunked")]), b"a")
    assert left == [True]


async def test_an_exception_of_the_app_stays_the_apps(mount: Mount) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await Echo()(scope, receive, send)
            return
        raise LookupError("bug")

    gateway = await mount(broken)
    with pytest.raises(LookupError, match="bug"):
        await get(gateway, "/public")


async def test_a_send_that_fails_because_the_client_left_reaches_the_app(mount: Mount) -> None:
    gateway = await mount(sending(START, {"type": "http.response.body"}))

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await gateway(http_scope("GET", "/public"), receive, send)
