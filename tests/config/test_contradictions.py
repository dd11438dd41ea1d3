"""Statements that exclude each other, and what is only worth a warning."""

import pytest

from tests.config.writing import loaded, problems, route, with_route, written

KEY_LIMIT = {"rate": "10/minute", "by": "key"}

CONTRADICTIONS = [
    pytest.param(
        written(routes=[route(), route(id="again", methods=None)]),
        'routes[1]: ties with route "orders": same path and method *, neither is more specific',
        id="two routes tie",
    ),
    pytest.param(
        written(routes=[route(path="/{a}"), route(id="b", path="/{b}")]),
        'routes[1]: ties with route "orders": same path and method *, neither is more specific',
        id="two templates tie",
    ),
    pytest.param(
        written(routes=[route(methods=["GET", "PUT"]), route(id="b", methods=["PUT"])]),
        'routes[1]: ties with route "orders": same path and method PUT, neither is more specific',
        id="one method ties",
    ),
    pytest.param(
        written(routes=[route(), route(path="/b")]),
        'routes[1].id: "orders" is the id of routes[0] already',
        id="route id twice",
    ),
    pytest.param(
        with_route(limits=[KEY_LIMIT | {"id": "a"}, KEY_LIMIT | {"id": "a", "by": "app"}]),
        'routes[0].limits[1].id: has the id "a" like limits[0]; give each an id of its own',
        id="limit id twice",
    ),
    pytest.param(
        written(plans={"free": {"limits": [KEY_LIMIT, KEY_LIMIT | {"cost": 2}]}}),
        'plans.free.limits[1].id: has the id "key-10-per-minute" like limits[0]; give each an id of its own',
        id="made limit id twice",
    ),
    *(
        pytest.param(
            with_route(access="public", **{key: ["a"]}),
            f'routes[0].{key}: contradicts access = "public", where nobody is known; write access = "required"',
            id=f"public with {key}",
        )
        for key in ("scopes", "any_scopes", "roles")
    ),
    *(
        pytest.param(
            with_route(access="optional", **{key: ["a"]}),
            f'routes[0].{key}: contradicts access = "optional": no anonymous caller could pass;'
            ' write access = "required"',
            id=f"optional with {key}",
        )
        for key in ("scopes", "any_scopes", "roles")
    ),
    *(
        pytest.param(
            with_route(access="public", limits=[{"rate": "1/day", "by": by}]),
            f'routes[0].limits: by = "{by}" contradicts access = "public", where nobody is known; count by "address"',
            id=f"public with a limit by {by}",
        )
        for by in ("key", "app", "subject")
    ),
    *(
        pytest.param(
            with_route(credentials=["api_key", kind]),
            f'routes[0].credentials[1]: nothing configured can verify "{kind}"; add [[issuers]] or remove it',
            id=f"{kind} without issuers",
        )
        for kind in ("jwt", "opaque")
    ),
    pytest.param(
        with_route(websocket=True, methods=["POST"]),
        "routes[0].websocket: an upgrade is judged as GET, which methods does not name; add it",
        id="websocket without GET",
    ),
    *(
        pytest.param(
            with_route(allow_networks=allowed, deny_networks=denied),
            "routes[0].deny_networks: covers all that allow_networks allows; deny wins, so no request could pass",
            id=name,
        )
        for name, allowed, denied in [
            ("deny equals allow", ["10.0.0.0/8"], ["10.0.0.0/8"]),
            ("deny contains allow", ["10.1.0.0/16", "10.2.0.1"], ["10.0.0.0/8"]),
            ("two halves contain allow", ["10.0.0.0/8"], ["10.0.0.0/9", "10.128.0.0/9"]),
            ("everything of IPv6 contains IPv4", ["10.0.0.0/8"], ["::/0"]),
            ("deny everything", [], ["::/0"]),
        ]
    ),
    *(
        pytest.param(
            written(gateway={"trusted_proxies": proxies}),
            "gateway.trusted_proxies: would believe everybody about where a request comes from;"
            " name the proxies' own networks",
            id=name,
        )
        for name, proxies in [
            ("all of IPv4 trusted", ["0.0.0.0/0"]),
            ("all of IPv6 trusted", ["10.0.0.0/8", "::/0"]),
            ("all of IPv4 trusted in halves", ["0.0.0.0/1", "128.0.0.0/1"]),
            ("all mapped IPv4 trusted", ["::ffff:0:0/96"]),
        ]
    ),
    *(
        pytest.param(
            written(gateway={"listen": listen, "admin_listen": admin}),
            f'gateway.admin_listen: is the same socket as listen ("{listen}"); the admin plane needs a port of its own',
            id=f"{admin} beside {listen}",
        )
        for listen, admin in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("127.0.0.1:8080", "[::]:8080"),
        ]
    ),
    *(
        pytest.param(
            written(gateway={"status_listen": "127.0.0.1:8080", **other}),
            f'gateway.status_listen: is the same socket as {name} ("127.0.0.1:8080"); it needs a port of its own',
            id=f"status on {name}",
        )
        for name, other in [
            ("listen", {}),
            ("admin_listen", {"listen": "127.0.0.1:1", "admin_listen": "127.0.0.1:8080"}),
        ]
    ),
    pytest.param(
        written(gateway={"client_address_header": "X-Real"}, api_keys={"headers": ["x-real"]}),
        'api_keys.headers: "x-real" is gateway.client_address_header; one header cannot be both',
        id="one header with two meanings",
    ),
]


