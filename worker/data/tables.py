"""Reports as tables for people. Owns rich; decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from worker.data.catalogue import Catalogue
from worker.data.fetching import FetchedFile
from worker.data.inspecting import WINDOWS, Report, SplitReport


def report_table(report: Report) -> RenderableType:
    """`check`'s answer: one column a split, then leakage, then what to mend."""
    table = Table(title="Data", title_justify="left", show_edge=False)
    table.add_column("")
    for split in report.splits:
        table.add_column(split.split, justify="right", overflow="fold")
    _add(table, "file", [split.file for split in report.splits])
    _add(table, "encoding", [split.encoding for split in report.splits])
    _add(table, "rows read", [f"{split.num_read:,}" for split in report.splits])
    for reason in dict.fromkeys(reason for split in report.splits for reason in split.dropped):
        _add(table, f"  dropped: {reason}", [_count(split.dropped.get(reason, 0)) for split in report.splits])
    _add(table, "rows with text and label", [f"{split.usable:,}" for split in report.splits])
    for label in report.splits[0].labels:
        _add(table, f"  {label}", [_share(split.labels[label], split.usable) for split in report.splits])
    table.add_section()
    _add(table, "duplicates (same label)", [_count(split.duplicates) for split in report.splits])
    _add(table, "conflicts (one text, several labels)", [_count(split.conflicting) for split in report.splits])
    _add(table, "near-duplicates of another row", [_count(split.near_duplicates) for split in report.splits])
    _add(table, "texts with literal \\u or \\x escapes", [_count(split.literal_escapes) for split in report.splits])
    _add(table, "texts with mojibake", [_count(split.mojibake) for split in report.splits])
    table.add_section()
    _add(table, "tokens: median / p95 / max", [_lengths(split) for split in report.splits])
    for window in WINDOWS:
        _add(table, f"  cut off at {window}", [f"{split.truncated[str(window)]:.2%}" for split in report.splits])
    if report.leakage:
        table.add_section()
        for into in dict.fromkeys(leak.into for leak in report.leakage):
            rows = {leak.split: _count(leak.rows) for leak in report.leakage if leak.into == into}
            _add(table, f"rows that leak into {into}", [rows.get(split.split, "") for split in report.splits])
    findings = report.findings
    lines = [Text(f"! {finding}", style="yellow") for finding in findings] or [Text("Nothing to mend.", style="green")]
    return Group(table, Text(), *lines)


def fetched_table(files: Sequence[FetchedFile]) -> Table:
    """`fetch`'s answer: what is there now, and where it came from."""
    table = Table(show_edge=False)
    for column in ("file", "what happened", "bytes", "sha256", "checksum"):
        table.add_column(column, justify="right" if column == "bytes" else "left")
    for file in files:
        checksum = Text("as in the catalogue", style="green") if file.verified else Text("none known; recorded")
        table.add_row(file.path, file.action, f"{file.size:,}", f"{file.sha256[:12]}…", checksum)
    return table


def catalogue_table(catalogue: Catalogue) -> Table:
    """What `fetch` can fetch."""
    table = Table(show_edge=False)
    for column in ("name", "what it is", "source", "licence"):
        table.add_column(column, overflow="fold")
    for dataset in catalogue.dataset:
        has_address = all(dataset.url_of(file) for file in dataset.files)
        source = "login" if dataset.login else "public" if has_address else "mirror only"
        table.add_row(dataset.name, dataset.title, source, dataset.licence)
    return table


def split_table(counts: dict[str, dict[str, int]], dropped: dict[str, int]) -> RenderableType:
    """`split`'s answer: rows by part and label, and what was left out."""
    table = Table(show_edge=False)
    table.add_column("part")
    labels = list(next(iter(counts.values())))
    for column in ("rows", *labels):
        table.add_column(column, justify="right")
    for part, by_label in counts.items():
        total = sum(by_label.values())
        table.add_row(part, f"{total:,}", *(_share(count, total) for count in by_label.values()))
    return Group(table, *(Text(f"dropped: {count:,} {reason}") for reason, count in dropped.items()))


def _add(table: Table, name: str, cells: list[str]) -> None:
    table.add_row(name, *cells)


def _count(number: int) -> str:
    return f"{number:,}" if number else "-"


def _share(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.1%})" if total else "-"


def _lengths(split: SplitReport) -> str:
    return f"{split.tokens_median} / {split.tokens_p95} / {split.tokens_max}"
