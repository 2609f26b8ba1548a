"""Waiting for what a server does by itself, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import grpc

from polyhead.v1 import models_pb2, models_pb2_grpc

#: Generous: a loaded machine is slow, and a test that waits in vain fails anyway.
ATTEMPTS = 2400
PAUSE_S = 0.05


async def server_info(channel: grpc.aio.Channel) -> models_pb2.ServerInfo:
    return await models_pb2_grpc.ModelServiceStub(channel).GetServerInfo(models_pb2.GetServerInfoRequest())


async def until_serving(channel: grpc.aio.Channel, version: int) -> models_pb2.ServerInfo:
    """Wait until `version` serves."""
    for _ in range(ATTEMPTS):
        info = await server_info(channel)
        if info.model.version == version:
            return info
        await asyncio.sleep(PAUSE_S)
    raise AssertionError(f"version {version} never served; the server says: {info}")


async def until_refused(channel: grpc.aio.Channel, version: int) -> str:
    """Wait until `version` is refused, and return the reason."""
    for _ in range(ATTEMPTS):
        for refused in (await server_info(channel)).refused:
            if refused.version == version:
                return refused.reason
        await asyncio.sleep(PAUSE_S)
    raise AssertionError(f"version {version} was never refused")


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds."""
    for _ in range(ATTEMPTS):
        if condition():
            return
        await asyncio.sleep(PAUSE_S)
    raise AssertionError("the condition never held")
