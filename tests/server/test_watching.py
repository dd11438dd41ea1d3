"""A change is told once, when it is over, and only when something stands there that did not before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway_auth.server import watching
from gateway_auth.server.watching import Watch


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(watching, "PERIOD_SECONDS", 0.0)
    file = tmp_path / "gateway.toml"
    file.write_text("one")
    return file


def test_it_waits_until_nobody_writes(file: Path) -> None:
    watch = Watch([str(file)])
    assert not watch.has_changed()
    file.write_text("two, half")
    assert not watch.has_changed()
    file.write_text("two, whole")
    assert not watch.has_changed()
    assert watch.has_changed()
    assert not watch.has_changed()


def test_a_file_written_again_as_it_was_is_no_change(file: Path) -> None:
    watch = Watch([str(file)])
    os.utime(file, (1, 1))
    assert [watch.has_changed() for _ in range(3)] == [False] * 3


def test_a_link_that_leads_elsewhere_is_one(file: Path) -> None:
    link, other = file.with_name("link"), file.with_name("other")
    link.symlink_to(file)
    watch = Watch([str(link)])
    other.write_text("two")
    fresh = file.with_name("fresh")
    fresh.symlink_to(other)
    fresh.rename(link)
    assert [watch.has_changed() for _ in range(3)] == [False, True, False]


def test_a_file_that_goes_and_comes_is_one(file: Path) -> None:
    watch = Watch([str(file)])
    file.unlink()
    assert [watch.has_changed() for _ in range(3)] == [False, True, False]
    file.write_text("one")
    assert [watch.has_changed() for _ in range(3)] == [False, True, False]
