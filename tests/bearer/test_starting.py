"""Starting with an issuer: who gives up in the middle leaves nothing running."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from gateway_auth.bootstrap import open_gateway
from tests.bearer.conftest import PEPPER


async def test_a_start_that_is_cancelled_while_keys_are_fetched_leaves_no_task(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        port = silent.getsockname()[1]
        start = asyncio.create_task(open_gateway(_configuration(tmp_path, port)))
        async with asyncio.timeout(10):
            asked, _ = await asyncio.get_running_loop().sock_accept(silent)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        asked.close()
    assert asyncio.all_tasks() == before


def _configuration(folder: Path, port: int) -> dict[str, object]:
    pepper = folder / "pepper"
    pepper.touch(0o600)
    pepper.write_text(PEPPER)
    return {
        "store": {"url": f"sqlite:///{folder / 'gateway.db'}"},
        "secrets": {"pepper": f"file:{pepper}"},
        "issuers": [
            {
                "id": "silent",
                "issuer": "https://idp.example",
                "audiences": ["orders"],
                "algorithms": ["RS256"],
                "jwks_url": f"http://127.0.0.1:{port}/jwks",
            }
        ],
        "routes": [{"id": "known", "path": "/known"}],
    }
