"""What workers count becomes one number for each measure, and each measure is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway_auth.core.measures import MEASURES, counters, join

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
PASSED = "gateway_auth_passed_total"


def test_counters_of_workers_are_added() -> None:
    assert join([{(PASSED, ("a",)): 2, (PASSED, ("b",)): 1}, {(PASSED, ("a",)): 3}]) == {
        (PASSED, ("a",)): 5.0,
        (PASSED, ("b",)): 1.0,
    }


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("gateway_auth_degraded", ("redis",), 1.0),
        ("gateway_auth_change_revision", (), 0.0),
        ("gateway_auth_change_age_seconds", (), 1.0),
        ("gateway_auth_workers", (), 1.0),
    ],
)
def test_a_gauge_tells_the_worst_of_workers_or_all_of_them(name: str, labels: tuple[str, ...], expected: float) -> None:
    assert join([{(name, labels): 0.0}, {(name, labels): 1.0}]) == {(name, labels): expected}


def test_what_is_in_no_list_is_left_out() -> None:
    assert join([{("gateway_auth_invented", ()): 1.0}]) == {}


def test_of_what_is_gone_only_counters_are_kept() -> None:
    assert counters({(PASSED, ("a",)): 2, ("gateway_auth_workers", ()): 1, ("other", ()): 1}) == {(PASSED, ("a",)): 2}


def test_names_follow_the_conventions_of_prometheus() -> None:
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)
    for measure in MEASURES:
        assert re.fullmatch(r"gateway_auth_[a-z_]+", measure.name)
        assert (measure.kind == "counter") == measure.name.endswith("_total")
        assert measure.kind == "gauge" or measure.across == "sum"


def test_every_measure_is_in_the_documentation_with_its_labels() -> None:
    page = PAGE.read_text("utf-8")
    for measure in MEASURES:
        labels = f"{{{','.join(measure.labels)}}}" if measure.labels else ""
        assert f"`{measure.name}{labels}`" in page
