"""Where training data may lie: paths of a job spec are resolved below the allowed roots, and nowhere else.

Owns the check that no `..`, absolute path or symbolic link leads out. `resolve` opens no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.errors import DataError
from worker.data.hints import meant_below_root


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder that may be read: its real path, its root's real path, its name for messages and records."""

    path: Path
    root: Path
    name: str

    @property
    def is_folder(self) -> bool:
        return self.path.is_dir()

    @property
    def suffix(self) -> str:
        """The ending that tells the format, in lower case."""
        return self.path.suffix.lower()

    def read(self) -> bytes:
        """The file's content.

        Raises:
            DataError: if the system does not hand it out.
        """
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise DataError(f"{self.name}: cannot be read: {error.strerror}") from None

    def inside(self, filename: str) -> Source:
        """The file `filename` of this folder, checked like the folder itself.

        Raises:
            DataError: if it is missing or a link that leads out of the root.
        """
        name = filename if self.name in ("", ".") else f"{self.name}/{filename}"
        real = (self.path / filename).resolve()
        if not real.is_relative_to(self.root):
            raise DataError(f"{name}: is a link that leads out of the data roots")
        if not real.is_file():
            raise DataError(f"{name}: no such file")
        return Source(real, self.root, name)


def open_source(path: Path) -> Source:
    """A file or folder named by the person at the keyboard, who may read what the system lets them read.

    Raises:
        DataError: if there is nothing.
    """
    real = path.resolve()
    if not real.exists():
        raise DataError(f"{path}: no such file or folder")
    return Source(real, Path(real.anchor), str(path))


def resolve(value: str, roots: Sequence[Path], field: str = "path") -> Source:
    """Find what a spec's `value` names. Relative: the first root that has it. Absolute: it must lie below a root.

    Raises:
        DataError: if nothing is there, or it lies outside every root (also by way of `..` or links).
    """
    real_roots = [root.resolve() for root in roots]
    has_escaped = False
    for root in real_roots:
        try:
            # An absolute value replaces the root here, and is then held against each root in turn.
            real = (root / value).resolve()
            if not real.is_relative_to(root):
                has_escaped = True
            elif real.exists():
                name = real.relative_to(root) if Path(value).is_absolute() else Path(value)
                return Source(real, root, name.as_posix())
        except (OSError, RuntimeError, ValueError) as error:
            # Names that are too long, links in a circle, zero bytes.
            raise DataError(f"{field}: {value[:200]!r} is not a usable path: {error}") from None
    meaning = (
        "training data must lie below a data root of the worker "
        f"(setting WORKER_DATA_ROOTS: {', '.join(map(str, roots)) or 'none is set'})"
    )
    if has_escaped:
        raise DataError(f"{field}: {value!r} leads out of the data roots; {meaning}")
    meant = meant_below_root(value, real_roots)
    question = f"did you mean {meant!r}? Paths begin at the root; " if meant else ""
    raise DataError(f"{field}: {value!r} was not found; {question}{meaning}")
