"""Files and mappings: what is read, and what is said where nothing can be read."""

import sys
from pathlib import Path
from types import MappingProxyType

import pytest

from gateway_auth.config import load
from tests.config.writing import ENVIRON, loaded, problems, route, with_route, written

TOML = """
[gateway]
realm = "orders"
trusted_proxies = ["10.0.0.0/8", "unix"]
failed_auth = { rate = "5/minute" }

[secrets]
pepper = "env:GATEWAY_AUTH_PEPPER"

[roles]
reader = ["orders:read"]

[plans.free]
limits = [{ rate = "5/second burst 20", by = "app" }]

[[routes]]
id = "orders"
path = "/v1/orders/{id}"
methods = ["GET"]
allow_networks = ["10.0.0.0/8"]
limits = [{ id = "per-key", rate = "100/minute", by = "key", cost = 2 }]
"""
YAML = """
gateway:
  realm: orders
  trusted_proxies: [10.0.0.0/8, unix]
  failed_auth: {rate: 5/minute}
redis: null
store:
secrets: {pepper: "env:GATEWAY_AUTH_PEPPER"}
roles: {reader: ["orders:read"]}
plans:
  free:
    limits: [{rate: 5/second burst 20, by: app}]
routes:
  - id: orders
    path: /v1/orders/{id}
    methods: [GET]
    allow_networks: ["10.0.0.0/8"]
    limits: [{id: per-key, rate: 100/minute, by: key, cost: 2}]
"""


def file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", ["gateway.yaml", "gateway.yml", "GATEWAY.YAML"])
def test_yaml_means_what_the_same_toml_means(tmp_path: Path, name: str) -> None:
    toml = loaded(file(tmp_path, "gateway.toml", TOML))
    yaml = loaded(file(tmp_path, name, YAML))
    for field in ("realm", "trusted_proxies", "is_unix_peer_trusted", "brake", "scopes_of"):
        assert getattr(yaml.rules, field) == getattr(toml.rules, field)
    for one, other in zip(yaml.rules.policies, toml.rules.policies, strict=True):
        assert (one.id, one.path, one.methods, one.allow_networks) == (
            other.id, other.path, other.methods, other.allow_networks,
        )  # fmt: skip
        assert one.limits.limits == other.limits.limits
    assert yaml.rules.plans["free"].limits == toml.rules.plans["free"].limits
    assert yaml.store_url == toml.store_url


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    file(folder, "gateway.toml", TOML)
    monkeypatch.chdir(tmp_path)
    configuration = loaded("etc/gateway.toml", GATEWAY_AUTH_STORE__URL="sqlite:///data/../gateway.db")
    assert configuration.store_url == f"sqlite:///{folder}/gateway.db"
    assert configuration.source == "etc/gateway.toml"


def test_paths_of_a_mapping_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configuration = loaded(written())
    assert configuration.store_url == f"sqlite:///{tmp_path}/gateway.db"
    assert configuration.source is None


def test_absolute_paths_stay() -> None:
    assert loaded(written(store={"url": "sqlite:////var/lib/g.db"})).store_url == "sqlite:////var/lib/g.db"


def test_a_postgresql_address_stays() -> None:
    url = "postgresql://user:pass@host:5432/db?sslmode=require"
    assert loaded(written(store={"url": url})).store_url == url


def test_the_environment_of_the_process_is_used_unless_another_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_AUTH_PEPPER", ENVIRON["GATEWAY_AUTH_PEPPER"])
    monkeypatch.setenv("GATEWAY_AUTH_GATEWAY__REALM", "from-outside")
    assert load(written()).rules.realm == "from-outside"


def test_any_mapping_and_tuples_will_do() -> None:
    source = MappingProxyType(written(routes=({"id": "a", "path": "/a", "methods": ("GET",)},)))
    assert loaded(source).rules.policies[0].methods == frozenset(("GET",))


def test_the_mapping_that_was_given_is_left_as_it_was() -> None:
    source = with_route()
    loaded(source, GATEWAY_AUTH_ROUTES__0__ACCESS="public", GATEWAY_AUTH_GATEWAY__REALM="x")
    assert source == with_route()


def test_a_loaded_configuration_is_taken_as_it_is() -> None:
    configuration = loaded(written())
    assert load(configuration) is configuration


def test_a_loaded_configuration_cannot_be_overridden() -> None:
    with pytest.raises(Exception, match="cannot be overridden"):
        load(loaded(written()), overrides={"gateway": {"realm": "x"}})


UNREADABLE = [
    pytest.param("a.toml", "[gateway]\nrealm = orders\n", "is not TOML: Invalid value (at line 2", id="toml syntax"),
    pytest.param("a.toml", "a = 1\na = 2\n", "is not TOML: Cannot overwrite a value (at line 2", id="toml key twice"),
    pytest.param("a.toml", "a = " + "[" * 9000, "is nested too deeply", id="toml nested"),
    pytest.param("a.toml", "a = " + "9" * 9000, "is not TOML: Exceeds the limit", id="toml number"),
    pytest.param("a.toml", b"a = 1\n# \xff\n", "is not UTF-8 (line 2)", id="not UTF-8"),
    pytest.param("a.toml", b"#" * 5_000_000, "is longer than 4194304 bytes", id="too long"),
    pytest.param("a.yaml", "a: 1\na: 2\n", "is not YAML: the key 'a' stands twice (at line 2)", id="yaml key twice"),
    pytest.param("a.yaml", "a: [1\n", "is not YAML: expected", id="yaml syntax"),
    pytest.param("a.yaml", "a: !!python/name:os.system x\n", "could not determine a constructor", id="yaml object"),
    pytest.param("a.yaml", "a: 2001-99-99\n", "is not YAML: a value cannot be read", id="yaml date"),
    pytest.param("a.yaml", "a: 1\n---\nb: 2\n", "is not YAML: but found another document", id="yaml documents"),
    pytest.param("a.yaml", "a: \x07\n", "is not YAML: ", id="yaml control character"),
    pytest.param("a.yaml", "[a]: 1\n", "is not YAML: found unhashable key (at line 1)", id="yaml key of a list"),
    pytest.param("a.yaml", "[" * 9000, "is nested too deeply", id="yaml nested"),
    pytest.param("a.yaml", "- a\n", "must be a table of sections", id="yaml list"),
    pytest.param("a.yaml", "", "must be a table of sections", id="yaml empty"),
]


