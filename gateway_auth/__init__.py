"""gateway-auth: software in front of APIs that answers who this is, whether they may, from here, this often.

The public names are imported on first use, so that importing the package costs nearly nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway_auth.asgi.exchange import Exchange
    from gateway_auth.asgi.middleware import GatewayAuth
    from gateway_auth.core.principal import Principal
    from gateway_auth.decorator import requires

__version__ = "0.1.0"
__all__ = ["Exchange", "GatewayAuth", "Principal", "__version__", "requires"]

_HOMES = {
    "GatewayAuth": "gateway_auth.asgi.middleware",
    "Exchange": "gateway_auth.asgi.exchange",
    "Principal": "gateway_auth.core.principal",
    "requires": "gateway_auth.decorator",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'gateway_auth' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
