"""Which files a path means. What git ignores is left out; links and special files are never followed or opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from gateway_auth.scan.findings import Unseen
from gateway_auth.scan.git import GitFailed, repository_paths


def files_below(directory: str, *, is_git_asked: bool) -> Iterator[str | Unseen]:
    """The files in a directory and below; where they lie in a repository, those it has or would take in.

    A directory of which its repository takes in nothing is looked at whole: it was named, so it is meant.
    """
    is_empty = True
    if is_git_asked:
        try:
            for found in _repository_files(directory):
                is_empty = False
                yield found
        except GitFailed as error:
            # Before the first name: it is no repository, or git keeps away from it. All files are looked at then.
            if not is_empty:
                yield Unseen(directory, str(error))
    if is_empty:
        yield from _all_files(directory)


def _repository_files(directory: str) -> Iterator[str | Unseen]:
    """Raises GitFailed, perhaps after the last name."""
    within = _Within(directory)
    parent = directory.rstrip("/")
    for listed in repository_paths(directory):
        name = os.fsdecode(listed)
        if not within.holds(name):
            continue
        path = f"{parent}/{name}"
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            continue  # known to git, and deleted
        if stat.S_ISDIR(mode):
            yield from files_below(path, is_git_asked=True)
        elif stat.S_ISREG(mode):
            yield path


class _Within:
    """Whether a name git has listed leads where it says: the directory it names may be a link by now."""

    def __init__(self, directory: str) -> None:
        self._root = os.path.realpath(directory)
        self._known: dict[str, bool] = {"": True}

    def holds(self, name: str) -> bool:
        parent = name.rstrip("/").rpartition("/")[0]
        is_held = self._known.get(parent)
        if is_held is None:
            where = f"{self._root}/{parent}"
            is_held = self._known[parent] = os.path.realpath(where) == where
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
