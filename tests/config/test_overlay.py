"""Environment and command line above the file."""

from pathlib import Path

import pytest

from gateway_auth.config import Configuration, load
from gateway_auth.core.headers import API_KEY
from tests.config.writing import ENVIRON, loaded, problems, route, with_route, written

SOURCE = written(
    gateway={"realm": "file", "trusted_proxies": ["10.0.0.0/8"], "failed_auth": False},
    plans={"Free": {"limits": [{"rate": "1/day", "by": "app"}]}},
    routes=[route(), route(id="b", path="/b")],
)


def test_the_command_line_is_above_the_environment_above_the_file_above_the_default(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('[secrets]\npepper = "env:GATEWAY_AUTH_PEPPER"\n')
    environ = ENVIRON | {"GATEWAY_AUTH_GATEWAY__REALM": "environment"}

    def realm(environ: dict[str, str], overrides: dict[str, object]) -> str:
        return load(path, environ=environ, overrides=overrides).rules.realm

    assert realm(ENVIRON, {}) == "gateway"
    path.write_text(path.read_text() + '[gateway]\nrealm = "file"\n')
    assert realm(ENVIRON, {}) == "file"
    assert realm(environ, {}) == "environment"
    assert realm(environ, {"gateway": {"realm": "nested"}}) == "nested"
    assert realm(environ, {"gateway.realm": "dotted"}) == "dotted"
    assert realm(environ, {"gateway.realm": None}) == "environment"


PLACED = [
    pytest.param("GATEWAY__REALM", "x", lambda c: c.rules.realm, "x", id="text"),
    pytest.param("gateway__realm", "x", lambda c: c.rules.realm, "x", id="small letters"),
    pytest.param("GATEWAY__REALM", "2026", lambda c: c.rules.realm, "2026", id="digits where text belongs"),
    pytest.param("GATEWAY__REALM", "true", lambda c: c.rules.realm, "true", id="a word where text belongs"),
    pytest.param("GATEWAY__REALM", '"in quotes"', lambda c: c.rules.realm, "in quotes", id="text in quotes"),
    pytest.param("GATEWAY__REALM", '"x"\ny = 1', None, "gateway.realm", id="two values are no value"),
    pytest.param("GATEWAY__LISTEN", "0.0.0.0:80", lambda c: c.listen, ("0.0.0.0", 80), id="address"),
    pytest.param("GATEWAY__REQUIRE_HTTPS", "true", lambda c: c.rules.is_https_required, True, id="flag"),
    pytest.param("GATEWAY__MAX_BODY_BYTES", "7", lambda c: c.rules.max_body_bytes, 7, id="number"),
    pytest.param("GATEWAY__MAX_BODY_BYTES", "many", None, "gateway.max_body_bytes", id="no number"),
    pytest.param(
        "GATEWAY__TRUSTED_PROXIES",
        '["10.1.0.0/16"]',
        lambda c: c.rules.trusted_proxies.texts,
        ("10.1.0.0/16",),
        id="whole list",
    ),
    pytest.param(
        "GATEWAY__TRUSTED_PROXIES__1",
        "10.9.0.0/16",
        lambda c: c.rules.trusted_proxies.texts,
        ("10.0.0.0/8", "10.9.0.0/16"),
        id="one more entry",
    ),
    pytest.param("GATEWAY__FAILED_AUTH", '{rate = "3/day"}', lambda c: c.rules.brake.count, 3, id="table"),
    pytest.param("GATEWAY__FAILED_AUTH__RATE", "4/day", lambda c: c.rules.brake.count, 4, id="into a table"),
    pytest.param("STORE__MAX_STALE_SECONDS", "5", lambda c: c.max_stale_seconds, 5, id="section not in the file"),
    pytest.param("ROUTES__1__ACCESS", "public", lambda c: c.rules.policies[1].access, "public", id="of a list"),
    pytest.param("ROUTES__0__SCOPES__0", "a", lambda c: c.rules.policies[0].scopes, {"a"}, id="list not in the file"),
    pytest.param("ROLES__READER", '["a:*"]', lambda c: c.rules.scopes_of["reader"], ("a:*",), id="a name of theirs"),
    pytest.param("ROLES__READER__0", "a", lambda c: c.rules.scopes_of["reader"], ("a",), id="a name's first entry"),
    pytest.param(
        "PLANS__FREE__LIMITS__0__RATE",
        "9/day",
        lambda c: c.rules.plans["Free"].limits[0].rate.count,
        9,
        id="a name in another letter case",
    ),
    pytest.param(
        "PLANS__FREE",
        '{"limits": [{"rate": "8/day", "by": "app"}]}',
        lambda c: c.rules.plans["Free"].limits[0].rate.count,
        8,
        id="JSON object",
    ),
    pytest.param(
        "ROUTES__0__LIMITS",
        '[{"rate": "8/day", "by": "app"}]',
        lambda c: c.rules.policies[0].limits.limits[0].rate.count,
        8,
        id="JSON array",
    ),
    pytest.param(
        "ROUTES__0__LIMITS",
        '[{"rate": "8/day", "rate": "9/day"}]',
        None,
        "routes[0].limits: must be a list",
        id="JSON of two meanings",
    ),
    pytest.param("GATEWAY__REALM", '{"a": 1}', None, "gateway.realm: must be 1 to 64", id="JSON where text belongs"),
    pytest.param("GATEWAY__LISTN", "x", None, 'gateway.listn: unknown key "listn", did you mean "listen"?', id="typo"),
    pytest.param(
        "GATWAY__REALM", "x", None, 'gatway: unknown key "gatway", did you mean "gateway"?', id="section typo"
    ),
    pytest.param("GATEWAY__REALM__X", "x", None, "gateway.realm: takes a value, and no keys below it", id="too deep"),
    pytest.param("ROUTES__3__ACCESS", "x", None, "routes: has 2 entries: the next one to add is number 2", id="gap"),
    pytest.param("ROUTES__A__ACCESS", "x", None, "routes: is a list: a number must follow", id="no number in a list"),
    pytest.param("ROUTES__-1__ID", "x", None, "routes: is a list: a number must follow", id="negative"),
    pytest.param("GATEWAY____REALM", "x", None, "gateway: a name of a key is missing", id="nothing between"),
    pytest.param("ROUTES__0__METODS", "x", None, 'routes[0].metods: unknown key "metods", did', id="of a list, typo"),
]


@pytest.mark.parametrize(("name", "text", "read", "expected"), PLACED)
def test_a_variable_sets_the_key_it_names(name: str, text: str, read: object, expected: object) -> None:
    variable = f"GATEWAY_AUTH_{name}"
    if callable(read):
        assert read(loaded(SOURCE, **{variable: text})) == expected
        return
    (problem,) = problems(SOURCE, ENVIRON | {variable: text})
    assert problem.startswith(str(expected))
    assert problem.endswith(f"(set by {variable})")


@pytest.mark.parametrize(
    "name",
    ["GATEWAY_AUTH_PEPPER", "GATEWAY_AUTH_VECTORS", "GATEWAY_AUTH_ROUTES", "GATEWAY_AUTHX__Y", "OTHER__KEY"],
)
def test_a_name_without_two_underscores_or_our_prefix_is_no_key(name: str) -> None:
    assert problems(SOURCE, {name: "x"} | ENVIRON) == []


def test_a_variable_with_one_underscore_where_two_belong_is_warned_of() -> None:
    (warning,) = loaded(SOURCE | {"gateway": {}}, GATEWAY_AUTH_GATEWAY_LISTEN="0.0.0.0:80").warnings
    assert str(warning) == (
        "gateway.listen: is not set by GATEWAY_AUTH_GATEWAY_LISTEN: "
        "two underscores go between table and key, GATEWAY_AUTH_GATEWAY__LISTEN"
    )


def test_a_variable_that_a_secret_is_read_from_is_meant() -> None:
    source = SOURCE | {"gateway": {}, "store": {"url": "env:GATEWAY_AUTH_STORE_URL"}}
    assert loaded(source, GATEWAY_AUTH_STORE_URL="sqlite:///a.db").warnings == ()


def test_entries_are_added_in_the_order_of_their_numbers() -> None:
    environ = {f"GATEWAY_AUTH_API_KEYS__HEADERS__{n}": f"x-key-{n}" for n in reversed(range(12))}
    configuration = loaded(written(), **environ)
    assert [configuration.rules.headers[f"x-key-{n}".encode()] for n in range(12)] == [API_KEY] * 12


def test_an_entry_goes_into_a_list_that_another_variable_made() -> None:
    environ = {
        "GATEWAY_AUTH_ROUTES__2": '{id = "c", path = "/c"}',
        "GATEWAY_AUTH_ROUTES__2__ACCESS": "public",
    }
    assert loaded(SOURCE, **environ).rules.policies[2].access == "public"


def test_two_variables_for_one_key_are_a_problem() -> None:
    environ = ENVIRON | {"GATEWAY_AUTH_GATEWAY__REALM": "a", "GATEWAY_AUTH_GATEWAY__realm": "b"}
    (problem,) = problems(SOURCE, environ)
    assert "is set by both" in problem


@pytest.mark.parametrize(
    ("gateway", "name"),
    [
        pytest.param({"failed_auth": "x"}, "GATEWAY_AUTH_GATEWAY__FAILED_AUTH__RATE", id="a table"),
        pytest.param({"trusted_proxies": "x"}, "GATEWAY_AUTH_GATEWAY__TRUSTED_PROXIES__0", id="a list"),
    ],
)
def test_a_variable_does_not_hide_a_wrong_type_in_the_file(gateway: dict[str, object], name: str) -> None:
    said = problems(written(gateway=gateway), ENVIRON | {name: "1/day"})
    assert [problem.partition(": ")[0] for problem in said] == [f"gateway.{next(iter(gateway))}"] * 2


def test_overrides_replace_lists_and_fill_tables() -> None:
    overrides = {"gateway": {"trusted_proxies": [], "workers": 1}, "store.max_stale_seconds": 9}
    configuration: Configuration = load(SOURCE, environ=ENVIRON, overrides=overrides)
    assert configuration.rules.trusted_proxies.texts == ()
    assert configuration.rules.realm == "file"
    assert configuration.max_stale_seconds == 9


def test_an_override_that_says_nothing_in_a_new_table_changes_nothing() -> None:
    assert problems(written(), overrides={"store": {"url": None}, "api_keys.prefix": None}) == []


def test_a_nested_name_with_a_dot_is_one_name() -> None:
    configuration = load(written(), environ=ENVIRON, overrides={"roles": {"team.reader": ["a"]}})
    assert configuration.rules.scopes_of == {"team.reader": ("a",)}


def test_a_problem_of_the_command_line_is_not_blamed_on_the_environment_below_it() -> None:
    environ = ENVIRON | {"GATEWAY_AUTH_GATEWAY__LISTEN": "127.0.0.1:80"}
    (problem,) = problems(written(), environ, {"gateway.listen": ":0"})
    assert problem.startswith("gateway.listen: names no host")
    assert "set by" not in problem


def test_overrides_are_checked_like_everything_else() -> None:
    assert problems(with_route(), overrides={"gateway.lisen": "x", "store": 3}) == [
        'gateway.lisen: unknown key "lisen", did you mean "listen"?',
        "store: must be a table",
    ]


def test_deep_overrides_are_refused_like_deep_files() -> None:
    nested: object = 1
    for _ in range(100):
        nested = [nested]
    assert any("nested too deeply" in problem for problem in problems(with_route(), overrides={"roles": {"a": nested}}))
