"""A local source of data, and a command line to point at it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.data.source_server import SourceServer
from worker.data.cli import main


@pytest.fixture
def source() -> Iterator[SourceServer]:
    """A running server; the test fills its files and chooses its behaviour."""
    server = SourceServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.behaviour.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


RunData = Callable[..., Outcome]


@pytest.fixture
def run_data(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> RunData:
    """Runs `python -m worker.data ...` in this process, without a mirror unless the test names one."""
    monkeypatch.delenv("DATA_MIRROR", raising=False)

    def run(*arguments: str | Path) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        code = stopped.value.code
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run


@pytest.fixture
def real_data() -> Path:
    """The folder with the public data sets; the test is skipped where there is none."""
    folder = os.environ.get("DATA_MIRROR")
    if not folder:
        pytest.skip("DATA_MIRROR names no folder with the public data sets")
    return Path(folder)
