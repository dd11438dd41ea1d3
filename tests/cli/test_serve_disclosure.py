"""`serve` takes a report of a leaked key over the wire, and no worker lets that key in any more."""

from __future__ import annotations

import http.client
import json

import pytest

from tests.cli.command import Workspace
from tests.cli.serving import eventually, serving, upstream
from tests.disclosure.partner import PATH, Partner, a_report, keys_document

pytestmark = pytest.mark.slow

BOUND_SECONDS = 10.0
"""Of waiting in a test; the promise is two seconds."""


def report(port: int, partner: Partner, body: bytes, signed: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = dict(partner.headers(body if signed is None else signed))
        connection.request("POST", PATH, body, {**headers, "Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_a_key_reported_to_one_worker_is_refused_by_all(workspace: Workspace) -> None:
    key = workspace.key(workspace.app(), "--scope", "orders:read")
    partner = Partner()
    (workspace.directory / "keys.json").write_bytes(keys_document(partner))
    with workspace.config.open("a", encoding="utf-8") as file:
        file.write('\n[disclosure]\nname = "scanner"\nkeys_file = "keys.json"\n')
    with (
        upstream() as url,
        serving(workspace.directory, "--upstream", url, "--workers", "2", "--local-limits") as running,
    ):
        clients = running.clients(2)
        assert [client.get("/v1/orders/1", key["key"]) for client in clients] == [200, 200]
        body = a_report(key["key"])
        assert report(running.port, partner, body, body + b" ")[0] == 401
        status, answer = report(running.port, partner, body)
        assert (status, [one["label"] for one in json.loads(answer)]) == (200, ["true_positive"])
        eventually(lambda: {client.get("/v1/orders/1", key["key"]) for client in clients} == {401}, BOUND_SECONDS)
        for client in clients:
            client.close()
        assert key["key"][-38:] not in running.log.read_text("utf-8")
    listed = json.loads(workspace.call("audit", "list", "--object", key["id"], "--json").out)
    assert [(record["actor"], record["action"]) for record in listed][:2] == [
        ("disclosure:scanner", "key.revoke"),
        ("disclosure:scanner", "key.exposed"),
    ]
    assert workspace.call("audit", "verify").code == 0
    assert json.loads(workspace.call("keys", "review", "--json").out) == []
