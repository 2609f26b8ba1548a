"""Jobs that freeze, thaw and keep what is frozen: through TrainJob, proven by the bits of what was published."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from safetensors.numpy import load

from polyhead.errors import InvalidArgumentError
from polyhead.results import Job
from shared.model_files import ENCODER_FILE
from tests.tiny_model import make_tiny_base
from tests.tiny_rows import make_rows, write_csv
from tests.workers.stack import Stack

LABELS = {"mood": ["down", "up"], "topic": ["a", "b", "c"]}
LAYERS = 3
#: Names in the encoder's file begin with these, from the top down.
PARTS = (*(f"encoder.layer.{layer}." for layer in range(LAYERS - 1, -1, -1)), "embeddings.")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    for number, (name, labels) in enumerate(LABELS.items()):
        write_csv(folder / "data" / f"{name}.csv", make_rows(120, len(labels), seed=number), labels)
    with Stack(folder, make_tiny_base(folder / "base", LAYERS)) as stack:
        yield stack


def spec(**fields: Any) -> dict[str, Any]:
    tasks = [{"name": name, "labels": labels, "data": {"train": f"{name}.csv"}} for name, labels in LABELS.items()]
    optimizer = {"epochs": 3, "head_lr": 1e-2, "precision": "float32", **fields.pop("optimizer", {})}
    rates = {"base_lr": 1e-3, **fields.pop("layerwise_lr", {})}
    return {"tasks": tasks, "baselines": False, "optimizer": optimizer, "layerwise_lr": rates, **fields}


def tensors(stack: Stack, version: int) -> dict[str, bytes]:
    """The bits of each of the encoder's tensors."""
    return {name: tensor.tobytes() for name, tensor in load(stack.artifact(version).read(ENCODER_FILE)).items()}


def changed_parts(stack: Stack, job: Job) -> set[str]:
    """Parts of the encoder that differ from the base's; within a part all tensors or none do."""
    before, after = (tensors(stack, version) for version in (1, job.version))
    assert before.keys() == after.keys()
    changed = {part: {before[n] != after[n] for n in before if n.startswith(part)} for part in PARTS}
    assert all(len(of_part) == 1 for of_part in changed.values()), changed
    return {part for part, of_part in changed.items() if True in of_part}


def test_gradual_job_trains_what_it_thawed_and_nothing_else(stack: Stack) -> None:
    """Three epochs reach the two top layers: the report says so, and the bits of the others are the base's."""
    job = stack.train(spec(freeze={"policy": "gradual", "gradual": {"by": "epoch", "every": 1}}))
    assert changed_parts(stack, job) == set(PARTS[:2])
    stages = job.report["stages"]
    assert [stage["trained"] for stage in stages] == ["heads", "layer.2 and above", "layer.1 and above"]
    assert [stage["first_step"] for stage in stages] == [1, stages[0]["last_step"] + 1, stages[1]["last_step"] + 1]
    assert stages[-1]["last_step"] == job.report["steps"]
    shares = [stage["trainable_share"] for stage in stages]
    assert shares == sorted(set(shares))
    assert job.report["stages_not_reached"] == ["layer.0", "embeddings"]
    thawed = {row["group"]: row["from_step"] for row in job.report["learning_rates"]}
    starts = [stage["first_step"] for stage in stages]
    assert thawed == {"head.mood": 1, "head.topic": 1, "layer.2": starts[1], "layer.1": starts[2]}
    reached = {row["group"]: row["peak_lr"] / row["lr"] for row in job.report["learning_rates"]}
    assert reached["head.mood"] == 1.0
    assert 0 < reached["layer.1"] < reached["layer.2"] < 1


