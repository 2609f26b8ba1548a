"""Timeouts that callers give."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from polyhead import AsyncClient, Client
from polyhead.errors import InvalidArgumentError
from polyhead.timeouts import MAX_TIMEOUT_S, check_timeout, grpc_timeout

WRONG = [-1, 0, 0.0, -math.inf, math.nan, True, "x", "5", [], 1e10, 10**400]


@pytest.mark.parametrize("right", [1, 0.001, MAX_TIMEOUT_S, math.inf])
def test_number_of_seconds_is_taken(right: float) -> None:
    """Whole numbers too, and inf, which is how people write `none`."""
    assert check_timeout(right) == right


def test_inf_is_no_deadline_for_grpc() -> None:
    """It would take inf for a deadline long ago, and the call would fail at once."""
    assert (grpc_timeout(math.inf), grpc_timeout(None), grpc_timeout(2.5)) == (None, None, 2.5)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong)[:8])
def test_timeout_of_a_client_that_is_none_is_refused_when_it_is_made(wrong: Any) -> None:
    """Not at the first call, as `did not answer within -1 s`, or a TypeError from the depths of gRPC."""
    with pytest.raises(InvalidArgumentError, match=r"timeout_s must be .* above 0 .* inf") as caught:
        Client("127.0.0.1:1", timeout_s=wrong)
    assert f"(got {wrong!a})"[:40] in caught.value.message
    with pytest.raises(InvalidArgumentError, match="timeout_s"):
        asyncio.run(_async_client(timeout_s=wrong))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong)[:8])
def test_timeout_of_a_call_that_is_none_is_refused_before_anything_is_sent(wrong: Any) -> None:
    """Nobody listens at port 1: whatever is sent would be UNAVAILABLE."""
    with Client("127.0.0.1:1", retries=0) as client:
        for call in (
            lambda: client.embed(["a"], timeout_s=wrong),
            lambda: client.server_info(timeout_s=wrong),
            lambda: client.predict_stream(["a"], timeout_s=wrong),
            lambda: client.embed_stream(["a"], timeout_s=wrong),
            lambda: next(iter(client.watch_job("a", timeout_s=wrong))),
            lambda: next(iter(client.watch_releases(timeout_s=wrong))),
            lambda: client.upload_dataset("none.csv", timeout_s=wrong),
            lambda: client.wait_until_ready(wrong),
        ):
            with pytest.raises(InvalidArgumentError, match="timeout_s"):
                call()


@pytest.mark.parametrize("wrong", [-1, math.nan, True, "x"])
def test_timeout_of_an_async_call_that_is_none_is_refused(wrong: Any) -> None:
    """Both clients keep one rule."""

    async def ask() -> None:
        async with AsyncClient("127.0.0.1:1", retries=0) as client:
            for call in (client.embed(["a"], timeout_s=wrong), client.wait_until_ready(wrong)):
                with pytest.raises(InvalidArgumentError, match="timeout_s"):
                    await call
            with pytest.raises(InvalidArgumentError, match="timeout_s"):
                client.predict_stream(["a"], timeout_s=wrong)
            with pytest.raises(InvalidArgumentError, match="timeout_s"):
                await anext(aiter(client.watch_job("a", timeout_s=wrong)))

    asyncio.run(ask())


@pytest.mark.parametrize("wrong", [0, -5, math.nan, -math.inf, "300", True, None])
def test_keepalive_that_is_no_time_is_refused(wrong: Any) -> None:
    """gRPC would take 0 for never and a text for a TypeError without a name."""
    with pytest.raises(InvalidArgumentError, match=r"keepalive_s must be .* inf for no pings") as caught:
        Client("127.0.0.1:1", keepalive_s=wrong)
    assert f"(got {wrong!a})" in caught.value.message


@pytest.mark.parametrize("wrong", [0, -1, 2**31, 1e6, "64", True, None])
def test_message_size_that_is_none_is_refused(wrong: Any) -> None:
    """gRPC's options are int32; 0 lets nothing through, and -1 is not worth a rule of its own."""
    with pytest.raises(InvalidArgumentError, match="max_message_bytes must be a whole number from 1") as caught:
        Client("127.0.0.1:1", max_message_bytes=wrong)
    assert f"(got {wrong!a})" in caught.value.message


def test_largest_numbers_make_a_client() -> None:
    """What the messages allow is taken by gRPC too."""
    Client("127.0.0.1:1", timeout_s=math.inf, keepalive_s=math.inf, max_message_bytes=2**31 - 1).close()
    Client("127.0.0.1:1", timeout_s=MAX_TIMEOUT_S, keepalive_s=1e12, max_message_bytes=1).close()


async def _async_client(**options: Any) -> None:
    await AsyncClient("127.0.0.1:1", **options).close()
