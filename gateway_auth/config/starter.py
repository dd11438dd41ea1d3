"""The configuration `gateway-auth init` writes: short, commented, and working as it is."""

from __future__ import annotations

import json

_TEXT = """\
# gateway-auth. All keys: docs/configuration.md, or `gateway-auth config schema`.
# Check it: `gateway-auth config check`. What a request meets: `gateway-auth config explain GET /v1/orders/1`.

[gateway]
realm = {realm}
listen = {listen}
admin_listen = {admin_listen}       # of `gateway-auth admin`: keep it on loopback
upstream = {upstream}        # of the standalone proxy; the middleware needs none
trusted_proxies = []                      # CIDRs of load balancers whose x-forwarded-for is believed

[store]
url = {store_url}

[secrets]                                 # always references: "env:NAME" or "file:PATH"
pepper = {pepper}

[roles]
reader = ["orders:read"]
admin = ["orders:*"]

[plans.free]                              # gateway-auth apps create shop --plan free
limits = [{{ rate = "1000/day fixed", by = "app" }}]

# A request that matches no route is denied.

[[routes]]
id = "health"
path = "/healthz"
methods = ["GET"]
access = "public"
limits = [{{ rate = "10/second", by = "address" }}]

[[routes]]
id = "orders-read"
path = "/v1/orders/{{rest:path}}"           # {{name:path}} is all below; /v1/orders itself would be a route of its own
methods = ["GET"]
scopes = ["orders:read"]                  # gateway-auth keys create --app APP --scope orders:read
limits = [{{ rate = "100/minute", by = "key" }}]
"""


def starter_toml(
    *,
    realm: str = "gateway",
    listen: str = "127.0.0.1:8080",
    admin_listen: str = "127.0.0.1:8081",
    upstream: str = "http://127.0.0.1:9000",
    store_url: str = "sqlite:///gateway.db",
    pepper: str = "file:secrets/pepper",
) -> str:
    """The text of a new gateway.toml. `pepper` is a reference; the caller writes what it points to."""
    values = {
        "realm": realm,
        "listen": listen,
        "admin_listen": admin_listen,
        "upstream": upstream,
        "store_url": store_url,
        "pepper": pepper,
    }
    # A JSON string is a TOML basic string.
    return _TEXT.format_map({name: json.dumps(value) for name, value in values.items()})
