"""What a starting gateway says of its issuers: where keys come from, and nothing secret."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.bearer.conftest import PEPPER, Start

NOBODY = "http://127.0.0.1:1"
ISSUER = {"id": "corp", "issuer": "https://idp.example", "audiences": ["orders"]}


async def test_a_query_of_an_address_is_not_told(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway_auth")
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(PEPPER)
    asking = {"url": f"{NOBODY}/ask?code=sesame", "client_id": "gw", "client_secret": f"file:{secret}"}
    await start([ISSUER | {"jwks_url": f"{NOBODY}/jwks?code=sesame", "introspection": asking}])
    assert f"by keys from {NOBODY}/jwks, " in caplog.text
    assert f"by asking {NOBODY}/ask; " in caplog.text
    assert "sesame" not in caplog.text
