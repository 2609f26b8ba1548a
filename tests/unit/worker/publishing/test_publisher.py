"""Roll-forward: what a result still lacks is appended exactly once, in order, and cheaply."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from shared.errors import StoreError
from shared.spec import JobSpec, parse_spec
from shared.store.folder import FolderStore
from shared.store.jobs import JobEntry, JobState, JobStore
from shared.store.releases import Canary, ReleaseRecord, releases_log
from shared.store.versions import VersionRecord, versions_log
from worker.gate.verdict import TaskVerdict, Verdict, compare, conclude, not_judged
from worker.job_ledger import JobLedger
from worker.publishing.publisher import Publisher

SPEC = parse_spec({"tasks": [{"name": "mood", "labels": ["good", "bad"], "data": {"train": "x.csv"}}]})


def finish(
    store: FolderStore,
    name: str,
    state: JobState = JobState.SUCCEEDED,
    at: str = "2026-01-01",
    verdict: Verdict | None = None,
    spec: JobSpec = SPEC,
) -> str:
    """A job with a result that came at `at`."""
    jobs = JobStore(store)
    job, _ = jobs.submit(name, spec)
    report = {"gate": verdict.model_dump(mode="json")} if verdict else {}
    jobs.log(job.job_id).append(lambda _: JobEntry(kind="claim"))
    jobs.log(job.job_id).append(
        lambda _: JobEntry(
            kind="result",
            state=state,
            artifact_id=name,
            manifest_sha256="0" * 64,
            metrics={"m": 1},
            report=report,
            created_at=at,
        )
    )
    return job.job_id


def publisher(store: FolderStore) -> Publisher:
    """One as a worker that just started has it."""
    return Publisher(store, JobLedger(store), lambda job_id: None)


def versions(store: FolderStore) -> list[str]:
    return [entry.job_id for entry in versions_log(store).entries()]


def releases(store: FolderStore) -> list[tuple[str, int]]:
    return [(entry.job_id, entry.stable) for entry in releases_log(store).entries()]


def test_result_becomes_version_and_release(store: FolderStore) -> None:
    """A version carries what the result says; the release moves stable and latest to it."""
    job_id = finish(store, "artifact")
    publisher(store).roll_forward()
    version = versions_log(store).entries()[0]
    release = releases_log(store).entries()[0]
    assert (version.artifact_id, version.metrics, version.parent) == ("artifact", {"m": 1}, None)
    assert (release.stable, release.aliases, release.job_id) == (1, {"latest": 1}, job_id)
    assert (release.verdict, release.judged_against) == ("not judged", None)


def test_job_that_failed_is_not_published(store: FolderStore) -> None:
    """Only SUCCEEDED results lead to versions."""
    finish(store, "failed", JobState.FAILED)
    finish(store, "cancelled", JobState.CANCELLED)
    publisher(store).roll_forward()
    assert versions(store) == []


def test_roll_forward_twice_publishes_once(store: FolderStore) -> None:
    """By the same process, and by one that knows nothing of it."""
    job_id = finish(store, "a")
    once = publisher(store)
    once.roll_forward()
    once.roll_forward()
    publisher(store).roll_forward()
    assert versions(store) == [job_id]
    assert releases(store) == [(job_id, 1)]


def test_version_without_release_gets_its_release_only(store: FolderStore) -> None:
    """A worker that died between the two records left just this."""
    job_id = finish(store, "a")
    versions_log(store).append(lambda _: VersionRecord(artifact_id="a", manifest_sha256="0" * 64, job_id=job_id))
    publisher(store).roll_forward()
    assert versions(store) == [job_id]
    assert releases(store) == [(job_id, 1)]


def test_results_are_published_in_the_order_in_which_they_came(store: FolderStore) -> None:
    """Stable must end at the newest result, however the jobs' ids sort."""
    ids = [finish(store, f"job {day}", at=f"2026-01-{day:02}") for day in (9, 3, 27, 14)]
    publisher(store).roll_forward()
    assert versions(store) == [ids[1], ids[0], ids[3], ids[2]]
    assert releases_log(store).entries()[-1].stable == 4


def test_many_publishers_at_once_publish_once(store: FolderStore) -> None:
    """Workers roll forward on timers, so they meet: the dense logs let one win."""
    ids = [finish(store, f"job {number}") for number in range(5)]
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(publisher(store).roll_forward) for _ in range(4)]:
            done.result()
    assert sorted(versions(store)) == sorted(ids)
    assert sorted(job_id for job_id, _ in releases(store)) == sorted(ids)


def test_release_keeps_canary_and_other_aliases(store: FolderStore) -> None:
    """A routing table is whole: what an automatic release does not decide, it carries over."""
    releases_log(store).append(
        lambda _: ReleaseRecord(
            stable=1, aliases={"latest": 1, "eu": 1}, canary=Canary(version=1, share=0.1), why="w", by="b"
        )
    )
    versions_log(store).append(lambda _: VersionRecord(artifact_id="b", manifest_sha256="0" * 64, job_id="base"))
    finish(store, "a")
    publisher(store).roll_forward()
    newest = releases_log(store).entries()[-1]
    assert (newest.stable, newest.aliases) == (2, {"latest": 2, "eu": 1})
    assert newest.canary == Canary(version=1, share=0.1)
    assert newest.judged_against == 1


