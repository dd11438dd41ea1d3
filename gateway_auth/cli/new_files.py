"""Files that are made and never changed: what is there stays, links are not followed, secrets are their owner's.

It does not know what the files are for.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO

from gateway_auth.cli.failures import CommandFailed

SECRET_MODE = 0o600
PUBLIC_MODE = 0o644


def make_directory(path: Path, mode: int = 0o777) -> None:
    """The directory, where there is none. Raises CommandFailed where something else has its name."""
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    except FileExistsError:
        raise CommandFailed(f"{path} is not a directory; name another one") from None


def refuse_link(path: Path) -> None:
    """Raises CommandFailed where `path` is a symbolic link: what is written there would land elsewhere."""
    if path.is_symlink():
        raise CommandFailed(f"{path} is a symbolic link; remove it or choose another directory")


def make_file(path: Path, content: str, mode: int) -> bool:
    """Write a new file, whole or not at all. False: there was one already, which stays as it is.

    The mode is the file's from its first moment, whatever the umask would add (security case A18).
    """
    refuse_link(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise CommandFailed(f"{path} is not a regular file; remove it or choose another directory") from None
        return False
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        # Ctrl-C or a full disk: half a secret would be taken for a whole one by the next run.
        path.unlink()
        raise
    return True


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A new file, its owner's alone, that has its name only when all of it is on the disk.

    What is there already stays: then CommandFailed. A killed writer leaves a file beside it that ends in `.partial`.
    """
    taken = CommandFailed(f"{path} is there already; name another file")
    if path.is_symlink() or path.exists():
        raise taken
    descriptor, partial = mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)  # unlike a rename, this replaces nothing
    except FileExistsError:
        raise taken from None
    finally:
        os.unlink(partial)
