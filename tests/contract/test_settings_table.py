"""README's table of settings says what each process reads: a name that both have may mean something else to each."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from server.settings import ServerSettings
from worker.settings import WorkerSettings

README = Path(__file__).parents[2] / "README.md"


def rows_of(process: str) -> dict[str, tuple[str, str]]:
    """Default and words of each setting that this process reads, as README has them."""
    found = {}
    for line in README.read_text().split("<!-- settings: ")[1].split("<!-- /settings -->")[0].splitlines()[3:]:
        name, default, readers, words = (cell.strip() for cell in line.strip("|").split("|"))
        if process in readers.split(", "):
            assert name not in found, f"two rows for {name} of the {process}"
            found[name.strip("`")] = default.strip("`"), words
    return found


@pytest.mark.parametrize(("process", "settings"), [("server", ServerSettings), ("worker", WorkerSettings)])
def test_table_tells_each_process_its_own_default(process: str, settings: type[BaseSettings]) -> None:
    """BASE_MODEL is empty for the server, and what jobs start from for the worker."""
    rows = rows_of(process)
    assert set(rows) == {name.upper() for name in settings.model_fields}
    for name, field in settings.model_fields.items():
        default, words = rows[name.upper()]
        assert words == field.description
        if isinstance(field.default, str):
            assert default == (field.default or "(empty)"), name


def test_base_model_has_a_row_for_each_process() -> None:
    """The case that the table once got wrong."""
    assert rows_of("server")["BASE_MODEL"] != rows_of("worker")["BASE_MODEL"]
