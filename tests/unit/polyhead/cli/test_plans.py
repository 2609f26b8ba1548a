"""The plan of a job, for people."""

from __future__ import annotations

from rich.console import Console

from polyhead.cli.plans import rates_table, schedule_lines

PLAN = {
    "base_model": "tiny",
    "layers": 2,
    "learning_rates": [
        {"part": "embeddings", "lr": 1e-5, "trained": "never"},
        {"part": "layer.1", "lr": 2.5e-5, "trained": "from epoch 2"},
        {"part": "head.mood", "lr": 1e-4, "trained": "from the start"},
    ],
    "stages": [{"from_epoch": 1, "trained": "heads"}, {"from_epoch": 2, "trained": "layer.1 and above"}],
    "stages_not_reached": ["layer.0", "embeddings"],
}


def test_rates_table_has_a_line_for_each_part_and_no_rate_for_the_frozen() -> None:
    """A rate beside `never` would look as if it mattered."""
    console = Console(width=100, record=True)
    console.print(rates_table(PLAN))
    assert "rate before schedule" in console.export_text(clear=False)
    lines = {line.split()[1]: line for line in console.export_text().splitlines() if line.startswith("│")}
    assert "2.50e-05" in lines["layer.1"]
    assert "from epoch 2" in lines["layer.1"]
    assert "1.00e-05" not in lines["embeddings"]


def test_schedule_lines_warn_of_what_is_never_thawed() -> None:
    """The most likely mistake with gradual unfreezing is too few epochs for it."""
    schedule, warning = schedule_lines(PLAN)
    assert schedule == "schedule: heads from epoch 1 on, layer.1 and above from epoch 2 on"
    assert "layer.0, embeddings" in warning


def test_schedule_lines_of_a_job_without_a_schedule_are_none() -> None:
    """Nothing to say where nothing changes over time."""
    assert list(schedule_lines({"stages": [{"from_epoch": 1, "trained": "everything"}]})) == []