def test_release_on_hold_repeats_the_table_and_settles_the_job(store: FolderStore) -> None:
    """After a rollback no automatic release may bring a model back, and roll-forward must count the job as done."""
    versions_log(store).append(lambda _: VersionRecord(artifact_id="b", manifest_sha256="0" * 64, job_id="base"))
    releases_log(store).append(
        lambda _: ReleaseRecord(stable=1, aliases={"latest": 1}, hold=True, why="rollback", by="ann")
    )
    job_id = finish(store, "a")
    for _ in range(2):
        publisher(store).roll_forward()
    assert versions(store) == ["base", job_id]
    newest = releases_log(store).entries()[-1]
    assert len(releases_log(store).entries()) == 2
    assert (newest.stable, newest.aliases, newest.hold, newest.verdict) == (1, {"latest": 1}, True, "held")
    assert newest.job_id == job_id


class CountingStore(FolderStore):
    """Counts reads, and fails them on request."""

    num_gets = 0
    broken = False

    def get(self, key: str) -> bytes:
        self.num_gets += 1
        if self.broken:
            raise StoreError(f"cannot read {key}: test")
        return super().get(key)


def test_settled_jobs_are_not_read_again(store: FolderStore) -> None:
    """The timer runs for years over thousands of finished jobs: a sweep asks for the next release, and reads no job."""
    for number in range(30):
        finish(store, f"job {number}", JobState.SUCCEEDED if number % 2 else JobState.FAILED)
    counting = CountingStore(store.root)
    rolling = publisher(counting)
    for _ in range(2):  # the second reads back the last entry that the first wrote
        rolling.roll_forward()
    counting.num_gets = 0
    rolling.roll_forward()
    assert counting.num_gets == 1


def test_store_that_fails_is_told_and_tried_again(store: FolderStore) -> None:
    """What one call could not publish, the next one does."""
    job_id = finish(store, "a")
    counting = CountingStore(store.root)
    rolling = publisher(counting)
    counting.broken = True
    with pytest.raises(StoreError, match="cannot read"):
        rolling.roll_forward()
    counting.broken = False
    rolling.roll_forward()
    assert releases(store) == [(job_id, 1)]


def test_job_that_cannot_be_read_does_not_hold_up_the_others(store: FolderStore) -> None:
    """A record of a newer schema is another worker's business."""
    broken, fine = finish(store, "broken"), finish(store, "fine")
    (store.root / f"jobs/{broken}/log/1.json").write_text('{"schema": 99}')
    publisher(store).roll_forward()
    assert versions(store) == [fine]


def judged(champion: int, judged_against: int, candidate: float) -> Verdict:
    """The verdict on a candidate of a version that scored 0.8."""
    compared = {"mood": compare("macro_f1", 0.8, candidate, 0.01, 100)}
    return conclude(compared, (), may_drop=True, champion=champion, judged_against=judged_against)


def released_base(store: FolderStore) -> None:
    versions_log(store).append(lambda _: VersionRecord(artifact_id="b", manifest_sha256="0" * 64, job_id="base"))
    releases_log(store).append(lambda _: ReleaseRecord(stable=1, aliases={"latest": 1}, why="w", by="b"))


class Rematches:
    """Stands in for the process that judges again: gives verdicts in their order, and tells who asked."""

    def __init__(self, *verdicts: Verdict | None) -> None:
        self.verdicts = list(verdicts)
        self.asked: list[str] = []

    def __call__(self, job_id: str) -> Verdict | None:
        self.asked.append(job_id)
        return self.verdicts.pop(0)


def test_candidate_that_failed_is_kept_and_not_released(store: FolderStore) -> None:
    """The worse model must not answer anybody, and must be there to be looked at."""
    released_base(store)
    job_id = finish(store, "a", verdict=judged(1, 1, 0.7))
    for _ in range(2):
        publisher(store).roll_forward()
    words = "failed: mood macro_f1 0.800 -> 0.700, allowed 0.01"
    assert versions_log(store).entries()[1].verdict == words
    assert len(releases_log(store).entries()) == 2
    newest = releases_log(store).entries()[-1]
    assert (newest.stable, newest.aliases, newest.job_id, newest.verdict) == (1, {"latest": 1}, job_id, words)
    assert "version 2 is kept" in newest.why


def test_candidate_that_passed_is_released_with_its_verdict(store: FolderStore) -> None:
    """Both records say by what it was let through."""
    released_base(store)
    finish(store, "a", verdict=judged(1, 1, 0.795))
    publisher(store).roll_forward()
    newest = releases_log(store).entries()[-1]
    assert (newest.stable, newest.verdict, newest.judged_against) == (2, "passed", 1)
    assert versions_log(store).entries()[1].verdict == "passed"


