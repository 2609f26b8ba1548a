"""One fake server for all client tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.client.fake_service import FakeServer


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running
