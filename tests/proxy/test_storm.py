"""Many tagged requests over a small pool while clients abort and an upstream stalls, breaks off and says too much.

Every answer carries its own tag or is an error; nobody gets what was meant for another. `GATEWAY_AUTH_TAGGED` says
how many requests.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.proxy.servers import SERVERS, Answer, Gateway, Session, serving
from tests.proxy.upstreams import Upstream, Wire

pytestmark = pytest.mark.slow

REQUESTS = int(os.environ.get("GATEWAY_AUTH_TAGGED", "2000"))
CLIENTS = 32
LIMITS = '{"max_connections": 8, "response_timeout_seconds": 1.5, "idle_timeout_seconds": 1.5}'
STALL_SECONDS = 2.5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"


class Mood(NamedTuple):
    """What the upstream does with one request, and whether a client may be refused for it."""

    weight: int
    play: Callable[[Wire, bytes], Awaitable[None]]
    is_harmless: bool = True
    is_last: bool = False


async def answer(wire: Wire, tag: bytes) -> None:
    await wire.play(HEAD % len(tag) + tag)


async def answer_in_chunks(wire: Wire, tag: bytes) -> None:
    await wire.play(CHUNKED % (len(tag), tag))


async def answer_slowly(wire: Wire, tag: bytes) -> None:
    await wire.play(HEAD % len(tag) + tag[:1000])
    await asyncio.sleep(0.005)
    await wire.play(tag[1000:])


async def answer_twice(wire: Wire, tag: bytes) -> None:
    await wire.play((HEAD % len(tag) + tag) * 2)


async def answer_once_more_later(wire: Wire, tag: bytes) -> None:
    """The second one finds a connection that is idle, unless it is in use by then: nobody could tell it apart."""
    await wire.play(HEAD % len(tag) + tag + b"\0")
    await asyncio.sleep(0.002)
    await wire.play(HEAD % len(tag) + tag)


async def answer_too_late(wire: Wire, tag: bytes) -> None:
    await asyncio.sleep(STALL_SECONDS)
    await answer(wire, tag)


async def break_off(wire: Wire, tag: bytes) -> None:
    await wire.play(HEAD % len(tag) + tag[: len(tag) // 2])
    await asyncio.sleep(0.002)
    wire.reset()


async def say_nonsense(wire: Wire, _tag: bytes) -> None:
    await wire.play(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nno")


MOODS = [
    Mood(600, answer),
    Mood(200, answer_in_chunks),
    Mood(100, answer_slowly),
    Mood(50, answer, is_last=True),
    Mood(20, answer_twice),
    Mood(20, answer_once_more_later),
    Mood(5, break_off, is_harmless=False, is_last=True),
    Mood(5, say_nonsense, is_harmless=False),
    Mood(3, answer_too_late, is_harmless=False),
]


def mood_of(tag: bytes) -> Mood:
    """Always the same for the same tag."""
    return random.Random(tag).choices(MOODS, [mood.weight for mood in MOODS])[0]


def tagged(number: int) -> bytes:
    """A target, which is also the answer."""
    return b"/tag-%d-" % number + b"." * 2000


async def upstream_script(wire: Wire) -> None:
    while True:
        seen = await wire.read_request()
        tag = seen.line.split()[1]
        mood = mood_of(tag)
        await mood.play(wire, tag)
        if mood.is_last:
            return


def request(number: int) -> bytes:
    """GET, and POST with a body of its own."""
    body = b"" if number % 2 else b"body-%d" % number
    method = b"POST" if body else b"GET"
    return b"%b %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (method, tagged(number), len(body), body)


class Client:
    """Keeps its connection while it can, as clients do."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._session: Session | None = None

    async def ask(self, number: int) -> Answer | None:
        """The answer; None where it has left before."""
        chance = random.Random(number)
        self._session = session = self._session or await self._gateway.open()
        await session.send(request(number))
        if chance.random() < 0.1:
            await asyncio.sleep(chance.random() * 0.01)
            await self.leave()
            return None
        found = await asyncio.wait_for(session.answer(), 30)
        if not found.is_whole or found.headers.get("connection") == "close" or session.reader.at_eof():
            await self.leave()
        return found

    async def leave(self) -> None:
        """Close."""
        session, self._session = self._session, None
        if session is not None:
            await session.leave()


def judge(number: int, found: Answer) -> str:
    """In a word; `wrong` is what must not be."""
    if found.status == 200:
        if found.is_whole:
            return "answered" if found.body == tagged(number) else "wrong"
        return "broken off" if tagged(number).startswith(found.body) else "wrong"
    if found.status in (502, 504) and found.is_whole and found.body.endswith(b" req-1"):
        return "refused" if mood_of(tagged(number)).is_harmless else "failed"
    return "wrong"


@pytest.mark.parametrize("server", SERVERS)
async def test_every_answer_is_its_own(server: str, tmp_path: Path) -> None:
    found: Counter[str] = Counter()
    numbers = iter(range(REQUESTS))

    async def work(gateway: Gateway) -> None:
        client = Client(gateway)
        for number in numbers:
            try:
                got = await client.ask(number)
            except (ConnectionError, asyncio.IncompleteReadError):
                # The gateway had closed the connection in the meantime, as after a body it did not read.
                await client.leave()
                found["closed"] += 1
                continue
            word = "left" if got is None else judge(number, got)
            assert word != "wrong", (number, got)
            found[word] += 1
        await client.leave()

    async with (
        Upstream(upstream_script) as upstream,
        serving(server, upstream.url, tmp_path / "log", LIMITS) as gateway,
        asyncio.TaskGroup() as clients,
    ):
        for _ in range(CLIENTS):
            clients.create_task(work(gateway))
    print(server, dict(found), "over", len(upstream.wires), "connections")  # noqa: T201 - the figure of a long run
    assert found.total() == REQUESTS
    assert found["answered"] > 0.7 * REQUESTS
    # Servers log what breaks a response, by which the client is told. Nothing else may have been raised.
    assert not re.findall(r"^[\w.]+(?:Error|Exception)\b.*", (tmp_path / "log").read_text(), re.MULTILINE)
