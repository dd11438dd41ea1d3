"""What lies in Redis is of use only to who wrote it, where and until when it was written (S02, S03, S04)."""

from __future__ import annotations

import os
import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway_auth.adapters.redis.sealed import Rejection, SealedKey, Sealer
from gateway_auth.core.keys import Grant
from tests.fakes import a_key, an_app

KEY = bytes(range(32))
SEALER = Sealer(KEY, "store")
NOW = 1_700_000_000_000
MINTED = a_key(scopes=("orders:read",), grants=(Grant("x:y", 5),), metadata={"a": "b"}, allow_networks=("10.0.0.0/8",))
ENTRY = SealedKey(7, NOW - 1000, NOW + 29_000, MINTED.record, an_app(plan="free"))


def opened(sealed: bytes, *, key_id: str = MINTED.id, now: int = NOW, sealer: Sealer = SEALER) -> SealedKey | Rejection:
    return sealer.open(sealed, key_id, now)


def test_what_was_sealed_is_opened_whole() -> None:
    assert opened(SEALER.seal(ENTRY)) == ENTRY


def test_no_two_seals_are_alike() -> None:
    assert SEALER.seal(ENTRY) != SEALER.seal(ENTRY)


def test_nothing_of_the_record_can_be_read() -> None:
    sealed = SEALER.seal(ENTRY)
    for hidden in (MINTED.record.digest, MINTED.id.encode(), b"orders:read", b"Shop", MINTED.record.pepper_id.encode()):
        assert hidden not in sealed


def test_under_another_name_it_is_forged() -> None:
    assert opened(SEALER.seal(ENTRY), key_id=a_key().id) == "forged"


@pytest.mark.parametrize(("now", "is_over"), [(NOW + 28_999, False), (NOW + 29_000, True), (NOW + 10**9, True)])
def test_it_has_an_end(now: int, is_over: bool) -> None:
    assert (opened(SEALER.seal(ENTRY), now=now) == "expired") is is_over


@pytest.mark.parametrize("start", range(8, 32, 8), ids=["revision", "read_at", "expires_at"])
def test_no_number_of_it_can_be_changed(start: int) -> None:
    sealed = bytearray(SEALER.seal(ENTRY))
    sealed[start + 7] ^= 1
    assert opened(bytes(sealed)) == "forged"


def test_no_bit_of_it_can_be_changed() -> None:
    sealed = SEALER.seal(ENTRY)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1 << position % 8
        assert opened(bytes(changed)) == ("foreign" if position < 8 else "forged")


@pytest.mark.parametrize(
    "other",
    [Sealer(os.urandom(32), "store"), Sealer(KEY, "another store"), Sealer(KEY)],
    ids=["key", "store", "no store"],
)
def test_of_another_installation_it_is_foreign(other: Sealer) -> None:
    assert opened(other.seal(ENTRY)) == "foreign"


def test_of_a_version_whose_records_have_other_fields_it_is_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway_auth.adapters.redis import sealed

    class Content(msgspec.Struct, frozen=True):
        key: dict[str, str]

    entry = SEALER.seal(ENTRY)
    monkeypatch.setattr(sealed, "_Content", Content)
    assert opened(entry, sealer=Sealer(KEY, "store")) == "foreign"


def test_an_app_that_is_not_the_keys_is_forged() -> None:
    # Nobody but a bug of ours writes it; it would still put a key under another app's limits.
    assert opened(SEALER.seal(replace(ENTRY, app=an_app("app_2")))) == "forged"


class Canary:
    """Leaves a trace when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


def test_a_pickle_is_not_loaded(tmp_path: os.PathLike[str]) -> None:
    trace = os.path.join(tmp_path, "trace")
    assert opened(pickle.dumps(Canary(trace))) == "foreign"
    assert opened(SEALER.seal(ENTRY)[:60] + pickle.dumps(Canary(trace))) == "forged"
    assert not os.path.exists(trace)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_whatever_lies_there_is_rejected(junk: bytes, cut: int) -> None:
    assert opened(junk) in ("foreign", "forged")
    assert opened(SEALER.seal(ENTRY)[:cut] + junk) in ("foreign", "forged")


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(b"short")
