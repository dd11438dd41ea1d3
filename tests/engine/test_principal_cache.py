"""What is remembered of keys: what changed is forgotten, nothing else is, and guesses have a place of their own."""

from __future__ import annotations

from gateway_auth.core.keys import compile_key
from gateway_auth.engine.principal_cache import UNKNOWN_SECONDS, CachedKey, PrincipalCache
from gateway_auth.ports import Change, ChangeBatch
from tests.fakes import FakeClock, a_key, an_app


def entry(app_id: str = "app_1") -> CachedKey:
    return CachedKey(compile_key(a_key(app_id).record, an_app(app_id), {}, {}, 0.0), 1, 0.0, 100.0, 90.0)


def filled() -> PrincipalCache:
    cache = PrincipalCache(FakeClock())
    cache.put(b"one", entry("app_1"))
    cache.put(b"two", entry("app_2"))
    cache.put_unknown(b"guess")
    return cache


def known(cache: PrincipalCache) -> set[bytes]:
    return {name for name in (b"one", b"two") if cache.recall(name)} | (
        {b"guess"} if cache.is_unknown(b"guess") else set()
    )


def test_a_changed_key_is_forgotten_alone() -> None:
    cache = filled()
    cache.forget(ChangeBatch(2, (Change(2, "key", "one"),)))
    assert known(cache) == {b"two", b"guess"}


def test_a_key_that_was_made_is_unknown_no_longer() -> None:
    cache = filled()
    cache.forget(ChangeBatch(2, (Change(2, "key", "guess"),)))
    assert known(cache) == {b"one", b"two"}


def test_the_keys_of_a_changed_app_are_forgotten() -> None:
    cache = filled()
    cache.forget(ChangeBatch(3, (Change(2, "app", "app_2"), Change(3, "app", "app_9"))))
    assert known(cache) == {b"one", b"guess"}


def test_everything_is_forgotten_when_the_log_no_longer_tells() -> None:
    cache = filled()
    cache.forget(ChangeBatch(9, is_complete=False))
    assert known(cache) == set()
    assert len(cache) == 0


def test_changes_of_what_is_not_remembered_forget_nothing() -> None:
    cache = filled()
    cache.forget(ChangeBatch(3, (Change(2, "key", "three"), Change(3, "app", "app_3"))))
    assert known(cache) == {b"one", b"two", b"guess"}
    assert len(cache) == 3


def test_that_a_key_is_unknown_is_remembered_for_seconds() -> None:
    clock = FakeClock()
    cache = PrincipalCache(clock)
    cache.put_unknown(b"guess")
    clock.advance(UNKNOWN_SECONDS - 0.01)
    assert cache.is_unknown(b"guess")
    clock.advance(0.01)
    assert not cache.is_unknown(b"guess")


def test_a_key_that_turns_out_unknown_is_known_no_longer() -> None:
    cache = filled()
    cache.put_unknown(b"one")
    assert cache.recall(b"one") is None


def test_a_key_that_turns_out_known_is_unknown_no_longer() -> None:
    cache = filled()
    cache.put(b"guess", entry())
    assert not cache.is_unknown(b"guess")


def test_both_parts_are_bounded_by_themselves() -> None:
    cache = PrincipalCache(FakeClock(), max_keys=20, max_unknown=10)
    for number in range(20):
        cache.put(b"k%d" % (number % 10), entry())
    for number in range(1000):
        cache.put_unknown(b"u%d" % number)
    assert all(cache.recall(b"k%d" % number) for number in range(10))
    assert len(cache) <= 30


def test_that_an_id_is_a_keys_outlasts_what_is_known_of_the_key() -> None:
    cache = filled()
    cache.forget(ChangeBatch(9, is_complete=False))
    assert cache.is_of_a_key(b"one")
    assert not cache.is_of_a_key(b"guess")
    cache.put_unknown(b"one")
    assert not cache.is_of_a_key(b"one")
