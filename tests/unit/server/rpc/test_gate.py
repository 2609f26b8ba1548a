"""The bound on the calls of one client."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, cast

import pytest

from server.batching.admission import Admission
from server.batching.stats import BatchingStats
from server.rpc.gate import Gate, is_gated
from shared.errors import QueueFullError


class FakeContext:
    """A call from somewhere."""

    def __init__(self, peer: str, client_id: str = "") -> None:
        self._peer = peer
        self._metadata = (("x-client-id", client_id),) if client_id else ()

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> Any:
        return self._metadata

    def time_remaining(self) -> None:
        return None


class OpenAdmission:
    """Lets everybody in."""

    def check(self, num_bytes: int, remaining_s: float | None) -> None: ...


def make_gate(max_calls: int) -> Gate:
    return Gate(cast(Admission, OpenAdmission()), BatchingStats(), max_calls)


def enter(gate: Gate, stack: ExitStack, context: FakeContext, body: bytes | None = b"") -> None:
    stack.enter_context(gate.call(body, cast(Any, context)))


def test_client_is_the_address_without_its_port() -> None:
    """A client that opens a connection for each call is still one client; streams count with the calls."""
    gate = make_gate(2)
    with ExitStack() as stack:
        enter(gate, stack, FakeContext("ipv4:10.0.0.1:1111"))
        enter(gate, stack, FakeContext("ipv4:10.0.0.1:2222"), None)
        with pytest.raises(QueueFullError, match=r"10\.0\.0\.1' has 2 calls open") as caught:
            enter(gate, stack, FakeContext("ipv4:10.0.0.1:3333"))
        assert caught.value.retry_after_s > 0
        enter(gate, stack, FakeContext("ipv4:10.0.0.2:1111"))
        enter(gate, stack, FakeContext("ipv6:%5B::1%5D:1111"))
    with ExitStack() as stack:
        enter(gate, stack, FakeContext("ipv4:10.0.0.1:1111"))
    assert not gate._num_calls


def test_clients_behind_one_address_are_told_apart_by_their_id() -> None:
    """A proxy has one address for all."""
    gate = make_gate(1)
    with ExitStack() as stack:
        enter(gate, stack, FakeContext("ipv4:10.0.0.1:1", "shop"))
        enter(gate, stack, FakeContext("ipv4:10.0.0.1:1", "blog"))
        with pytest.raises(QueueFullError, match="'shop'"):
            enter(gate, stack, FakeContext("ipv4:10.9.9.9:1", "shop"))


def test_no_bound_counts_nobody() -> None:
    """Off by default, and free of cost."""
    gate = make_gate(0)
    with ExitStack() as stack:
        for _ in range(100):
            enter(gate, stack, FakeContext("ipv4:10.0.0.1:1"))
        assert not gate._num_calls


def test_only_methods_that_compute_are_gated() -> None:
    """An overload must not keep anybody from asking for health, or from rolling back."""
    assert is_gated("/polyhead.v1.InferenceService/Predict")
    assert is_gated("/inference.GRPCInferenceService/ModelInfer")
    assert not is_gated("/inference.GRPCInferenceService/ServerLive")
    assert not is_gated("/polyhead.v1.ModelService/Rollback")
    assert not is_gated("/grpc.health.v1.Health/Check")
