"""`init`: what it makes, for whom it is readable, and what it leaves alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.cli.command import Workspace, call, run


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_first_commands_of_the_readme_work_in_a_fresh_directory(tmp_path: Path) -> None:
    assert run("init", "gateway", cwd=tmp_path).code == 0
    here = tmp_path / "gateway"
    app = run("apps", "create", "shop", "--plan", "free", cwd=here)
    key = run("keys", "create", "--app", app.out.strip(), "--scope", "orders:read", cwd=here)
    assert [app.code, key.code] == [0, 0]
    assert key.out.startswith("gwk_live_")
    assert key.out.count("\n") == 1


def test_secret_and_store_are_for_their_owner_alone_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert call("init", tmp_path).code == 0
    finally:
        os.umask(before)
    assert mode(tmp_path / "secrets") == 0o700
    assert mode(tmp_path / "secrets" / "pepper") == 0o600
    assert mode(tmp_path / "gateway.db") == 0o600


def test_no_secret_is_printed_or_stands_in_the_configuration(tmp_path: Path) -> None:
    ended = call("init", tmp_path)
    pepper = (tmp_path / "secrets" / "pepper").read_text("utf-8").strip()
    assert len(pepper) >= 64
    assert pepper not in ended.out + ended.err + (tmp_path / "gateway.toml").read_text("utf-8")


def test_two_directories_get_two_peppers(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert call("init", tmp_path / name).code == 0
    assert (tmp_path / "one/secrets/pepper").read_bytes() != (tmp_path / "two/secrets/pepper").read_bytes()


def test_a_second_run_changes_nothing_and_says_so(workspace: Workspace) -> None:
    files = [path for path in workspace.directory.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    ended = call("init", workspace.directory)
    assert ended.code == 1
    assert ended.error_lines == [
        f"gateway-auth: {workspace.config} is there already; edit it, or name another directory"
    ]
    assert {path: path.read_bytes() for path in files} == before


def test_what_an_interrupted_run_left_is_kept_and_completed(workspace: Workspace) -> None:
    pepper = (workspace.directory / "secrets" / "pepper").read_bytes()
    workspace.config.unlink()
    ended = call("init", workspace.directory)
    assert ended.code == 0
    assert f"kept  {workspace.directory / 'secrets' / 'pepper'}" in ended.out
    assert (workspace.directory / "secrets" / "pepper").read_bytes() == pepper


def test_what_was_made_is_also_told_as_data(tmp_path: Path) -> None:
    made = call("init", tmp_path, "--json").json
    assert {Path(one["path"]).name for one in made} == {".gitignore", "pepper", "gateway.db", "gateway.toml"}
    assert all(one["made"] for one in made)


def test_a_gitignore_of_ones_own_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine\n", "utf-8")
    assert call("init", tmp_path).code == 0
    assert (tmp_path / ".gitignore").read_text("utf-8") == "mine\n"


@pytest.mark.parametrize("name", ["gateway.toml", "secrets/pepper", ".gitignore", "gateway.db", "secrets"])
@pytest.mark.parametrize("is_dangling", [True, False], ids=["dangling", "pointing"])
def test_a_symbolic_link_is_refused_and_nothing_is_written_through_it(
    tmp_path: Path, name: str, is_dangling: bool
) -> None:
    target, link = tmp_path / "elsewhere", tmp_path / "gateway" / name
    if not is_dangling:
        if name == "secrets":
            target.mkdir()
        else:
            target.write_text("untouched", "utf-8")
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    ended = call("init", tmp_path / "gateway")
    assert ended.code == 1
    assert len(ended.error_lines) == 1
    assert "symbolic link" in ended.err
    assert not (tmp_path / "gateway" / "gateway.toml").is_file() or name == "gateway.toml"
    if is_dangling:
        assert not target.exists()
    elif name != "secrets":
        assert target.read_text("utf-8") == "untouched"
    else:
        assert list(target.iterdir()) == []


def test_a_file_where_the_directory_should_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", "utf-8")
    ended = call("init", tmp_path / "taken")
    assert ended.code == 1
    assert len(ended.error_lines) == 1
    assert "taken" in ended.err
