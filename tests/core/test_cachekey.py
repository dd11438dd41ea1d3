"""No two things share a name: not by joining, and not between kinds of partitions."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_auth.core.cachekey import UNKNOWN_ADDRESS, compose, limit_key, partitions_of, window_family, window_name
from gateway_auth.core.limit_choices import LimitBy
from gateway_auth.core.network import Address
from gateway_auth.core.principal import ANONYMOUS, Principal, build_principal
from tests.fakes import address, limit

BYS: tuple[LimitBy, ...] = get_args(LimitBy)
CLIENT = address("198.51.100.7")

parts = st.lists(st.text(max_size=8) | st.sampled_from(["", ":", "1", "1.", "3.a:b", "0.", ":0."]), max_size=4)


@given(parts, parts)
def test_different_parts_have_different_names(left: list[str], right: list[str]) -> None:
    assert (compose(*left) == compose(*right)) is (left == right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("a:b", "c"), ("a", "b:c")),
        (("a", ""), ("a",)),
        (("", "a"), ("a", "")),
        (("1.a",), ("a",)),
        (("ä",), ("a\u0308",)),
    ],
    ids=["colon", "empty", "order", "number", "unicode"],
)
def test_parts_do_not_run_into_each_other(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    assert compose(*left) != compose(*right)


def test_a_limit_of_a_route_is_not_that_of_a_plan() -> None:
    keys = {
        limit_key(kind, owner, name) for kind in ("route", "plan") for owner in ("a", "a:b") for name in ("b:c", "c")
    }
    assert len(keys) == 8


def principal(
    subject: str = "alice", app: str | None = "app_1", key: str | None = "K1", method: str = "api_key"
) -> Principal:
    return build_principal(
        subject=subject, method=method, scopes=frozenset(), roles=frozenset(), app_id=app, key_id=key
    )


def test_a_key_counts_by_itself_its_app_its_subject_or_its_address() -> None:
    told = dict(zip(BYS, partitions_of(BYS, principal(), CLIENT), strict=True))
    assert told["key"] == "K1"
    assert told["app"] == "app_1"
    assert told["address"] == CLIENT
    assert told["route"] == told["global"]
    assert told["subject"] not in ("alice", "app_1", "K1")


def test_a_token_without_key_or_app_counts_by_its_subject() -> None:
    token = principal(app=None, key=None, method="jwt")
    by_key, by_app, by_subject = partitions_of(("key", "app", "subject"), token, CLIENT)
    assert by_key == by_app == by_subject


def test_the_same_subject_proven_otherwise_is_another() -> None:
    (key,) = partitions_of(("subject",), principal("alice"), CLIENT)
    (token,) = partitions_of(("subject",), principal("alice", None, None, "jwt"), CLIENT)
    assert key != token


def of_issuer(issuer_id: str, method: str = "jwt") -> Principal:
    return build_principal(
        subject="alice", method=method, scopes=frozenset(), roles=frozenset(), app_id="app_1", issuer_id=issuer_id
    )


@pytest.mark.parametrize("by", ["key", "app", "subject"])
def test_apps_and_subjects_of_issuers_called_alike_are_counted_apart(by: LimitBy) -> None:
    everybody = (principal(), of_issuer("corp"), of_issuer("partner"))
    assert len({partitions_of((by,), who, CLIENT)[0] for who in everybody}) == 3


@pytest.mark.parametrize("by", ["app", "subject"])
def test_an_issuers_signed_and_opaque_tokens_are_counted_together(by: LimitBy) -> None:
    both = (of_issuer("corp", "jwt"), of_issuer("corp", "opaque"))
    assert len({partitions_of((by,), who, CLIENT)[0] for who in both}) == 1


def test_windows_that_could_not_read_each_other_have_other_names() -> None:
    rates = ("5/second", "5/minute", "5/minute burst 9", "5/minute fixed", "5/month", "5/month fixed")
    families = {window_family(limit("per-key", rate)) for rate in rates}
    assert len(families) == len(rates)
    assert window_family(limit("per-key", "5/minute")) == window_family(limit("per-key", "9/minute"))
    assert window_family(limit("per-key", "5/minute")) != window_family(limit("per-app", "5/minute"))


def test_the_name_of_a_shared_window_tells_nobody_whose_it_is() -> None:
    names = {window_name("family", partition) for partition in ("1", 1, "alice", -1)}
    assert len(names) == 4
    assert not [name for name in names if b"alice" in name]
    assert {len(name) for name in names} == {32}


@pytest.mark.parametrize("by", ["key", "app", "subject", "address"])
def test_nobody_counts_by_address(by: LimitBy) -> None:
    assert partitions_of((by,), ANONYMOUS, CLIENT) == [CLIENT]
    assert partitions_of((by,), ANONYMOUS, None) == [UNKNOWN_ADDRESS]
    assert partitions_of((by,), ANONYMOUS, address("2001:db8::1")) == partitions_of(
        (by,), ANONYMOUS, address("2001:db8::ff")
    )


@pytest.mark.parametrize("by", ["route", "global"])
def test_everybody_counts_together_by_route_and_globally(by: LimitBy) -> None:
    everybody = {partitions_of((by,), who, where)[0] for who in (principal(), ANONYMOUS) for where in (CLIENT, None)}
    assert len(everybody) == 1


names = st.text(min_size=1, max_size=12)
addresses = st.integers(0, 2**128 - 1) | st.none()


@given(st.sampled_from(["key", "app", "subject"]), names, names, addresses)
def test_what_is_proven_never_meets_what_is_an_address(
    by: LimitBy, subject: str, name: str, client: int | None
) -> None:
    where = None if client is None else Address(client)
    (known,) = partitions_of((by,), principal(subject, name, name), where)
    (unknown,) = partitions_of((by,), ANONYMOUS, where)
    assert isinstance(known, str)
    assert isinstance(unknown, int)


@given(st.sampled_from(["key", "app", "subject"]), names, names)
def test_different_principals_count_separately(by: LimitBy, left: str, right: str) -> None:
    first = partitions_of((by,), principal(left, left, left), CLIENT)
    second = partitions_of((by,), principal(right, right, right), CLIENT)
    assert (first == second) is (left == right)


@given(names)
def test_a_tokens_subject_is_no_key_of_ours(subject: str) -> None:
    """Where a limit by key meets tokens too, a subject must not be spelled like somebody's key id."""
    (token,) = partitions_of(("key",), principal(subject, None, None, "jwt"), CLIENT)
    (key,) = partitions_of(("key",), principal("x", "y", "0123456789ab"), CLIENT)
    assert token != key
