"""The MCP example on a real server, found and used by the SDK's own client, with tokens of a real OpenID provider.

The client is given the server's address and its own client id and secret. Every request it makes is recorded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from mcp import MCPError
from mcp.client.auth import OAuthFlowError
from mcp.shared.auth import OAuthToken

from gateway_auth.core.resource import METADATA_PATH
from gateway_auth.server.listening import free_port
from tests.asgi.world import PEPPER
from tests.examples.mcp_visit import Kept, Mode, Visit, connected, credentials
from tests.provider.harness import RS256_RESOURCE, Provider

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 30.0
MODES = pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
CANCEL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "cancel_order", "arguments": {"id": "7"}},
}


@pytest.fixture(scope="module")
def address(shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the example is served, as its first lines say, for the tokens of the provider."""
    port, folder = free_port(), tmp_path_factory.mktemp("mcp")
    url = f"http://127.0.0.1:{port}/mcp"
    environment = {
        "GATEWAY_AUTH_PEPPER": PEPPER.decode(),
        "GATEWAY_AUTH_STORE__URL": f"sqlite:///{folder}/gateway.db",
        "GATEWAY_AUTH_GATEWAY__RESOURCE": url,
        "GATEWAY_AUTH_ISSUERS__0__ISSUER": shared_provider.issuer,
        "GATEWAY_AUTH_ISSUERS__0__AUDIENCES": json.dumps([url]),
    }
    words = ["uvicorn", "--no-proxy-headers", "--app-dir", "examples", "--port", str(port), "mcp_server:app"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, env=os.environ | environment, stdout=log, stderr=log
        )
        try:
            assert answers(url, process), (folder / "log").read_text()
            yield url
        finally:
            process.terminate()
            process.wait(SECONDS)


def answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether it comes to listen."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx2.get(url)
        except httpx2.ConnectError:
            time.sleep(0.05)
        else:
            return True
    return False


def discovery(address: str, provider: Provider) -> list[tuple[str, str, int]]:
    """The way of somebody who knows nothing: refusal, RFC 9728, RFC 8414, token, and once more."""
    return [
        ("POST", address, 401),
        ("GET", address.replace("/mcp", f"{METADATA_PATH}/mcp"), 200),
        ("GET", f"{provider.issuer}/.well-known/oauth-authorization-server", 200),
        ("POST", provider.token_url, 200),
        ("POST", address, 200),
    ]


@MODES
async def test_a_client_finds_the_issuer_and_the_tool_knows_whose_token_it_got(
    address: str, provider: Provider, mode: Mode
) -> None:
    visit = Visit()
    async with connected(address, visit, mode, credentials(address, provider)) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["read_order", "cancel_order"]
        answer = await client.call_tool("read_order", {"id": "7"})
        assert (answer.is_error, answer.structured_content) == (False, {"id": "7", "for": "asker"})
    assert visit.steps[:5] == discovery(address, provider)
    assert {(url, status) for _, url, status in visit.steps[5:]} <= {(address, 200), (address, 202)}
    assert visit.wishes() == [{"grant_type": ["client_credentials"], "resource": [address], "scope": ["tools:call"]}]
    assert provider.requests("token") == 1
    assert [answer for answer in visit.answers if "mcp-session-id" in answer.headers] == []


@MODES
async def test_a_client_without_credentials_is_refused(address: str, mode: Mode) -> None:
    visit = Visit()
    refusal = pytest.RaisesExc(MCPError, match="Server returned an error response")
    with pytest.RaisesGroup(refusal, flatten_subgroups=True):
        async with connected(address, visit, mode, None):
            pass
    assert set(visit.steps) == {("POST", address, 401)}


@MODES
async def test_a_client_gets_itself_the_scope_a_single_tool_needs(address: str, provider: Provider, mode: Mode) -> None:
    visit = Visit()
    async with connected(address, visit, mode, credentials(address, provider)) as client:
        answer = await client.call_tool("cancel_order", {"id": "7"})
    assert (answer.is_error, answer.structured_content) == (False, {"id": "7", "cancelled by": "asker"})
    refused = visit.steps.index(("POST", address, 403))
    assert visit.steps[refused + 1 : refused + 3] == [("POST", provider.token_url, 200), ("POST", address, 200)]
    assert visit.wishes()[1]["scope"] == ["tools:call orders:cancel"]


async def test_a_client_whose_token_lacks_the_scope_of_the_route_gets_another(address: str, provider: Provider) -> None:
    visit, kept = Visit(), Kept(OAuthToken(access_token=provider.token(address, scope="else"), scope="else"))
    async with connected(address, visit, "2026-07-28", credentials(address, provider, kept)) as client:
        await client.call_tool("read_order", {"id": "7"})
    assert visit.steps[:5] == [("POST", address, 403), *discovery(address, provider)[1:]]
    assert visit.wishes()[0]["scope"] == ["else tools:call"]
    assert kept.tokens is not None
    assert kept.tokens.scope == "else tools:call"


async def test_a_client_that_calls_by_another_name_asks_for_no_token(address: str, provider: Provider) -> None:
    visit, elsewhere = Visit(), address.replace("127.0.0.1", "localhost")
    refusal = pytest.RaisesExc(OAuthFlowError, match=f"Protected resource {address} does not match")
    with pytest.RaisesGroup(refusal, flatten_subgroups=True):
        async with connected(elsewhere, visit, "2026-07-28", credentials(elsewhere, provider)):
            pass
    assert provider.requests("token") == 0


def called(address: str, token: str, **headers: str) -> httpx2.Response:
    """The answer to one call of `cancel_order`."""
    accepted = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {token}"}
    return httpx2.post(address, json=CANCEL, headers=accepted | headers)


@pytest.mark.parametrize(
    ("granted", "needed"), [("else", "tools:call"), ("tools:call", "orders:cancel tools:call")], ids=["route", "tool"]
)
def test_a_missing_scope_is_403_and_named(address: str, provider: Provider, granted: str, needed: str) -> None:
    answer = called(address, provider.token(address, scope=granted))
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    metadata = address.replace("/mcp", f"{METADATA_PATH}/mcp")
    assert answer.headers["www-authenticate"] == (
        f'Bearer realm="orders", error="insufficient_scope", scope="{needed}", resource_metadata="{metadata}"'
    )


def test_a_token_for_another_api_is_refused(address: str, provider: Provider) -> None:
    answer = called(address, provider.token(RS256_RESOURCE, scope="tools:call orders:cancel"))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credential")


def test_a_host_the_server_is_not_called_by_is_refused_by_the_server(address: str, provider: Provider) -> None:
    token = provider.token(address, scope="tools:call orders:cancel")
    assert called(address, token).json()["result"]["structuredContent"] == {"id": "7", "cancelled by": "asker"}
    assert called(address, token, host="mcp.example.com").status_code == 421
