"""The collector of cycles in a process that does nothing but serve."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 10_000
"""New objects between two looks at the new ones. Of a request hardly any are left by then; by default it is 700."""


def settle() -> None:
    """Look no more at what was made until now, which stays, and less often at what is new.

    Called when a worker has started. Otherwise each look at everything would hold up all requests for the time that
    it takes to walk the modules and the configuration.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
