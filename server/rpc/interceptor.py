"""The one place where errors become statuses: wraps every handler, unary or streaming, and the request's parsing.

A bug becomes INTERNAL with an id; its traceback goes to the log under that id and never to the client. Cancellation
and gRPC's own abort pass through. A CancelledError that is not this call's own would leave the client waiting for
ever, so it becomes INTERNAL too.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from server.rpc.aborting import abort_with
from shared.errors import InvalidInputError, PolyheadError

log = structlog.get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Inside of `CallInterceptor`, so that every status it gives is counted."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler: Any = await continuation(handler_call_details)
        if handler is None or handler.request_streaming:
            return handler
        method = handler_call_details.method
        parse = handler.request_deserializer or _as_is
        if handler.response_streaming:
            wrap: Any = grpc.unary_stream_rpc_method_handler
            behaviour: Any = _guard_stream(handler.unary_stream, parse, method)
        else:
            wrap = grpc.unary_unary_rpc_method_handler
            behaviour = _guard_unary(handler.unary_unary, parse, method)
        return wrap(behaviour, request_deserializer=None, response_serializer=handler.response_serializer)


def _guard_unary(behaviour: Any, parse: Callable[[bytes], Any], method: str) -> Any:
    async def guarded(body: bytes, context: Context) -> Any:
        async with _translated(context, method):
            return await behaviour(_parse(parse, body), context)

    return guarded


def _guard_stream(behaviour: Any, parse: Callable[[bytes], Any], method: str) -> Any:
    async def guarded(body: bytes, context: Context) -> AsyncIterator[Any]:
        async with _translated(context, method):
            async for response in behaviour(_parse(parse, body), context):
                yield response

    return guarded


def _parse(parse: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        return parse(body)
    except (DecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"the request is not a valid message (text must be UTF-8): {error}") from None


@asynccontextmanager
async def _translated(context: Context, method: str) -> AsyncIterator[None]:
    try:
        yield
    except PolyheadError as error:
        await abort_with(context, error)
    except (grpc.aio.AbortError, GeneratorExit):
        raise
    except asyncio.CancelledError:
        if context.cancelled() or _is_being_cancelled():
            raise
        await _abort_as_bug(context, method)
    except Exception:  # noqa: BLE001 - whatever it is, the client gets a status and the log the traceback
        await _abort_as_bug(context, method)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _abort_as_bug(context: Context, method: str) -> None:
    error_id = uuid.uuid4().hex[:12]
    log.exception("internal error", method=method, error_id=error_id)
    await context.abort(
        grpc.StatusCode.INTERNAL, f"internal error {error_id}; the server's log has the details under this id"
    )


def _as_is(body: bytes) -> bytes:
    return body
