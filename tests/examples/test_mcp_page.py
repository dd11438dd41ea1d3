"""The page about MCP servers: its configuration answers what it says, and its code is the example's."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gateway_auth import GatewayAuth, requires
from gateway_auth.core.resource import METADATA_PATH
from tests.asgi.raw import Answer, call, http_scope, lifespan
from tests.asgi.world import PEPPER
from tests.bearer.issuing import TokenIssuer

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "mcp.md").read_text("utf-8")
BLOCKS = re.findall(r"^ *```(\w+)\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
AUDIENCE = "https://mcp.example.com/mcp"


def blocks(language: str) -> list[str]:
    """The page's blocks in a language."""
    return [text for found, text in BLOCKS if found == language]


def promised(status: int) -> str:
    """The challenge the page shows for a status."""
    (challenge,) = re.findall(rf"^ +{status}  WWW-Authenticate: (.+)$", PAGE, re.MULTILINE)
    return str(challenge)


@requires(scopes=["orders:cancel"])
async def cancel(request: Request) -> PlainTextResponse:
    """Stands for the server: a tool with a scope of its own."""
    return PlainTextResponse(request.user.subject)


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer("https://idp.example.com")


@pytest.fixture
async def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, issuer: TokenIssuer) -> AsyncIterator[GatewayAuth]:
    """The page's configuration, but for where the keys and the store are."""
    monkeypatch.setenv("GATEWAY_AUTH_PEPPER", PEPPER.decode())
    config: dict[str, Any] = tomllib.loads(blocks("toml")[0])
    config["store"]["url"] = f"sqlite:///{tmp_path}/gateway.db"
    config["issuers"][0]["jwks_file"] = str(issuer.publish(tmp_path / "jwks.json"))
    guarded = GatewayAuth(Starlette(routes=[Route("/mcp", cancel, methods=["POST"])]), config=config)
    async with lifespan(guarded):
        yield guarded


async def asked(gateway: GatewayAuth, method: str, path: str, token: str = "") -> Answer:
    """The answer to a request for the page's server."""
    headers = [("host", "mcp.example.com"), *([("authorization", f"Bearer {token}")] if token else [])]
    return await call(gateway, http_scope(method, path, headers, scheme="https"))


async def test_a_refused_client_is_told_what_the_page_says(gateway: GatewayAuth) -> None:
    answer = await asked(gateway, "POST", "/mcp")
    assert (answer.status, answer.only("www-authenticate")) == (401, promised(401))


async def test_the_metadata_is_what_the_page_shows(gateway: GatewayAuth) -> None:
    answer = await asked(gateway, "GET", f"{METADATA_PATH}/mcp")
    assert json.loads(answer.body) == json.loads(blocks("json")[0])


async def test_a_missing_scope_is_told_as_the_page_says(gateway: GatewayAuth, issuer: TokenIssuer) -> None:
    answer = await asked(gateway, "POST", "/mcp", issuer.token(aud=AUDIENCE, scope="tools:call"))
    assert (answer.status, answer.only("www-authenticate")) == (403, promised(403))


async def test_a_token_with_both_scopes_passes(gateway: GatewayAuth, issuer: TokenIssuer) -> None:
    answer = await asked(gateway, "POST", "/mcp", issuer.token(aud=AUDIENCE, scope="tools:call orders:cancel"))
    assert (answer.status, answer.body) == (200, b"user-1")


def test_the_code_of_the_page_is_the_example() -> None:
    program = (ROOT / "examples" / "mcp_server.py").read_text("utf-8")
    assert blocks("python")
    assert [block for block in blocks("python") if block not in program] == []


def test_the_example_is_configured_as_on_the_page() -> None:
    """But for addresses, and for API keys, which the example accepts too."""
    page, example = tomllib.loads(blocks("toml")[0]), tomllib.loads((ROOT / "examples" / "mcp.toml").read_text("utf-8"))
    del page["routes"][0]["credentials"]
    assert example["routes"] == page["routes"]
    assert {name: sorted(table) for name, table in example.items() if isinstance(table, dict)} == {
        name: sorted(table) for name, table in page.items() if isinstance(table, dict)
    }
