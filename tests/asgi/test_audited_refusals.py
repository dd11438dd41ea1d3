"""What a running middleware leaves in the audit of the requests it refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway_auth import GatewayAuth
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.core.audit import EVERYTHING
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.lifecycle.admins import ManageAdmins
from gateway_auth.lifecycle.verify_audit import Verified, verify_audit
from tests.asgi.raw import get, lifespan
from tests.asgi.world import ACTOR, PEPPER, Echo, Site


async def told(site: Site) -> list[tuple[str, str, str | None, dict[str, Any]]]:
    """(action, object, address, fields) of what the gateway itself recorded."""
    store = site.open_store()
    async with store.reading() as snapshot:
        page = await snapshot.audit.page(EVERYTHING, limit=1000)
    assert isinstance(await verify_audit(store), Verified)
    await store.close()
    found = [sealed.record for sealed in page if sealed.record.actor == "system:gateway"]
    return [(one.action, one.object_id, one.address, json.loads(one.after or "{}")) for one in found]


@pytest.mark.parametrize("is_complete", [False, True], ids=["by default", "denials = true"])
async def test_refusals_are_recorded_where_that_is_asked_for(
    site: Site, key: dict[str, str], is_complete: bool
) -> None:
    gateway = GatewayAuth(Echo(), config={**site.config(), "audit": {"denials": is_complete}})
    async with lifespan(gateway):
        for _ in range(3):
            await get(gateway, "/orders/1", key["plain"])
        await get(gateway, "/orders/1", "gwk_live_unknown")
        await get(gateway, "/public")
        await get(gateway, "/nowhere")
    found = [(action, of, fields["reason"], fields["route"], fields["count"]) for action, of, _, fields in
             await told(site)]  # fmt: skip
    assert (
        found
        == [
            ("request.denied", site.ids["plain"], "insufficient_scope", "read", 3),
            ("request.denied", "read", "invalid_credential", "read", 1),
            ("request.denied", "", "no_matching_route", "", 1),
        ]
        * is_complete
    )


async def test_secrets_in_urls_are_refused_everywhere_and_recorded_as_exposed(
    site: Site, key: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    store = site.open_store()
    admins = ManageAdmins(store, SystemClock(), SystemRandom(), PepperRing(PEPPER))
    issued = await admins.create(ACTOR, "alice", "admin")
    await store.close()
    gateway = GatewayAuth(Echo(), config=site.config())
    async with lifespan(gateway):
        for path in ("/public", "/optional", "/known", "/shadow"):
            for text in (key["plain"], issued.text, issued.text.replace("_", "%5F"), issued.text[:30]):
                answer = await get(gateway, path, query_string=f"a=1&k={text}".encode())
                assert answer.refusal == (401, "credential_in_url")
    assert [(action, of, address, fields["where"], fields["count"]) for action, of, address, fields in
            await told(site)] == [
        ("key.exposed", site.ids["plain"], "192.0.2.7", "url", 4),
        ("admin.exposed", issued.record.id, "192.0.2.7", "url", 12),
    ]  # fmt: skip
    assert issued.record.id in caplog.text
    assert issued.text[-38:] not in caplog.text


async def test_a_key_in_a_url_is_recorded_as_exposed_whatever_the_request_was_refused_for(
    site: Site, key: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    config = site.config()
    query = f"k={key['plain']}".encode()
    for more, path in ((config, "/nowhere"), ({**config, "gateway": {"require_https": True}}, "/public")):
        gateway = GatewayAuth(Echo(), config=more)
        async with lifespan(gateway):
            answer = await get(gateway, path, query_string=query)
            assert answer.status == 403
    assert [(action, of, fields["count"]) for action, of, _, fields in await told(site)] == [
        ("key.exposed", site.ids["plain"], 1)
    ] * 2
    assert "must be replaced" in caplog.text
