"""Responses that a parser was tested with, played by an upstream: refused or relayed whole, and never the next answer.

Whole and cut in two: `GATEWAY_AUTH_SPLITS` says at how many boundaries, or `all`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from typing import NamedTuple

import pytest

from gateway_auth.core.upstream import UpstreamLimits
from gateway_auth.proxy.failures import ResponseBroken
from tests.conformance.splits import Sent, cuts
from tests.conformance.vectors import shared_folder
from tests.proxy.asgi_client import Client, ask, proxy, scope_of
from tests.proxy.upstreams import Upstream, Wire

AT_ONCE = 32
LIMITS = UpstreamLimits(max_connections=1, response_timeout_seconds=0.1, idle_timeout_seconds=0.1)


class Case(NamedTuple):
    """One response; `is_error` as llhttp has it."""

    title: str
    raw: bytes
    is_error: bool


def responses() -> list[Case]:
    """Those of llhttp's strict mode."""
    folder = shared_folder()
    if folder is None:
        return []
    lines = (folder / "llhttp" / "cases.jsonl").read_text("utf-8").splitlines()
    return [
        Case(f"{number}: {case['title']}", base64.b64decode(case["raw_b64"]), case["llhttp"] == "error")
        for number, case in enumerate(json.loads(line) for line in lines)
        if case["mode"].startswith("response") and not case["lenient"]
    ]


async def played(sent: Sent) -> tuple[Client, bytes]:
    """What a client got of it, and what the next client got on the same pool of one connection."""

    has_played = asyncio.Event()

    async def script(wire: Wire) -> None:
        while True:
            seen = await wire.read_request()
            if seen.line.startswith(b"GET /evil"):
                await wire.play(sent.raw[: sent.position])
                await asyncio.sleep(0.001)
                await wire.play(sent.raw[sent.position :])
                has_played.set()
            else:
                tag = seen.line.split()[1]
                await wire.play(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(tag), tag))

    async with Upstream(script) as upstream:
        app = proxy(upstream.url, LIMITS)
        client = Client(pieces=[b""])
        try:
            await asyncio.wait_for(app(scope_of(path="/evil"), client.receive, client.send), 10)
        except ResponseBroken:
            assert client.status
            assert not client.is_complete
        await has_played.wait()  # what comes only after the next request nobody could tell from its answer
        following = await ask(app, path="/mine")
        await app.aclose()
    assert following.status == 200
    return client, following.body


@pytest.mark.parametrize("is_error", [True, False] if shared_folder() else [])
@pytest.mark.slow
async def test_a_response_is_refused_or_relayed_and_never_the_next_clients(is_error: bool) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    cases = [case for case in responses() if case.is_error is is_error]

    async def judge(case: Case, sent: Sent) -> None:
        async with gate:
            client, following = await played(sent)
        assert following == b"/mine", sent
        if client.is_complete and client.status not in (502, 504):
            assert re.search(rb"HTTP/1\.[01] %d" % client.status, case.raw), sent
            fields = b"".join(name + value for name, value in client.headers)
            assert not {b"\r", b"\n", b"\0"} & {fields[i : i + 1] for i in range(len(fields))}, sent
            assert client.body in case.raw or b"chunked" in case.raw, sent

    assert cases
    await asyncio.gather(*(judge(case, sent) for case in cases for sent in cuts(case.title, case.raw)))
