"""The composition root: configuration in, a running gateway out. The only place where ports meet adapters."""

from gateway_auth.bootstrap.gateway import Gateway, assemble, open_gateway

__all__ = ["Gateway", "assemble", "open_gateway"]
