"""The demo's gateway.toml. Where to listen and to forward, the command says when it starts."""

from __future__ import annotations

MARK = "# gateway-auth demo"

DEMO_TOML = f"""{MARK}: made for trying things out. `gateway-auth init` makes one for real use.

[gateway]
realm = "orders"

[store]
url = "sqlite:///gateway.db"

[secrets]
pepper = "file:secrets/pepper"

[roles]
reader = ["orders:read"]
analyst = ["orders:read"]

[plans.trial]
limits = [{{ id = "trial", rate = "1/minute", by = "app" }}]

[[routes]]
id = "health"
path = "/healthz"
methods = ["GET"]
access = "public"

[[routes]]
id = "orders-list"
path = "/v1/orders"
methods = ["GET"]
scopes = ["orders:read"]
limits = [{{ id = "per-key", rate = "100/minute", by = "key" }}]

[[routes]]
id = "orders-read"
path = "/v1/orders/{{id}}"
methods = ["GET"]
scopes = ["orders:read"]

[[routes]]
id = "orders-create"
path = "/v1/orders"
methods = ["POST"]
scopes = ["orders:write"]

[[routes]]
id = "reports"
path = "/v1/reports/daily"
methods = ["GET"]
roles = ["analyst"]
"""
