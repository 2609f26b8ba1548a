"""A figure, the table a person reads, and the JSON file that a program reads."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


def machine() -> str:
    """Processor and number of cores, as the system tells."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report. `ratio` is value / what `against` gave in the same run."""

    name: str
    value: float
    unit: str
    against: str
    ratio: float
    machine: str = field(default_factory=machine)


def publish(figures: list[Figure], path: Path) -> None:
    """Print the table and write the JSON list."""
    table = Table("name", "value", "unit", "against", "ratio", title=machine())
    for figure in figures:
        table.add_row(figure.name, f"{figure.value:.2f}", figure.unit, figure.against, f"{figure.ratio:.2f}")
    Console().print(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")
    print(f"written to {path}")


def write_table(page: Path, table: str) -> None:
    """Put `table` between the two marks `<!-- table: ... -->` and `<!-- /table -->` of a page."""
    head, begin, rest = page.read_text(encoding="utf-8").partition("<!-- table:")
    mark, _, rest = rest.partition("-->\n")
    _, end, tail = rest.partition("<!-- /table -->")
    page.write_text(f"{head}{begin}{mark}-->\n{table}\n{end}{tail}", encoding="utf-8")
