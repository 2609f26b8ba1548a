"""The one place where errors become statuses: wraps every handler, unary or streaming, and the request's parsing.

A bug becomes INTERNAL with an id; its traceback goes to the log under that id and never to the client. Cancellation
and gRPC's own abort pass through. A CancelledError that is not this call's own would leave the client waiting for
ever, so it becomes INTERNAL too.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, nullcontext
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from server.rpc.aborting import abort_with
from server.rpc.gate import Gate, is_gated
from shared.errors import InvalidInputError, PolyheadError

log = structlog.get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Inside of `CallInterceptor`, so that every status it gives is counted, and each method is wrapped once."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler: Any = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        guards = _Guards(handler.request_deserializer or _as_is, method, self._gate if is_gated(method) else None)
        codecs: Any = {"request_deserializer": None, "response_serializer": handler.response_serializer}
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(guards.bidi(handler.stream_stream), **codecs)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(guards.upload(handler.stream_unary), **codecs)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(guards.watch(handler.unary_stream), **codecs)
        return grpc.unary_unary_rpc_method_handler(guards.single(handler.unary_unary), **codecs)


class _Guards:
    """Wraps the four kinds of behaviour of one method. `gate` is None where nothing is computed."""

    def __init__(self, parse: Callable[[bytes], Any], method: str, gate: Gate | None) -> None:
        self._parse_body = parse
        self._method = method
        self._gate = gate

    def single(self, behaviour: Any) -> Any:
        async def guarded(body: bytes, context: Context) -> Any:
            async with _translated(context, self._method):
                with self._entered(body, context):
                    return await behaviour(self._parse(body), context)

        return guarded

    def watch(self, behaviour: Any) -> Any:
        async def guarded(body: bytes, context: Context) -> AsyncIterator[Any]:
            async with (
                _translated(context, self._method),
                aclosing(behaviour(self._parse(body), context)) as responses,
            ):
                async for response in responses:
                    yield response

        return guarded

    def upload(self, behaviour: Any) -> Any:
        async def guarded(bodies: AsyncIterator[bytes], context: Context) -> Any:
            async with _translated(context, self._method):
                return await behaviour(self._parsed(bodies), context)

        return guarded

    def bidi(self, behaviour: Any) -> Any:
        async def guarded(bodies: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
            async with _translated(context, self._method):
                with self._entered(None, context):
                    async with aclosing(behaviour(self._parsed(bodies), context)) as responses:
                        async for response in responses:
                            yield response

        return guarded

    def _entered(self, body: bytes | None, context: Context) -> AbstractContextManager[None]:
        return nullcontext() if self._gate is None else self._gate.call(body, context)

    async def _parsed(self, bodies: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for body in bodies:
            yield self._parse(body)

    def _parse(self, body: bytes) -> Any:
        try:
            return self._parse_body(body)
        except (DecodeError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"the message is not valid (text must be UTF-8): {error}") from None


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
