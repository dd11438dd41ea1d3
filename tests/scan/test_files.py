"""Files and directories: what is looked at, what is left out, and what is never opened or followed."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_auth.scan import archives
from gateway_auth.scan.findings import Event, Finding, Unseen
from gateway_auth.scan.looking import look_at_file, look_at_named
from gateway_auth.scan.places import files_below
from tests.scan.secrets import FINDER, key

SECRET = f"{key().text}\n".encode()


def looked(path: Path, *, is_git_asked: bool = True) -> Iterator[Event]:
    if not path.is_dir():
        yield from look_at_named(str(path), FINDER)
        return
    for file in files_below(str(path), is_git_asked=is_git_asked):
        if isinstance(file, Unseen):
            yield file
        else:
            yield from look_at_file(file, FINDER)


def found(path: Path, *, is_git_asked: bool = True) -> list[str]:
    """The files below `path` with a key; nothing may have been left out."""
    events = list(looked(path, is_git_asked=is_git_asked))
    assert [event for event in events if isinstance(event, Unseen)] == []
    return [os.path.relpath(event.place.path, path) for event in events if isinstance(event, Finding)]


def write(path: Path, content: bytes = SECRET) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def git(directory: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.email=a@example.com", "-c", "user.name=a", *arguments],
        cwd=directory, check=True, capture_output=True, timeout=30,
    )  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    return tmp_path


def test_a_directory_is_looked_at_to_its_depths_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.bin", "d/e/f", ".hidden", "d/a"):
        write(tmp_path / name)
    write(tmp_path / "clean.txt", b"nothing")
    assert found(tmp_path) == [".hidden", "a.bin", "b.txt", "d/a", "d/e/f"]


def test_what_git_ignores_is_left_out_unless_asked_for(repository: Path) -> None:
    write(repository / ".gitignore", b"build/\n*.log\n")
    for name in ("new.txt", "tracked.log", "build/out", "some.log", "d/x"):
        write(repository / name)
    git(repository, "add", "--force", "tracked.log")
    assert sorted(found(repository)) == ["d/x", "new.txt", "tracked.log"]
    assert found(repository / "d") == ["x"]
    assert set(found(repository, is_git_asked=False)) >= {"build/out", "some.log", "tracked.log"}


def test_what_is_named_is_looked_at_though_git_ignores_it(repository: Path) -> None:
    write(repository / ".gitignore", b"build/\n")
    write(repository / "build/out")
    assert found(repository / "build") == ["out"]
    assert found(repository / "build/out") == ["."]


def test_a_repository_within_a_repository_is_looked_at(repository: Path) -> None:
    (repository / "inner").mkdir()
    git(repository / "inner", "init", "--quiet")
    write(repository / "inner/.gitignore", b"skip\n")
    write(repository / "inner/skip")
    write(repository / "inner/deep/key")
    assert found(repository) == ["inner/deep/key"]


def test_a_file_in_conflict_is_looked_at_once_and_a_deleted_one_not_missed(repository: Path) -> None:
    write(repository / "f", b"base")
    write(repository / "gone", b"base")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "one")
    git(repository, "checkout", "--quiet", "-b", "other")
    write(repository / "f", b"theirs")
    git(repository, "commit", "--quiet", "--all", "--message", "two")
    git(repository, "checkout", "--quiet", "-")
    write(repository / "f", b"ours")
    git(repository, "commit", "--quiet", "--all", "--message", "three")
    with pytest.raises(subprocess.CalledProcessError):
        git(repository, "merge", "other")
    write(repository / "f")
    (repository / "gone").unlink()
    assert found(repository) == ["f"]


def test_nothing_a_repository_names_is_run(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    proof = tmp_path_factory.mktemp("proof") / "was-run"
    program = write(repository / "program", f"#!/bin/sh\ntouch {proof}\n".encode())
    program.chmod(0o700)
    git(repository, "config", "core.fsmonitor", str(program))
    write(repository / "f")
    assert found(repository) == ["f"]
    assert not proof.exists()


def test_a_hook_of_another_repository_hides_nothing(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "--quiet")
    write(other / "a", b"")
    git(other, "add", ".")
    write(repository / "d/key")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert found(repository) == ["d/key"]
    assert found(repository / "d") == ["key"]


def test_names_git_would_quote_are_found(repository: Path) -> None:
    for name in ("line\nbreak", "quote\"'", "tab\t", "ü", ":(top)x", "-c"):
        write(repository / name)
    write(Path(os.fsdecode(os.fsencode(repository) + b"/\xff\xfe")))
    assert len(found(repository)) == 7


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside/key")
    inside = tmp_path / "inside"
    write(inside / "clean", b"")
    (inside / "to_file").symlink_to(outside)
    (inside / "to_directory").symlink_to(outside.parent)
    (inside / "loop").symlink_to(inside)
    (inside / "broken").symlink_to("nowhere")
    assert found(inside) == []
    git(inside, "init", "--quiet")
    git(inside, "add", ".")
    assert found(inside) == []


def test_a_directory_of_the_index_that_became_a_link_leads_nowhere(repository: Path, tmp_path: Path) -> None:
    write(repository / "d/key")
    git(repository, "add", ".")
    (repository / "d").rename(repository.parent / f"{tmp_path.name}-away")
    (repository / "d").symlink_to(repository.parent / f"{tmp_path.name}-away")
    assert found(repository) == []


def test_a_link_that_is_named_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "key")
    (tmp_path / "link").symlink_to("key")
    assert found(tmp_path / "link") == ["."]


def test_special_files_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(tmp_path / "socket"))
        assert found(tmp_path) == []
    (event,) = looked(tmp_path / "fifo")
    assert isinstance(event, Unseen)
    assert event.is_failure


def test_what_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "secret")

    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    assert list(looked(tmp_path, is_git_asked=False)) == [Unseen(str(tmp_path / "secret"), "Permission denied")]


def test_a_directory_that_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list(looked(tmp_path)) == [Unseen(str(tmp_path), "Permission denied")]


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("printf 'f\\0'; echo \"warning: could not open directory 'd/': Permission denied\" >&2", "Permission denied"),
        ("printf 'f\\0'; echo 'fatal: index file corrupt' >&2; exit 128", "index file corrupt"),
    ],
    ids=["unreadable-directory", "broken-index"],
)
def test_a_list_of_git_that_is_not_whole_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, why: str
) -> None:
    write(tmp_path / "bin/git", f"#!/bin/sh\n{program}\n".encode()).chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    write(tmp_path / "tree/f")
    finding, unseen = looked(tmp_path / "tree")
    assert isinstance(finding, Finding)
    assert isinstance(unseen, Unseen)
    assert unseen.is_failure
    assert why in unseen.why


@pytest.mark.parametrize("name", ["nothing", "nul\0"])
def test_a_name_of_no_file_is_told(tmp_path: Path, name: str) -> None:
    (event,) = look_at_named(str(tmp_path / name), FINDER)
    assert isinstance(event, Unseen)


def zipped(*names: str, how: int = zipfile.ZIP_DEFLATED, content: bytes = SECRET) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "member"),
    [
        (gzip.compress(SECRET), "uncompressed"),
        (gzip.compress(b"first") + gzip.compress(SECRET), "uncompressed"),
        (bz2.compress(SECRET), "uncompressed"),
        (zipped("a/b.txt"), "a/b.txt"),
        (zipped("b", how=zipfile.ZIP_BZIP2), "b"),
        (zipped("b", how=zipfile.ZIP_STORED), None),
    ],
    ids=["gzip", "gzip-of-two", "bzip2", "zip", "zip-bzip2", "zip-stored"],
)
def test_archives_are_looked_into(tmp_path: Path, content: bytes, member: str | None) -> None:
    (event,) = looked(write(tmp_path / "archive", content))
    assert isinstance(event, Finding)
    assert (event.place.member, event.leak.id) == (member, key().key_id)


def test_what_stands_in_an_archive_beside_its_members_is_found(tmp_path: Path) -> None:
    assert found(write(tmp_path / "archive", zipped("a", content=b"") + SECRET)) == ["."]


@pytest.mark.parametrize(
    "content",
    [gzip.compress(SECRET * 100)[:-9], b"\x1f\x8b\x08" + SECRET, b"BZh9" + SECRET, b"PK\x03\x04" + SECRET,
     zipped("a")[:40] + b"\xff" * 20 + zipped("a")[60:]],
    ids=["cut", "gzip", "bzip2", "zip", "broken-member"],
)  # fmt: skip
def test_a_damaged_archive_is_told_and_is_no_failure(tmp_path: Path, content: bytes) -> None:
    told = [event for event in looked(write(tmp_path / "archive", content)) if isinstance(event, Unseen)]
    assert [event.is_failure for event in told] == [False]


def test_what_an_archive_can_blow_up_to_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_INSIDE_BYTES", 4 << 20)
    bomb = write(tmp_path / "bomb.gz", gzip.compress(bytes(16 << 20) + SECRET, 1))
    members = write(tmp_path / "bomb.zip", zipped("a", "b", "c", content=bytes(2 << 20)))
    for archive in (bomb, members):
        (event,) = looked(archive)
        assert isinstance(event, Unseen)
        assert "more than 4 MiB" in event.why


def test_a_long_list_of_members_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write(tmp_path / "long.zip", zipped("a", "b", "c"))
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    (event,) = looked(archive)
    assert isinstance(event, Unseen)
    monkeypatch.setattr(archives, "MAX_DIRECTORY_BYTES", 10)
    (event,) = looked(archive)
    assert isinstance(event, Unseen)
    assert "too long a list" in event.why


def test_an_encrypted_member_is_told_and_the_others_are_looked_at(tmp_path: Path) -> None:
    content = bytearray(zipped("a", "b"))
    entry = content.index(b"PK\x01\x02")
    content[entry + 8] |= 1
    unseen, finding = looked(write(tmp_path / "archive", bytes(content)))
    assert isinstance(unseen, Unseen)
    assert isinstance(finding, Finding)
    assert finding.place.member == "b"
