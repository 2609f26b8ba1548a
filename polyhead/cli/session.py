"""What the global options say, handed to every command."""

from __future__ import annotations

from dataclasses import dataclass

import typer

from polyhead.cli.addresses import check_target
from polyhead.client import Client


@dataclass(frozen=True, slots=True)
class Session:
    """Which server, and how long a call may take."""

    target: str
    timeout_s: float

    def connect(self) -> Client:
        """A client; use it with `with`.

        Raises:
            UsageError: if the target is no address.
        """
        check_target("--server", self.target)
        return Client(self.target, timeout_s=self.timeout_s)


def connect(context: typer.Context) -> Client:
    """A client for the server that the global options name; use it with `with`."""
    session: Session = context.obj
    return session.connect()
