"""Public, optional and required routes, preflights, upgrades, and keys that end up in URLs."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from gateway_auth.core import headers as h
from gateway_auth.core.decision import Allow, Deny
from gateway_auth.core.keys import Grant
from gateway_auth.core.limits import LimitSet
from gateway_auth.core.network import AddressSet
from gateway_auth.core.policy import Policy
from gateway_auth.core.rates import parse_rate
from gateway_auth.core.referrer import ReferrerPattern
from gateway_auth.engine.needs import VerifyKey
from tests.fakes import CLIENT, World, a_key, address, limit, preflight, request, told, unknown_key

PUBLIC = Policy(id="public", path="/public", access="public")
OPTIONAL = Policy(id="optional", path="/optional", access="optional")
REQUIRED = Policy(id="orders", path="/orders")
ROUTES = (PUBLIC, OPTIONAL, REQUIRED)


# -- access --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "credential", "expected", "method"),
    [
        ("/public", None, "allow", "anonymous"), ("/public", "good", "allow", "anonymous"),
        ("/public", "rubbish", "allow", "anonymous"), ("/optional", None, "allow", "anonymous"),
        ("/optional", "good", "allow", "api_key"), ("/optional", "rubbish", "invalid_credential", ""),
        ("/optional", "unknown", "invalid_credential", ""), ("/optional", "disabled", "credential_disabled", ""),
        ("/optional", "", "allow", "anonymous"), ("/orders", None, "credential_required", ""),
        ("/orders", "", "credential_required", ""), ("/orders", "good", "allow", "api_key"),
        ("/orders", "rubbish", "invalid_credential", ""), ("/orders", "unknown", "invalid_credential", ""),
    ],
)  # fmt: skip
async def test_absence_is_anonymous_where_allowed_and_a_bad_credential_never(
    path: str, credential: str | None, expected: str, method: str
) -> None:
    world = World(ROUTES)
    presented = {
        "good": world.add_key().text, "disabled": world.add_key(status="disabled").text, "unknown": unknown_key(),
    }.get(credential or "", credential)  # fmt: skip
    decision = await world.decide(request(path=path, key=presented))
    assert told(decision) == expected
    if isinstance(decision, Allow):
        assert decision.principal.method == method


@pytest.mark.parametrize("authorization", ["Bearer a.b.c", "Bearer abc", "Basic YTpi", "Bearer", "ApiKey x"])
async def test_what_nobody_here_can_verify_is_invalid_without_asking_the_store(authorization: str) -> None:
    world = World(ROUTES)
    await world.poll()
    assert told(world.begin(request(authorization=authorization))) == "invalid_credential"
    assert told(world.begin(request(path="/optional", authorization=authorization))) == "invalid_credential"
    assert world.store.reads == []


async def test_a_key_comes_in_either_header() -> None:
    world = World()
    key = world.add_key()
    for facts in (request(key=key.text), *(request(authorization=f"{s} {key.text}") for s in ("Bearer", "apikey"))):
        assert told(await world.decide(facts)) == "allow"


async def test_a_route_that_takes_no_keys_takes_no_good_one() -> None:
    world = World((Policy(id="orders", path="/orders", credentials=frozenset(("jwt",))),))
    key = world.add_key()
    await world.warm(key)
    assert told(world.begin(request(key=key.text))) == "invalid_credential"


async def test_https_is_demanded_of_public_routes_too() -> None:
    world = World(ROUTES, rules={"is_https_required": True})
    assert told(world.begin(request(path="/public"))) == "https_required"
    assert told(world.begin(request(path="/public", is_tls=True))) == "allow"


async def test_networks_hold_on_public_routes() -> None:
    world = World((Policy(id="p", path="/public", access="public", allow_networks=AddressSet(["10.0.0.0/8"])),))
    assert told(world.begin(request(path="/public"))) == "network_not_allowed"
    assert told(world.begin(request(path="/public", client=None))) == "network_not_allowed"
    assert told(world.begin(request(path="/public", client="10.1.2.3"))) == "allow"


async def test_a_key_of_a_disabled_app_is_disabled_and_of_a_deleted_one_nobodys() -> None:
    world = World()
    key = world.add_key()
    await world.warm(key)
    world.store.edit_app("app_1", status="disabled")
    await world.poll()
    assert told(await world.decide(request(key=key.text))) == "credential_disabled"
    world.store.delete_app("app_1")
    await world.poll()
    assert told(await world.decide(request(key=key.text))) == "invalid_credential"


async def test_a_grant_ends_on_a_cached_key_at_its_second() -> None:
    world = World((Policy(id="orders", path="/orders", scopes=frozenset(("a",))),))
    key = world.add_key(grants=(Grant("a", int(world.clock.now()) + 1),))
    await world.warm(key)
    world.clock.advance(0.999)
    assert told(world.begin(request(key=key.text))) == "allow"
    world.clock.advance(0.001)
    assert told(world.begin(request(key=key.text))) == "insufficient_scope"


async def test_a_cached_key_expires_at_its_second() -> None:
    world = World()
    key = world.add_key(expires_at=int(world.clock.now()) + 1)
    await world.warm(key)
    world.clock.advance(0.999)
    assert told(world.begin(request(key=key.text))) == "allow"
    world.clock.advance(0.001)
    assert told(world.begin(request(key=key.text))) == "credential_expired"


async def test_a_request_that_meets_all_restrictions_of_its_key_passes() -> None:
    world = World()
    key = world.add_key(
        allow_networks=(CLIENT,), deny_networks=("10.0.0.0/8",), allow_referrers=("https://app.example.com",),
        allow_ios=("com.example.App",), allow_requests=("GET /orders*",),
    )  # fmt: skip
    headers = {h.ORIGIN: b"https://app.example.com", h.IOS_BUNDLE: b"com.example.App"}
    for facts in (request(key=key.text, headers=headers), request("HEAD", key=key.text, headers=headers)):
        assert told(await world.decide(facts)) == "allow"
    assert told(world.begin(request("POST", key=key.text, headers=headers))) == "request_not_allowed"


@pytest.mark.parametrize(("size", "expected"), [(0, "allow"), (100, "allow"), (101, "body_too_large"), (None, "allow")])
async def test_a_body_may_be_as_long_as_the_cap(size: int | None, expected: str) -> None:
    """One of unknown length is counted while it is read."""
    world = World(ROUTES, rules={"max_body_bytes": 100})
    key = world.add_key()
    for facts in (request("POST", key=key.text, body_bytes=size), request("POST", "/public", body_bytes=size)):
        assert told(await world.decide(facts)) == expected


# -- preflights ----------------------------------------------------------------------------------------------------

DEMANDING = {
    "nothing more": Policy(id="p", path="/orders", methods=frozenset(("GET",))),
    "a scope": Policy(id="p", path="/orders", methods=frozenset(("GET",)), scopes=frozenset(("orders:read",))),
    "any scope": Policy(id="p", path="/orders", any_scopes=frozenset(("a", "b"))),
    "a role": Policy(id="p", path="/orders", roles=frozenset(("analyst",))),
    "a page": Policy(id="p", path="/orders", referrers=(ReferrerPattern("https://shop.example/console/*"),)),
}


@pytest.mark.parametrize("policy", DEMANDING.values(), ids=DEMANDING)
async def test_a_preflight_passes_as_nobody_whatever_the_route_demands_of_a_caller(policy: Policy) -> None:
    """A browser sends it without credentials and, to other sites, without the page: it can meet no such demand."""
    decision = World((policy,)).begin(preflight())
    assert told(decision) == "allow"
    assert isinstance(decision, Allow)
    assert decision.principal.method == "anonymous"
    assert decision.policy is policy


async def test_a_route_that_names_options_itself_is_asked_like_any_other() -> None:
    """Preflight headers are for anybody to send: they must not open what a route closes."""
    itself = Policy(id="itself", path="/orders", methods=frozenset(("OPTIONS",)))
    other = Policy(id="other", path="/orders", methods=frozenset(("GET",)))
    assert told(World((itself, other)).begin(preflight())) == "credential_required"


async def test_a_preflight_that_brings_a_key_is_still_nobody() -> None:
    world = World()
    key = world.add_key()
    await world.warm(key)
    decision = world.begin(preflight(key=key.text))
    assert isinstance(decision, Allow)
    assert decision.principal.method == "anonymous"


async def test_a_denied_preflight_is_judged_like_any_request() -> None:
    world = World((Policy(id="p", path="/orders", methods=frozenset(("GET",)), is_preflight_passed=False),))
    key = world.add_key()
    await world.warm(key)
    assert told(world.begin(preflight())) == "credential_required"
    assert told(world.begin(preflight(key=key.text))) == "allow"


async def test_a_denied_preflight_falls_under_the_route_for_options_where_there_is_one() -> None:
    options = Policy(id="options", path="/orders", methods=frozenset(("OPTIONS",)), access="public")
    world = World((Policy(id="p", path="/orders", methods=frozenset(("GET",)), is_preflight_passed=False), options))
    decision = world.begin(preflight())
    assert isinstance(decision, Allow)
    assert decision.policy is options


@pytest.mark.parametrize(
    ("asked_for", "path"),
    [(b"DELETE", "/orders"), (b"TRACE", "/orders"), (b"GET", "/nowhere"), (b"\x00", "/orders"), (b"get", "/orders")],
)
async def test_a_preflight_for_a_request_that_has_no_route_has_none(asked_for: bytes, path: str) -> None:
    world = World((Policy(id="p", path="/orders", methods=frozenset(("GET",))),))
    assert told(world.begin(preflight(path, asked_for))) == "no_matching_route"


async def test_a_preflight_for_a_head_is_one_for_its_get() -> None:
    world = World((Policy(id="p", path="/orders", methods=frozenset(("GET",))),))
    assert told(world.begin(preflight(asked_for=b"HEAD"))) == "allow"


async def test_networks_and_keys_in_the_url_hold_for_preflights() -> None:
    inside = Policy(id="p", path="/orders", allow_networks=AddressSet(["10.0.0.0/8"]))
    assert told(World((inside,)).begin(preflight())) == "network_not_allowed"
    assert told(World().begin(preflight(query=a_key().text.encode()))) == "credential_in_url"


async def test_a_preflight_is_not_held_up_by_the_brake() -> None:
    world = World(brake_rate=parse_rate("1/minute"))
    world.brake.failed(address(CLIENT))
    assert told(world.begin(preflight())) == "allow"


@pytest.mark.parametrize("drop", [h.ORIGIN, h.PREFLIGHT_METHOD])
async def test_an_options_request_that_is_no_preflight_passes_for_none(drop: int) -> None:
    facts = preflight()
    del facts.headers[drop]
    assert told(World().begin(facts)) == "credential_required"


# -- upgrades ------------------------------------------------------------------------------------------------------


async def test_an_upgrade_passes_only_where_the_route_says_so_and_is_judged_like_a_get() -> None:
    socket = Policy(
        id="socket", path="/socket", methods=frozenset(("GET",)), is_websocket=True, scopes=frozenset(("a",))
    )
    world = World((socket, REQUIRED))
    key, bare = world.add_key(scopes=("a",)), world.add_key()
    await world.warm(key, bare)
    for path, presented, expected in (
        ("/socket", key.text, "allow"),
        ("/socket", bare.text, "insufficient_scope"),
        ("/socket", None, "credential_required"),
        ("/orders", key.text, "request_not_allowed"),
        ("/nowhere", key.text, "no_matching_route"),
    ):
        assert told(world.begin(request(path=path, key=presented, is_websocket=True))) == expected


# -- keys in URLs --------------------------------------------------------------------------------------------------

EXPOSED = a_key()
SPELLINGS = {
    "alone": EXPOSED.text,
    "as a parameter": f"api_key={EXPOSED.text}&x=1",
    "percent-encoded": "k=" + "".join(f"%{byte:02x}" for byte in EXPOSED.text.encode()),
    "underscores encoded": "k=" + EXPOSED.text.replace("_", "%5F"),
    "one letter encoded": "k=" + EXPOSED.text.replace("g", "%67", 1),
    "beside encoded text": f"q={quote('ü &')}&k={EXPOSED.text}",
    "inside a URL": "next=" + quote(f"https://x.example/?k={EXPOSED.text}", safe=""),
    "without checksum": f"k={EXPOSED.text[:-6]}",
    "cut": f"k={EXPOSED.text[:40]}",
    "in the name": f"{EXPOSED.text}=1",
    "beside a broken escape": f"x=%zz&k={EXPOSED.text}",
}


@pytest.mark.parametrize("query", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("path", ["/public", "/optional", "/orders"])
async def test_a_key_in_the_url_is_refused_and_told_by_its_id(path: str, query: str) -> None:
    world = World(ROUTES)
    decision = world.begin(request(path=path, query=query.encode()))
    assert told(decision) == "credential_in_url"
    assert isinstance(decision, Deny)
    assert decision.exposed_key_id == EXPOSED.id
    assert world.store.reads == []


async def test_a_key_in_the_url_is_refused_even_beside_a_good_one() -> None:
    world = World()
    key = world.add_key()
    await world.warm(key)
    assert told(world.begin(request(key=key.text, query=f"k={key.text}".encode()))) == "credential_in_url"


@pytest.mark.parametrize(
    "query",
    [b"gwk_", b"k=gwk_live_", b"k=gwk_live_short_x", b"k=acme_live_000000000000_00000000", b"%00%ff", b"q=%E9", b"a=%"],
)
async def test_other_queries_pass(query: bytes) -> None:
    assert told(World(ROUTES).begin(request(path="/public", query=query))) == "allow"


# -- waiting -------------------------------------------------------------------------------------------------------


async def test_only_a_key_that_is_not_known_waits() -> None:
    world = World()
    key = world.add_key()
    await world.poll()
    need = world.engine.begin(request(key=key.text))
    assert isinstance(need, VerifyKey)
    assert told(await world.engine.resume(need)) == "allow"
    for _ in range(100):
        assert told(world.begin(request(key=key.text))) == "allow"
    assert world.store.reads == [key.id]


# -- limits --------------------------------------------------------------------------------------------------------


def limited(*limits: tuple[str, str, str]) -> Policy:
    return Policy(id="orders", path="/orders", limits=LimitSet(limit(name, rate, by) for name, rate, by in limits))


@pytest.mark.parametrize("is_distant", [False, True], ids=["here", "elsewhere"])
async def test_limits_admit_their_count_and_then_tell_when(is_distant: bool) -> None:
    world = World((limited(("per-key", "3/minute", "key")),), are_limits_distant=is_distant)
    key, other = world.add_key(), world.add_key()
    answers = [await world.decide(request(key=key.text)) for _ in range(4)]
    assert [told(answer) for answer in answers] == ["allow"] * 3 + ["rate_limited"]
    assert [answer.outcome.status[0] for answer in answers if answer.outcome] == [2, 1, 0, 0]
    assert isinstance(answers[3], Deny)
    assert answers[3].retry_after_seconds == 60
    assert told(await world.decide(request(key=other.text))) == "allow"
    world.clock.advance(60)
    await world.poll()
    assert told(await world.decide(request(key=key.text))) == "allow"


async def test_a_request_refused_earlier_is_charged_nothing() -> None:
    policy = limited(("all", "2/minute", "global"))
    world = World((policy,))
    key, barred = world.add_key(), world.add_key(deny_networks=(CLIENT,))
    for presented in (None, "rubbish", unknown_key(), barred.text):
        assert isinstance(await world.decide(request(key=presented)), Deny)
    assert [told(await world.decide(request(key=key.text))) for _ in range(3)] == ["allow", "allow", "rate_limited"]


async def test_a_refused_request_is_charged_by_none_of_its_limits() -> None:
    world = World((limited(("per-key", "1/minute", "key"), ("all", "3/minute", "global")),))
    key, other = world.add_key(), world.add_key()
    for _ in range(10):
        await world.decide(request(key=key.text))
    assert [told(await world.decide(request(key=k.text))) for k in (other, world.add_key(), world.add_key())] == [
        "allow", "allow", "rate_limited",
    ]  # fmt: skip


async def test_keys_of_one_app_share_the_limits_of_its_plan() -> None:
    free = LimitSet((limit("plan", "3/hour", "app"),))
    world = World(rules={"plans": {"free": free}})
    world.store.edit_app("app_1", plan="free")
    first, second = world.add_key(), world.add_key()
    answers = [told(await world.decide(request(key=key.text))) for key in (first, second, first, second)]
    assert answers == ["allow", "allow", "allow", "rate_limited"]


async def test_a_plan_nobody_defined_makes_its_keys_unusable_and_never_unlimited(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.store.edit_app("app_1", plan="gold")
    key = world.add_key()
    assert told(await world.decide(request(key=key.text))) == "invalid_credential"
    assert told(world.begin(request(key=key.text))) == "invalid_credential"
    assert [record.getMessage() for record in caplog.records if key.id in record.getMessage()]
    assert key.text not in caplog.text


async def test_nobodys_requests_count_by_their_address() -> None:
    policy = Policy(
        id="optional", path="/optional", access="optional", limits=LimitSet((limit("per-key", "1/minute", "key"),))
    )
    world = World((policy,))
    for client, expected in (
        ("2001:db8::1", "allow"), ("2001:db8::2", "rate_limited"), ("2001:db8:0:1::1", "allow"), (None, "allow"),
        (None, "rate_limited"),
    ):  # fmt: skip
        assert told(world.begin(request(path="/optional", client=client))) == expected
