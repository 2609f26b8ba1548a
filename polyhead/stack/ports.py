"""Finds free TCP ports, and says which are taken."""

from __future__ import annotations

import errno
import socket
from typing import Any

from polyhead.stack.errors import StackError


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now; somebody else may take it before it is used."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_free(host: str, port: int) -> None:
    """Bind for a moment, as the server will. gRPC itself would share a port that another gRPC server listens on.

    Raises:
        StackError: if that is not possible.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise StackError(f"{host} is no address ({error.strerror}); choose another with --listen") from None
    failures = [failure for family, _, _, _, address in found if (failure := _bind(family, address)) is not None]
    if any(failure.errno == errno.EADDRINUSE for failure in failures):
        raise StackError(f"port {port} of {host} is in use; choose another with --listen")
    # Of a name with two addresses, as localhost, one may be missing here.
    if len(failures) == len(found):
        reason = failures[0].strerror or str(failures[0])
        raise StackError(f"cannot listen on port {port} of {host}: {reason}; choose another with --listen")


def _bind(family: socket.AddressFamily, address: Any) -> OSError | None:
    """Bind and let go; what went wrong."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Connections that a server left behind as it ended are no hindrance, neither here nor for gRPC.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None
