"""The ways to reach a server: users, databases, TLS, sentinels. All against real ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis

from gateway_auth.adapters.redis.connection import RedisConnection
from tests.redis.patience import outcome, until
from tests.redis.sentinels import Watched, watched_master
from tests.redis.server import running_server
from tests.redis.tls_front import make_certificate, tls_front


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RedisConnection]:
    redis = RedisConnection(url, timeout_seconds=5)
    try:
        yield redis
    finally:
        await redis.close()


@pytest.fixture(scope="module")
def with_users() -> Iterator[int]:
    """A server with a user who may do what the gateway does, and a default user with a password."""
    with running_server() as port:
        with Redis(port=port) as admin:
            rights = "on >p@ss:word ~gwa:* &gwa:* +getrange +set +eval +evalsha +publish +subscribe +ping +select"
            admin.execute_command("ACL", "SETUSER", "gateway", *rights.split())
            admin.execute_command("CONFIG", "SET", "requirepass", "default secret")
        yield port


async def test_a_user_of_few_rights_is_enough(with_users: int) -> None:
    async with connected(f"redis://gateway:p%40ss%3Aword@127.0.0.1:{with_users}/2") as redis:
        assert await redis.run(("SET", "gwa:x", "1", "PX", 1000)) == b"OK"
        assert await outcome(redis, "GET", "gwa:x") == "noperm"
        assert await outcome(redis, "SET", "other:x", "1") == "noperm"


async def test_a_password_alone_is_that_of_the_default_user(with_users: int) -> None:
    async with connected(f"redis://:default%20secret@127.0.0.1:{with_users}") as redis:
        assert await redis.run(("PING",)) == b"PONG"


@pytest.mark.parametrize("user", ["gateway:wrong@", "nobody:p@", ":wrong@", ""])
async def test_without_the_right_password_nothing_works(with_users: int, user: str) -> None:
    async with connected(f"redis://{user}127.0.0.1:{with_users}") as redis:
        assert await outcome(redis) == "noauth"


async def test_the_database_is_the_one_of_the_url(port: int, prefix: str) -> None:
    async with connected(f"redis://127.0.0.1:{port}/5") as five, connected(f"redis://127.0.0.1:{port}") as zero:
        await five.run(("SET", prefix, "here"))
        assert await five.run(("GET", prefix)) == b"here"
        assert await zero.run(("GET", prefix)) is None


# -- TLS -----------------------------------------------------------------------------------------------------------


async def test_tls_with_a_certificate_that_is_trusted(port: int, tmp_path: Path) -> None:
    ours = make_certificate(tmp_path, "ours", "127.0.0.1")
    async with tls_front(port, ours) as front, connected(f"rediss://127.0.0.1:{front}?ssl_ca_certs={ours}") as redis:
        assert await redis.run(("PING",)) == b"PONG"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"], ids=["not trusted", "of another host"])
async def test_tls_with_another_certificate_is_refused(port: int, tmp_path: Path, address: str) -> None:
    ours, theirs = make_certificate(tmp_path, "ours", address), make_certificate(tmp_path, "theirs", address)
    trusted = theirs if address == "127.0.0.1" else ours
    async with tls_front(port, ours) as front, connected(f"rediss://127.0.0.1:{front}?ssl_ca_certs={trusted}") as redis:
        assert await outcome(redis) == "tls"


async def test_tls_to_a_server_without_it_fails(port: int) -> None:
    redis = RedisConnection(f"rediss://127.0.0.1:{port}", timeout_seconds=0.2)
    assert await outcome(redis) in ("tls", "reset", "timeout")
    await redis.close()


async def test_a_certificate_of_ones_own_is_shown(port: int, tmp_path: Path) -> None:
    server, client = (
        make_certificate(tmp_path, "server", "127.0.0.1"),
        make_certificate(tmp_path, "client", "127.0.0.1"),
    )
    async with tls_front(port, server, client_ca=client) as front:
        url = f"rediss://127.0.0.1:{front}?ssl_ca_certs={server}"
        async with connected(f"{url}&ssl_certfile={client}") as redis:
            assert await redis.run(("PING",)) == b"PONG"
        async with connected(url) as redis:
            assert await outcome(redis) in ("tls", "reset")


# -- sentinels -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with watched_master() as running:
        yield running


async def port_of(redis: RedisConnection) -> int:
    """Of the server that answers."""
    answer = await redis.run(("CONFIG", "GET", "port"))
    assert isinstance(answer, dict)
    return int(answer[b"port"])


@pytest.mark.slow
async def test_sentinels_lead_to_the_master(watched: Watched) -> None:
    async with connected(watched.url) as redis:
        assert await port_of(redis) == watched.master


@pytest.mark.slow
async def test_a_sentinel_that_is_gone_is_not_missed(watched: Watched) -> None:
    async with connected(watched.url.replace("//", "//127.0.0.1:1,")) as redis:
        assert await outcome(redis) == "answered"


@pytest.mark.slow
async def test_a_master_nobody_watches_is_not_found(watched: Watched) -> None:
    async with connected(watched.url.replace("mymaster", "other")) as redis:
        assert await outcome(redis) == "masterdown"


@pytest.mark.slow
async def test_when_the_master_dies_its_heir_is_found() -> None:
    with watched_master() as running:
        async with connected(running.url) as redis:
            assert await redis.run(("SET", "x", "1")) == b"OK"
            running.stop_master()

            async def is_served_by_the_heir() -> bool:
                return await outcome(redis, "SET", "x", "2") == "answered"

            await until(is_served_by_the_heir)
            assert await port_of(redis) == running.replica


@pytest.mark.slow
async def test_a_master_that_was_made_a_replica_is_left(watched: Watched) -> None:
    async with connected(watched.url) as redis:
        assert await port_of(redis) == watched.master
        with Redis(port=watched.master) as master:
            master.execute_command("REPLICAOF", "127.0.0.1", watched.replica)
            try:
                assert await outcome(redis, "SET", "x", "1") == "readonly"
                # Its connections are not used again, and where the sentinels lead to now is no master.
                assert await outcome(redis, "SET", "x", "1") == "masterdown"
            finally:
                master.execute_command("REPLICAOF", "NO", "ONE")


async def test_without_a_sentinel_there_is_no_master() -> None:
    async with connected("redis+sentinel://127.0.0.1:1,127.0.0.1:2/mymaster") as redis:
        assert await outcome(redis) == "refused"


async def test_a_server_that_is_no_sentinel_is_not_believed(port: int) -> None:
    async with connected(f"redis+sentinel://127.0.0.1:{port}/mymaster") as redis:
        assert await outcome(redis) == "error"


@pytest.mark.slow
async def test_a_sentinel_with_a_password_gets_that_of_the_url() -> None:
    with watched_master(sentinel_password="shared") as running:
        for port in (running.master, running.replica):
            with Redis(port=port) as admin:
                admin.execute_command("CONFIG", "SET", "requirepass", "shared")
        async with connected(running.url.replace("//", "//:shared@")) as redis:
            assert await port_of(redis) == running.master
