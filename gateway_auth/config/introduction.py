"""The hand-written beginning of docs/configuration.md. Its examples are loaded by a test."""

from __future__ import annotations

INTRODUCTION = """
# Configuration

<!-- Made by `make docs` from gateway_auth/config. Change it there. -->

One file says everything: what may be reached, by whom, how often, and where the gateway keeps its
things. `gateway-auth init` writes one to start from, `gateway-auth config check` says what is wrong with
yours, `gateway-auth config schema` prints a JSON Schema for your editor.

```toml
[gateway]
realm = "orders"
upstream = "http://127.0.0.1:9000"

[secrets]
pepper = "env:GATEWAY_AUTH_PEPPER"

[roles]
reader = ["orders:read"]

[plans.free]
limits = [{ rate = "5/second", by = "app" }, { rate = "1000/day fixed", by = "app" }]

[[routes]]
id = "orders-read"
path = "/v1/orders/{id}"
methods = ["GET"]
scopes = ["orders:read"]
limits = [{ id = "per-key", rate = "100/minute", by = "key" }]

[[routes]]
id = "health"
path = "/healthz"
methods = ["GET"]
access = "public"
```

The same keys are read as YAML when the file ends in `.yaml` or `.yml` (`pip install
'gateway-auth[yaml]'`):

```yaml
gateway:
  realm: orders
  upstream: http://127.0.0.1:9000
secrets:
  pepper: env:GATEWAY_AUTH_PEPPER
roles:
  reader: ["orders:read"]
plans:
  free:
    limits:
      - {rate: 5/second, by: app}
      - {rate: 1000/day fixed, by: app}
routes:
  - id: orders-read
    path: /v1/orders/{id}
    methods: [GET]
    scopes: ["orders:read"]
    limits:
      - {id: per-key, rate: 100/minute, by: key}
  - id: health
    path: /healthz
    methods: [GET]
    access: public
```

The middleware takes a path, a mapping with these keys, or a configuration that was loaded before.
Relative paths are relative to the file; those of a mapping to the working directory.

## What is checked

Everything is checked before anything starts, and all problems are told at once, each with its place:

```text
gateway.listn: unknown key "listn", did you mean "listen"?
routes[3].limits[0].rate: unknown unit "minuts", did you mean "minute"?
routes[5]: ties with route "orders": same path and method GET, neither is more specific
```

The exit code is then 2. Unknown keys, wrong types, routes that tie or can never be reached, and
statements that contradict each other (`access = "public"` with `scopes`) are problems, never warnings.
Warnings are for what may be meant: a brake turned off, an admin listener that other machines reach, a
route in shadow mode.

## Precedence

Command line, then environment, then file, then default. Every key has a variable: `GATEWAY_AUTH_`, then
the names of tables and key joined by two underscores; letter case does not matter. The reference below
names each.

| Variable | Sets |
| --- | --- |
| `GATEWAY_AUTH_GATEWAY__LISTEN=0.0.0.0:8080` | `gateway.listen` |
| `GATEWAY_AUTH_GATEWAY__FAILED_AUTH=false` | `gateway.failed_auth` |
| `GATEWAY_AUTH_GATEWAY__TRUSTED_PROXIES='["10.0.0.0/8"]'` | the whole list |
| `GATEWAY_AUTH_ROUTES__0__ACCESS=public` | `access` of the first route |
| `GATEWAY_AUTH_PLANS__FREE__LIMITS__0__RATE=10/second` | the rate of the first limit of plan `free` |

A value is read as TOML where it is TOML (`true`, `3`, `["a"]`, `{ rate = "5/second" }`), as JSON where a program wrote
that (`{"rate": "5/second"}`), else as text.
An entry of a list is named by its position, from 0; the number after the last adds one. A variable that
names no key is a problem. Names without two underscores, such as `GATEWAY_AUTH_PEPPER`, are not
configuration keys: they are yours for secrets. One that looks like a key, such as `GATEWAY_AUTH_GATEWAY_LISTEN`, gets a
warning.

## Secrets

A secret never stands in the configuration: it is a reference, `env:NAME` or `file:PATH`. A file may be
read by its owner and group and written by its owner alone, else it is refused (`chmod 600`); one newline
at its end does not count.

The pepper keys the digest of every API key. Without it a stolen store verifies no key; when it is lost,
every key is. Keep a copy where you keep other keys. It must hold 32 bytes or more that nobody can guess:

```sh
python -c "import secrets; print(secrets.token_urlsafe(48))"
```

To replace it, move the old reference into `previous_peppers` and name the new one as `pepper`: keys keep
working and are digested anew when they are used. Remove the old one when none is left that needs it.

`encryption_key` is 32 random bytes in base64:

```sh
python -c "import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())"
```

A password in `store.url` does not belong into the file: `url = "env:NAME"` or `url = "file:PATH"` takes the whole
address from there. One in `redis.url` belongs into the environment: `GATEWAY_AUTH_REDIS__URL=redis://…`.

## Several workers and nodes

With `[redis]` any number of workers on any number of nodes count limits together: a limit is never exceeded while
Redis keeps its data. They are told of a changed key at once, and read it once for all. What is kept of keys in Redis is
sealed with `secrets.encryption_key`; without one nothing is kept there, and each worker reads the store.

```toml
[redis]
url = "redis://127.0.0.1:6379/0"

[secrets]
pepper = "env:GATEWAY_AUTH_PEPPER"
encryption_key = "env:GATEWAY_AUTH_ENCRYPTION_KEY"
```

Redis may be down when a gateway starts, and go down while it serves. Each limit says what then becomes of it:

- `local`: each worker admits its share, the limit divided by the workers alive, in whole requests;
- `deny`: 503 with `Retry-After`;
- `allow`: the limit is not applied, nor told in headers.

If one limit of a request says `deny`, the request is refused. The first requests wait `timeout_seconds` at most,
later ones do not wait; counting in Redis goes on within a second of its return. Set its `maxmemory-policy` to
`noeviction`: an evicted counter begins anew.

Without `[redis]` each worker counts by itself, and `serve` starts more than one only where nothing is limited, or with
`--local-limits`.

## Rates

| Written | Means |
| --- | --- |
| `100/minute` | sliding window: at most 100 in any 60 seconds |
| `10/5 seconds` | at most 10 in any 5 seconds |
| `5/second burst 20` | token bucket: holds 20, refilled with 5 a second |
| `1000/day fixed` | quota: 1000 from midnight to midnight, UTC |

Units are second, minute, hour, day and month. A month is 30 days, and the calendar's with `fixed`.
"""
