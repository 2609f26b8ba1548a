"""What every call has, whatever it does: an id, a count, a place in the drain. The outermost interceptor."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import grpc
import structlog

from server.rpc.aborting import abort_with
from server.rpc.request_ids import REQUEST_ID_KEY, bind_request_id, request_id_of
from server.rpc.running import RunningCalls, draining
from shared.errors import DrainingError

log = structlog.get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


@dataclass(frozen=True, slots=True)
class Method:
    """`kind` is unary, client_stream, server_stream or bidi_stream."""

    kind: str
    service: str
    name: str


class CallObserver(Protocol):
    """Told of every call, on the event loop; must be quick."""

    def started(self, method: Method) -> None: ...

    def ended(self, method: Method, status: str, seconds: float) -> None:
        """`status` is the name of a gRPC status code."""
        ...


#: Asked while the server drains, and no reason to wait: they tell that it does.
STATUS_SERVICES = ("grpc.health.v1.Health",)
STATUS_METHODS = ("ServerLive", "ServerReady", "ModelReady")
UNKNOWN_METHOD = Method("unary", "unknown", "unknown")


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps each method once; the methods of a server do not change."""

    def __init__(self, calls: RunningCalls, observer: CallObserver) -> None:
        self._calls = calls
        self._observer = observer
        self._handlers: dict[str, Handler] = {}
        self._is_verbose = logging.getLogger(__name__).isEnabledFor(logging.DEBUG)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        path = handler_call_details.method
        if path not in self._handlers:
            handler: Any = await continuation(handler_call_details)
            if handler is None:
                self._observer.started(UNKNOWN_METHOD)
                self._observer.ended(UNKNOWN_METHOD, grpc.StatusCode.UNIMPLEMENTED.name, 0.0)
                return None
            self._handlers[path] = self._wrapped(handler, path)
        return self._handlers[path]

    def _wrapped(self, handler: Any, path: str) -> Handler:
        service, _, name = path.removeprefix("/").rpartition("/")
        codecs = (handler.request_deserializer, handler.response_serializer)
        if handler.request_streaming and handler.response_streaming:
            bidi = self._bidi(handler.stream_stream, Method("bidi_stream", service, name))
            return grpc.stream_stream_rpc_method_handler(bidi, *codecs)
        if handler.request_streaming:
            upload = self._single(handler.stream_unary, Method("client_stream", service, name))
            return grpc.stream_unary_rpc_method_handler(upload, *codecs)
        if handler.response_streaming:
            watch = self._watch(handler.unary_stream, Method("server_stream", service, name))
            return grpc.unary_stream_rpc_method_handler(watch, *codecs)
        single = self._single(handler.unary_unary, Method("unary", service, name))
        return grpc.unary_unary_rpc_method_handler(single, *codecs)

    def _single(self, behaviour: Any, method: Method) -> Any:
        async def single(request: Any, context: Context) -> Any:
            async with _Call(self, method, context):
                return await behaviour(request, context)

        return single

    def _watch(self, behaviour: Any, method: Method) -> Any:
        is_status = _is_status(method)

        async def watch(request: Any, context: Context) -> AsyncIterator[Any]:
            async with _Call(self, method, context):
                responses = behaviour(request, context)
                async with aclosing(responses if is_status else self._calls.watched(responses)) as passed_on:
                    async for response in passed_on:
                        yield response

        return watch

    def _bidi(self, behaviour: Any, method: Method) -> Any:
        async def bidi(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            async with _Call(self, method, context):
                cut = self._calls.requests(requests)
                async with aclosing(cut), aclosing(behaviour(cut, context)) as responses:
                    async for response in responses:
                        yield response
                if cut.is_cut:
                    raise draining()

        return bidi


class _Call:
    """One call from its id to its status."""

    def __init__(self, interceptor: CallInterceptor, method: Method, context: Context) -> None:
        self._interceptor = interceptor
        self._method = method
        self._context = context
        self._is_counted = False
        self._loop = asyncio.get_running_loop()
        self._started_s = time.monotonic()

    async def __aenter__(self) -> None:
        request_id = request_id_of(self._context.invocation_metadata())
        bind_request_id(request_id)
        self._context.set_trailing_metadata(((REQUEST_ID_KEY, request_id),))
        self._loop.call_soon(self._interceptor._observer.started, self._method)
        if _is_status(self._method):
            return
        try:
            self._interceptor._calls.begin()
            self._is_counted = True
        except DrainingError as error:
            await self.__aexit__(DrainingError, error, None)

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if isinstance(error, DrainingError):
                await abort_with(self._context, error)
        finally:
            if self._is_counted:
                self._interceptor._calls.end()
            status = self._status(error)
            seconds = time.monotonic() - self._started_s
            # Counted when the answer is on its way: a lone caller does not wait for it.
            self._loop.call_soon(self._interceptor._observer.ended, self._method, status, seconds)
            if self._interceptor._is_verbose:
                log.debug("call", method=self._method.name, status=status, seconds=round(seconds, 4))

    def _status(self, error: BaseException | None) -> str:
        code: Any = self._context.code()
        if code is not None:
            return str(code.name)
        if error is None:
            return grpc.StatusCode.OK.name
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            # The transport cancels a call at its deadline, too.
            is_late = self._context.time_remaining() == 0
            return (grpc.StatusCode.DEADLINE_EXCEEDED if is_late else grpc.StatusCode.CANCELLED).name
        return grpc.StatusCode.UNKNOWN.name


def _is_status(method: Method) -> bool:
    return method.service in STATUS_SERVICES or method.name in STATUS_METHODS
