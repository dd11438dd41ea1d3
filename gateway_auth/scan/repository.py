"""Looks at what git keeps: what the next commit would take in, and everything that any commit ever did."""

from __future__ import annotations

import os
from collections.abc import Iterator
from tempfile import TemporaryFile

from gateway_auth.core.leaks import LeakFinder
from gateway_auth.scan.findings import Event, Place, Unseen
from gateway_auth.scan.git import MISSING, GitFailed, listed, objects, require_repository, running
from gateway_auth.scan.stream import search

_CHANGES = (
    "diff", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv",
    "--diff-filter=d",
)  # fmt: skip
_SUBMODULE = b"160000"


def look_at_staged(directory: str, finder: LeakFinder) -> Iterator[Event]:
    """Each file of the index that is not as in the last commit, as it would be committed."""
    try:
        require_repository(directory)
        changed = list(_changed(directory))
        with TemporaryFile() as wanted:
            wanted.writelines(b"%s %d\n" % (name, number) for number, (name, _) in enumerate(changed))
            wanted.seek(0)
            for each in objects(directory, wanted):
                if each.type == MISSING:
                    yield Unseen(directory, f"object {each.id} of the index is not in this clone")
                    continue
                _, path = changed[int(each.rest)]
                yield from search(each.read, finder, Place(os.fsdecode(path), object=each.id))
    except GitFailed as error:
        yield Unseen(directory, str(error))


def look_at_history(directory: str, finder: LeakFinder) -> Iterator[Event]:
    """Every version of every file, and every message, that a branch, a tag or the reflog leads to; each once."""
    missing = 0
    try:
        arguments = ("rev-list", "--objects", "--all", "--reflog", "--missing=print")
        with running(directory, *arguments) as wanted:
            for each in objects(directory, wanted):
                missing += each.type == MISSING
                if each.type not in ("tree", MISSING):
                    path = os.fsdecode(each.rest) or f"({each.type})"
                    yield from search(each.read, finder, Place(path, object=each.id))
    except GitFailed as error:
        yield Unseen(directory, str(error))
    if missing:
        yield Unseen(
            directory, f"{missing} objects of its history are not in this clone: fetch them, or scan a whole one"
        )


def _changed(directory: str) -> Iterator[tuple[bytes, bytes]]:
    """(object, path) of each changed file; `--raw -z` gives what changed and the path in turn."""
    # For a commit of some files only, git has its hooks look at an index of its own.
    index_file = os.environ.get("GIT_INDEX_FILE") if directory == "." else None
    names = listed(directory, *_CHANGES, index_file=index_file)
    for change in names:
        _, mode, _, name, _ = change.split(b" ")
        path = next(names)
        if mode != _SUBMODULE:
            yield name, path
