"""Import rules, settings' names, and the weight of processes: what a refactor must not change unnoticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SERVER_SETTINGS = {
    "BASE_MODEL",
    "STORE_URL",
    "REDIS_URL",
    "SERVER_LISTEN",
    "SERVER_METRICS_LISTEN",
    "SERVER_DEVICE",
    "SERVER_PRECISION",
    "SERVER_COMPUTE_WORKERS",
    "SERVER_MAX_BATCH_ROWS",
    "SERVER_MAX_BATCH_TOKENS",
    "SERVER_MAX_SENTENCES_PER_REQUEST",
    "SERVER_MAX_SENTENCE_BYTES",
    "SERVER_MAX_QUEUE_TOKENS",
    "SERVER_MAX_QUEUE_AGE_MS",
    "SERVER_MAX_CALLS_PER_CLIENT",
    "SERVER_DEDUPLICATE",
    "SERVER_MAX_MESSAGE_BYTES",
    "SERVER_MAX_UPLOAD_BYTES",
    "SERVER_POLL_S",
    "SERVER_DRAIN_MIN_S",
    "SERVER_DRAIN_S",
    "SERVER_REFLECTION",
    "SERVER_LOG_LEVEL",
}
WORKER_SETTINGS = {
    "STORE_URL",
    "REDIS_URL",
    "BASE_MODEL",
    "WORKER_DATA_ROOTS",
    "WORKER_LEASE_TTL_S",
    "WORKER_SWEEP_S",
    "WORKER_MAX_ATTEMPTS",
    "WORKER_CHECKPOINT_S",
    "WORKER_THREADS",
    "WORKER_DEVICE",
    "WORKER_LOG_LEVEL",
}


def test_import_rules_are_kept() -> None:
    """The rules stand in pyproject.toml: server and worker apart, shared below both, polyhead alone."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_stubs_are_those_of_the_proto_files() -> None:
    """A proto that was edited and not generated would describe another service than the one that answers."""
    command = [sys.executable, "tools/generate_stubs.py", "--check", "."]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_setting_names_are_those_users_rely_on() -> None:
    """Renaming a setting breaks every deployment; do it knowingly."""
    from server.settings import ServerSettings
    from worker.settings import WorkerSettings

    assert {name.upper() for name in ServerSettings.model_fields} == SERVER_SETTINGS
    assert {name.upper() for name in WorkerSettings.model_fields} == WORKER_SETTINGS


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SERVER_LISTN", "x", "did you mean SERVER_LISTEN"),
        ("SERVER_DRAIN_S", "soon", "SERVER_DRAIN_S"),
        ("SERVER_PRECISION", "int4", "SERVER_PRECISION"),
        ("SERVER_LISTEN", "nowhere", "SERVER_LISTEN"),
    ],
)
def test_server_with_wrong_setting_stops_and_names_it(variable: str, value: str, words: str) -> None:
    """A misspelt setting that is silently ignored is found out in production."""
    import os

    result = subprocess.run(
        [sys.executable, "-m", "server"],
        cwd=ROOT,
        env=os.environ | {variable: value},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("polyhead", ("torch", "transformers", "pandas", "redis", "celery", "server", "worker", "shared")),
        ("polyhead.client", ("torch", "typer", "rich", "numpy")),
        ("worker.app", ("torch", "transformers", "pandas")),
        ("worker.supervision", ("torch", "transformers", "pandas")),
        ("worker.training.protocol", ("torch", "transformers")),
        ("shared.store.jobs", ("torch", "grpc", "celery", "redis")),
    ],
)
def test_module_does_not_load_what_it_has_no_use_for(module: str, banned: tuple[str, ...]) -> None:
    """torch never enters a process that does not compute with it: not the Celery parent, not the client."""
    code = f"import sys, {module}; print(*(set({banned!r}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_no_python_stands_below_proto() -> None:
    """Stubs live in polyhead/v1, so that path, package and import agree."""
    assert not list((ROOT / "proto").rglob("*.py"))


def test_readme_has_the_settings_of_the_code() -> None:
    """The table is generated; `python tools/settings_table.py --write` brings it up to date."""
    command = [sys.executable, "tools/settings_table.py"]
    table = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert table in (ROOT / "README.md").read_text()
