"""`scan`: exit codes, what is printed and what never is, prefixes, the store, the hook."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cli.command import ROOT, Workspace, call, run
from tests.scan.secrets import admin_token, key


def secret_of(text: str) -> str:
    return text.rsplit("_", 1)[1]


def test_nothing_found_is_silence(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("nothing")
    ended = call("scan", tmp_path)
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_what_is_found_is_a_line_with_place_environment_and_id_and_never_the_secret(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(f"\n x = '{key(1, environment='test').text}'\n{admin_token(2)[0]}")
    ended = call("scan", tmp_path)
    assert ended.code == 1
    assert ended.out.splitlines() == [
        f"{file}:2:7: test key {key(1).key_id}",
        f"{file}:3:1: admin token {admin_token(2)[1]}",
    ]
    assert "revoke" in ended.err
    for text in (key(1, environment="test").text, admin_token(2)[0]):
        assert secret_of(text) not in ended.out + ended.err


def test_json_is_an_array_with_the_same(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text(f"{key(1).text}\n{key(2).text}")
    ended = call("scan", "--json", file)
    assert ended.code == 1
    assert ended.json[0] == {
        "path": str(file), "member": None, "object": None, "line": 1, "column": 1, "kind": "api_key", "prefix": "gwk",
        "environment": "live", "id": key(1).key_id, "allowed": False, "status": None,
    }  # fmt: skip
    assert [finding["id"] for finding in ended.json] == [key(1).key_id, key(2).key_id]
    assert secret_of(key(1).text) not in ended.out + ended.err


def test_json_of_nothing_is_an_empty_array(tmp_path: Path) -> None:
    assert call("scan", "--json", tmp_path).json == []


def test_stdin_is_looked_at(tmp_path: Path) -> None:
    ended = run("scan", "-", cwd=tmp_path, stdin=f"a\nb {key().text}")
    assert (ended.code, ended.out) == (1, f"-:2:3: live key {key().key_id}\n")


@pytest.mark.parametrize(
    "arguments", [(), ("--staged", "--git-history"), ("--staged", "a", "b"), ("--prefix", "X!", "."), ("--nothing",)]
)
def test_what_cannot_be_meant_is_one_line_and_exit_2(arguments: tuple[str, ...]) -> None:
    ended = call("scan", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.error_lines) == 1


def test_what_could_not_be_looked_at_is_exit_2_unless_something_was_found(tmp_path: Path) -> None:
    ended = call("scan", tmp_path / "nothing")
    assert (ended.code, ended.out, ended.err) == (2, "", f"{tmp_path / 'nothing'}: there is no such file\n")
    (tmp_path / "a").write_text(key().text)
    assert call("scan", tmp_path / "nothing", tmp_path / "a").code == 1


def test_an_empty_path_is_not_taken_for_this_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("scan", "").code == 2


def test_a_directory_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True, timeout=30)
    Path("d").mkdir()
    Path("d/key").write_text(key().text)
    for given in ("d", "d/", f"{tmp_path}/d/"):
        assert call("scan", given).out.startswith(f"{given.rstrip('/')}/key:1:1: ")


def test_a_marker_on_the_line_allows_it_and_can_be_overruled(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"{key().text}  # gateway-auth:allow")
    ended = call("scan", tmp_path)
    assert (ended.code, ended.out) == (0, "")
    assert "1 allowed" in ended.err
    assert call("scan", "--no-allow", tmp_path).code == 1


def test_a_name_that_holds_a_key_or_orders_to_a_terminal_is_inert(tmp_path: Path) -> None:
    (tmp_path / f"\x1b]0;owned\x07\n{key(2).text}").write_text(key().text)
    for arguments in (("scan",), ("scan", "--json")):
        ended = call(*arguments, tmp_path)
        assert ended.code == 1
        assert "\x1b" not in ended.out
        assert secret_of(key(2).text) not in ended.out
        assert "_[redacted]" in ended.out
    assert len(call("scan", tmp_path).out.splitlines()) == 1


def test_prefixes_given_and_configured_are_found_besides_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("keys").write_text(" ".join(key(prefix=prefix).text for prefix in ("gwk", "acme", "shop")))
    found = [finding["prefix"] for finding in call("scan", "--json", "keys", "--prefix", "acme").json]
    assert found == ["gwk", "acme"]
    # No secret of the configuration is there, as in any checkout.
    Path("gateway.toml").write_text('[secrets]\npepper = "env:NOT_HERE"\n[api_keys]\nprefix = "shop"\n')
    assert [finding["prefix"] for finding in call("scan", "--json", "keys").json] == ["gwk", "shop"]
    Path("gateway.toml").write_text('[api_keys]\nprefix = "No"\n')
    ended = call("scan", "keys")
    assert (ended.code, len(ended.error_lines)) == (2, 1)
    assert ended.err.startswith("gateway-auth: api_keys.prefix: ")


def test_a_configuration_that_is_named_must_exist(tmp_path: Path) -> None:
    assert call("scan", tmp_path, "-c", tmp_path / "no.toml").code == 2


def test_the_index_of_a_repository_is_looked_at(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True, timeout=30)
    (tmp_path / "a").write_text(key().text)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True, timeout=30)
    (tmp_path / "a").write_text("clean")
    ended = run("scan", "--staged", cwd=tmp_path)
    assert ended.code == 1
    assert ended.out.startswith("a@")
    assert ended.out.endswith(f":1:1: live key {key().key_id}\n")
    assert run("scan", "--git-history", cwd=tmp_path).code == 0


def test_verify_says_what_the_store_knows_and_what_works_comes_first(workspace: Workspace) -> None:
    app, other = workspace.app("one"), workspace.app("two")
    active, revoked, of_disabled = workspace.key(app), workspace.key(app), workspace.key(other)
    workspace.call("keys", "revoke", revoked["id"])
    workspace.call("apps", "disable", other)
    wrong = key().text.replace(key().key_id, active["id"])
    texts = [revoked["key"], of_disabled["key"], key(5).text, admin_token()[0], active["key"], wrong]
    file = workspace.directory / "leaked"
    file.write_text("\n".join(texts))
    ended = workspace.call("scan", "--verify", "--json", file)
    assert ended.code == 1
    told = [(finding["id"], finding["status"]) for finding in ended.json]
    assert told == [
        (active["id"], "active"), (revoked["id"], "revoked"), (of_disabled["id"], "app disabled"),
        (key(5).key_id, "unknown"), (admin_token()[1], None),
    ]  # fmt: skip
    assert f"live key {active['id']} (active)" in workspace.call("scan", "--verify", file).out


def test_without_anything_found_verify_asks_no_store(tmp_path: Path) -> None:
    assert call("scan", "--verify", tmp_path).code == 0


def test_what_was_found_is_told_though_the_store_cannot_be_asked(workspace: Workspace) -> None:
    file = workspace.directory / "leaked"
    file.write_text(key().text)
    (workspace.directory / "gateway.db").write_bytes(b"no database")
    ended = workspace.call("scan", "--verify", file)
    assert (ended.code, ended.out) == (1, f"{file}:1:1: live key {key().key_id}\n")
    assert "the keys were not verified" in ended.err


def test_the_hook_for_pre_commit_names_a_command_that_exists() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["id"] == "gateway-auth-scan"
    assert hook["language"] == "python"
    name, *words = hook["entry"].split()
    assert name == "gateway-auth"
    assert call(*words, *hook["args"], ROOT / "README.md").code == 0


def test_no_key_stands_in_this_repository() -> None:
    ended = call("scan", ROOT)
    assert (ended.code, ended.out) == (0, "")
