"""The address to listen on: what its name means here, and whether it is free. Opens no server."""

from __future__ import annotations

import errno
import socket

from gateway_auth.errors import CannotServe

PROBE_SECONDS = 2.0
MAX_PROBE_BYTES = 65_536

_ADVICE = {
    errno.EADDRINUSE: "is in use by another program; stop that or listen elsewhere",
    errno.EACCES: "may not be listened on by this user; choose a port above 1023",
    errno.EADDRNOTAVAIL: "is not an address of this machine; listen elsewhere",
}


def spelled(host: str, port: int) -> str:
    """`127.0.0.1:8080`, `[::1]:8080`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def resolve(host: str, port: int) -> str:
    """The address a host name means on this machine. Raises CannotServe."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        raise CannotServe(f"{host} is no name of this machine; listen on an address") from None
    return str(found[0][4][0])


def refuse_taken(address: str, port: int) -> None:
    """Raises CannotServe where nobody can listen now.

    Asked before the server starts: workers share the port (SO_REUSEPORT), so a second server of the same user
    would get half of the connections instead of an error.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            raise CannotServe(f"{spelled(address, port)} {advice_for(error)}") from None


def advice_for(error: OSError) -> str:
    """Why nobody can listen there, and what to do."""
    return _ADVICE.get(error.errno or 0, f"cannot be listened on: {error.strerror}")


def free_port() -> int:
    """A loopback port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_gateway(host: str, port: int, *, is_tls: bool = False) -> bool:
    """Whether what listens there refuses as only a gateway does: its reserved paths fall under no route."""
    import http.client
    import json
    import ssl

    connection = http.client.HTTPConnection(host, port, timeout=PROBE_SECONDS)
    if is_tls:
        # Whose certificate it is does not matter: nothing is told, and what is heard is believed in one regard alone.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(host, port, timeout=PROBE_SECONDS, context=context)
    try:
        connection.request("GET", "/.gateway/")
        problem = json.loads(connection.getresponse().read(MAX_PROBE_BYTES))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return isinstance(problem, dict) and problem.get("code") in ("no_matching_route", "https_required")
