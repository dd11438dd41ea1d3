"""What git keeps: the index as it will be committed, and everything that ever was."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from gateway_auth.scan.findings import Event, Finding, Unseen
from gateway_auth.scan.repository import look_at_history, look_at_staged
from tests.scan.secrets import FINDER, key

ROOT = Path(__file__).resolve().parents[2]


def git(directory: Path, *arguments: str) -> str:
    ended = subprocess.run(
        ["git", "-c", "user.email=a@example.com", "-c", "user.name=a", *arguments],
        cwd=directory, check=True, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    return ended.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    return tmp_path


def found(events: Iterable[Event]) -> list[tuple[str, str]]:
    """(path, key id) of each."""
    told = list(events)
    assert [event for event in told if isinstance(event, Unseen)] == []
    return [(event.place.path, event.leak.id) for event in told if isinstance(event, Finding)]


def staged(repository: Path) -> list[tuple[str, str]]:
    return found(look_at_staged(str(repository), FINDER))


def history(repository: Path) -> list[tuple[str, str]]:
    return found(look_at_history(str(repository), FINDER))


def test_the_index_is_looked_at_and_not_the_files(repository: Path) -> None:
    (repository / "a").write_text(key(1).text)
    (repository / "b").write_text("clean")
    git(repository, "add", ".")
    (repository / "a").write_text("clean")
    (repository / "b").write_text(key(2).text)
    (repository / "c").write_text(key(3).text)
    assert staged(repository) == [("a", key(1).key_id)]


def test_what_is_committed_already_is_not_staged(repository: Path) -> None:
    (repository / "a").write_text(key(1).text)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "one")
    (repository / "b").write_text(key(2).text)
    git(repository, "add", ".")
    git(repository, "rm", "--quiet", "a")
    assert staged(repository) == [("b", key(2).key_id)]


def test_strange_names_and_links_are_staged_too(repository: Path) -> None:
    names = ["line\nbreak", 'quo"te', "sp ace", "ü"]
    for name in names:
        (repository / name).write_text(key().text)
    (repository / "link").symlink_to(key(2).text)
    git(repository, "add", ".")
    expected = [*((name, key().key_id) for name in names), ("link", key(2).key_id)]
    assert sorted(staged(repository)) == sorted(expected)


def test_in_a_hook_the_index_of_the_commit_is_looked_at(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (repository / name).write_text("clean")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "one")
    found_by_hook = repository / "found"
    program = "import gateway_auth.cli, sys; sys.exit(gateway_auth.cli.main(['scan', '--staged']))"
    hook = repository / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -c "{program}" > {found_by_hook}\n')
    hook.chmod(0o700)
    (repository / "a").write_text(key().text)
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "commit", "--message", "two", "a")
    assert key().key_id in found_by_hook.read_text()


def test_a_renamed_file_is_looked_at(repository: Path) -> None:
    (repository / "a").write_text(key().text)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "one")
    git(repository, "mv", "a", "b")
    assert staged(repository) == [("b", key().key_id)]


def test_all_versions_and_messages_are_history(repository: Path) -> None:
    (repository / "a").write_text(key(1).text)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", f"with {key(2).text}")
    git(repository, "rm", "--quiet", "a")
    git(repository, "commit", "--quiet", "--message", "clean")
    git(repository, "tag", "--annotate", "--message", key(3).text, "v1")
    assert sorted(history(repository)) == [
        ("(commit)", key(2).key_id), ("a", key(1).key_id), ("v1", key(3).key_id)
    ]  # fmt: skip


def test_what_was_thrown_away_is_history_while_the_reflog_knows_it(repository: Path) -> None:
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "first")
    (repository / "a").write_text(key().text)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "second")
    git(repository, "reset", "--quiet", "--hard", "HEAD~")
    assert history(repository) == [("a", key().key_id)]


def test_an_object_replaced_by_another_hides_nothing(repository: Path) -> None:
    (repository / "a").write_text(key().text)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "one")
    clean = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"],
        cwd=repository,
        input="clean",
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    git(repository, "replace", git(repository, "rev-parse", "HEAD:a"), clean)
    assert ("a", key().key_id) in history(repository)


def test_a_big_version_is_read_in_pieces_and_the_next_one_is_found(repository: Path) -> None:
    (repository / "a").write_bytes(os.urandom(3 << 20) + key(1).text.encode())
    (repository / "b").write_text(key(2).text)
    git(repository, "add", ".")
    assert staged(repository) == [("a", key(1).key_id), ("b", key(2).key_id)]


@pytest.mark.parametrize("look", [look_at_staged, look_at_history])
def test_no_repository_is_told(tmp_path: Path, look: object) -> None:
    assert callable(look)
    (event,) = look(str(tmp_path), FINDER)
    assert isinstance(event, Unseen)
    assert "not a git repository" in event.why


def test_without_git_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (event,) = look_at_staged(str(tmp_path), FINDER)
    assert isinstance(event, Unseen)
    assert "git cannot be run" in event.why


def test_what_a_partial_clone_does_not_have_is_told(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (repository / "a").write_text(key().text)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "one")
    git(repository, "config", "uploadpack.allowFilter", "true")
    clone = tmp_path_factory.mktemp("clone")
    git(clone, "clone", "--quiet", "--no-checkout", "--filter=blob:none", f"file://{repository}", "partial")
    (event,) = look_at_history(str(clone / "partial"), FINDER)
    assert isinstance(event, Unseen)
    assert event.is_failure
    assert "1 objects" in event.why


def test_an_object_of_the_index_that_is_gone_is_told(repository: Path) -> None:
    (repository / "a").write_text(key().text)
    git(repository, "add", ".")
    name = git(repository, "rev-parse", ":a")
    (repository / ".git/objects" / name[:2] / name[2:]).unlink()
    (event,) = look_at_staged(str(repository), FINDER)
    assert isinstance(event, Unseen)
    assert event.is_failure
