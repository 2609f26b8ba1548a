"""`python -m server.health_check`: status 0 if the server of this host says SERVING. For container checks.

Asks for the overall health: jobs are taken, predictions may still wait for their first model. Reads the address from
the same settings as the server.
"""

from __future__ import annotations

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.rpc.health import OVERALL
from server.settings import ServerSettings
from shared.errors import PolyheadError

#: Below the time limit that the image gives the whole check.
TIMEOUT_S = 3.0
#: Addresses that a server listens on and nobody can connect to, with where they are reached.
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


def is_serving(listen: str) -> bool:
    """
    Raises:
        grpc.RpcError: if nobody answers there.
    """
    host, _, port = listen.rpartition(":")
    with grpc.insecure_channel(f"{_REACHED_AT.get(host, host)}:{port}") as channel:
        request = health_pb2.HealthCheckRequest(service=OVERALL)
        answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=TIMEOUT_S)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def main() -> int:
    try:
        listen = ServerSettings.from_environment().server_listen
        if is_serving(listen):
            return 0
        print(f"the server at {listen} does not serve: it starts or drains", file=sys.stderr)
    except PolyheadError as error:
        print(error, file=sys.stderr)
    except grpc.RpcError as error:
        print(f"the server does not answer: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
