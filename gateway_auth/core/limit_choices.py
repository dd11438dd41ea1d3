"""What a limit of either kind may choose between."""

from __future__ import annotations

from typing import Literal

LimitBy = Literal["key", "app", "subject", "address", "route", "global"]
"""What each of its partitions belongs to."""

OnUnavailable = Literal["local", "deny", "allow"]
"""What is done while the store of its counters does not answer."""
