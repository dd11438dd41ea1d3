"""Asks git. A repository may belong to anybody: nothing it names is run, and nothing is written or fetched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

from msgspec import Struct

from gateway_auth.scan.stream import Read

READ_BYTES = 1 << 16
MISSING = "missing"
"""The type of an object that this clone does not have."""
_SAFE = ("--literal-pathspecs", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "",  # none: what is missing is not fetched, by programs that the repository names
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",  # else an object could be shown as another
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}

_LOCATIONS = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)  # fmt: skip
"""In a hook these name the repository it runs for: another one would be taken for it, and found empty."""


class GitFailed(Exception):
    """git is not there, or refused; the text is its last line."""


@contextmanager
def running(
    directory: str, *arguments: str, stdin: IO[bytes] | None = None, index_file: str | None = None
) -> Iterator[IO[bytes]]:
    """The output of `git arguments` in a directory. Raises GitFailed where it did not end well, after the last byte.

    `index_file` is another index than the repository's own.
    """
    # Not a pipe for the complaints: one that nobody empties could stop git.
    with TemporaryFile() as complaints, _start(directory, arguments, stdin, complaints, index_file) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        try:
            yield process.stdout
        except BaseException:
            process.kill()
            raise
        process.stdout.close()
        is_refused = process.wait() != 0
        complaints.seek(0)
        complaint = complaints.read(READ_BYTES)
        # git ends well all the same where it could not look into a directory.
        if is_refused or b"could not open directory" in complaint:
            raise GitFailed(_last_line(complaint))


def _start(
    directory: str, arguments: Sequence[str], stdin: IO[bytes] | None, stderr: IO[bytes], index_file: str | None
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - no shell, and nothing a stranger chose but the directory
            ["git", *_SAFE, "-C", directory, *arguments],  # noqa: S607 - the git people use is the one on their path
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=_environment(index_file),
        )
    except OSError as error:
        raise GitFailed(f"git cannot be run: {error.strerror}") from error


def _environment(index_file: str | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _LOCATIONS}
    return {**kept, **_ENVIRONMENT, **({"GIT_INDEX_FILE": index_file} if index_file is not None else {})}


def listed(directory: str, *arguments: str, index_file: str | None = None) -> Iterator[bytes]:
    """The NUL-separated names git prints, as they come."""
    with running(directory, *arguments, index_file=index_file) as output:
        rest = b""
        while more := output.read(READ_BYTES):
            *names, rest = (rest + more).split(b"\0")
            yield from names


def repository_paths(directory: str) -> Iterator[bytes]:
    """Names, relative to `directory`, of the files its repository has or would take in, below it.

    A submodule, and a repository within this one, is one name.
    """
    before = None
    for name in listed(directory, "ls-files", "-z", "--cached", "--others", "--exclude-standard"):
        if name != before:  # one in conflict is listed three times
            yield name
        before = name


def require_repository(directory: str) -> None:
    """Raises GitFailed, in git's own words, where there is none or git keeps away from it."""
    for _ in listed(directory, "rev-parse", "--git-dir"):
        pass


class GitObject(Struct):
    """One object: `rest` is what stood after its id in the list; `read` gives its content, piece by piece."""

    id: str
    type: str
    rest: bytes
    read: Read


def objects(directory: str, wanted: IO[bytes]) -> Iterator[GitObject]:
    """Each object of a list of lines `<id> <rest>`. Its content is to be read before the next one is asked for."""
    form = "--batch=%(objectname) %(objecttype) %(objectsize) %(rest)"
    with running(directory, "cat-file", form, "--buffer", stdin=wanted) as output:
        while head := output.readline():
            name, kind, size, rest = (*head.rstrip(b"\n").split(b" ", 3), b"", b"")[:4]
            if not size.isdigit():
                yield GitObject(name.decode(), MISSING, rest, lambda _: b"")
                continue
            content = _Content(output, int(size))
            yield GitObject(name.decode(), kind.decode(), rest, content.read)
            content.skip()
            output.read(1)


def _last_line(complaint: bytes) -> str:
    lines = complaint.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "git failed without a word"


class _Content:
    """The content of one object within the output of many."""

    def __init__(self, output: IO[bytes], size: int) -> None:
        self._output = output
        self._left = size

    def read(self, size: int) -> bytes:
        """At most so many bytes of it."""
        data = self._output.read(min(size, self._left))
        self._left -= len(data)
        return data

    def skip(self) -> None:
        """Read what is left."""
        while self._left and self.read(READ_BYTES):
            pass
