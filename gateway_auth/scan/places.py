"""Which files a path means. What git ignores is left out; links and special files are never followed or opened."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gateway_auth.scan.findings import Unseen
from gateway_auth.scan.git import GitFailed, repository_paths


def files_of(path: str, *, is_git_asked: bool) -> Iterator[str | Unseen]:
    """The file itself, or those in the directory and below; where they lie in a repository, those it would take in.

    A directory of which its repository takes in nothing is looked at whole: it was named, so it is meant.
    """
    if not os.path.isdir(path):
        yield path
        return
    is_empty = True
    if is_git_asked:
        for found in _repository_files(path):
            is_empty = False
            yield found
    if is_empty:
        yield from _all_files(path)


def _repository_files(directory: str) -> Iterator[str | Unseen]:
    """Nothing where git does not answer: whatever the reason, all files are looked at then."""
    within = _Within(directory)
    try:
        for name in repository_paths(directory):
            path = os.path.join(directory, os.fsdecode(name))
            if not within.holds(path):
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                yield from files_of(path, is_git_asked=True)
            else:
                yield path
    except GitFailed:
        return


class _Within:
    """Whether a name git has listed still leads where it says: its directory may be a link by now."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._root = os.path.realpath(directory)
        self._known: dict[str, bool] = {}

    def holds(self, path: str) -> bool:
        parent = os.path.dirname(path.rstrip("/"))
        is_held = self._known.get(parent)
        if is_held is None:
            below = os.path.relpath(parent, self._directory)
            expected = self._root if below == "." else f"{self._root}/{below}"
            is_held = self._known[parent] = os.path.realpath(parent) == expected
        return is_held


def _all_files(directory: str) -> Iterator[str | Unseen]:
    waiting = [directory]
    while waiting:
        current = waiting.pop()
        try:
            with os.scandir(current) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Unseen(current, error.strerror or "cannot be read")
            continue
        yield from (entry.path for entry in found if entry.is_file(follow_symlinks=False))
        waiting += [entry.path for entry in reversed(found) if entry.is_dir(follow_symlinks=False)]
