"""What TLS towards upstreams demands: the server's certificate, for its name, from an authority that is trusted.

Nothing turns that off; a private authority is what `ca_file` is for.
"""

from __future__ import annotations

import ssl

from gateway_auth.core.upstream import TlsFiles
from gateway_auth.proxy.upstream import InvalidUpstream


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """The context of one upstream, made once. Raises `InvalidUpstream`."""
    context = _trusting(files.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if files.client_certificate is not None and files.client_key is not None:
        try:
            context.load_cert_chain(files.client_certificate, files.client_key, password=_no_password)
        except (OSError, ValueError) as error:
            raise InvalidUpstream(f"tls.client_certificate and client_key cannot be used: {_reason(error)}") from error
    return context


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca_file)
    except (OSError, ValueError) as error:
        raise InvalidUpstream(f"tls.ca_file holds no certificates (PEM): {_reason(error)}") from error


def _no_password() -> str:
    """Without this OpenSSL would ask on the terminal, where nobody sits."""
    raise ValueError("the key has a password; write it without one, readable by the gateway alone")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
