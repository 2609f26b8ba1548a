"""What a person and a program find beside the weights: report page and lineage, of a real training."""

from __future__ import annotations

import hashlib

from shared.store.artifacts import REPORT_PAGE, ArtifactReader
from tests.integration.training.conftest import Bench
from worker.training.job import run_job


def test_report_page_shows_training_figures_and_mistakes_and_texts_only_if_they_may_be(shared_bench: Bench) -> None:
    """The page is part of the artifact, so it travels with it and has its hash; private texts can stay out."""
    texts = [line.rpartition(",")[0] for line in (shared_bench.root / "mood.csv").read_text().splitlines()[1:]]
    for may_show in (True, False):
        result = shared_bench.train(publish={"report_texts": may_show}, baselines=False)
        artifact = ArtifactReader(shared_bench.store, result.artifact_id, result.manifest_sha256)
        page = artifact.read(REPORT_PAGE).decode()
        for part in ("Training loss", "Confusion", "Reliability", "not judged: nothing is released yet", "mood.csv"):
            assert part in page, part
        assert any(text in page for text in texts) == may_show
        assert ("Texts were left out" in page) == (not may_show)


def test_lineage_names_all_that_the_model_came_from(shared_bench: Bench) -> None:
    """Enough to make it again, or to find every model that a file went into."""
    work = shared_bench.submit(baselines=False)
    result = run_job(work, lambda event: None)
    manifest = ArtifactReader(shared_bench.store, result.artifact_id, result.manifest_sha256).manifest
    lineage = manifest.lineage
    assert (lineage["job"], lineage["attempt"], lineage["parent_version"]) == (work.job_id, work.claim, None)
    assert lineage["base_model"] == manifest.base_model
    for task in ("mood", "topic"):
        digest = hashlib.sha256((shared_bench.root / f"{task}.csv").read_bytes()).hexdigest()
        assert lineage["data"][task] == {f"{task}.csv": digest}
    assert {"python", "torch", "transformers", "numpy"} <= lineage["libraries"].keys()
    assert len(lineage["spec_sha256"]) == 64
