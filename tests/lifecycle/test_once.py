"""The chance that can be repeated: the same for who asked, and nobody else's to foresee."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from gateway_auth.core.keyformat import SECRETS
from gateway_auth.core.keyhash import PepperRing
from gateway_auth.lifecycle.once import Once, RepeatableRandom
from tests.lifecycle.world import PEPPER

ONCE = Once("adminAAAAAA1", "key-1", b"request", b"gwadm_token")
SALT = bytes(range(32))


def drawn(once: Once = ONCE, salt: bytes = SALT, pepper: bytes = PEPPER) -> list[int]:
    random = RepeatableRandom(once, salt, PepperRing(pepper))
    return [random.below(SECRETS) for _ in range(4)]


def test_it_draws_the_same_again_and_never_one_number_twice() -> None:
    assert drawn() == drawn()
    assert len(set(drawn())) == 4


@pytest.mark.parametrize(
    ("once", "salt", "pepper"),
    [
        (replace(ONCE, idempotency_key="key-2"), SALT, PEPPER),
        (replace(ONCE, credential=b"gwadm_other"), SALT, PEPPER),
        (ONCE, bytes(32), PEPPER),
        (ONCE, SALT, bytes(reversed(PEPPER))),
    ],
    ids=["another key", "another token", "another salt", "another pepper"],
)
def test_each_part_is_needed(once: Once, salt: bytes, pepper: bytes) -> None:
    assert not set(drawn(once, salt, pepper)) & set(drawn())


def test_numbers_are_even_and_below_their_limit() -> None:
    random = RepeatableRandom(ONCE, SALT, PepperRing(PEPPER))
    counts = Counter(random.below(4) for _ in range(4000))
    assert set(counts) == {0, 1, 2, 3}
    assert all(850 < count < 1150 for count in counts.values())
    with pytest.raises(ValueError, match="evenly"):
        random.below(1 << 257)


def test_nothing_of_it_is_shown() -> None:
    assert "key-1" not in repr(ONCE)
    assert "token" not in repr(ONCE)
