"""Events over real HTTP: what the receiver sees, and what counts as taken."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from hmac import digest

import pytest

from gateway_auth.adapters import webhook_client
from gateway_auth.adapters.webhook_client import HttpWebhook
from gateway_auth.core.webhook import Delivery

KEY = bytes(range(32))
EVENT = Delivery(
    id="ops/audit-1", webhook_id="ops", event_id="audit-1", event_type="key.create", body='{"type":"key.create"}',
    created_at=1.0, next_at=1.0,
)  # fmt: skip
NOW = 1_800_000_000.9


class Receiver:
    """Answers every request with the same bytes, or never, and keeps what it got."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.heads: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.port = 0
        self.serving: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection."""
        self.serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            self.heads.append(fields | {"request": request})
            self.bodies.append(await reader.readexactly(int(fields["content-length"])))
            if self.answer is None:
                await reader.read()
            else:
                writer.write(self.answer)
                await writer.drain()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def receiving(answer: bytes | None) -> AsyncIterator[Receiver]:
    receiver = Receiver(answer)
    server = await asyncio.start_server(receiver.accept, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver
    for task in receiver.serving:
        task.cancel()
    await asyncio.gather(*receiver.serving, return_exceptions=True)


@asynccontextmanager
async def client_of(port: int) -> AsyncIterator[HttpWebhook]:
    client = HttpWebhook(f"http://127.0.0.1:{port}/hook?a=1", KEY)
    try:
        yield client
    finally:
        await client.close()


def answer(status: str, *fields: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", "content-length: 0", "connection: close", *fields, "", "")).encode()


async def test_the_receiver_can_verify_what_it_gets() -> None:
    async with receiving(answer("204 No Content")) as receiver, client_of(receiver.port) as client:
        assert await client.post(EVENT, NOW) is None
    (head,), (body,) = receiver.heads, receiver.bodies
    assert (head["request"], body) == ("POST /hook?a=1 HTTP/1.1", b'{"type":"key.create"}')
    assert (head["webhook-id"], head["webhook-timestamp"]) == ("audit-1", "1800000000")
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + body
    assert head["webhook-signature"] == "v1," + b64encode(digest(KEY, signed, sha256)).decode()
    assert head["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "said"),
    [("200 OK", None), ("202 Accepted", None), ("500 Oops", "answered 500"), ("410 Gone", "answered 410")],
)
async def test_only_2xx_is_taken(status: str, said: str | None) -> None:
    async with receiving(answer(status)) as receiver, client_of(receiver.port) as client:
        assert await client.post(EVENT, NOW) == said


async def test_a_redirect_is_not_followed() -> None:
    async with receiving(answer("204 No Content")) as elsewhere:
        away = answer("307 Away", f"location: http://127.0.0.1:{elsewhere.port}/")
        async with receiving(away) as receiver, client_of(receiver.port) as client:
            assert await client.post(EVENT, NOW) == "answered 307"
        assert elsewhere.heads == []


async def test_who_cannot_be_reached_or_talks_nonsense_is_told_in_a_word() -> None:
    async with receiving(b"nonsense\r\n\r\n") as receiver, client_of(receiver.port) as client:
        assert (await client.post(EVENT, NOW) or "").startswith("cannot be reached: ")
    async with client_of(receiver.port) as client:
        assert await client.post(EVENT, NOW) == "cannot be reached: ConnectError"


async def test_a_receiver_that_does_not_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_client, "DEADLINE_SECONDS", 0.2)
    async with receiving(None) as receiver, client_of(receiver.port) as client:
        assert await client.post(EVENT, NOW) == "no answer within 0.2 s"
