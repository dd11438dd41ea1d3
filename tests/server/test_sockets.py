"""Sockets workers accept from: one each over TCP, one for all on a unix socket, whose file is taken away again."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_auth.config.configuration import SocketSettings
from gateway_auth.errors import CannotServe
from gateway_auth.server.listening import free_port
from gateway_auth.server.sockets import TcpAddress, UnixAddress, close


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.sock"


@pytest.fixture
def address(path: Path) -> Iterator[UnixAddress]:
    address = UnixAddress(SocketSettings(path=str(path), mode=0o640))
    yield address
    close(address.bind())


def test_workers_listen_side_by_side_on_one_port() -> None:
    address = TcpAddress("127.0.0.1", free_port())
    one, other = address.bind(), address.bind()
    assert one.getsockname() == other.getsockname()
    assert one.fileno() != other.fileno()
    close(one)
    close(other)


def test_a_unix_socket_has_the_mode_and_is_one_for_all(address: UnixAddress, path: Path) -> None:
    assert address.bind() is address.bind()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_file_left_behind_is_replaced(address: UnixAddress, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    before = path.stat().st_ino
    address.bind()
    assert path.exists()
    assert before is not None
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_somebody_listens_on_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(1)
        with pytest.raises(CannotServe, match="is in use by another program"):
            UnixAddress(SocketSettings(path=str(path))).bind()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_what_is_no_socket_is_never_removed(path: Path, kind: str) -> None:
    target = path.with_name("target")
    if kind == "directory":
        path.mkdir()
    elif kind == "link":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(target))
        path.symlink_to(target)
    else:
        path.write_text("mine")
    with pytest.raises(CannotServe, match="is there already and is no socket"):
        UnixAddress(SocketSettings(path=str(path))).bind()
    assert os.path.lexists(path)


def test_it_is_taken_away_unless_it_is_another_by_now(address: UnixAddress, path: Path) -> None:
    address.bind()
    path.unlink()
    path.write_text("somebody else's")
    address.remove()
    assert path.exists()
    path.unlink()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match=r"unix:.*none/x.sock cannot be made: there is no such directory"):
        UnixAddress(SocketSettings(path=str(tmp_path / "none" / "x.sock"))).bind()
