"""Whatever Redis does, a command ends in its reply or in RedisUnavailable, until Redis comes back (L05, L06)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from hashlib import sha1

import pytest

from gateway_auth.adapters.redis.connection import RedisConnection
from gateway_auth.adapters.redis.script import Script
from gateway_auth.errors import RedisUnavailable
from tests.redis.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.redis.patience import PATIENCE, outcome, until, until_answered


@pytest.fixture
async def proxy(port: int) -> AsyncIterator[FaultyProxy]:
    async with faulty_proxy(port) as running:
        yield running


@pytest.fixture
async def redis(proxy: FaultyProxy) -> AsyncIterator[RedisConnection]:
    """With much time: a machine that runs other tests beside this one must not be taken for a slow Redis."""
    connection = RedisConnection(proxy.url, timeout_seconds=PATIENCE)
    yield connection
    await connection.close()


@pytest.fixture
async def hasty(proxy: FaultyProxy) -> AsyncIterator[RedisConnection]:
    """For what takes all the time there is."""
    connection = RedisConnection(proxy.url, timeout_seconds=0.2)
    yield connection
    await connection.close()


async def test_a_command_is_answered(redis: RedisConnection, prefix: str) -> None:
    assert await redis.run(("SET", prefix, b"\x00\xff", "PX", 10_000)) == b"OK"
    assert await redis.run_on(prefix.encode(), ("GET", prefix)) == b"\x00\xff"
    assert redis.is_available(prefix.encode())


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("hang", "timeout"), ("reset", "reset"), ("garbage", "garbage"), ("half", "timeout")],
)
@pytest.mark.parametrize("is_warm", [True, False], ids=["connection there", "connection to be made"])
async def test_a_fault_has_its_kind_and_passes(
    proxy: FaultyProxy, hasty: RedisConnection, fault: Fault, kind: str, is_warm: bool
) -> None:
    if is_warm:
        await until_answered(hasty)
    proxy.fault = fault
    assert await outcome(hasty) == kind
    proxy.fault = "none"
    await until_answered(hasty)


async def test_refused_connections_have_their_kind_and_pass(proxy: FaultyProxy, redis: RedisConnection) -> None:
    await redis.run(("PING",))
    await proxy.refuse()
    kinds = [await outcome(redis) for _ in range(5)]
    assert set(kinds) <= {"reset", "refused", "open"}
    assert kinds[-1] == "open"
    await proxy.accept()
    await until_answered(redis)


async def test_slow_replies_are_timeouts(proxy: FaultyProxy, hasty: RedisConnection) -> None:
    await until_answered(hasty)
    proxy.delay_seconds = 0.6
    assert await outcome(hasty) == "timeout"
    proxy.delay_seconds = 0.0
    await until_answered(hasty)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (b"-READONLY You can't write against a read only replica.\r\n", "readonly"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "loading"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "oom"),
        (b"-MOVED 3999 127.0.0.1:6381\r\n", "moved"),
        (b"-ASK 3999 127.0.0.1:6381\r\n", "moved"),
        (b"-MOVED nonsense\r\n", "garbage"),
        (b"-MOVED 1 2 3 4:five\r\n", "garbage"),
        (b"-NOSCRIPT No matching script.\r\n", "noscript"),
        (b"-NOPERM this user has no permissions to run the 'get' command\r\n", "noperm"),
        (b"-NOAUTH Authentication required.\r\n", "noauth"),
        (b"-WRONGPASS invalid username-password pair\r\n", "noauth"),
        (b"-MISCONF Redis is configured to save RDB snapshots\r\n", "misconf"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "masterdown"),
        (b"-CLUSTERDOWN The cluster is down\r\n", "clusterdown"),
        (b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", "clusterdown"),
        (b"-BUSY Redis is busy running a script.\r\n", "busyscript"),
        (b"-ERR max number of clients reached\r\n", "reset"),
        (b"-ERR something else\r\n", "error"),
        (b"-\r\n", "error"),
        (b"-\xff\xfe\r\n", "error"),
        (b"$-7\r\n", "garbage"),
        (b"\x00\x00\x00\x00\r\n", "garbage"),
    ],
    ids=lambda value: repr(value)[2:24] if isinstance(value, bytes) else value,
)
async def test_an_error_reply_has_its_kind(proxy: FaultyProxy, redis: RedisConnection, words: bytes, kind: str) -> None:
    await redis.run(("PING",))
    proxy.fault, proxy.words = "answer", words
    assert await outcome(redis, "GET", "x") == kind
    proxy.fault = "none"
    await until_answered(redis)


async def test_no_word_of_the_server_is_repeated(
    proxy: FaultyProxy, redis: RedisConnection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "gateway_auth")
    # What Redis 5 says to HELLO: the arguments, and one of them is the password.
    proxy.fault, proxy.spared = "answer", ()
    proxy.words = b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `hunter2`,\r\n"
    with pytest.raises(RedisUnavailable) as caught:
        await redis.run(("PING",))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("words", [b"-OOM no\r\n", b"-READONLY no\r\n", b"-NOPERM no\r\n", b"-NOSCRIPT no\r\n"])
async def test_what_concerns_one_command_stops_no_others(
    proxy: FaultyProxy, redis: RedisConnection, words: bytes
) -> None:
    proxy.fault, proxy.words, proxy.spared = "answer", words, (b"HELLO", b"PING")
    for _ in range(10):
        assert await outcome(redis, "GET", "x") not in ("answered", "open")
    assert await outcome(redis) == "answered"


async def test_a_hang_costs_one_budget_and_no_second(proxy: FaultyProxy, hasty: RedisConnection) -> None:
    await until_answered(hasty)
    proxy.fault = "hang"
    assert [await outcome(hasty) for _ in range(4)] == ["timeout", "open", "open", "open"]
    assert not hasty.is_available()


async def test_those_who_hang_together_are_told_together(proxy: FaultyProxy, hasty: RedisConnection) -> None:
    await until_answered(hasty)
    before = hasty.openings()
    proxy.fault = "hang"
    kinds = await asyncio.gather(*(outcome(hasty) for _ in range(100)))
    assert set(kinds) <= {"timeout", "busy", "open"}
    assert hasty.openings() == before + 1


async def test_those_who_wait_for_a_connection_hear_at_once_that_there_will_be_none(
    proxy: FaultyProxy, redis: RedisConnection
) -> None:
    await redis.run(("PING",))
    proxy.fault = "hang"
    short = asyncio.create_task(redis.run(("PING",), seconds=0.1))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(outcome(redis)) for _ in range(20)]
    with pytest.raises(RedisUnavailable, match="in time"):
        await short
    assert await asyncio.gather(*waiting) == ["open"] * 20


async def test_an_open_breaker_touches_neither_loop_nor_network(proxy: FaultyProxy, hasty: RedisConnection) -> None:
    proxy.fault = "hang"
    assert await outcome(hasty) == "timeout"
    call = hasty.run(("PING",))
    with pytest.raises(RedisUnavailable, match="is not asked"):
        call.send(None)  # run by hand, it must end before it waits


async def test_while_it_is_down_one_probe_at_a_time_connects(proxy: FaultyProxy, hasty: RedisConnection) -> None:
    proxy.fault = "hang"
    assert await outcome(hasty) == "timeout"
    before, began = proxy.connects, time.monotonic()
    for _ in range(200):
        assert await outcome(hasty) == "open"
        await asyncio.sleep(0.005)
    # A second or more: a probe at once, then one for each 0.3 s it hangs and 0.2 s it pauses, at the quickest.
    assert proxy.connects - before <= 2 + (time.monotonic() - began) / 0.5


async def test_a_return_meets_no_herd(proxy: FaultyProxy) -> None:
    redis = RedisConnection(proxy.url, timeout_seconds=PATIENCE)
    await redis.run(("PING",))
    await proxy.refuse()
    while await outcome(redis) != "open":
        pass
    before = proxy.connects
    await proxy.accept()
    await until(redis.is_available)
    assert await asyncio.gather(*(outcome(redis) for _ in range(200))) == ["answered"] * 200
    assert proxy.connects - before <= 16
    await redis.close()


async def test_a_probe_that_is_answered_with_an_error_is_answered(proxy: FaultyProxy, hasty: RedisConnection) -> None:
    proxy.fault = "hang"
    assert await outcome(hasty) == "timeout"
    # The user may do what the gateway needs, and PING is not among it.
    proxy.fault, proxy.words = "answer", b"-NOPERM this user has no permissions to run the 'ping' command\r\n"
    await until(hasty.is_available)


async def test_a_server_that_answers_with_what_stands_for_all_of_it_stays_alone(
    proxy: FaultyProxy, redis: RedisConnection
) -> None:
    proxy.fault, proxy.words = "answer", b"-MASTERDOWN Link with MASTER is down\r\n"
    assert [await outcome(redis) for _ in range(4)] == ["masterdown"] * 3 + ["open"]
    await until(lambda: redis.failures()["masterdown"] > 4)
    assert not redis.is_available()


async def test_when_every_connection_waits_for_an_answer_that_is_said(
    proxy: FaultyProxy, redis: RedisConnection, port: int, prefix: str
) -> None:
    holding = [
        asyncio.create_task(redis.run(("BLPOP", f"{prefix}:{number}", 0), seconds=PATIENCE)) for number in range(16)
    ]
    await until(lambda: proxy.open_connections == 16)
    with pytest.raises(RedisUnavailable, match="no free connection"):
        await redis.run(("PING",), seconds=0.05)
    other = RedisConnection(f"redis://127.0.0.1:{port}", timeout_seconds=PATIENCE)
    for number in range(16):
        await other.run(("LPUSH", f"{prefix}:{number}", "go on"))
    await other.close()
    await asyncio.gather(*holding)
    assert await outcome(redis) == "answered"
    assert redis.openings() == 0


# -- scripts -------------------------------------------------------------------------------------------------------


async def test_a_script_is_called_also_when_the_server_forgot_it(redis: RedisConnection, prefix: str) -> None:
    text = b"return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}"
    script = Script(text, sha1(text, usedforsecurity=False).hexdigest())
    key = prefix.encode()
    for expected in (1, 2):
        assert await redis.call(script, [key], [b"x"]) == [key, b"x", expected]
    await redis.run(("SCRIPT", "FLUSH"))
    assert await redis.call(script, [key], [b"x"]) == [key, b"x", 3]
    assert redis.is_available()


async def test_a_script_that_fails_is_an_error_of_its_own(redis: RedisConnection, prefix: str) -> None:
    text = b"return redis.call('LPUSH', KEYS[1])"
    with pytest.raises(RedisUnavailable) as caught:
        await redis.call(Script(text, sha1(text, usedforsecurity=False).hexdigest()), [prefix.encode()], [])
    assert caught.value.kind == "error"
    assert redis.is_available()


# -- links ---------------------------------------------------------------------------------------------------------


async def test_a_link_that_was_closed_does_not_connect_again(proxy: FaultyProxy, redis: RedisConnection) -> None:
    link = await redis.dial()
    link.close()
    for use in (link.exchange(("PING",), 1), link.send(("PING",))):
        with pytest.raises(RedisUnavailable):
            await use
    assert not await link.is_quiet()
    assert proxy.connects == 1


async def test_a_link_ends_when_its_peer_does(proxy: FaultyProxy, redis: RedisConnection) -> None:
    link = await redis.dial()
    await proxy.refuse()
    with pytest.raises(RedisUnavailable):
        await link.receive(5)
    assert not link.is_open


async def test_settings_show_no_password(proxy: FaultyProxy) -> None:
    redis = RedisConnection(proxy.url.replace("//", "//u:hunter2@"))
    assert "hunter2" not in repr(redis._settings)
    await redis.close()


async def test_a_command_that_cannot_be_written_down_is_a_bug_and_costs_no_connection(
    proxy: FaultyProxy, redis: RedisConnection
) -> None:
    await redis.run(("PING",))
    with pytest.raises(TypeError):
        await redis.run(("ECHO", None))  # type: ignore[arg-type]  # the bug
    assert await redis.run(("PING",)) == b"PONG"
    assert proxy.connects == 1


async def test_more_callers_than_connections_wait(proxy: FaultyProxy, redis: RedisConnection) -> None:
    wide = RedisConnection(proxy.url, timeout_seconds=PATIENCE)
    try:
        assert await asyncio.gather(*(outcome(wide) for _ in range(500))) == ["answered"] * 500
        assert proxy.connects <= 16
    finally:
        await wide.close()


async def test_a_loop_held_up_loses_no_reply(port: int) -> None:
    direct = RedisConnection(f"redis://127.0.0.1:{port}", timeout_seconds=0.2)  # a proxy would be held up as well
    await until_answered(direct)
    call = asyncio.create_task(direct.run(("PING",)))
    await asyncio.sleep(0)
    time.sleep(0.6)  # noqa: ASYNC251  the application under the middleware computes; the reply lies in the socket
    assert await call == b"PONG"
    await direct.close()


async def test_a_connection_closed_while_idle_is_no_failure(
    proxy: FaultyProxy, redis: RedisConnection, port: int
) -> None:
    mine = await redis.run(("CLIENT", "ID"))
    other = RedisConnection(f"redis://127.0.0.1:{port}", timeout_seconds=PATIENCE)
    await other.run(("CLIENT", "KILL", "ID", str(mine)))
    await other.close()
    await until(lambda: not proxy.open_connections)
    assert await redis.run(("PING",)) == b"PONG"
    assert redis.failures() == {}


async def test_after_close_commands_fail(redis: RedisConnection, proxy: FaultyProxy) -> None:
    await redis.run(("PING",))
    proxy.fault = "hang"
    waiting = asyncio.create_task(redis.run(("PING",), seconds=PATIENCE))
    await asyncio.sleep(0)
    await redis.close()
    with pytest.raises(RedisUnavailable):
        await waiting
    assert await outcome(redis) == "closed"


def test_a_connection_belongs_to_one_loop(port: int) -> None:
    redis = RedisConnection(f"redis://127.0.0.1:{port}", timeout_seconds=PATIENCE)

    async def once() -> None:
        await redis.run(("PING",))
        await redis.close()

    asyncio.run(once())
    with pytest.raises(RuntimeError, match="one event loop"):
        asyncio.run(once())


async def test_a_host_that_does_not_exist_has_its_kind() -> None:
    redis = RedisConnection("redis://does-not-exist.invalid:6379", timeout_seconds=5)
    assert await outcome(redis) == "resolve"
    await redis.close()
