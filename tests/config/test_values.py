"""Single keys: what is refused, where, and what the message tells to write."""

import pytest

from tests.config.writing import problems, route, with_route, written


def gateway(**keys: object) -> dict[str, object]:
    return written(gateway=keys)


def api_keys(**keys: object) -> dict[str, object]:
    return written(api_keys=keys)


def limit(**keys: object) -> dict[str, object]:
    return with_route(limits=[{"rate": "10/minute", "by": "key", **keys}])


REFUSED = [
    pytest.param(gateway(realm='a"b'), "gateway.realm", "without quote", id="realm with a quote"),
    pytest.param(gateway(realm="a\r\nb"), "gateway.realm", "printable", id="realm with a line break"),
    pytest.param(gateway(listen="8080"), "gateway.listen", '"127.0.0.1:8080"', id="listen without host"),
    pytest.param(gateway(listen=":8080"), "gateway.listen", "names no host", id="listen with an empty host"),
    pytest.param(gateway(listen="127.0.0.1:0"), "gateway.listen", "between 1 and 65535", id="listen port 0"),
    pytest.param(gateway(listen="[::1]:70000"), "gateway.listen", "between 1 and 65535", id="listen port 70000"),
    pytest.param(gateway(listen="[::1%eth0]:80"), "gateway.listen", "neither", id="listen with a zone"),
    pytest.param(gateway(listen="127.1:80"), "gateway.listen", "neither", id="listen on a short address"),
    pytest.param(gateway(workers=0), "gateway.workers", "at least 1", id="no workers"),
    pytest.param(gateway(workers="2"), "gateway.workers", "must be a whole number", id="workers as text"),
    pytest.param(gateway(workers=True), "gateway.workers", "must be a whole number", id="workers true"),
    pytest.param(gateway(workers=1.5), "gateway.workers", "must be a whole number", id="half a worker"),
    pytest.param(gateway(require_https="yes"), "gateway.require_https", "true or false", id="flag as text"),
    pytest.param(gateway(max_body_bytes=0), "gateway.max_body_bytes", "at least 1", id="no body"),
    pytest.param(gateway(upstream="127.0.0.1:9000"), "gateway.upstream", "http", id="upstream without scheme"),
    pytest.param(gateway(upstream="ftp://a"), "gateway.upstream", "http or https", id="upstream of ftp"),
    pytest.param(gateway(upstream="http://u:p@a"), "gateway.upstream", "takes none", id="upstream with a password"),
    pytest.param(gateway(upstream="http://a/b"), "gateway.upstream", "after the port", id="upstream with a path"),
    pytest.param(gateway(upstream="http://a?"), "gateway.upstream", "after the port", id="upstream with a query"),
    pytest.param(gateway(upstream="http://a:0"), "gateway.upstream", "host and port", id="upstream port 0"),
    pytest.param(gateway(upstream="http://[::1"), "gateway.upstream", "not the address", id="upstream unreadable"),
    pytest.param(gateway(upstream="http://a\\b"), "gateway.upstream", "not the address", id="upstream backslash"),
    pytest.param(gateway(trusted_proxies=["10.0.0.1/8"]), "gateway.trusted_proxies[0]", '"10.0.0.0/8"', id="host bits"),
    pytest.param(gateway(trusted_proxies="10.0.0.0/8"), "gateway.trusted_proxies", "must be a list", id="no list"),
    pytest.param(gateway(client_address_header="x y"), "gateway.client_address_header", "x-forwarded-for", id="blank"),
    pytest.param(
        gateway(client_address_header="Host"),
        "gateway.client_address_header",
        "no client",
        id="client is host",
    ),
    pytest.param(gateway(failed_auth=True), "gateway.failed_auth", "false or a table", id="brake true"),
    pytest.param(gateway(failed_auth="20/minute"), "gateway.failed_auth", "false or a table", id="brake as text"),
    pytest.param(gateway(failed_auth={"rate": "0/minute"}), "gateway.failed_auth.rate", "everybody out", id="brake 0"),
    pytest.param(gateway(failed_auth={"by": "key"}), "gateway.failed_auth.by", '"address"', id="brake by key"),
    pytest.param(gateway(strip_headers=["*"]), "gateway.strip_headers[0]", "neither", id="strip all"),
    pytest.param(gateway(strip_headers=["X_*"]), "gateway.strip_headers[0]", "x-forwarded-proto", id="strip too much"),
    pytest.param(gateway(strip_headers=["Authorization"]), "gateway.strip_headers[0]", "needs", id="strip credentials"),
    pytest.param(written(store={"url": "mysql://a/b"}), "store.url", "sqlite:///", id="store of another kind"),
    pytest.param(written(store={"url": "sqlite:///"}), "store.url", "names no file", id="store without file"),
    pytest.param(written(store={"url": "sqlite:///:memory:"}), "store.url", "names no file", id="store in memory"),
    pytest.param(written(store={"url": "sqlite:///a?b"}), "store.url", "only the path", id="store with options"),
    pytest.param(written(store={"url": "postgresql://host"}), "store.url", "no database", id="store without database"),
    pytest.param(written(store={"url": "postgresql://h:x/d"}), "store.url", "cannot be read", id="store port"),
    pytest.param(written(store={"max_stale_seconds": 301}), "store.max_stale_seconds", "at most 300", id="too stale"),
    pytest.param(written(store={"max_stale_seconds": -1}), "store.max_stale_seconds", "at least 0", id="negative"),
    pytest.param(written(store={"url": "postgresql:///"}), "store.url", "no host", id="store of nothing"),
    pytest.param(api_keys(prefix="GWK"), "api_keys.prefix", "lower-case", id="prefix in capitals"),
    pytest.param(api_keys(headers=["authorization"]), "api_keys.headers[0]", "always read", id="key in authorization"),
    pytest.param(api_keys(headers=["Host"]), "api_keys.headers[0]", "another meaning", id="key in host"),
    pytest.param(api_keys(headers=["Cookie"]), "api_keys.headers[0]", "another meaning", id="key in cookie"),
    pytest.param(api_keys(headers=["x-auth-key"]), "api_keys.headers[0]", "another meaning", id="key in identity"),
    pytest.param(api_keys(headers=["forwarded"]), "api_keys.headers[0]", "another meaning", id="key in forwarded"),
    pytest.param(api_keys(headers=["a:b"]), "api_keys.headers[0]", "not a header name", id="key in no header"),
    pytest.param(api_keys(headers=["a-key", "A-Key"]), "api_keys.headers", "twice", id="key header twice"),
    pytest.param(api_keys(cache_seconds=3601), "api_keys.cache_seconds", "at most 3600", id="cache too long"),
    pytest.param(api_keys(max_lifetime_days=-1), "api_keys.max_lifetime_days", "at least 0", id="lifetime negative"),
    pytest.param(api_keys(unused_after_days=0), "api_keys.unused_after_days", "at least 1", id="unused at once"),
    pytest.param(written(roles={"a": ["*"]}), "roles.a[0]", '"orders:*"', id="role of all scopes"),
    pytest.param(written(roles={"a": "x"}), "roles.a", "list of scopes", id="role of text"),
    pytest.param(written(roles={"a": [1]}), "roles.a[0]", "must be text", id="role of a number"),
    pytest.param(written(roles={"a b": []}), 'roles."a b"', "not a role name", id="role name"),
    pytest.param(written(roles=["a"]), "roles", "must be a table", id="roles as list"),
    pytest.param(written(plans={"a/b": {}}), 'plans."a/b"', "must be a name", id="plan name"),
    pytest.param(written(plans={"a": []}), "plans.a", "must be a table", id="plan as list"),
    pytest.param(written(routes={"id": "a"}), "routes", "[[routes]]", id="routes as table"),
    pytest.param(written(routes=["a"]), "routes[0]", "must be a table", id="route as text"),
    pytest.param(written(routes=[{"path": "/a"}]), "routes[0].id", "is missing; write for example id", id="no id"),
    pytest.param(written(routes=[{"id": "a"}]), "routes[0].path", '"/v1/orders/{id}"', id="no path"),
    pytest.param(with_route(id="a b"), "routes[0].id", "must be a name", id="route id"),
    pytest.param(with_route(path="v1"), "routes[0].path", 'begin with "/"', id="path without slash"),
    pytest.param(with_route(path="/a/../b"), "routes[0].path", "never be reached", id="path with dots"),
    pytest.param(with_route(path="/.gateway/x"), "routes[0].path", "belongs to the gateway", id="path of ours"),
    pytest.param(with_route(path="/{a:path}/b"), "routes[0].path", "must be the last", id="rest in the middle"),
    pytest.param(with_route(path="/é"), "routes[0].path", "percent-encode", id="path not ASCII"),
    pytest.param(with_route(methods=["get"]), "routes[0].methods[0]", '"GET"', id="method in small letters"),
    pytest.param(with_route(methods=["G T"]), "routes[0].methods[0]", "not a method", id="no method"),
    pytest.param(with_route(methods=[]), "routes[0].methods", "must not be empty", id="empty methods"),
    pytest.param(with_route(methods=["GET", "GET"]), "routes[0].methods", "twice", id="method twice"),
    pytest.param(with_route(methods=["TRACE"]), "routes[0].methods[0]", "never be reached", id="trace"),
    pytest.param(with_route(access="requird"), "routes[0].access", 'did you mean "required"?', id="access typo"),
    pytest.param(with_route(access="x"), "routes[0].access", '"required" or "optional" or "public"', id="access"),
    pytest.param(with_route(credentials=[]), "routes[0].credentials", "must not be empty", id="no credentials"),
    pytest.param(with_route(credentials=["api-key"]), "routes[0].credentials[0]", '"api_key"', id="credential typo"),
    pytest.param(with_route(scopes=["a:*"]), "routes[0].scopes[0]", 'takes no "*"', id="demanded wildcard"),
    pytest.param(with_route(any_scopes=["a b"]), "routes[0].any_scopes[0]", "is not a scope", id="scope with space"),
    pytest.param(with_route(scopes=["a", "a"]), "routes[0].scopes", "twice", id="scope twice"),
    pytest.param(with_route(roles=["a b"]), "routes[0].roles[0]", "not a role name", id="role demanded"),
    pytest.param(with_route(allow_networks=["x"]), "routes[0].allow_networks[0]", "CIDR", id="network"),
    pytest.param(with_route(deny_networks=["fe80::1%a"]), "routes[0].deny_networks[0]", "a zone", id="network zone"),
    pytest.param(with_route(allow_referrers=["*"]), "routes[0].allow_referrers[0]", "https://*.", id="referrer"),
    pytest.param(with_route(websocket="no"), "routes[0].websocket", "true or false", id="websocket as text"),
    pytest.param(limit(rate="10/minuts"), "routes[0].limits[0].rate", 'did you mean "minute"?', id="unit typo"),
    pytest.param(limit(rate=10), "routes[0].limits[0].rate", "must be text", id="rate as number"),
    pytest.param(limit(by="ip"), "routes[0].limits[0].by", '"address"', id="by unknown"),
    pytest.param(limit(cost=0), "routes[0].limits[0].cost", "at least 1", id="cost 0"),
    pytest.param(limit(cost=11), "routes[0].limits[0].cost", "every request would be refused", id="cost too high"),
    pytest.param(limit(id="a b"), "routes[0].limits[0].id", "must be a name", id="limit id"),
    pytest.param(with_route(limits=[{"rate": "1/day"}]), "routes[0].limits[0].by", 'by = "key"', id="no by"),
]


