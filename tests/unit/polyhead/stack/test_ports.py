"""A stack must know before it starts anything whether it can listen."""

from __future__ import annotations

import socket

import pytest

from polyhead.stack.errors import StackError
from polyhead.stack.ports import check_free, free_port


def test_port_that_is_taken_is_named_and_free_again_afterwards() -> None:
    """Looking must leave nothing behind."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {port} of 127\.0\.0\.1 is in use"):
            check_free("127.0.0.1", port)
    check_free("127.0.0.1", port)


def test_localhost_is_an_address_to_listen_on() -> None:
    """Also where one of its two addresses is missing."""
    check_free("localhost", free_port())


def test_address_of_another_machine_is_refused() -> None:
    """192.0.2.1 is nobody's (RFC 5737)."""
    with pytest.raises(StackError, match=r"192\.0\.2\.1"):
        check_free("192.0.2.1", 50051)
