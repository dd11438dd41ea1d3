"""A hostile HTTP/2 client: what it sends is refused or ends its own connection, and the next client is served."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.cli.frames import DATA, GOAWAY, RESET, frames, opening, request, reset
from tests.cli.gateway import TLS, Gateway, answered_by, gateway, tls_of
from tests.cli.traffic import BODY, sample_upstream

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PATIENCE_SECONDS = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Gateway, ssl.SSLContext]]:
    folder = tmp_path_factory.mktemp("served")
    tls = tls_of(folder)
    over_http2 = ssl.create_default_context(cafile=str(folder / "server.pem"))
    over_http2.set_alpn_protocols(["h2"])
    async with sample_upstream() as upstream, gateway(folder, upstream, more=TLS, tls=tls) as running:
        yield running, over_http2


async def answer(served: tuple[Gateway, ssl.SSLContext], sent: bytes, last: tuple[int, ...]) -> list[tuple[int, bytes]]:
    """The frames that come, up to the first of these kinds or the end of the connection."""
    running, tls = served
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=tls, server_hostname="localhost")
    data = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        writer.write(opening() + sent)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(kind in last for kind, _ in frames(data)) and (more := await reader.read(65_536)):
                data += more
    writer.transport.abort()
    return frames(data)


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ((b"connection", b"close"), RESET),
        ((b"transfer-encoding", b"chunked"), RESET),
        ((b"te", b"gzip"), RESET),
        ((b"X-Upper", b"case"), GOAWAY),
        ((b"x-line", b"a\r\nb"), GOAWAY),
    ],
    ids=["connection", "transfer-encoding", "te", "upper case", "line break"],
)
async def test_a_field_that_does_not_exist_in_http2(
    served: tuple[Gateway, ssl.SSLContext], field: tuple[bytes, bytes], kind: int
) -> None:
    found = await answer(served, request(1, field), (DATA, RESET, GOAWAY))
    assert DATA not in [name for name, _ in found]
    assert kind in [name for name, _ in found]
    assert await answered_by(served[0]) == BODY


async def test_two_hosts_are_refused(served: tuple[Gateway, ssl.SSLContext]) -> None:
    found = await answer(served, request(1, (b"host", b"a"), (b"host", b"b")), (DATA, RESET, GOAWAY))
    (body,) = (payload for kind, payload in found if kind == DATA)
    assert b"malformed_request" in body


async def test_requests_taken_back_in_masses_end_the_connection(served: tuple[Gateway, ssl.SSLContext]) -> None:
    storm = b"".join(request(number) + reset(number) for number in range(1, 4001, 2))
    await answer(served, storm, (GOAWAY,))  # raises TimeoutError where it goes on
    assert await answered_by(served[0]) == BODY
