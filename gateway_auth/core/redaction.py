"""What a text shows of a secret it may hold: for lines people read and for logs, whatever they repeat."""

from __future__ import annotations

import re

_SECRET = re.compile(r"([a-z][a-z0-9]{1,15}_(?:live|test)_[0-9A-Za-z]{12}|gwadm_[0-9A-Za-z]{12})_[0-9A-Za-z]{8,}")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]*\.[\w-]*", re.ASCII)


def redacted(text: str) -> str:
    """`text` without the secrets of what looks like an API key or admin token, and without what looks like a JWT."""
    return _TOKEN.sub("[redacted]", _SECRET.sub(r"\1_[redacted]", text))
