"""The Dockerfile and compose.yaml: linted, and read for what must hold in every container."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway_auth.config import load
from tests.deploy.proxies import DEPLOY, PROGRAMS

DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SECRETS = {
    "GATEWAY_AUTH_PEPPER": "q7Wd0xVnT4ZbLr9KfEy2uHs6JmCa8PoG1iXv5NtB",
    "GATEWAY_AUTH_ENCRYPTION_KEY": base64.b64encode(bytes(range(32))).decode(),
}
SECRET_NAMES = re.compile(r"PASSWORD|PEPPER|KEY|URL")
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+[a-z0-9.-]*")


def test_the_linter_has_nothing_to_say() -> None:
    found = subprocess.run([PROGRAMS / "hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_every_image_is_pinned_by_version() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) + [s["image"] for s in COMPOSE["services"].values()]
    assert len(images) == 5
    assert [image for image in images if not PINNED.fullmatch(image)] == []


def test_the_image_runs_as_nobody_in_particular_and_says_whether_it_lives() -> None:
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "/.gateway/healthz" in last
    assert not re.search(r"\b(curl|wget|sudo|apt-get)\b", DOCKERFILE)
    assert not re.search(r"^(ENV|ARG) .*(PEPPER|PASSWORD|KEY)", DOCKERFILE, re.MULTILINE)


def test_what_the_image_is_built_from_exists() -> None:
    sources = [words.split()[1:-1] for words in re.findall(r"^(COPY (?!--from).*)$", DOCKERFILE, re.MULTILINE)]
    assert [name for names in sources for name in names if not (DEPLOY.parent / name).exists()] == []


def test_the_builder_gets_what_it_needs_and_nothing_else() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    wanted = {line[1:] for line in lines if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    assert {name for names in copied for name in names.split()} == wanted


def test_the_gateway_writes_nowhere_and_may_do_nothing() -> None:
    gateway = COMPOSE["services"]["gateway"]
    assert gateway["read_only"] is True
    assert gateway["cap_drop"] == ["ALL"]
    assert gateway["security_opt"] == ["no-new-privileges:true"]
    assert gateway["build"]["dockerfile"] == "deploy/Dockerfile"
    assert (DEPLOY / gateway["build"]["context"] / gateway["build"]["dockerfile"]).exists()
    mounted = {
        volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service.get("volumes", [])
    }
    assert {name for name in mounted if not name.startswith("./")} == set(COMPOSE["volumes"])
    assert all((DEPLOY / name).exists() for name in mounted if name.startswith("./"))


def test_store_and_redis_can_be_reached_by_the_gateway_alone() -> None:
    services = COMPOSE["services"]
    assert COMPOSE["networks"]["back"] == {"internal": True}
    for name in ("valkey", "postgres"):
        assert services[name]["networks"] == ["back"]
        assert "ports" not in services[name]
        assert "healthcheck" in services[name]
        assert services["gateway"]["depends_on"][name] == {"condition": "service_healthy"}
    assert services["gateway"]["ports"] == ["127.0.0.1:8080:8080"]
    assert "noeviction" in services["valkey"]["command"]


def test_no_secret_stands_in_any_file() -> None:
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if SECRET_NAMES.search(name) and name != "GATEWAY_AUTH_REDIS__URL":
                assert re.search(r"\$\{[A-Z_]+:\?", value), name
    given = [line for line in (DEPLOY / "env.example").read_text("utf-8").splitlines() if line and line[0] != "#"]
    assert [line for line in given if not line.endswith("=")] == []
    asked_for = set(re.findall(r"\$\{([A-Z_]+):\?", (DEPLOY / "compose.yaml").read_text("utf-8")))
    assert {line.rstrip("=") for line in given} == asked_for


POSTGRESQL = {"GATEWAY_AUTH_STORE__URL": "postgresql://gateway:secret@postgres:5432/gateway"}


@pytest.mark.parametrize("environ", [{}, POSTGRESQL], ids=["file", "environment"])
def test_the_configuration_loads_without_a_warning(environ: dict[str, str]) -> None:
    configuration = load(Path(DEPLOY / "gateway.toml"), environ=SECRETS | environ)
    assert [str(warning) for warning in configuration.warnings] == []
    assert configuration.redis is not None
