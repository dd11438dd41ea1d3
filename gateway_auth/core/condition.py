"""Whether a gateway can serve, and what it does without: what readiness probes are told."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.json import encode


class Condition(Struct, frozen=True):
    """`is_ready`: requests are judged. `without` are dependencies done without meanwhile: `store`, `redis`."""

    is_ready: bool
    without: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """The status code of the answer to a probe."""
        return 200 if self.is_ready else 503

    @property
    def body(self) -> bytes:
        """The JSON of the answer to a probe."""
        word = ("degraded" if self.without else "ok") if self.is_ready else "unavailable"
        told: dict[str, object] = {"status": word}
        if self.without:
            told["without"] = self.without
        return encode(told)


ALIVE = Condition(True)
GONE = Condition(False)


def joined(conditions: Sequence[Condition]) -> Condition:
    """Of several workers: ready while one is, and without whatever one is without."""
    without = {name for condition in conditions for name in condition.without}
    return Condition(any(condition.is_ready for condition in conditions), tuple(sorted(without)))
