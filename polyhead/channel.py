"""How a client reaches a server: target and channel options. The clients own and close the channels it opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from polyhead.errors import InvalidArgumentError
from polyhead.targets import resolve

#: Health name of Predict and Embed; the server as a whole is ready earlier, when it can take jobs.
INFERENCE_SERVICE = "polyhead.v1.InferenceService"
DEFAULT_TARGET = "127.0.0.1:50051"
#: A thousand sentences of 8 KiB, or their float32 embeddings, fit several times; gRPC's own default is 4 MiB.
DEFAULT_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
#: gRPC servers answer pings that come more often than every five minutes with GOAWAY, unless configured otherwise
#: (grpc/doc/keepalive.md, GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS).
DEFAULT_KEEPALIVE_S = 310.0
DEFAULT_TIMEOUT_S = 30.0
#: gRPC's options are int32; as a time between pings, the largest means none (grpc/doc/keepalive.md).
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """Everything about a connection. `credentials` makes it TLS; without, the channel is plain text.

    Of several servers, each has to have a certificate for the first one's name.
    """

    targets: Sequence[str] = (DEFAULT_TARGET,)
    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    keepalive_s: float = DEFAULT_KEEPALIVE_S
    credentials: grpc.ChannelCredentials | None = None

    def __post_init__(self) -> None:
        """
        Raises:
            InvalidArgumentError: naming each number that cannot be meant.
        """
        size, keepalive_s = self.max_message_bytes, self.keepalive_s
        wrong = []
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= _INT32_MAX:
            wrong.append(f"max_message_bytes must be a whole number from 1 to {_INT32_MAX} (got {size!a})")
        if isinstance(keepalive_s, bool) or not isinstance(keepalive_s, int | float) or not keepalive_s >= 0.001:
            wrong.append(
                f"keepalive_s must be a number of seconds from 0.001, or inf for no pings (got {keepalive_s!a})"
            )
        if wrong:
            raise InvalidArgumentError("; ".join(wrong), "INVALID_ARGUMENT")

    def options(self) -> list[tuple[str, Any]]:
        return [
            ("grpc.max_send_message_length", self.max_message_bytes),
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.keepalive_time_ms", int(min(self.keepalive_s * 1000, _INT32_MAX))),
            ("grpc.keepalive_timeout_ms", 20_000),
            # A server that has just been restarted is found within two seconds, not gRPC's two minutes.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 2000),
        ]

    def open(self) -> grpc.Channel:
        target = resolve(self.targets)
        options = self.options() + target.options()
        if self.credentials is not None:
            return grpc.secure_channel(target.name, self.credentials, options)
        return grpc.insecure_channel(target.name, options)

    def open_async(self) -> grpc.aio.Channel:
        target = resolve(self.targets)
        options = self.options() + target.options()
        if self.credentials is not None:
            return grpc.aio.secure_channel(target.name, self.credentials, options)
        return grpc.aio.insecure_channel(target.name, options)
