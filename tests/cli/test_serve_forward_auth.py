"""`serve` where only another proxy asks: no upstream is needed, and nobody is forwarded."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

import pytest

from tests.cli.command import Workspace
from tests.cli.serving import serving, upstream

pytestmark = pytest.mark.slow

TRUSTED = 'trusted_proxies = ["127.0.0.1/32"]'


def ask(port: int, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


@pytest.fixture
def place(workspace: Workspace) -> Workspace:
    """A directory whose configuration trusts loopback and names no upstream."""
    text = workspace.config.read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith(("upstream =", "trusted_proxies ="))]
    workspace.config.write_text("\n".join(lines).replace("[gateway]", f"[gateway]\n{TRUSTED}"), "utf-8")
    workspace.app()
    return workspace


def test_it_answers_proxies_and_forwards_nobody(place: Workspace) -> None:
    refused = place.call("serve")
    assert refused.code == 2
    assert "add [forward_auth]" in refused.err
    with place.config.open("a", encoding="utf-8") as file:
        file.write('\n[forward_auth]\nproxy = "nginx"\n')
    key = place.key("shop", "--scope", "orders:read")
    told = {"X_Original_Method": "GET", "X_Original_URI": "/v1/orders/1", "X_Forwarded_For": "198.51.100.9"}
    with serving(Path(place.directory)) as server:
        status, headers, body = ask(server.port, "/.gateway/authorize", **told, X_API_Key=key["key"])
        assert (status, headers["x-auth-key-id"], body) == (200, key["id"], b"")
        status, headers, body = ask(server.port, "/.gateway/authorize", **told)
        assert (status, json.loads(body)["code"]) == (401, "credential_required")
        status, _, body = ask(server.port, "/v1/orders/1", X_API_Key=key["key"])
        assert (status, json.loads(body)["code"]) == (403, "no_matching_route")
        assert "only answers proxies" in json.loads(body)["detail"]


def test_the_endpoint_is_there_beside_the_proxy_without_the_table(place: Workspace) -> None:
    key = place.key("shop", "--scope", "orders:read")
    told = {"X_Forwarded_Method": "GET", "X_Forwarded_Uri": "/v1/orders/1", "X_Forwarded_For": "198.51.100.9"}
    with upstream() as url, serving(Path(place.directory), "--upstream", url) as server:
        assert ask(server.port, "/.gateway/authorize", **told, X_API_Key=key["key"])[0] == 200
        assert ask(server.port, "/v1/orders/1", X_API_Key=key["key"])[0] == 200
        assert ask(server.port, "/.gateway/other")[0] == 403
