"""Rules of the worker's process: no torch in the parent, settings that are what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import InvalidInputError
from tests.workers.stand import REPOSITORY
from worker.settings import WorkerSettings

#: Whoever adds, renames or drops a setting changes the README's table and this list.
NAMES = [
    "BASE_MODEL",
    "REDIS_URL",
    "STORE_URL",
    "WORKER_CHECKPOINT_S",
    "WORKER_DATA_ROOTS",
    "WORKER_DEVICE",
    "WORKER_LEASE_TTL_S",
    "WORKER_LOG_LEVEL",
    "WORKER_MAX_ATTEMPTS",
    "WORKER_SWEEP_S",
    "WORKER_THREADS",
]


def test_parent_process_imports_no_torch() -> None:
    """The Celery parent lives for months beside its trainers: it must stay small and never fork a torch."""
    code = (
        "import sys, worker.app, worker.__main__, worker.tasks, worker.health, worker.supervision.supervisor\n"
        "sys.exit(', '.join({'torch', 'transformers', 'pandas', 'numpy', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stderr == "\n"


def test_setting_names_are_these() -> None:
    """Setting names are an interface: compose files and READMEs name them."""
    assert sorted(name.upper() for name in WorkerSettings.model_fields) == NAMES


def test_settings_read_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roots are separated as in PATH; zero threads are all cores."""
    monkeypatch.setenv("WORKER_DATA_ROOTS", "data:/srv/data")
    monkeypatch.setenv("WORKER_THREADS", "0")
    settings = WorkerSettings.from_environment()
    assert settings.worker_data_roots == (Path("data"), Path("/srv/data"))
    assert settings.num_threads >= 1


def test_settings_that_do_not_fit_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable, as the person wrote it."""
    monkeypatch.setenv("WORKER_MAX_ATTEMPTS", "0")
    with pytest.raises(InvalidInputError, match=r"WORKER_MAX_ATTEMPTS: .*greater than or equal to 1"):
        WorkerSettings.from_environment()


def test_redacted_settings_hide_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are logged at every start."""
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@example/0")
    settings = WorkerSettings.from_environment()
    assert "hunter2" not in f"{settings.redacted()}{settings!r}"
    assert settings.redacted()["redis_url"] == "redis://:***@example/0"
