"""What the newest release becomes when a job's version comes out: the routing table with it, or repeated without. Pure.

A release entry of a job always exists in the end, so that roll-forward counts the job as done and never brings back an
old model (docs/decisions/0002, 0019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.store.releases import ReleaseRecord, deleted_versions
from worker.gate.verdict import Verdict

WORKER = "worker"
HELD = "held"
DELETED = "deleted"
NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job's version with the gate's verdict (None: its trainer gave none); `is_auto`: the job wants it released."""

    job_id: str
    version: int
    verdict: Verdict | None
    is_auto: bool = True


def needs_rematch(entries: Sequence[ReleaseRecord], candidate: Candidate) -> bool:
    """The candidate was judged against another version than the one it would replace.

    A newer release with the same stable version changes nothing that was compared.
    """
    if candidate.version in deleted_versions(entries):
        return False
    verdict = candidate.verdict
    if verdict is None or verdict.judged_against is None or not candidate.is_auto or not entries or entries[-1].hold:
        return False
    return verdict.champion != entries[-1].stable


def next_release(entries: Sequence[ReleaseRecord], candidate: Candidate) -> ReleaseRecord | None:
    """Released, unless it was deleted, the gate says no, automatic releases wait, or the job asked for none.

    None where there is no table to repeat yet: the base encoder's release comes first.
    """
    verdict, finished = candidate.verdict, f"job {candidate.job_id} finished"
    words = str(verdict) if verdict else NOT_JUDGED
    if not entries:
        return _with(candidate, finished, words) if candidate.is_auto else None
    newest, kept = entries[-1], f"version {candidate.version} is kept, not released"
    if candidate.version in deleted_versions(entries):
        why = f"{finished}, but version {candidate.version} was deleted before it was released"
        return _without(newest, candidate, why, DELETED, len(entries))
    if newest.hold:
        why = f"{finished} while automatic releases are on hold: {kept} ({words})"
        return _without(newest, candidate, why, HELD, len(entries))
    if not candidate.is_auto:
        return _without(newest, candidate, f"{finished}: {kept}, as the job asked ({words})", HELD, len(entries))
    if verdict is not None and not verdict.may_release:
        return _without(newest, candidate, f"{finished}: {kept}", words, len(entries))
    return _with(candidate, finished, words, newest, len(entries))


def _with(
    candidate: Candidate, why: str, words: str, newest: ReleaseRecord | None = None, judged_against: int | None = None
) -> ReleaseRecord:
    return ReleaseRecord(
        stable=candidate.version,
        aliases={**(newest.aliases if newest else {}), "latest": candidate.version},
        canary=newest.canary if newest else None,
        why=why,
        by=WORKER,
        job_id=candidate.job_id,
        verdict=words,
        judged_against=judged_against,
    )


def _without(newest: ReleaseRecord, candidate: Candidate, why: str, words: str, judged_against: int) -> ReleaseRecord:
    """The table as it is."""
    return ReleaseRecord(
        stable=newest.stable,
        aliases=newest.aliases,
        canary=newest.canary,
        hold=newest.hold,
        why=why,
        by=WORKER,
        job_id=candidate.job_id,
        verdict=words,
        judged_against=judged_against,
    )