@pytest.mark.parametrize(("name", "content", "words"), UNREADABLE)
def test_a_file_that_cannot_be_read_is_one_problem_of_one_line(
    tmp_path: Path, name: str, content: str | bytes, words: str
) -> None:
    path = file(tmp_path, name, content)
    (problem,) = problems(path)
    assert problem.startswith(f"{path}: ")
    assert words in problem
    assert problem.isprintable()


def test_a_file_that_does_not_exist_names_the_way_to_one(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "gateway.toml")
    assert problem.endswith("no such file; `gateway-auth init` writes one, -c names another")


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path)
    assert problem.endswith("cannot be read: Is a directory")


def test_a_path_with_a_null_is_no_configuration() -> None:
    assert problems("a\0b") == ["a\\u0000b: cannot be read: not a path"]


def test_yaml_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    (problem,) = problems(file(tmp_path, "a.yaml", YAML))
    assert problem.endswith("needs PyYAML to be read: pip install 'gateway-auth[yaml]', or write TOML")


def test_yaml_may_repeat_itself_by_reference(tmp_path: Path) -> None:
    content = (
        "secrets: {pepper: 'env:GATEWAY_AUTH_PEPPER'}\nroutes:\n"
        "  - &a {id: a, path: /a, scopes: [x]}\n  - {<<: *a, id: b, path: /b}\n"
    )
    assert loaded(file(tmp_path, "a.yaml", content)).rules.policies[1].scopes == {"x"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("a: &a [*a]\n", "is nested too deeply", id="a list in itself"),
        pytest.param(
            "l0: &l0 [x, x, x, x, x, x, x, x]\n"
            + "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 8)}]\n" for n in range(1, 12)),
            "holds more than 200000 values",
            id="references of references",
        ),
    ],
)
def test_yaml_that_unfolds_without_end_is_refused(tmp_path: Path, content: str, words: str) -> None:
    assert any(words in problem for problem in problems(file(tmp_path, "a.yaml", content)))


def test_keys_that_yaml_does_not_take_for_text_are_refused(tmp_path: Path) -> None:
    content = "secrets: {pepper: 'env:GATEWAY_AUTH_PEPPER'}\nplans: {2: {}, on: {}}\n"
    message = "plans: every key must be text; put quotes around numbers, dates, on, off, yes, no"
    assert problems(file(tmp_path, "a.yaml", content)) == [message, message]


def test_what_is_no_source_is_refused() -> None:
    (problem,) = problems(3)  # type: ignore[arg-type]  # callers without types do this
    assert problem == "the configuration must be a path, a mapping or a loaded Configuration"


def test_every_problem_is_told_at_once() -> None:
    configuration = written(
        gatway={},
        gateway={"workers": "x", "listen": "y", "admin_listen": "127.0.0.1:1"},
        store={"url": "mysql:"},
        secrets={"pepper": "env:NOT_SET", "previous_peppers": ["literal"], "encryption_key": "env:NEITHER"},
        roles={"reader": ["*"]},
        plans={"free": {"limits": [{"rate": "1/fortnight", "by": "app"}]}},
        routes=[
            route(
                metods=["GET"],
                limits=[{"rate": "1/day", "by": "kye"}, {"rate": "1/day", "by": "key", "cost": 2}],
            ),
            "not a route",
            route(id="public", path="/public", access="public", scopes=["a"]),
            route(id="tie"),
            route(id="public", path="/other", credentials=["jwt"]),
        ],
    )
    assert [problem.partition(": ")[0] for problem in problems(configuration)] == [
        "gatway",
        "gateway.listen",
        "gateway.workers",
        "store.url",
        "secrets.previous_peppers[0]",
        "roles.reader[0]",
        "plans.free.limits[0].rate",
        "routes[0].limits[0].by",
        "routes[0].limits[1].cost",
        "routes[0].metods",
        "routes[1]",
        "routes[2].scopes",
        "secrets.pepper",
        "secrets.encryption_key",
        "routes[4].id",
        "routes[3]",
        "routes[4].credentials[0]",
    ]


def test_a_route_whose_methods_are_wrong_ties_with_nothing() -> None:
    configuration = written(routes=[route(), route(id="b", methods=["get"])])
    assert problems(configuration) == ['routes[1].methods[0]: methods are written in capitals: "GET"']


def test_a_wrong_limit_does_not_hide_two_of_one_name() -> None:
    limits = [{"rate": "x", "by": "key"}, {"rate": "1/day", "by": "key"}, {"rate": "1/day", "by": "key"}]
    paths = [problem.partition(": ")[0] for problem in problems(with_route(limits=limits))]
    assert paths == ["routes[0].limits[0].rate", "routes[0].limits[2].id"]


def test_a_number_too_long_to_print_is_refused_like_any_other() -> None:
    assert problems(written(gateway={"workers": 10**5000})) == ["gateway.workers: must be at most 1024"]
