"""Ends a call with the status and details of one of our errors."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc

from server.rpc.error_text import fitting
from server.rpc.statuses import DETAILS_KEY, details_of, status_of
from shared.errors import PolyheadError

Context = grpc.aio.ServicerContext[Any, Any]


async def abort_with(context: Context, error: PolyheadError) -> NoReturn:
    """Keeps the trailing metadata that the call has so far.

    Raises:
        grpc.aio.AbortError: always.
    """
    kept = tuple(context.trailing_metadata() or ())
    await context.abort(status_of(error), fitting(error.message), (*kept, (DETAILS_KEY, details_of(error))))
    raise AssertionError("abort raises")