@pytest.mark.parametrize(("configuration", "path", "words"), REFUSED)
def test_an_unusable_value_is_refused_where_it_stands(configuration: dict[str, object], path: str, words: str) -> None:
    (problem,) = problems(configuration)
    where, _, message = problem.partition(": ")
    assert (where, words in message) == (path, True), problem


METADATA_UPSTREAMS = [
    "http://169.254.169.254",
    "http://169.254.0.1:80/",
    "http://[fe80::1]",
    "http://[::ffff:169.254.169.254]",
    "http://[fd00:ec2::254]",
    "http://metadata.google.internal.",
    "http://2852039166",
    "http://0xa9fea9fe",
    "http://169.254.43518",
    "http://[fe80::1%25eth0]",
]


@pytest.mark.parametrize("upstream", METADATA_UPSTREAMS)
def test_an_upstream_that_hands_out_the_credentials_of_the_machine_is_refused(upstream: str) -> None:
    (problem,) = problems(with_route(upstream=upstream))
    assert problem.startswith("routes[0].upstream: ")


@pytest.mark.parametrize(
    "upstream",
    ["http://127.0.0.1:9000", "https://orders.internal", "http://[::1]:9000/", "http://orders_api:80"],
)
def test_an_ordinary_upstream_is_taken(upstream: str) -> None:
    assert problems(with_route(upstream=upstream)) == []


