"""What the store makes of its keys, of a reply and of none, whoever answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import combinations

import pytest
from redis.crc import key_slot

from gateway_auth.adapters.redis.limit_store import MAX_BATCH, RedisLimitStore
from gateway_auth.adapters.redis.script import Script, evaluate
from gateway_auth.core.limits import Limit, LimitOutcome, LimitSet
from gateway_auth.core.rates import parse_rate
from gateway_auth.errors import RedisUnavailable
from tests.fakes import limit

TWO = LimitSet((limit("per-key", "10/minute"), limit("quota", "1000/day fixed")))


class Liar:
    """A ScriptCaller that replies what it is told to. `keys` are those of each call."""

    def __init__(self, reply: object) -> None:
        self.reply = reply
        self.keys: list[Sequence[bytes]] = []

    async def call(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> object:
        self.keys.append(keys)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


async def keys_of(limits: LimitSet, *partitions: str | int, prefix: str = "gwa") -> list[bytes]:
    liar = Liar([[1] * 2 * len(limits.limits)])
    await RedisLimitStore(liar, prefix).take(limits, partitions)
    return list(liar.keys[0])


def with_key(key: str, rate: str = "10/minute", count: int | None = None) -> LimitSet:
    return LimitSet((Limit(id="x", key=key, rate=parse_rate(rate), by="key", cost=count or 1),))


def test_it_never_knows_without_waiting() -> None:
    assert RedisLimitStore(Liar([])).take_now(TWO, ["a", "a"]) is None  # type: ignore[func-returns-value] # the port's


async def test_an_admitted_request() -> None:
    store = RedisLimitStore(Liar([[9, 60, 999, 3600]]))
    assert await store.take(TWO, ["a", "a"]) == LimitOutcome(True, (9, 60, 999, 3600))


@pytest.mark.parametrize(
    ("waits", "retry_after", "violated"),
    [
        ([7, 0], 7, ("per-key",)),
        ([0, 3600], 3600, ("quota",)),
        ([7, 3600], 3600, ("per-key", "quota")),
        ([0, 0], 1, ()),
    ],
    ids=["first", "second", "both", "only together"],
)
async def test_a_refused_request(waits: list[int], retry_after: int, violated: tuple[str, ...]) -> None:
    store = RedisLimitStore(Liar([[0, 7, 0, 3600, *waits]]))
    assert await store.take(TWO, ["a", "a"]) == LimitOutcome(False, (0, 7, 0, 3600), retry_after, violated)


@pytest.mark.parametrize(
    "reply",
    [
        None, b"OK", 7, [], {}, [None], [b"9"], [[]], [[9, 60]], [[9, 60, 999]], [[9, 60, 999, 3600, 1]],
        [[9, 60, 999, 3600, 1, 2, 3]], [[9, 60, 999, b"3600"]], [[9, 60, 999, "3600"]], [[9, 60, 999, None]],
        [[9, 60, 999, 36.5]], [[9, 60, 999, True]], [[9, 60, 999, -1]], [[9, 60, 999, [1]]],
        [[9, 60, 999, 3600], [9, 60, 999, 3600]],
    ],
    ids=str,
)  # fmt: skip
async def test_a_reply_that_is_none_is_an_outage(reply: object) -> None:
    with pytest.raises(RedisUnavailable) as caught:
        await RedisLimitStore(Liar(reply)).take(TWO, ["a", "a"])
    assert caught.value.kind == "garbage"


async def test_an_outage_is_told_to_all_who_waited_for_the_same_call() -> None:
    liar = Liar(RedisUnavailable("Redis did not answer in time", "timeout"))
    store = RedisLimitStore(liar)
    outcomes = await asyncio.gather(*(store.take(TWO, ["a", "a"]) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, RedisUnavailable) and outcome.kind == "timeout" for outcome in outcomes)
    assert len(liar.keys) == 1
    liar.reply = [[9, 60, 999, 3600]]
    assert (await store.take(TWO, ["a", "a"])).is_admitted


class Fallback:
    """ports.LimitFallback that keeps what it was told."""

    def __init__(self) -> None:
        self.answers: list[list[tuple[LimitSet, Sequence[str | int], int]]] = []
        self.asked: list[tuple[Sequence[str | int], str]] = []

    def answered(self, admitted: Iterable[tuple[LimitSet, Sequence[str | int], int]]) -> None:
        self.answers.append(list(admitted))

    def instead(self, limits: LimitSet, partitions: Sequence[str | int], kind: str) -> LimitOutcome:
        self.asked.append((partitions, kind))
        return LimitOutcome(True, (1, 1), counted=limits)


async def test_the_fallback_hears_what_was_admitted_of_each_in_one_call() -> None:
    fallback, yes, no = Fallback(), [9, 60, 999, 3600], [0, 7, 0, 3600, 7, 0]
    store = RedisLimitStore(Liar([yes, yes, no, yes, no]), fallback=fallback)
    who: list[list[str | int]] = [["a", 1], ["b", 1], ["c", 1], ["a", 1], ["a", 1]]
    outcomes = await asyncio.gather(*(store.take(TWO, partitions) for partitions in who))
    assert [outcome.is_admitted for outcome in outcomes] == [True, True, False, True, False]
    assert fallback.answers == [[(TWO, ("a", 1), 2), (TWO, ("b", 1), 1)]]
    await asyncio.gather(*(RedisLimitStore(Liar([no]), fallback=fallback).take(TWO, ["a", 1]) for _ in range(2)))
    assert fallback.answers[1:] == [[], []], "that it has answered is news, too"
    assert not fallback.asked


@pytest.mark.parametrize(("reply", "kind"), [(RedisUnavailable("no", "timeout"), "timeout"), ([[1]], "garbage")])
async def test_where_it_is_unknown_what_was_charged_the_fallback_has_the_outcome(reply: object, kind: str) -> None:
    fallback, liar = Fallback(), Liar(reply)
    store = RedisLimitStore(liar, fallback=fallback)
    many: list[list[str | int]] = [[str(number), number] for number in range(MAX_BATCH)]  # two calls, one is made
    waiting = [store.take(TWO, partitions) for partitions in many]
    waiting[3].cancel()  # type: ignore[attr-defined] # a future, whatever the port says
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [outcome for outcome in outcomes if outcome != LimitOutcome(True, (1, 1), counted=TWO)] == [outcomes[3]]
    assert fallback.asked == [(tuple(partitions), kind) for partitions in many if partitions != many[3]]
    assert len(liar.keys) == 1
    assert not fallback.answers


async def test_a_mistake_of_ours_is_no_outage() -> None:
    fallback = Fallback()
    with pytest.raises(ZeroDivisionError):
        await RedisLimitStore(Liar(ZeroDivisionError()), fallback=fallback).take(TWO, ["a", "a"])
    assert not fallback.asked


async def test_no_call_touches_more_windows_than_a_batch_may() -> None:
    touched: list[int] = []

    class Counter(Liar):
        async def call(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> object:
            touched.append(len(keys))
            return [[1, 1, 1, 1]] * (len(keys) // 2)

    store = RedisLimitStore(Counter(None))
    await asyncio.gather(*(store.take(TWO, [str(number), number]) for number in range(MAX_BATCH)))
    assert touched == [MAX_BATCH, MAX_BATCH]


# -- keys ----------------------------------------------------------------------------------------------------------


async def test_no_two_windows_share_a_key() -> None:
    keys = [
        (await keys_of(limits, partition))[0]
        for limits in (
            with_key("a"), with_key("a:t1"), with_key("a", "10/hour"), with_key("a", "10/minute burst 2"),
            with_key("a", "10/minute fixed"), with_key("a", "10/month"), with_key("a", "10/month fixed"),
        )
        for partition in ("1", 1, "", "t1", "n1", "-1", -1, 0, "1:n1", "\ud800", "ä", "a\u0308")
    ]  # fmt: skip
    assert all(left != right for left, right in combinations(keys, 2))


async def test_what_a_limit_allows_may_change_without_forgetting_what_was_used() -> None:
    assert await keys_of(with_key("a", "10/minute"), "x") == await keys_of(with_key("a", "20/minute"), "x")


async def test_all_windows_of_a_prefix_lie_in_one_slot_and_begin_with_it() -> None:
    keys = [key for number in range(50) for key in await keys_of(TWO, f"key_{number}", number, prefix="shop")]
    assert len({key_slot(key) for key in keys}) == 1
    assert all(key.startswith(b"shop:") for key in keys)
    assert key_slot((await keys_of(TWO, "a", "b"))[0]) != key_slot(keys[0])


async def test_a_key_does_not_tell_whose_it_is() -> None:
    key = (await keys_of(with_key("a"), "alice@example.com" * 100))[0]
    assert b"alice" not in key
    assert len(key) < 64


@pytest.mark.parametrize("prefix", ["{", "}", "a{b}", "{}"])
def test_a_prefix_that_would_move_the_slot_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="braces"):
        RedisLimitStore(Liar(None), prefix)


# -- calling a script ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["timeout", "oom", "error"])
async def test_only_a_script_the_server_does_not_know_is_sent_a_second_time(kind: str) -> None:
    sent: list[object] = []

    async def run(command: tuple[bytes | str | int, ...]) -> object:
        sent.append(command[0])
        raise RedisUnavailable("no", kind)

    with pytest.raises(RedisUnavailable):
        await evaluate(run, Script(b"return 1", "00"), [b"key"], [])
    assert sent == ["EVALSHA"]
