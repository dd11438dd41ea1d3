"""A worker's collector is settled in a process of its own: it would be this one's otherwise."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from gateway_auth.server.garbage import YOUNG_OBJECTS, settle

class Cycle:
    def __init__(self):
        self.itself = self

settle()
assert gc.get_freeze_count() > 1_000, gc.get_freeze_count()
assert gc.get_threshold()[0] == YOUNG_OBJECTS
seen = [weakref.ref(Cycle()) for _ in range(3 * YOUNG_OBJECTS)]
gone = sum(each() is None for each in seen)
assert gone >= YOUNG_OBJECTS, gone
print("settled")
"""


def test_what_stays_is_looked_at_no_more_and_new_cycles_still_go() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "settled\n"), done.stderr
