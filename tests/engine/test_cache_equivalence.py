"""A cache gives who, never whether: the verdict is the same cold, warm, expired and forgotten."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_auth.core import headers as h
from gateway_auth.core.decision import Decision
from gateway_auth.core.keys import Grant
from gateway_auth.core.network import AddressSet
from gateway_auth.core.policy import Policy
from gateway_auth.core.referrer import ReferrerPattern
from gateway_auth.core.request import RequestFacts
from tests.fakes import CLIENT, START, Minted, World, request, told, wrong_secret

NOW = int(START)
SHA1 = "AB" * 20


def maybe(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.just(()), st.sampled_from(values).map(lambda value: (value,)))


times = st.sampled_from([None, None, None, NOW - 1, NOW, NOW + 1])
scopes = st.lists(st.sampled_from(["orders:read", "orders:*", "other"]), max_size=2).map(tuple)

keys = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["active", "active", "active", "disabled", "revoked"]),
        "not_before": times,
        "expires_at": times,
        "retires_at": times,
        "scopes": scopes,
        "roles": maybe(["analyst", "reader", "unknown"]),
        "grants": maybe([Grant("orders:read", NOW - 1), Grant("orders:read", NOW), Grant("orders:read", NOW + 60)]),
        "allow_networks": maybe([CLIENT, "10.0.0.0/8"]),
        "deny_networks": maybe([CLIENT, "10.0.0.0/8"]),
        "allow_referrers": maybe(["https://app.example.com", "https://app.example.com/console/*"]),
        "allow_ios": maybe(["com.example.App"]),
        "allow_android": maybe([f"com.example.app:{SHA1}"]),
        "allow_requests": maybe(["GET /orders", "* /v1/*", "unreadable"]),
    }
)

apps = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["active", "active", "active", "disabled"]),
        "plan": st.sampled_from([None, None, None, "nowhere"]),
    }
)

policies = st.builds(
    Policy,
    id=st.just("orders"),
    path=st.sampled_from(["/orders", "/{any:path}"]),
    access=st.sampled_from(["required", "required", "optional", "public"]),
    credentials=st.sampled_from([frozenset(("api_key",)), frozenset(("api_key",)), frozenset(("jwt",))]),
    scopes=st.sampled_from([frozenset(), frozenset(("orders:read",))]),
    any_scopes=st.sampled_from([frozenset(), frozenset(("other", "orders:write"))]),
    roles=st.sampled_from([frozenset(), frozenset(("analyst",))]),
    allow_networks=st.sampled_from([AddressSet(()), AddressSet([CLIENT])]),
    referrers=st.sampled_from([(), (ReferrerPattern("https://app.example.com"),)]),
    is_websocket=st.booleans(),
    is_shadow=st.sampled_from([False, False, False, True]),
)

asked = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "GET", "HEAD", "POST"]),
        "path": st.sampled_from(["/orders", "/orders", "/v1/x"]),
        "client": st.sampled_from([CLIENT, CLIENT, "10.0.0.1", None]),
        "query": st.sampled_from([b"", b"", b"k=gwk_live_000000000000_0000000000"]),
        "is_websocket": st.sampled_from([False, False, False, True]),
        "headers": st.sampled_from(
            [
                {}, {h.ORIGIN: b"https://app.example.com"}, {h.REFERER: b"https://app.example.com/console/x"},
                {h.IOS_BUNDLE: b"com.example.App"}, {h.REPEATED_CREDENTIAL: b""},
                {h.ANDROID_PACKAGE: b"com.example.app", h.ANDROID_CERT: SHA1.encode()},
            ]
        ),
        "presented": st.sampled_from(["right", "right", "right", "wrong", "cut", "none", "bearer"]),
    }
)  # fmt: skip


def build(key: Minted, picked: dict[str, Any]) -> RequestFacts:
    rest = {name: value for name, value in picked.items() if name != "presented"}
    match picked["presented"]:
        case "right":
            return request(key=key.text, **rest)
        case "wrong":
            return request(key=wrong_secret(key), **rest)
        case "cut":
            return request(key=key.text[:-1], **rest)
        case "bearer":
            return request(authorization=f"Bearer {key.text}", **rest)
        case _:
            return request(**rest)


def essence(decision: Decision) -> tuple[object, ...]:
    who = decision.principal
    return (
        told(decision), decision.policy.id if decision.policy else None,
        (who.key_id, who.subject, who.scopes, who.roles, who.identity_headers) if who else None,
        getattr(decision, "shadowed", None), getattr(decision, "exposed_key_id", None), getattr(decision, "detail", ""),
    )  # fmt: skip


@given(policies, keys, apps, st.lists(asked, min_size=1, max_size=4))
@settings(max_examples=150)
def test_the_verdict_is_the_same_whatever_is_remembered(
    policy: Policy, key_fields: dict[str, Any], app_fields: dict[str, Any], requests: list[dict[str, Any]]
) -> None:
    async def all_verdicts() -> None:
        for picked in requests:
            world = World((policy,), rules={"scopes_of": {"reader": ("orders:read",)}})
            world.store.edit_app("app_1", **app_fields)
            key = world.add_key(**key_fields)
            facts = build(key, picked)
            await world.poll()

            cold = essence(await world.decide(facts))
            assert essence(world.begin(facts)) == cold, "right after"
            await world.warm(key)
            assert essence(world.begin(facts)) == cold, "when the right key was used in between"
            await world.verifier.verify(wrong_secret(key).encode())
            assert essence(world.begin(facts)) == cold, "when a wrong one was"

            world.clock.steady += world.cache_seconds
            await world.poll()
            assert essence(await world.decide(facts)) == cold, "when the entry is too old"

            world.store.changed("key", key.id)
            await world.poll()
            assert essence(await world.decide(facts)) == cold, "when the key was forgotten"
            world.store.changed("app", "app_1")
            await world.poll()
            assert essence(await world.decide(facts)) == cold, "when the app was forgotten"

            world.store.go_down()
            world.clock.steady += 1.0
            await world.poll()
            assert essence(world.begin(facts)) == cold, "while the store is down"

    asyncio.run(all_verdicts())