def test_version_that_is_released_unjudged_is_warned_of_with_task_and_reason(store: FolderStore) -> None:
    """A log that says `release appended` alone would hide that nobody compared the two."""
    released_base(store)
    few = TaskVerdict(outcome="not judged", metric="macro_f1", allowed=0.01, note="12 held-out rows are too few")
    finish(store, "a", verdict=conclude({"mood": few}, (), True, champion=1, judged_against=1))
    with capture_logs() as lines:
        publisher(store).roll_forward()
    assert releases_log(store).entries()[-1].stable == 2
    (warning,) = [line for line in lines if line["log_level"] == "warning"]
    assert (warning["version"], warning["tasks"]) == (2, {"mood": "12 held-out rows are too few"})


def test_version_that_is_held_unjudged_is_kept_and_its_release_says_why(store: FolderStore) -> None:
    """gate.unjudged hold: the old version answers on, and the reader of the log of releases sees the reason."""
    released_base(store)
    few = TaskVerdict(outcome="not judged", metric="macro_f1", allowed=0.01, note="too few")
    finish(store, "a", verdict=conclude({"mood": few}, (), True, champion=1, judged_against=1, may_be_unjudged=False))
    publisher(store).roll_forward()
    newest = releases_log(store).entries()[-1]
    assert (newest.stable, newest.verdict) == (
        1,
        "not judged: mood: too few; the job's gate holds what is not judged",
    )


@pytest.mark.parametrize(("second", "stable"), [(0.9, 3), (0.5, 2)], ids=["passes", "fails"])
def test_candidate_judged_against_an_older_version_is_judged_again(
    store: FolderStore, second: float, stable: int
) -> None:
    """Two jobs trained side by side: the later must be better than the earlier, not than what both began from."""
    released_base(store)
    finish(store, "a", verdict=judged(1, 1, 0.9), at="2026-01-01")
    late = finish(store, "b", verdict=judged(1, 1, 0.9), at="2026-01-02")
    rematch = Rematches(judged(2, 2, second))
    Publisher(store, JobLedger(store), rematch).roll_forward()
    assert rematch.asked == [late]
    newest = releases_log(store).entries()[-1]
    assert (newest.stable, newest.judged_against) == (stable, 2)
    assert newest.verdict == str(judged(2, 2, second))
    assert versions_log(store).entries()[2].verdict == "passed", "the first verdict stays in the version"


def test_rematch_that_cannot_run_now_leaves_the_job_for_later(store: FolderStore) -> None:
    """Another worker is at it, or this one stops: nothing is released unjudged, nothing is lost, others go on."""
    released_base(store)
    finish(store, "a", verdict=judged(1, 1, 0.9), at="2026-01-01")
    waiting = finish(store, "b", verdict=judged(1, 1, 0.9), at="2026-01-02")
    other = finish(store, "c", at="2026-01-03")
    rematch = Rematches(None, not_judged("no process", may_release=False))
    rolling = Publisher(store, JobLedger(store), rematch)
    rolling.roll_forward()
    assert waiting not in {job_id for job_id, _ in releases(store)}
    assert releases(store)[-1] == (other, 4)
    rolling.roll_forward()
    assert rematch.asked == [waiting, waiting]
    newest = releases_log(store).entries()[-1]
    assert (newest.job_id, newest.stable, newest.verdict) == (waiting, 4, "not judged: no process")


def test_release_that_changed_no_stable_version_needs_no_rematch(store: FolderStore) -> None:
    """A new alias, or a candidate that was kept: what was compared with still serves."""
    released_base(store)
    releases_log(store).append(lambda _: ReleaseRecord(stable=1, aliases={"latest": 1, "eu": 1}, why="w", by="b"))
    finish(store, "a", verdict=judged(1, 1, 0.9))
    publisher(store).roll_forward()
    assert releases_log(store).entries()[-1].stable == 2


def test_job_that_asks_to_be_held_is_kept_as_a_version(store: FolderStore) -> None:
    """A team that promotes by hand."""
    released_base(store)
    spec = parse_spec({**SPEC.model_dump(), "publish": {"release": "hold"}})
    job_id = finish(store, "a", verdict=judged(1, 1, 0.9), spec=spec)
    publisher(store).roll_forward()
    newest = releases_log(store).entries()[-1]
    assert (newest.job_id, newest.stable, newest.verdict) == (job_id, 1, "held")
    assert "as the job asked (passed)" in newest.why


def test_job_that_asks_to_be_held_waits_for_a_first_release(store: FolderStore) -> None:
    """There is no table to repeat yet; the base encoder's comes."""
    spec = parse_spec({**SPEC.model_dump(), "publish": {"release": "hold"}})
    job_id = finish(store, "a", spec=spec)
    rolling = publisher(store)
    rolling.roll_forward()
    assert (versions(store), releases(store)) == ([job_id], [])
    releases_log(store).append(lambda _: ReleaseRecord(stable=1, why="first", by="b"))
    rolling.roll_forward()
    assert releases(store)[-1] == (job_id, 1)
