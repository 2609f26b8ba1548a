"""Which values trials take, and that an interrupted search goes on as it would have."""

from __future__ import annotations

from typing import Any

import pytest

from shared.spec import SearchSpec
from shared.spec.candidates import Values
from worker.training.search.records import TrialRecord
from worker.training.search.study import Study

PARAMETERS: dict[str, Any] = {
    "optimizer.head_lr": {"low": 1e-4, "high": 1e-2, "log": True},
    "optimizer.epochs": {"low": 1, "high": 9, "step": 3},
    "optimizer.warmup": {"low": 0.0, "high": 0.5},
    "freeze": {"choices": [{"policy": "none"}, {"policy": "layers", "layers": 1}]},
}


def _search(**fields: Any) -> SearchSpec:
    return SearchSpec.model_validate({"parameters": PARAMETERS, "trials": 8, **fields})


def _value(values: Values) -> float:
    """Best in the middle of the logarithmic range."""
    return 1.0 - abs(values["optimizer.head_lr"] - 1e-3) / 1e-2 + values["optimizer.epochs"] / 100


def _run(study: Study, trials: int) -> list[TrialRecord]:
    records = []
    for _ in range(trials):
        values = study.ask()
        value, by_epoch = _value(values), []
        for epoch in (1, 2):
            by_epoch.append(value * epoch / 3)
            if study.is_behind(epoch, by_epoch[-1]):
                break
        else:
            epoch = 3
        state = "complete" if epoch == 3 else "pruned"
        records.append(TrialRecord(parameters=values, state=state, value=value, by_epoch=tuple(by_epoch)))
        study.tell(records[-1])
    return records


def _told(records: list[TrialRecord]) -> list[tuple[Any, ...]]:
    return [(record.parameters, record.state, record.by_epoch) for record in records]


@pytest.mark.parametrize("pruner", ["none", "median", "halving"])
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_study_replayed_from_records_goes_on_as_it_would_have(sampler: str, pruner: str) -> None:
    """A worker that was restarted finds what the first one would have found, also what is given up."""
    search = _search(sampler=sampler, pruner=pruner)
    whole = _run(Study(search), 8)
    resumed = Study(search)
    # Through JSON, as the store has them.
    resumed.replay([TrialRecord.from_bytes(record.to_bytes(), "trial") for record in whole[:5]])
    assert _told(_run(resumed, 3)) == _told(whole[5:])
    if pruner != "none":
        assert "pruned" in {record.state for record in whole}


def test_study_draws_only_values_of_its_parameters() -> None:
    """Kinds too: an integer field that got 4.0 would be another record, a whole part must stay one."""
    for record in _run(Study(_search(sampler="random")), 8):
        values = record.parameters
        assert list(values) == sorted(PARAMETERS)
        assert 1e-4 <= values["optimizer.head_lr"] <= 1e-2  # type: ignore[operator]
        assert values["optimizer.epochs"] in (1, 4, 7)
        assert isinstance(values["optimizer.epochs"], int)
        assert values["freeze"] in PARAMETERS["freeze"]["choices"]


def test_study_with_another_seed_draws_other_values() -> None:
    """And with the same one the same."""
    first, again, other = (_run(Study(_search(sampler="random", seed=seed)), 3) for seed in (1, 1, 2))
    assert _told(first) == _told(again)
    assert first[0].parameters != other[0].parameters


def test_study_by_tpe_draws_near_what_was_good() -> None:
    """The point of a model-based sampler, on a function whose best place is known."""
    search = SearchSpec.model_validate(
        {"parameters": {"optimizer.warmup": {"low": 0.0, "high": 1.0}}, "trials": 30, "seed": 1}
    )
    study, distances = Study(search), []
    for _ in range(30):
        values = study.ask()
        distances.append(abs(values["optimizer.warmup"] - 0.3))
        study.tell(TrialRecord(parameters=values, state="complete", value=-distances[-1]))
    assert sum(distances[-10:]) < sum(distances[:10]) / 2


def test_study_of_a_grid_goes_through_every_point() -> None:
    """In order, whatever is pruned or failed on the way."""
    parameters = {"optimizer.epochs": {"low": 1, "high": 3}, "freeze.policy": {"choices": ["none", "backbone"]}}
    study = Study(SearchSpec.model_validate({"parameters": parameters, "sampler": "grid"}))
    assert study.trials == 6
    seen = []
    for number in range(study.trials):
        values = study.ask()
        seen.append(tuple(values.values()))
        state = "failed" if number == 1 else "complete"
        study.tell(TrialRecord(parameters=values, state=state, value=None if number == 1 else 0.5))
    assert seen == [(p, e) for p in ("none", "backbone") for e in (1, 2, 3)]
