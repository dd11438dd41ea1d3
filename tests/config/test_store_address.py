"""The store's address may be a reference, as it may hold a password; and where the audit's heads are noted."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway_auth.config import load
from gateway_auth.errors import ConfigError

PEPPER = "Jr4ZbLq7Wd0xVnT9KfEy2uHs6mCa8PoG1iXv5NtB"
ADDRESS = "postgresql://gateway:hunter2@db.example/orders?sslmode=verify-full"


def loaded(folder: Path, toml: str, **environ: str) -> tuple[str, str | None]:
    file = folder / "gateway.toml"
    file.write_text(f'[secrets]\npepper = "env:PEPPER"\n{toml}')
    configuration = load(file, environ={"PEPPER": PEPPER, **environ})
    return configuration.store_url, configuration.anchor_file


def test_an_address_is_taken_from_the_environment(tmp_path: Path) -> None:
    assert loaded(tmp_path, '[store]\nurl = "env:DB"', DB=f" {ADDRESS}\n")[0] == ADDRESS


def test_an_address_is_taken_from_a_file_of_its_owner(tmp_path: Path) -> None:
    secret = tmp_path / "db"
    secret.write_text(ADDRESS + "\n")
    secret.chmod(0o600)
    assert loaded(tmp_path, '[store]\nurl = "file:db"')[0] == ADDRESS
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="secret file db is open to others"):
        loaded(tmp_path, '[store]\nurl = "file:db"')


def test_a_reference_overrides_from_the_environment_like_any_key(tmp_path: Path) -> None:
    variables = {"GATEWAY_AUTH_STORE__URL": "env:DB", "DB": ADDRESS}
    assert loaded(tmp_path, "", **variables)[0] == ADDRESS


def test_a_file_of_sqlite_that_is_referred_to_is_relative_to_the_configuration(tmp_path: Path) -> None:
    assert loaded(tmp_path, '[store]\nurl = "env:DB"', DB="sqlite:///x.db")[0] == f"sqlite:///{tmp_path}/x.db"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("mysql://u:hunter2@h/d", "refers to an address that must begin with"),
        ("postgresql://u:hunter2@h", "refers to an address that names no host or no database"),
        ("\udcff", "holds what is no text"),
        (" ", "is empty"),
    ],
)
def test_what_is_no_address_is_refused_without_showing_it(tmp_path: Path, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"^store\.url: .*{said}") as caught:
        loaded(tmp_path, '[store]\nurl = "env:DB"', DB=value)
    assert "hunter2" not in str(caught.value)


def test_a_reference_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"what follows env: is not the name"):
        loaded(tmp_path, '[store]\nurl = "env:a-b"')


def test_the_anchor_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    assert loaded(tmp_path, "")[1] is None
    assert loaded(tmp_path, '[audit]\nanchor_file = "a/b"')[1] == f"{tmp_path}/a/b"
    assert loaded(tmp_path, '[audit]\nanchor_file = "/x/y"')[1] == "/x/y"


@pytest.mark.parametrize("toml", ['[audit]\nanchor_file = ""', "[audit]\nanchor_file = 1", '[audit]\nanchors = "x"'])
def test_a_wrong_audit_table_is_refused(tmp_path: Path, toml: str) -> None:
    with pytest.raises(ConfigError, match=r"^audit\.anchor"):
        loaded(tmp_path, toml)
