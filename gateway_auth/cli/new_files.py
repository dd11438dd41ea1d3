"""Files that are made and never changed: what is there stays, links are not followed, secrets are their owner's.

It does not know what the files are for.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

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
