"""Files to read, made for each test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from worker.data.roots import Source, resolve

WriteSource = Callable[[str, str | bytes], Source]


@pytest.fixture
def write(tmp_path: Path) -> WriteSource:
    """Writes a file below a data root and resolves it."""

    def write_one(name: str, content: str | bytes) -> Source:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return resolve(name, [tmp_path])

    return write_one
