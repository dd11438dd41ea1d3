"""Reports that are believed: what becomes of the secrets, what is answered, and what is written down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from starlette.types import ASGIApp

from gateway_auth.adapters.sql import SqlStore
from gateway_auth.adapters.sql.transaction import SqlTransaction
from gateway_auth.adapters.system import SystemClock, SystemRandom
from gateway_auth.config import load
from gateway_auth.core.audit import EVERYTHING, AuditRecord
from gateway_auth.core.keyformat import KeyFormat, checksum
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.errors import StoreUnavailable
from gateway_auth.lifecycle.admins import ManageAdmins
from gateway_auth.lifecycle.key_fields import KeyFields
from gateway_auth.lifecycle.verify_audit import Verified, verify_audit
from gateway_auth.server.composition import build
from tests.asgi.raw import call, get, http_scope, lifespan
from tests.asgi.world import ACTOR, PEPPER, Site
from tests.disclosure.conftest import Serve
from tests.disclosure.partner import PATH, URL, Partner, a_report, labels

PATIENCE_SECONDS = 30
PASSED = (403, "no_matching_route")
"""Judged and let through: nothing is behind this gateway."""


async def reported(site: Site) -> list[AuditRecord]:
    """What the audit has of what partners did."""
    store = site.open_store()
    async with store.reading() as snapshot:
        page = await snapshot.audit.page(EVERYTHING, limit=1000)
    assert isinstance(await verify_audit(store), Verified)
    await store.close()
    return [sealed.record for sealed in page if sealed.record.actor.startswith("disclosure:")]


async def status_of(site: Site, kind: str) -> str:
    """What is stored of a key."""
    store = site.open_store()
    found = (await store.read_key(site.ids[kind])).key
    await store.close()
    assert found is not None
    return found.status


async def test_a_leaked_key_is_revoked_told_of_and_recorded(app: ASGIApp, partner: Partner, site: Site) -> None:
    key = site.keys["reader"]
    assert (await get(app, "/known", key)).refusal == PASSED
    answer = await partner.report(app, key)
    assert json.loads(answer.body) == [
        {"token_hash": sha256(key.encode()).hexdigest(), "token_type": "acme_api_key", "label": "true_positive"}
    ]
    assert await status_of(site, "reader") == "revoked"
    exposed, revoked = await reported(site)
    assert (exposed.action, exposed.actor) == ("key.exposed", "disclosure:github")
    assert exposed.object_id == revoked.object_id == site.ids["reader"]
    assert json.loads(exposed.after or "") == {
        "where": "report", "url": URL, "source": "content", "type": "acme_api_key",
    }  # fmt: skip
    assert (revoked.action, revoked.actor, revoked.address) == ("key.revoke", "disclosure:github", "192.0.2.7")
    assert revoked.request_id == answer.only("x-request-id")


async def test_other_workers_refuse_it_within_the_usual_bound(serve: Serve, partner: Partner, site: Site) -> None:
    first, second = await serve(), await serve()
    assert (await get(second, "/known", site.keys["reader"])).refusal == PASSED
    assert labels(await partner.report(first, site.keys["reader"])) == ["true_positive"]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await get(second, "/known", site.keys["reader"])).refusal == PASSED:  # noqa: ASYNC110 - it polls too
            await asyncio.sleep(0.05)
    assert (await get(second, "/known", site.keys["reader"])).refusal == (401, "credential_revoked")


async def test_a_report_that_comes_again_changes_nothing_again(app: ASGIApp, partner: Partner, site: Site) -> None:
    for _ in range(3):
        assert labels(await partner.report(app, site.keys["reader"], site.keys["reader"])) == ["true_positive"] * 2
    await asyncio.gather(*(partner.report(app, site.keys["wildcard"]) for _ in range(2)))
    assert [record.action for record in await reported(site)] == ["key.exposed", "key.revoke"] * 2


@pytest.mark.parametrize("kind", ["revoked", "disabled", "expired"])
async def test_a_key_that_works_no_more_is_a_genuine_one_all_the_same(
    app: ASGIApp, partner: Partner, site: Site, kind: str
) -> None:
    assert labels(await partner.report(app, site.keys[kind])) == ["true_positive"]
    assert await status_of(site, kind) == "revoked"
    assert len(await reported(site)) == (1 if kind == "revoked" else 2)


def with_another_secret(key: str) -> str:
    """The same id, a right checksum, and a secret somebody has guessed."""
    head = key[:-38]
    return head + "0" * 32 + checksum((head + "0" * 32).encode())


async def test_a_guessed_id_stops_nothing(app: ASGIApp, partner: Partner, site: Site) -> None:
    key = site.keys["reader"]
    guesses = [with_another_secret(key), key[:-1] + "~", key.replace("_live_", "_test_"), KeyFormat("gwk").mint(
        "live", 5, 6).text, "AKIAIOSFODNN7EXAMPLE", site.ids["reader"]]  # fmt: skip
    assert labels(await partner.report(app, *guesses)) == ["false_positive"] * len(guesses)
    assert await status_of(site, "reader") == "active"
    assert await reported(site) == []


@pytest.mark.parametrize(
    ("table", "live", "test"),
    [
        ({}, "revoked", "active"),
        ({"live": "disable", "test": "revoke"}, "disabled", "revoked"),
        ({"live": "report", "test": "disable"}, "active", "disabled"),
    ],
    ids=["by default", "disable", "report"],
)
async def test_what_becomes_of_a_key_the_configuration_says(
    serve: Serve, partner: Partner, site: Site, table: dict[str, str], live: str, test: str
) -> None:
    store = site.open_store()
    app_id = (await store.read_key(site.ids["plain"])).app
    assert app_id is not None
    made = await site.manage_keys(store).create(ACTOR, app_id.id, "test", KeyFields())
    app = await serve(name="scanner", **table)
    for _ in range(2):
        assert labels(await partner.report(app, site.keys["reader"], made.text)) == ["true_positive"] * 2
    assert await status_of(site, "reader") == live
    found = (await store.read_key(made.record.id)).key
    assert found is not None
    assert found.status == test
    await store.close()
    records = await reported(site)
    assert {record.actor for record in records} == {"disclosure:scanner"}
    assert [record.action for record in records].count("key.exposed") == 2
    assert len(records) == 2 + (live != "active") + (test != "active")


async def test_an_admin_whose_token_leaked_is_disabled(app: ASGIApp, partner: Partner, site: Site) -> None:
    store = site.open_store()
    admins = ManageAdmins(store, SystemClock(), SystemRandom(), PepperRing(PEPPER))
    issued = await admins.create(ACTOR, "alice", "admin")
    for _ in range(2):
        assert labels(await partner.report(app, issued.text)) == ["true_positive"]
    assert [(admin.name, admin.status) async for admin in admins.iterate()] == [("alice", "disabled")]
    await admins.rotate(ACTOR, "alice")
    assert labels(await partner.report(app, issued.text)) == ["false_positive"]  # that token is nobody's any more
    await store.close()
    assert [record.action for record in await reported(site)] == ["admin.exposed", "admin.disable"]


async def test_a_thousand_tokens_are_judged_one_by_one(app: ASGIApp, partner: Partner, site: Site) -> None:
    made_up = [KeyFormat("gwk").mint("live", number, number).text for number in range(1, 998)]
    tokens = [site.keys["reader"], *made_up, site.keys["plain"], site.keys["wildcard"]]
    found = labels(await partner.report(app, *tokens))
    assert [found[0], *found[-2:]] == ["true_positive"] * 3
    assert found.count("false_positive") == len(made_up)
    assert len(await reported(site)) == 6


async def test_a_store_that_is_down_makes_the_partner_come_again(
    app: ASGIApp, partner: Partner, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> Any:
        raise StoreUnavailable("down")

    # Before anything was read, and after: when it is to be written.
    for where, part in ((SqlStore, "_connection"), (SqlTransaction, "begin")):
        with monkeypatch.context() as patch:
            patch.setattr(where, part, down)
            answer = await partner.report(app, site.keys["reader"])
        assert answer.refusal == (503, "dependency_unavailable")
        assert answer.only("retry-after") == "1"
        assert await status_of(site, "reader") == "active"
    assert labels(await partner.report(app, site.keys["reader"])) == ["true_positive"]


async def test_the_secret_is_nowhere_afterwards(
    app: ASGIApp, partner: Partner, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    key = site.keys["reader"]
    for url in (
        f"https://user:{key}@github.com/x/{key}/y?k={key}#{key}",
        "https://github.com/" + "".join(f"%{ord(char):02x}" for char in key),
        "\x1b[2J" + key,
        f"javascript:{key}",
        "https://github.com/" + "a" * 100_000,
    ):
        body = a_report(key, url=url, source=key)
        answer = await call(app, http_scope("POST", PATH, partner.headers(body)), body)
        assert labels(answer) == ["true_positive"]
        assert key.encode() not in answer.body
    assert key[-38:] not in caplog.text
    written = b"".join(file.read_bytes() for file in site.directory.glob("gateway.db*"))
    assert site.ids["reader"].encode() in written
    assert key[-38:].encode() not in written


REJECTED: dict[str, Callable[[str], Any]] = {
    "an object": lambda key: {"token": key, "type": "t"},
    "no JSON": lambda key: None,
    "a token that is a number": lambda key: [{"token": 5, "type": "t"}],
    "a list of texts": lambda key: [key],
    "no type": lambda key: [{"token": key}],
    "a type with a line break": lambda key: [{"token": key, "type": "a\nb"}],
    "one of many is none": lambda key: [{"token": key, "type": "t"}, {"token": None, "type": "t"}],
    "an endless token": lambda key: [{"token": key + "x" * 9000, "type": "t"}],
    "too many": lambda key: [{"token": key, "type": "t"}] * 2001,
}


@pytest.mark.parametrize("make", REJECTED.values(), ids=REJECTED)
async def test_a_signed_body_that_is_no_report_is_refused_whole(
    app: ASGIApp, partner: Partner, site: Site, make: Callable[[str], Any]
) -> None:
    value = make(site.keys["reader"])
    body = b"{" if value is None else json.dumps(value).encode()
    answer = await call(app, http_scope("POST", PATH, partner.headers(body)), body)
    assert answer.refusal == (400, "malformed_request")
    assert await status_of(site, "reader") == "active"


async def test_nothing_to_report_is_a_report(app: ASGIApp, partner: Partner) -> None:
    assert labels(await partner.report(app)) == []


async def test_it_is_not_there_unless_it_is_configured(partner: Partner, site: Site) -> None:
    app = build(load(site.config())).app
    async with lifespan(app):
        assert (await partner.report(app, site.keys["reader"])).refusal == (403, "no_matching_route")