def test_a_cost_above_a_rate_of_nothing_is_no_contradiction() -> None:
    assert problems(limit(rate="0/minute", cost=5)) == []


def test_the_unknown_key_closest_to_a_known_one_is_suggested() -> None:
    assert problems(written(routes=[route(metods=["GET"])])) == [
        'routes[0].metods: unknown key "metods", did you mean "methods"?'
    ]


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        pytest.param(written(gatway={}), 'gatway: unknown key "gatway", did you mean "gateway"?', id="section"),
        pytest.param(gateway(max_body_size=1), 'did you mean "max_body_bytes"?', id="key"),
        pytest.param(gateway(zzz=1), "known are admin_hosts, admin_listen, client_address_header", id="nothing close"),
        pytest.param(limit(burst=1), 'routes[0].limits[0].burst: unknown key "burst"; known are by', id="limit"),
        pytest.param(
            gateway(failed_auth={"rates": "1/day"}),
            'gateway.failed_auth.rates: unknown key "rates", did you mean "rate"?',
            id="brake",
        ),
        pytest.param(gateway(**{"a\nb": 1}), 'gateway."a\\nb": unknown key "a\\nb"', id="line break"),
    ],
)
def test_an_unknown_key_is_named_where_it_stands(configuration: dict[str, object], message: str) -> None:
    (problem,) = problems(configuration)
    assert message in problem
