"""Reads the addresses of --server and --listen. Owns their form; whether anybody listens there shows later."""

from __future__ import annotations

from polyhead.cli.exits import UsageError
from polyhead.targets import HOST_AND_PORT, SCHEMES


def check_target(option: str, target: str) -> None:
    """
    Raises:
        UsageError: if a client cannot make an address of `target`.
    """
    if not target.startswith(SCHEMES):
        for name in target.split(","):
            host_and_port(option, name.strip())


def host_and_port(option: str, address: str) -> tuple[str, int]:
    """The parts of `host:port`, without the brackets of an IPv6 address.

    Raises:
        UsageError: if `address` has another form, or a port that does not exist.
    """
    found = HOST_AND_PORT.fullmatch(address)
    if found is None or not 1 <= int(found[2]) <= 65_535:
        raise UsageError(
            f"{option} {address}: write host:port with a port from 1 to 65535, such as 127.0.0.1:50051 or [::1]:50051"
        )
    return found[1].strip("[]"), int(found[2])
