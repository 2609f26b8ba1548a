"""Waiting for a published version, against a server that does not get there."""

from __future__ import annotations

import pytest

from polyhead import Client
from polyhead.cli.serving import Outcome, await_served
from tests.integration.client.fake_service import FakeServer


def test_version_that_is_never_served_is_late_and_says_what_is_served(server: FakeServer) -> None:
    """The wait must end, and tell more than that it ended."""
    with Client(server.target) as client:
        switch = await_served(client, 9, limit_s=0.3)
    assert switch.outcome is Outcome.LATE
    assert "version 9 is published, but not served after 0.3 s: the server still serves version 3" in switch.line


def test_server_that_is_away_is_waited_for_until_time_is_up() -> None:
    """A server that restarts is no failure by itself."""
    with Client("127.0.0.1:1") as client:
        switch = await_served(client, 2, limit_s=0.3)
    assert switch.outcome is Outcome.LATE
    assert "does not answer" in switch.line


def test_check_that_raises_ends_the_wait(server: FakeServer) -> None:
    """A stack whose server died is not waited for."""

    def died() -> None:
        raise RuntimeError("the server died")

    with Client(server.target) as client, pytest.raises(RuntimeError, match="died"):
        await_served(client, 9, check=died)


def test_version_that_came_out_while_releases_are_on_hold_is_not_waited_for(server: FakeServer) -> None:
    """After a rollback a job still succeeds: the person who waits must hear at once how its model gets served."""
    server.models.hold = True
    with Client(server.target) as client:
        switch = await_served(client, 9)
    assert switch.outcome is Outcome.HELD
    assert "`polyhead models promote 9` serves it" in switch.line
