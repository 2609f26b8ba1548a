"""Names of servers -> one gRPC target. Several servers take turns; whoever drains or is away is left out.

Names are looked up when a list of several is made into a target (and then block the caller); what changes behind a
name is followed only by gRPC's own `dns:///name:port`.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from polyhead.errors import InvalidArgumentError, UnavailableError

#: Ways to name a server that gRPC resolves itself (grpc/doc/naming.md).
SCHEMES = ("dns:", "unix:", "unix-abstract:", "ipv4:", "ipv6:", "vsock:", "xds:")
#: Those that may lead to several servers.
_MANY = ("dns:", "ipv4:", "ipv6:")
HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]/,]+):(\d{1,5})")

#: Each call goes to the next server that is connected and whose health (grpc.health.v1, of the whole server) is
#: SERVING; gRPC watches it (proposal A17). A server without the health service counts as healthy.
_TAKE_TURNS = json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}})


@dataclass(frozen=True, slots=True)
class Target:
    """What a channel is opened with."""

    name: str
    #: Of the first server, for TLS and proxies; empty: what gRPC makes of the name.
    authority: str = ""

    def options(self) -> list[tuple[str, str]]:
        options = [("grpc.service_config", _TAKE_TURNS)] if self.name.startswith(_MANY) else []
        return options + ([("grpc.default_authority", self.authority)] if self.authority else [])


def split(targets: str | Sequence[str]) -> list[str]:
    """The servers of `a:1,b:2`, or of a list; a name with a scheme is one, whatever commas it has.

    Raises:
        InvalidArgumentError: if there is none, one is empty or no text, or one of several is not host:port.
    """
    if isinstance(targets, str):
        found = [targets] if targets.startswith(SCHEMES) else [part.strip() for part in targets.split(",")]
    else:
        found = [target for part in _parts(targets) for target in split(part)]
    if len(found) == 1 and not found[0].strip():
        raise InvalidArgumentError(
            f"the name of a server is empty: write host:port, such as 127.0.0.1:50051 (got {targets!a})",
            "INVALID_ARGUMENT",
        )
    if not found:
        raise InvalidArgumentError("the list of servers is empty: name at least one host:port", "INVALID_ARGUMENT")
    wrong = [name for name in found if not is_host_and_port(name)] if len(found) > 1 else []
    if wrong:
        raise InvalidArgumentError(
            f"of several servers each is host:port, such as a:50051,b:50051 (got {', '.join(map(ascii, wrong))})",
            "INVALID_ARGUMENT",
        )
    return list(dict.fromkeys(found))


def _parts(targets: object) -> list[Any]:
    found = list(targets) if isinstance(targets, Iterable) and not isinstance(targets, bytes) else [targets]
    if not all(isinstance(part, str) for part in found):
        raise InvalidArgumentError(
            f"a server is a text, host:port, or a list of them is given (got {targets!a})", "INVALID_ARGUMENT"
        )
    return found


def is_host_and_port(name: str) -> bool:
    found = HOST_AND_PORT.fullmatch(name)
    return found is not None and 1 <= int(found[2]) <= 65_535


def resolve(names: Sequence[str]) -> Target:
    """
    Raises:
        UnavailableError: if one of several names leads nowhere.
    """
    if len(names) == 1:
        return Target(names[0])
    addresses = dict.fromkeys(address for name in names for address in _addresses(name))
    if any(":" in host for host, _ in addresses):
        # One target is of one family: IPv4 is written as IPv6 then (RFC 4291, 2.5.5.2).
        listed = [f"[{host if ':' in host else '::ffff:' + host}]:{port}" for host, port in addresses]
        return Target("ipv6:" + ",".join(listed), names[0])
    return Target("ipv4:" + ",".join(f"{host}:{port}" for host, port in addresses), names[0])


def _addresses(name: str) -> list[tuple[str, int]]:
    host, _, port = name.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except OSError as error:
        raise UnavailableError(f"{name}: the name leads to no address ({error})", "UNAVAILABLE") from None
    return [(str(address[0]), int(port)) for *_, address in found]
