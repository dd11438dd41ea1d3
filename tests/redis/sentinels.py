"""A master, its replica and the sentinels that watch them, as processes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from msgspec import Struct
from redis import Redis
from redis.exceptions import RedisError

from tests.redis.server import binary, free_port, running_server

SERVICE = "mymaster"


class Watched(Struct):
    """Ports of what runs."""

    master: int
    replica: int
    sentinels: tuple[int, ...]

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self.sentinels)}/{SERVICE}/0"

    def stop_master(self) -> None:
        """As if its machine died."""
        with Redis(port=self.master) as client:
            client.shutdown(nosave=True, now=True)


@contextmanager
def watched_master(*, sentinel_password: str | None = None) -> Iterator[Watched]:
    """A master, one replica and two sentinels who know both."""
    with ExitStack() as stack:
        master = stack.enter_context(running_server("--repl-diskless-sync-delay", "0"))
        replica = stack.enter_context(running_server("--replicaof", f"127.0.0.1 {master}"))
        with Redis(port=replica, decode_responses=True) as client:
            _until(lambda: client.info("replication").get("master_link_status") == "up")
        sentinels = tuple(stack.enter_context(_sentinel(master, sentinel_password)) for _ in range(2))
        for port in sentinels if sentinel_password is None else ():
            _until(lambda port=port: _knows_replica(port))
        yield Watched(master, replica, sentinels)


@contextmanager
def _sentinel(master: int, password: str | None) -> Iterator[int]:
    port = free_port()
    with TemporaryDirectory() as folder:
        settings = [
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {master} 2",
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 5000",
        ]
        if password is not None:
            settings.append(f"requirepass {password}")
        path = Path(folder, "sentinel.conf")
        path.write_text("\n".join(settings) + "\n")
        process = subprocess.Popen([binary(), str(path), "--sentinel"], stdout=subprocess.DEVNULL)
        try:
            _until(lambda: _answers(port, password))
            yield port
        finally:
            process.kill()
            process.wait()


def _answers(port: int, password: str | None) -> bool:
    with Redis(port=port, password=password) as client:
        return bool(client.ping())


def _knows_replica(port: int) -> bool:
    with Redis(port=port) as client:
        others = client.execute_command("SENTINEL", "SENTINELS", SERVICE)
        return bool(client.execute_command("SENTINEL", "REPLICAS", SERVICE)) and bool(others)


def _until(is_so: object) -> None:
    assert callable(is_so)
    end = monotonic() + 20
    while True:
        try:
            if is_so():
                return
        except RedisError:
            pass
        assert monotonic() < end, "not ready after 20 s"
        sleep(0.02)
