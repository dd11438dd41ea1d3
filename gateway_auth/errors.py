"""What goes wrong for operators and programmers. A refused request is a value, never one of these.

GatewayAuthError
├── ConfigError            the configuration cannot be used; carries every problem found
├── StoreError             the store answered, but not as needed
│   ├── StoreUnavailable   an outage: unreachable, locked, full
│   └── StoreSchemaError   older (run `store upgrade`) or newer than this program
├── IssuerUnavailable      the keys or the introspection of an issuer cannot be had, and nothing kept may stand in
├── RedisUnavailable       Redis did not answer as needed, and whether it did what was asked is unknown
├── LifecycleError         a management change was refused
│   ├── NotFound           no such app, key or admin
│   ├── Conflict           the object's state forbids it
│   ├── Forbidden          who asks may not do this
│   ├── Outdated           the object is not any more what who asks has seen
│   ├── RepeatedOtherwise  an idempotency key comes again with another request
│   ├── InvalidInput       a field has an unusable value
│   └── HandoverFailed     a new key did not reach whatever hands it out
├── BodyTooLarge           a request body passed the configured cap while it was read
├── CannotServe            a server cannot be started, or not where it was told to listen
└── MiddlewareMissing      `requires` was reached by a request that GatewayAuth never judged
"""

from __future__ import annotations


class GatewayAuthError(Exception):
    """Base of every exception gateway-auth raises on purpose."""


class Problem:
    """One configuration problem: where (`routes[3].limits[0].rate`) and what to do about it."""

    __slots__ = ("message", "path")

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def __repr__(self) -> str:
        return f"Problem({str(self)!r})"


class ConfigError(GatewayAuthError):
    """The configuration cannot be used. `problems` lists everything found, not only the first."""

    def __init__(self, problems: list[Problem] | str) -> None:
        self.problems = [Problem("", problems)] if isinstance(problems, str) else problems
        super().__init__("\n".join(str(problem) for problem in self.problems))


class StoreError(GatewayAuthError):
    """The store answered, but not as needed. The text is one line that says what to do."""


class StoreUnavailable(StoreError):
    """An outage of the store: unreachable, locked or full. Requests get 503, never 401."""


class StoreSchemaError(StoreError):
    """The store's schema is older or newer than this program expects."""


class IssuerUnavailable(GatewayAuthError):
    """An outage of an issuer of tokens. Requests that need it get 503, never 401."""


class RedisUnavailable(GatewayAuthError):
    """Redis did not answer, or not as needed. Whether it did what was asked is unknown, so it is not asked again.

    `kind` is one word of a closed set (`adapters/redis/failures.py`), fit for a metric's label.
    """

    def __init__(self, message: str, kind: str = "error") -> None:
        self.kind = kind
        super().__init__(message)


class LifecycleError(GatewayAuthError):
    """A management change was refused; nothing was changed."""


class NotFound(LifecycleError):
    """No such app, key or admin, or none that who asks may know of."""


class Conflict(LifecycleError):
    """The state of the object forbids the change."""


class Forbidden(LifecycleError):
    """Who asks may not do this, whatever the object."""


class Outdated(LifecycleError):
    """The change was asked for on the condition that nobody else has changed the object, and somebody has."""


class RepeatedOtherwise(LifecycleError):
    """An idempotency key comes again, with another request than the first time."""


class InvalidInput(LifecycleError):
    """A field has an unusable value; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        self.message = message
        super().__init__(f"{field}: {message}")


class HandoverFailed(LifecycleError):
    """A new key did not arrive, or nobody knows whether it did. The text says why, without the key."""


class BodyTooLarge(GatewayAuthError):
    """A request body passed `gateway.max_body_bytes` while it was read."""


class CannotServe(GatewayAuthError):
    """A server cannot be started, or not where it was told to listen. The text is one line that says what to do."""


class MiddlewareMissing(GatewayAuthError):
    """`requires` was reached by a request that GatewayAuth never judged, so it is refused."""
