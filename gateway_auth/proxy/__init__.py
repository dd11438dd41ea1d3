"""The reverse proxy: names for its users. What may pass is judged before it.

It knows no policy and no credential.
"""

from gateway_auth.proxy.app import ProxyApp
from gateway_auth.proxy.limits import ProxyLimits
from gateway_auth.proxy.upstream import InvalidUpstream, Upstream, parse_upstream

__all__ = ["InvalidUpstream", "ProxyApp", "ProxyLimits", "Upstream", "parse_upstream"]
