"""Which parts of a load run in the idle thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from server.engines import torch_engine
from server.engines.engine import EngineOutput
from server.engines.torch_engine import TorchEngine
from server.models.idle_thread import IdleThread
from server.models.loader import Loader
from shared.store.folder import FolderStore
from shared.store.versions import versions_log
from tests.published import publish


@pytest.mark.parametrize(("is_traced", "is_urgent"), [(True, False), (False, False), (True, True)])
def test_only_an_engine_that_is_one_call_is_tried_in_the_idle_thread(
    store: FolderStore, tiny_base: Path, monkeypatch: pytest.MonkeyPatch, is_traced: bool, is_urgent: bool
) -> None:
    """A thread that has no core and needs the interpreter's lock for each op would stop the event loop."""
    threads: list[str] = []

    class WatchedEngine(TorchEngine):
        def run_blocking(self, rows: Sequence[Sequence[int]]) -> EngineOutput:
            threads.append(threading.current_thread().name)
            return super().run_blocking(rows)

    monkeypatch.setattr("server.models.loader.TorchEngine", WatchedEngine)
    if not is_traced:
        monkeypatch.setattr(torch_engine, "traced_pool", lambda *_: None)
    publish(store, tiny_base)
    idle = IdleThread(60)
    record = versions_log(store).entries()[0]
    try:
        Loader(store, torch.device("cpu"), "float32", idle).load_blocking(1, record, is_urgent)
    finally:
        idle.close()
    assert threads
    assert {name.startswith("idle") for name in threads} == {is_traced and not is_urgent}
