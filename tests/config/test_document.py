"""The reference, the JSON Schema, and every example that is written down somewhere."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from gateway_auth.config import load
from gateway_auth.config.document import json_schema, render_reference
from gateway_auth.config.introduction import INTRODUCTION
from gateway_auth.config.schema import Document
from gateway_auth.config.shape import model_of
from gateway_auth.config.starter import starter_toml
from tests.config.writing import ENVIRON, PEPPER, problems

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"

# Every key there is: the contract with operators.
CONTRACT = """
[gateway]
realm = "orders"
listen = "127.0.0.1:8080"
admin_listen = "127.0.0.1:8081"
workers = 1
upstream = "http://127.0.0.1:9000"
trusted_proxies = []
client_address_header = "x-forwarded-for"
require_https = false
max_body_bytes = 10485760
failed_auth = { rate = "20/minute", by = "address" }

[store]
url = "sqlite:///gateway.db"
max_stale_seconds = 60

[redis]
url = "redis://127.0.0.1:6379/0"
timeout_seconds = 0.05
key_prefix = "gwa"

[secrets]
pepper = "env:GATEWAY_AUTH_PEPPER"
previous_peppers = []
encryption_key = "env:GATEWAY_AUTH_ENCRYPTION_KEY"

[api_keys]
prefix = "gwk"
headers = ["x-api-key"]
cache_seconds = 30
max_lifetime_days = 0
unused_after_days = 90

[[issuers]]
id = "corp"
issuer = "https://idp.example.com"
audiences = ["orders"]
algorithms = ["RS256", "ES256"]
discovery = true
token_types = ["at+jwt"]
scope_claims = ["scope", "scp"]
role_claims = ["roles", "realm_access.roles"]
required_claims = []
leeway_seconds = 30
max_lifetime_seconds = 86400

[roles]
reader = ["orders:read"]
admin = ["orders:*"]

[plans.free]
limits = [{ rate = "5/second", by = "app" }, { rate = "1000/day", by = "app" }]