def test_job_with_frozen_layers_computes_them_once_and_learns_the_same(stack: Stack) -> None:
    """Kept hidden states are an economy, not another training."""
    layers = {"policy": "layers", "layers": 2}
    kept, computed = (stack.train(spec(freeze=layers, cache={"mib": mib})) for mib in (64, 0))
    for job in (kept, computed):
        assert changed_parts(stack, job) == {PARTS[0]}
    (use,) = kept.report["cache"]
    rows = sum(data["rows"]["train"] for data in kept.report["data"].values())
    assert (use["kept"], use["rows"], use["rows_reused"], use["rows_recomputed"]) == (
        "hidden states of layer.1", rows, 3 * rows, 0,
    )  # fmt: skip
    assert 0 < use["mib"] <= 64
    assert [use["because"] for use in computed.report["cache"]] == ["cache.mib is 0"]
    for task in LABELS:
        of_kept, of_computed = (job.metrics[task]["model"]["cross_entropy"] for job in (kept, computed))
        assert of_kept == pytest.approx(of_computed, rel=1e-3)


def test_job_with_a_rate_for_one_head_and_accumulation_does_both(stack: Stack) -> None:
    """Half the steps of batches of the same size; the named head has its own rate, the other the default."""
    fields: dict[str, Any] = {"freeze": {"policy": "backbone"}, "layerwise_lr": {"heads": {"topic": 5e-3}}}
    plain = stack.train(spec(**fields, optimizer={"rows_per_batch": 16}))
    summed = stack.train(spec(**fields, optimizer={"rows_per_batch": 16, "accumulate": 2}))
    batches = plain.report["steps"] // 3
    assert summed.report["steps"] == 3 * -(-batches // 2)
    rates = {row["group"]: row["lr"] for row in summed.report["learning_rates"]}
    assert rates == {"head.mood": 1e-2, "head.topic": 5e-3}
    assert changed_parts(stack, summed) == set()


def test_job_for_layers_that_the_base_model_lacks_is_refused_at_once(stack: Stack) -> None:
    """Found by TrainJob, beside every other violation, not by a worker an hour later."""
    bad = spec(freeze={"policy": "layers", "layers": 9}, optimizer={"epochs": 0})
    with pytest.raises(InvalidArgumentError) as caught:
        stack.client.train_job(bad)
    found = {violation.field: violation.description for violation in caught.value.violations}
    assert found.keys() == {"freeze.layers", "optimizer.epochs"}
    assert "is 9" in found["freeze.layers"]
    assert "has 3 layers" in found["freeze.layers"]


def test_plan_of_a_job_is_that_of_its_report(stack: Stack) -> None:
    """What a dry run promises is what is trained: the same rates, the same stages."""
    body = spec(freeze={"policy": "gradual", "gradual": {"start_layers": 1}})
    plan = stack.client.plan_job(body)
    report = stack.train(body).report
    planned = {row["part"]: row["lr"] for row in plan["learning_rates"] if row["trained"] != "never"}
    assert planned == pytest.approx({row["group"]: row["lr"] for row in report["learning_rates"]})
    assert [stage["trained"] for stage in plan["stages"]] == [stage["trained"] for stage in report["stages"]]
    assert plan["stages_not_reached"] == report["stages_not_reached"] == ["embeddings"]


@pytest.mark.parametrize("freeze", [{"policy": "none"}, {"policy": "layers", "layers": 2}])
def test_plan_of_a_lora_job_is_that_of_its_report(stack: Stack, freeze: dict[str, Any]) -> None:
    """Adapters are in layers only: neither plan nor report may speak of embeddings, or of everything."""
    body = spec(lora={"rank": 2}, freeze=freeze, optimizer={"epochs": 1})
    plan = stack.client.plan_job(body)
    report = stack.train(body).report
    planned = {row["part"]: row["lr"] for row in plan["learning_rates"] if row["trained"] != "never"}
    assert planned == pytest.approx({row["group"]: row["lr"] for row in report["learning_rates"]})
    (stage,) = plan["stages"]
    assert [stage["trained"]] == [own["trained"] for own in report["stages"]]
    assert "adapters" in stage["trained"]
    assert plan["stages_not_reached"] == report["stages_not_reached"] == []
