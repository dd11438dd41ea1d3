"""What tables become: the values decisions are made from."""

import subprocess
import sys

from gateway_auth.core.cachekey import limit_key
from gateway_auth.core.credential import CredentialKind
from gateway_auth.core.headers import API_KEY, CLIENT_ADDRESS, DROPPED, PLAIN
from gateway_auth.core.network import parse_address
from gateway_auth.core.rates import Rate, parse_rate
from tests.config.writing import loaded, route, with_route, written

API_KEYS: frozenset[CredentialKind] = frozenset(("api_key",))


def test_the_least_configuration_has_the_documented_defaults() -> None:
    configuration = loaded(written())
    rules = configuration.rules
    assert configuration.listen == ("127.0.0.1", 8080)
    assert configuration.admin_listen == ("127.0.0.1", 8081)
    assert configuration.workers == 1
    assert configuration.default_upstream is None
    assert configuration.max_stale_seconds == 60
    assert configuration.encryption_key is None
    assert configuration.api_keys.cache_seconds == 30
    assert configuration.api_keys.max_lifetime_days == 0
    assert configuration.api_keys.unused_after_days == 90
    assert rules.realm == "gateway"
    assert rules.key_format.prefix == "gwk"
    assert rules.trusted_proxies.texts == ()
    assert rules.client_address_style == "x-forwarded-for"
    assert not rules.is_https_required
    assert rules.max_body_bytes == 10_485_760
    assert rules.brake == Rate(20, 60)
    assert rules.credentials == API_KEYS
    assert rules.policies == ()


def test_every_key_of_a_route_reaches_its_policy() -> None:
    source = with_route(
        methods=["GET", "PUT"],
        scopes=["a"],
        any_scopes=["b", "c"],
        roles=["r"],
        credentials=["api_key"],
        allow_networks=["10.0.0.0/8"],
        deny_networks=["10.1.0.0/16"],
        allow_referrers=["https://*.example.com/console/*"],
        limits=[{"rate": "10/5 seconds", "by": "key", "cost": 3, "on_unavailable": "deny"}],
        upstream="HTTP://Orders.internal:9000/",
        strip_credentials=False,
        websocket=True,
        preflight="deny",
        mode="shadow",
    )
    (policy,) = loaded(source).rules.policies
    assert (policy.id, policy.path, policy.access) == ("orders", "/v1/orders", "required")
    assert (policy.methods, policy.credentials) == (frozenset(("GET", "PUT")), API_KEYS)
    assert (policy.scopes, policy.any_scopes, policy.roles) == (frozenset("a"), frozenset("bc"), frozenset("r"))
    allowed, denied = parse_address("10.2.0.1"), parse_address("10.1.0.1")
    assert allowed is not None
    assert denied is not None
    assert allowed in policy.allow_networks
    assert denied in policy.deny_networks
    assert [pattern.text for pattern in policy.referrers] == ["https://*.example.com/console/*"]
    (limit,) = policy.limits.limits
    assert (limit.id, limit.by, limit.cost, limit.on_unavailable) == (
        "key-10-per-5-seconds",
        "key",
        3,
        "deny",
    )
    assert (limit.rate, limit.key) == (parse_rate("10/5 seconds"), limit_key("route", "orders", limit.id))
    assert policy.upstream == "http://orders.internal:9000"
    assert (policy.strip_credentials, policy.is_websocket) == (False, True)
    assert (policy.is_preflight_passed, policy.is_shadow) == (False, True)


def test_a_route_that_says_little_is_strict() -> None:
    (policy,) = loaded(with_route()).rules.policies
    assert (policy.access, policy.methods, policy.credentials) == ("required", None, API_KEYS)
    assert (policy.strip_credentials, policy.is_websocket) == (True, False)
    assert (policy.is_preflight_passed, policy.is_shadow) == (True, False)
    assert not policy.allow_networks
    assert not policy.limits


def test_a_limit_without_id_is_named_after_what_it_says() -> None:
    rates = {
        "100/minute": "key-100-per-minute",
        " 5 / second  burst 20": "key-5-per-second-burst-20",
        "1000/day fixed": "key-1000-per-day-fixed",
        "10/5 seconds": "key-10-per-5-seconds",
    }
    source = with_route(limits=[{"rate": rate, "by": "key"} for rate in rates])
    assert [limit.id for limit in loaded(source).rules.policies[0].limits.limits] == list(rates.values())


def test_a_limit_of_a_plan_owns_other_counters_than_one_of_a_route() -> None:
    limit = {"id": "a", "rate": "1/day", "by": "app"}
    rules = loaded(written(routes=[route(id="free", limits=[limit])], plans={"free": {"limits": [limit]}})).rules
    (of_route,) = rules.policies[0].limits.limits
    (of_plan,) = rules.plans["free"].limits
    assert of_plan.key == limit_key("plan", "free", "a")
    assert of_route.key != of_plan.key


def test_the_gateway_section_reaches_the_rules() -> None:
    source = written(
        gateway={
            "realm": "orders",
            "trusted_proxies": ["10.0.0.0/8", "unix"],
            "client_address_header": "CF-Connecting-IP",
            "require_https": True,
            "failed_auth": {"rate": "3/hour"},
            "strip_headers": ["X_Tenant", "x-team-*"],
        },
        api_keys={"prefix": "acme", "headers": ["X-Key"], "cache_seconds": 5, "max_lifetime_days": 7},
        roles={"reader": ["a", "b:*"]},
    )
    configuration = loaded(source)
    rules = configuration.rules
    assert (rules.realm, rules.is_https_required, rules.key_format.prefix) == ("orders", True, "acme")
    assert (rules.trusted_proxies.texts, rules.is_unix_peer_trusted) == (("10.0.0.0/8",), True)
    assert rules.client_address_style == "cf-connecting-ip"
    assert rules.brake == Rate(3, 3600)
    assert rules.scopes_of == {"reader": ("a", "b:*")}
    expected = {
        b"x-key": API_KEY,
        b"X-Key": API_KEY,
        b"cf-connecting-ip": CLIENT_ADDRESS,
        b"x-tenant": DROPPED,
        b"X_TEAM_ID": DROPPED,
        b"x-auth-subject": DROPPED,
        b"x-user-id": PLAIN,
    }
    assert {name: rules.headers[name] for name in expected} == expected
    assert (configuration.api_keys.cache_seconds, configuration.api_keys.max_lifetime_days) == (5, 7)


def test_a_brake_that_is_off_is_none() -> None:
    assert loaded(written(gateway={"failed_auth": False})).rules.brake is None


def test_an_address_in_brackets_is_listened_on_without_them() -> None:
    assert loaded(written(gateway={"listen": "[::1]:80"})).listen == ("::1", 80)


def test_the_compiled_routes_find_their_policies() -> None:
    rules = loaded(written(routes=[route(methods=["GET"]), route(id="any", path="/{a:path}")])).rules
    assert rules.routes.match("GET", "/v1/orders") is rules.policies[0]
    assert rules.routes.match("PUT", "/v1/orders") is rules.policies[1]


def test_routes_a_proxy_could_not_forward_are_known() -> None:
    routes = [route(upstream="http://a"), route(id="b", path="/b")]
    assert loaded(written(routes=routes)).routes_without_upstream() == ("b",)
    assert loaded(written(routes=routes, gateway={"upstream": "http://c"})).routes_without_upstream() == ()


def test_the_core_and_the_engine_do_not_know_the_configuration() -> None:
    program = "import sys, gateway_auth.engine.pipeline; print('gateway_auth.config' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert finished.stdout.strip() == "False", finished.stderr
