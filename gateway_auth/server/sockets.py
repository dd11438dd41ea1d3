"""The sockets workers accept from. They belong to the parent, so that none of them dies with a worker.

A connection that waits in the queue of a socket is not lost while the worker behind it is replaced.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gateway_auth.config.configuration import SocketSettings
from gateway_auth.errors import CannotServe
from gateway_auth.server.listening import advice_for, spelled

BACKLOG = 2048

_open: set[socket.socket] = set()
"""Everything bound here and not closed: a forked worker inherits all, and keeps its own alone."""


class TcpAddress:
    """An address and port. Each worker listens by a socket of its own, and the kernel spreads connections evenly."""

    is_shared = False

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port

    def __str__(self) -> str:
        return spelled(self._address, self._port)

    def bind(self) -> socket.socket:
        """A listening socket beside those bound before. Raises CannotServe."""
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind((self._address, self._port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise CannotServe(f"{self} {advice_for(error)}") from None
        _open.add(listener)
        return listener

    def remove(self) -> None:
        """Nothing stays behind."""


class UnixAddress:
    """A unix socket. It exists once: all workers accept from it."""

    is_shared = True

    def __init__(self, settings: SocketSettings) -> None:
        self._path, self._mode = settings.path, settings.mode
        self._listener: socket.socket | None = None
        self._identity: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"unix:{self._path}"

    def bind(self) -> socket.socket:
        """The listening socket, made on the first call. Raises CannotServe."""
        if self._listener is None:
            refuse_taken_socket(self._path)
            with suppress(FileNotFoundError):
                os.unlink(self._path)
            self._listener = self._make()
            _open.add(self._listener)
        return self._listener

    def _make(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _nobody_else():
                listener.bind(self._path)
            # Before anybody can connect: nobody listens yet.
            os.chmod(self._path, self._mode)
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise CannotServe(f"{self} {_advice(error)}") from None
        self._identity = _identity_of(self._path)
        return listener

    def remove(self) -> None:
        """Take the file away, unless somebody else has put another one there."""
        if self._identity is not None and _identity_of(self._path) == self._identity:
            with suppress(OSError):
                os.unlink(self._path)


def refuse_taken_socket(path: str) -> None:
    """Raises CannotServe where somebody listens on `path`, or where it is no socket and must not be removed.

    A socket file on which nobody listens was left behind by a server that could not clean up.
    """
    try:
        mode = os.stat(path, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise CannotServe(f"unix:{path} {_advice(error)}") from None
    if not stat.S_ISSOCK(mode):
        raise CannotServe(f"unix:{path} is there already and is no socket; remove it or listen elsewhere")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                return
            if error.errno != errno.EAGAIN:  # a full queue is somebody's
                raise CannotServe(f"unix:{path} {_advice(error)}") from None
    raise CannotServe(f"unix:{path} is in use by another program; stop that or listen elsewhere")


def close(listener: socket.socket) -> None:
    """Close it in this process."""
    _open.discard(listener)
    listener.close()


def keep_only(listener: socket.socket) -> None:
    """In a forked worker: close all sockets but its own, or they would stay open when the parent closes them."""
    for other in _open - {listener}:
        close(other)


def _advice(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "cannot be made: there is no such directory"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "may not be made or used by this user; choose a directory that belongs to it"
    return advice_for(error)


def _identity_of(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _nobody_else() -> Iterator[None]:
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)
