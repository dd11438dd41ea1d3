"""Where vectors of others are, and how they are read. They are never copied into the project."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tests.conformance.vectors import shared_folder

Group = dict[str, Any]
Test = dict[str, Any]


def files(pattern: str) -> list[str]:
    """The names of the shared files of a pattern; none where the set is absent."""
    folder = shared_folder()
    return [] if folder is None else sorted(str(path.relative_to(folder)) for path in folder.glob(pattern))


@cache
def load(name: str) -> Any:
    """A shared JSON file."""
    return json.loads(path_of(name).read_text("utf-8"))


def path_of(name: str) -> Path:
    """Where a shared file is."""
    folder = shared_folder()
    assert folder is not None
    return folder / name


def wycheproof(name: str) -> Iterator[tuple[Group, Test]]:
    """Every test of a file with its group."""
    groups = load(name)["testGroups"]
    assert groups, name
    return ((group, test) for group in groups for test in group["tests"])


def json_suite() -> list[tuple[str, str, bytes]]:
    """The cases of JSONTestSuite: name, what is expected, bytes."""
    lines = path_of("json-test-suite/cases.jsonl").read_text("utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    return [(case["file"], case["expect"], base64.b64decode(case["b64"])) for case in cases]
