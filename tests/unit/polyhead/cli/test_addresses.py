"""The addresses of --server and --listen."""

from __future__ import annotations

import pytest

from polyhead.cli.addresses import check_target, host_and_port
from polyhead.cli.exits import UsageError


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:1", ("127.0.0.1", 1)), ("localhost:65535", ("localhost", 65535)), ("[::1]:50051", ("::1", 50051))],
)
def test_host_and_port_of_an_address_are_its_parts(address: str, parts: tuple[str, int]) -> None:
    """The brackets of IPv6 are notation, not address."""
    assert host_and_port("--listen", address) == parts


@pytest.mark.parametrize(
    "address", ["foo", "garbage:abc", ":50051", "a:0", "a:65536", "::1:5", "http://a:5", "a b:5", "", "a:1,b:2"]
)
def test_address_of_another_form_is_a_usage_error(address: str) -> None:
    """It could never work, so it must not look like a server that is away."""
    with pytest.raises(UsageError, match="host:port"):
        host_and_port("--listen", address)


@pytest.mark.parametrize(
    "target", ["dns:///polyhead.example:50051", "unix:/run/polyhead.sock", "server:50051", "a:1, b:2"]
)
def test_target_that_grpc_resolves_itself_is_let_through(target: str) -> None:
    """A load balancer or a socket file are servers too."""
    check_target("--server", target)
