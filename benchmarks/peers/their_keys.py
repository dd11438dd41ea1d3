"""The API keys that peers are asked with; apart, because what serves them cannot be imported here."""

from __future__ import annotations

KEYSHIELD_ID = "7a74caa323a5410d"
KEYSHIELD_SECRET = "mAfP3l6yAxqFz0FV2LOhu2tPCqL66lQnj3Ubd08w9RyE4rV4skUcpiUVIfsKEbzw"
KEYSHIELD_KEY = f"ak_v1-{KEYSHIELD_ID}-{KEYSHIELD_SECRET}"
GUARD_KEY = "gwk_live_beside"
