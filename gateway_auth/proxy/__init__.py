"""The reverse proxy: names for its users. What may pass is judged before it.

It knows no policy and no credential.
"""

from gateway_auth.proxy.app import ProxyApp
from gateway_auth.proxy.tls import tls_context
from gateway_auth.proxy.upstream import InvalidUpstream, parse_upstream

__all__ = ["InvalidUpstream", "ProxyApp", "parse_upstream", "tls_context"]
