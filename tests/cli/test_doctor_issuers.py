"""`doctor` on issuers: their keys, whether they answer about opaque tokens; and on the keys of who reports leaks."""

from __future__ import annotations

import json

import pytest

from gateway_auth.server.listening import free_port
from tests.bearer.issuing import AUDIENCE, ISSUER, TokenIssuer
from tests.cli.command import Workspace
from tests.disclosure.partner import Partner, keys_document


@pytest.fixture
def ready(workspace: Workspace) -> Workspace:
    """On a port nobody listens on, with a store."""
    workspace.change("127.0.0.1:8080", f"127.0.0.1:{free_port()}")
    workspace.app()
    return workspace


def add(workspace: Workspace, more: str) -> None:
    """Add an issuer to the configuration."""
    table = (
        f'\n[[issuers]]\nid = "corp"\nissuer = "{ISSUER}"\naudiences = ["{AUDIENCE}"]\nalgorithms = ["ES256"]\n{more}\n'
    )
    workspace.config.write_text(workspace.config.read_text("utf-8") + table, "utf-8")


def checks(workspace: Workspace) -> dict[str, dict[str, str]]:
    """What was found, by check."""
    return {check["check"]: check for check in workspace.call("doctor", "--json").json["checks"]}


def test_keys_that_can_be_had_are_named(ready: Workspace) -> None:
    issuer = TokenIssuer(keys={})
    issuer.add("k-1", "ES256")
    issuer.publish(ready.directory / "jwks.json")
    add(ready, 'jwks_file = "jwks.json"')
    assert checks(ready)["issuer corp"] == {
        "check": "issuer corp", "status": "ok", "detail": "1 keys: 'k-1' (ES256)",
    }  # fmt: skip


def test_an_issuer_without_a_usable_key_fails(ready: Workspace) -> None:
    (ready.directory / "jwks.json").write_text(json.dumps({"keys": []}))
    add(ready, 'jwks_file = "jwks.json"')
    assert checks(ready)["issuer corp"]["status"] == "failed"


def test_an_issuer_that_cannot_be_reached_fails_and_says_what_that_means(ready: Workspace) -> None:
    (ready.directory / "secrets" / "client").write_text("a client secret")
    (ready.directory / "secrets" / "client").chmod(0o600)
    asked = '{ url = "http://127.0.0.1:1/i", client_id = "gw", client_secret = "file:secrets/client" }'
    add(ready, f'jwks_url = "http://127.0.0.1:1/jwks"\nintrospection = {asked}')
    ended = ready.call("doctor", "--json")
    assert ended.code == 1
    found = checks(ready)
    assert found["issuer corp"]["status"] == found["introspection corp"]["status"] == "failed"
    assert "503" in found["issuer corp"]["detail"]
    assert "a client secret" not in ended.out


def test_the_keys_of_who_reports_leaks_are_looked_at(ready: Workspace) -> None:
    partner = Partner("k-1")
    (ready.directory / "keys.json").write_bytes(keys_document(partner))
    add_disclosure(ready, 'keys_file = "keys.json"')
    assert checks(ready)["disclosure github"] == {
        "check": "disclosure github", "status": "ok", "detail": "1 keys: 'k-1'",
    }  # fmt: skip
    (ready.directory / "keys.json").write_bytes(keys_document())
    assert checks(ready)["disclosure github"]["status"] == "failed"
    (ready.directory / "keys.json").write_text("no keys", "utf-8")
    assert "reports get 503" in checks(ready)["disclosure github"]["detail"]


def add_disclosure(workspace: Workspace, more: str) -> None:
    """Let somebody report."""
    with workspace.config.open("a", encoding="utf-8") as file:
        file.write(f"\n[disclosure]\n{more}\n")