@pytest.mark.parametrize(("configuration", "problem"), CONTRADICTIONS)
def test_a_contradiction_is_refused(configuration: dict[str, object], problem: str) -> None:
    assert problems(configuration) == [problem]


@pytest.mark.parametrize(
    "configuration",
    [
        pytest.param(written(routes=[route(methods=["GET"]), route(id="b", methods=["PUT"])]), id="other methods"),
        pytest.param(written(routes=[route(methods=["GET"]), route(id="b")]), id="named method over any"),
        pytest.param(with_route(access="public", limits=[{"rate": "1/day", "by": "address"}]), id="public by address"),
        pytest.param(with_route(access="optional", limits=[KEY_LIMIT]), id="optional by key"),
        pytest.param(with_route(roles=["nobody-configured"]), id="a role only keys know"),
        pytest.param(with_route(allow_networks=["10.0.0.0/8"], deny_networks=["10.1.0.0/16"]), id="deny a part"),
        pytest.param(with_route(deny_networks=["0.0.0.0/0"]), id="deny IPv4 alone"),
        pytest.param(with_route(websocket=True), id="websocket for all methods"),
        pytest.param(written(gateway={"trusted_proxies": ["unix", "10.0.0.0/8"]}), id="unix peers trusted"),
        pytest.param(written(gateway={"listen": "127.0.0.1:80", "admin_listen": "127.0.0.2:80"}), id="other addresses"),
    ],
)
def test_what_only_looks_like_a_contradiction_loads(configuration: dict[str, object]) -> None:
    assert problems(configuration) == []


WARNINGS = [
    pytest.param(written(gateway={"failed_auth": False}, routes=[route()]), "gateway.failed_auth", id="no brake"),
    pytest.param(written(gateway={"admin_listen": "0.0.0.0:81"}, routes=[route()]), "gateway.admin_listen", id="open"),
    pytest.param(
        written(gateway={"client_address_header": "forwarded"}, routes=[route()]),
        "gateway.client_address_header",
        id="a header nobody may set",
    ),
    pytest.param(written(), "routes", id="no routes"),
    pytest.param(with_route(allow_networks=["0.0.0.0/0"]), "routes[0].allow_networks", id="everybody allowed"),
    pytest.param(with_route(path="/v1/*"), "routes[0].path", id="a star that is no wildcard"),
    pytest.param(with_route(mode="shadow"), "routes[0].mode", id="shadow"),
    pytest.param(
        written(gateway={"workers": 2}, routes=[route(limits=[KEY_LIMIT])]),
        "gateway.workers",
        id="limits counted in two workers",
    ),
    pytest.param(
        written(gateway={"workers": 2}, routes=[route(limits=[KEY_LIMIT])], redis={"url": "redis://h"}),
        "secrets.encryption_key",
        id="nothing to seal shared keys with",
    ),
    pytest.param(
        written(routes=[route(limits=[KEY_LIMIT])], plans={"free": {"limits": [KEY_LIMIT]}}),
        "plans.free.limits[0].id",
        id="route and plan name a limit alike",
    ),
]


@pytest.mark.parametrize(("configuration", "path"), WARNINGS)
def test_what_may_be_meant_loads_with_a_warning(configuration: dict[str, object], path: str) -> None:
    assert [warning.path for warning in loaded(configuration).warnings] == [path]


def test_an_ordinary_configuration_has_no_warnings() -> None:
    assert loaded(with_route()).warnings == ()