[[routes]]
id = "orders-read"
path = "/v1/orders/{id}"
methods = ["GET"]
access = "required"
credentials = ["api_key", "jwt", "opaque"]
scopes = ["orders:read"]
any_scopes = []
roles = ["analyst"]
allow_networks = ["10.0.0.0/8"]
deny_networks = []
allow_referrers = ["https://*.example.com/console/*"]
limits = [{ id = "per-key", rate = "100/minute", by = "key", cost = 1, on_unavailable = "local" }]
upstream = "http://127.0.0.1:9000"
strip_credentials = true
websocket = false
preflight = "pass"
mode = "enforce"
"""
KEYS = {"GATEWAY_AUTH_ENCRYPTION_KEY": "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM="}


def test_the_whole_contract_loads() -> None:
    configuration = load(tomllib.loads(CONTRACT), environ=ENVIRON | KEYS)
    assert configuration.rules.policies[0].limits.limits[0].id == "per-key"
    assert configuration.rules.policies[0].credentials == {"api_key", "jwt", "opaque"}
    assert [(issuer.rules.issuer, issuer.is_discovered) for issuer in configuration.issuers] == [
        ("https://idp.example.com", True)
    ]
    assert configuration.warnings == ()


@pytest.mark.parametrize(
    "introspection",
    [
        pytest.param({}, id="missing keys"),
        pytest.param({"url": "http://idp", "client_id": "", "client_secret": "x"}, id="bad values"),
    ],
)
def test_every_problem_of_an_issuer_is_told(introspection: dict[str, object]) -> None:
    source = tomllib.loads(CONTRACT)
    source["issuers"][0] |= {"introspection": introspection, "leeway_seconds": 61, "algorithms": ["none"]}
    assert [problem.partition(": ")[0] for problem in problems(source, ENVIRON | KEYS)] == [
        "issuers[0].algorithms[0]",
        "issuers[0].introspection.url",
        "issuers[0].introspection.client_id",
        "issuers[0].introspection.client_secret",
        "issuers[0].leeway_seconds",
    ]


def test_the_page_is_the_one_the_schema_gives() -> None:
    assert PAGE.read_text("utf-8") == render_reference(), "run `make docs`"


def test_the_page_is_the_same_every_time() -> None:
    assert render_reference() == render_reference()


def test_both_forms_of_the_example_on_the_page_load_and_mean_the_same() -> None:
    toml, yml = (re.findall(rf"```{form}\n(.*?)```", INTRODUCTION, re.DOTALL) for form in ("toml", "yaml"))
    assert tomllib.loads(toml[0]) == yaml.safe_load(yml[0])
    assert problems(tomllib.loads(toml[0])) == []


@pytest.mark.parametrize("row", re.findall(r"^\| `(GATEWAY_AUTH_\w+?)=(.*?)` \|", INTRODUCTION, re.MULTILINE))
def test_every_variable_of_the_introduction_works(row: tuple[str, str]) -> None:
    toml, *_ = re.findall(r"```toml\n(.*?)```", INTRODUCTION, re.DOTALL)
    name, text = row
    source = tomllib.loads(toml)
    source["routes"][0] |= {"limits": [], "scopes": []}
    assert problems(source, ENVIRON | {name: text.strip("'")}) == []


def test_the_page_names_every_key() -> None:
    page = render_reference()
    for section, field in Document.model_fields.items():
        model = model_of(field.annotation)
        for key in model.model_fields if model is not None else ():
            assert f"| `{key}` |" in page
            assert f"`GATEWAY_AUTH_{section}__{key}`".upper() in page.upper()


def test_every_key_is_described() -> None:
    def undescribed(schema: object, place: str) -> list[str]:
        if not isinstance(schema, dict):
            return []
        properties = schema.get("properties", {})
        missing = [f"{place}.{key}" for key, value in properties.items() if not {"description", "$ref"} & set(value)]
        missing += [] if schema.get("description") else [place]
        return missing + [
            found for name, inner in schema.get("$defs", {}).items() for found in undescribed(inner, name)
        ]

    assert undescribed(json_schema(), "") == []


def test_the_json_schema_refuses_unknown_keys_and_knows_that_false_is_off() -> None:
    schema = json_schema()
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    assert schema["additionalProperties"] is False
    assert all(definition["additionalProperties"] is False for definition in definitions.values())
    assert {"const": False} in definitions["GatewayTable"]["properties"]["failed_auth"]["anyOf"]


def test_every_model_is_closed_and_strict() -> None:
    def models(model: type[BaseModel]) -> set[type[BaseModel]]:
        return {model, *(found for inner in model.__subclasses__() for found in models(inner))}

    table = Document.__mro__[1]
    assert issubclass(table, BaseModel)
    for model in models(table):
        assert (model.model_config.get("extra"), model.model_config.get("strict")) == ("forbid", True)


def test_the_starter_loads_where_init_writes_it(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "pepper").write_text(PEPPER + "\n")
    (tmp_path / "secrets" / "pepper").chmod(0o600)
    (tmp_path / "gateway.toml").write_text(starter_toml())
    configuration = load(tmp_path / "gateway.toml", environ={})
    assert [policy.id for policy in configuration.rules.policies] == ["health", "orders-read"]
    assert configuration.store_url == f"sqlite:///{tmp_path}/gateway.db"
    assert configuration.warnings == ()
    assert configuration.routes_without_upstream() == ()


def test_the_starter_says_what_init_was_asked_for() -> None:
    text = starter_toml(realm='a "quoted" realm', listen="127.0.0.1:1", pepper="env:GATEWAY_AUTH_PEPPER")
    source = tomllib.loads(text)
    assert source["gateway"]["realm"] == 'a "quoted" realm'
    assert source["gateway"]["listen"] == "127.0.0.1:1"
    assert source["secrets"]["pepper"] == "env:GATEWAY_AUTH_PEPPER"


def test_the_redis_example_of_the_page_loads_without_a_warning_about_it() -> None:
    _, toml = re.findall(r"```toml\n(.*?)```", INTRODUCTION, re.DOTALL)
    warnings = load(tomllib.loads(toml), environ=ENVIRON | KEYS).warnings
    assert [warning.path for warning in warnings] == ["routes"]
