"""What a text shows of a secret it may hold: for lines people read and for logs, whatever they repeat."""

from __future__ import annotations

import re

_SECRET = re.compile(r"([a-z][a-z0-9]{1,15}_(?:live|test)_[0-9A-Za-z]{12}|gwadm_[0-9A-Za-z]{12})_[0-9A-Za-z]{8,}")
_RUN = re.compile(r"[\w.-]+", re.ASCII)


def redacted(text: str) -> str:
    """`text` without the secrets of what looks like an API key or admin token, and without what looks like a JWT."""
    return _RUN.sub(_without_tokens, _SECRET.sub(r"\1_[redacted]", text))


def _without_tokens(run: re.Match[str]) -> str:
    """Each `eyJ….….…` of a run taken out. One pattern for it would look at a run again from every `eyJ` in it."""
    if "eyJ" not in run[0]:
        return run[0]
    kept, parts = [], run[0].split(".")
    position = 0
    while position < len(parts):
        before, begins, more = parts[position].partition("eyJ")
        is_token = begins and more and position + 2 < len(parts)
        kept.append(f"{before}[redacted]" if is_token else parts[position])
        position += 3 if is_token else 1
    return ".".join(kept)
