"""What the global options say, handed to every command."""

from __future__ import annotations

from dataclasses import dataclass

import typer

from polyhead.cli.addresses import check_target
from polyhead.cli.exits import UsageError
from polyhead.client import Client
from polyhead.errors import InvalidArgumentError
from polyhead.timeouts import check_timeout


@dataclass(frozen=True, slots=True)
class Session:
    """Which server, and how long a call may take."""

    target: str
    timeout_s: float

    def connect(self) -> Client:
        """A client; use it with `with`.

        Raises:
            UsageError: if the target is no address, or the timeout no time.
        """
        check_target("--server", self.target)
        try:
            check_timeout(self.timeout_s, "--timeout")
        except InvalidArgumentError as error:
            raise UsageError(error.message) from None
        return Client(self.target, timeout_s=self.timeout_s)


def connect(context: typer.Context) -> Client:
    """A client for the server that the global options name; use it with `with`."""
    session: Session = context.obj
    return session.connect()
