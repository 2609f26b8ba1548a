"""Names of servers into targets of gRPC."""

from __future__ import annotations

import json
from typing import Any

import pytest

from polyhead.errors import InvalidArgumentError, UnavailableError
from polyhead.targets import Target, resolve, split


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("a:1", ["a:1"]),
        ("a:1, b:2,a:1", ["a:1", "b:2"]),
        (["a:1", "b:2,c:3"], ["a:1", "b:2", "c:3"]),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", ["ipv4:10.0.0.1:1,10.0.0.2:1"]),
        ("unix:/run/a,b.sock", ["unix:/run/a,b.sock"]),
    ],
)
def test_servers_are_told_apart(given: str | list[str], names: list[str]) -> None:
    """One twice would get two turns."""
    assert split(given) == names


@pytest.mark.parametrize("wrong", [[], ["a:1", ""], "a:1,", "a:1,dns:///b", "a:1,b", "a:1,b:0", "a:1,b:70000"])
def test_list_with_a_wrong_server_is_refused(wrong: str | list[str]) -> None:
    """Left out silently, it would never be missed."""
    with pytest.raises(InvalidArgumentError, match="host:port"):
        split(wrong)


@pytest.mark.parametrize("wrong", ["", "  ", [""], [" \t"], None, 50051, b"a:1", ["a:1", None]])
def test_server_without_a_name_is_refused(wrong: Any) -> None:
    """gRPC would look an empty name up for as long as the call may last; the message shows what was given."""
    with pytest.raises(InvalidArgumentError, match="host:port") as caught:
        split(wrong)
    shown = wrong[0] if isinstance(wrong, list) and len(wrong) == 1 else wrong
    assert f"(got {shown!a})" in caught.value.message


def test_one_server_is_left_to_grpc() -> None:
    """As before: no health watch, no turns, names looked up again when the connection is lost."""
    assert resolve(["localhost:1"]) == Target("localhost:1")
    assert resolve(["localhost:1"]).options() == []


def test_several_addresses_are_one_target() -> None:
    """With the first one's name for proxies, since a list is no name."""
    assert resolve(["127.0.0.1:1", "127.0.0.2:2"]) == Target("ipv4:127.0.0.1:1,127.0.0.2:2", "127.0.0.1:1")


def test_addresses_of_both_families_are_one_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC's targets hold one family; the machine of the test may have no IPv6, so the look-up is told."""
    found = {"v4": [(2, 1, 6, "", ("10.0.0.1", 1))], "v6": [(10, 1, 6, "", ("fd00::1", 2, 0, 0))]}
    monkeypatch.setattr("socket.getaddrinfo", lambda host, port, **_: found[host])
    assert resolve(["v4:1", "v6:2"]).name == "ipv6:[::ffff:10.0.0.1]:1,[fd00::1]:2"


def test_name_that_leads_nowhere_is_named() -> None:
    """`.invalid` never exists (RFC 2606)."""
    with pytest.raises(UnavailableError, match=r"nobody\.invalid:2"):
        resolve(["127.0.0.1:1", "nobody.invalid:2"])


@pytest.mark.parametrize("name", ["dns:///a:1", "ipv4:10.0.0.1:1,10.0.0.2:1"])
def test_targets_of_several_servers_take_turns(name: str) -> None:
    """gRPC's default is to stay with the first."""
    config = json.loads(dict(resolve([name]).options())["grpc.service_config"])
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
