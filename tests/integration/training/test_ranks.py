"""Several processes train what one would have trained, and none is left behind when one of them dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from shared.base_model import load_base_model
from shared.errors import DataError
from shared.model_files import load_model
from shared.store.artifacts import ArtifactReader
from tests.integration.training.conftest import COMMAND, LABELS, Bench
from tests.processes import children_of, free_port, is_alive, wait_until
from tests.tiny_model import make_tiny_base
from worker.training.protocol import Failure, Progress, Result, parse_event

#: Sums of float32 in another order differ in the last bits; AdamW makes of them about as much as this in 30 steps.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def ranks_bench(shared_bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A base model without dropout, of which every rank would draw its own."""
    base = make_tiny_base(tmp_path_factory.mktemp("still"))
    config = json.loads((base / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (base / "config.json").write_text(json.dumps(config))
    return shared_bench.with_base(base)


def _weights(bench: Bench, result: Result) -> dict[str, torch.Tensor]:
    artifact = ArtifactReader(bench.store, result.artifact_id, result.manifest_sha256)
    return load_model(artifact).model.state_dict()


def _spec(**optimizer: Any) -> dict[str, Any]:
    return {
        "baselines": False,
        "layerwise_lr": {"base_lr": 1e-3},
        "optimizer": {"precision": "float32", "epochs": 2, "rows_per_batch": 16, **optimizer},
    }


HARD: dict[str, Any] = {
    # Batches of one task leave the other's head unused; three of them make a step; what is trained changes on the way.
    "sampling": {"across": "round_robin", "mixing": "one_task"},
    "freeze": {"policy": "gradual"},
    # Rank 0 alone validates; that nothing is better by 10 stops all ranks after the third epoch.
    "stopping": {"patience": 2, "min_delta": 10.0, "restore_best": False},
}


@pytest.mark.parametrize(
    "fields",
    [_spec() | {"lora": {"rank": 2, "targets": ["all_linear"]}}, _spec(accumulate=3, epochs=6) | HARD],
    ids=["lora", "gradual, one task a batch, accumulated, stopping"],
)
def test_two_processes_train_what_one_does(ranks_bench: Bench, fields: dict[str, Any]) -> None:
    """The same batches, steps and losses: the number of processes is a matter of speed alone."""
    others = set(children_of(os.getpid()))
    told: list[Progress] = []
    alone = ranks_bench.train(**fields)
    together = ranks_bench.train(told, **fields, distributed={"processes": 2})
    expected, weights = _weights(ranks_bench, alone), _weights(ranks_bench, together)
    before = load_base_model(str(ranks_bench.base)).encoder.state_dict()
    moved = max(float((expected[f"encoder.{name}"] - tensor).abs().max()) for name, tensor in before.items())
    assert moved > 10 * TOLERANCE, "a training that moves nothing proves nothing"
    assert max(float((weights[name] - expected[name]).abs().max()) for name in expected) < TOLERANCE
    assert (together.report["processes"], alone.report["processes"]) == (2, 1)
    assert together.report["steps"] == alone.report["steps"]
    assert together.report.get("stopping", {}).get("last_step") == alone.report.get("stopping", {}).get("last_step")
    # Rank 0 tells the losses of all rows, not of its own.
    losses = [event.loss_by_task for event in told if event.stage == "training" and event.loss_by_task]
    assert losses[-1].keys() == LABELS.keys()
    assert set(children_of(os.getpid())) <= others


def test_error_that_every_rank_comes_to_is_told_as_it_is(bench: Bench) -> None:
    """Bad data is bad data, not a dead process."""
    others = set(children_of(os.getpid()))
    (bench.root / "topic.csv").unlink()
    with pytest.raises(DataError, match=r"topic\.csv"):
        bench.train(distributed={"processes": 2})
    assert set(children_of(os.getpid())) <= others


def test_rank_that_is_killed_fails_the_attempt_and_leaves_no_process(ranks_bench: Bench) -> None:
    """A trainer that waits for a dead process for ever would hold its job, and its worker, for ever."""
    work = ranks_bench.submit(**_spec(epochs=1000), distributed={"processes": 3})
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as trainer:
        try:
            assert trainer.stdin is not None
            assert trainer.stdout is not None
            with trainer.stdin as body:
                body.write(work.to_json_line())
            for line in trainer.stdout:
                event = parse_event(line)
                if isinstance(event, Progress) and event.stage == "training" and event.step > 2:
                    break
            peers = children_of(trainer.pid)
            assert len(peers) == 2
            os.kill(peers[1], signal.SIGKILL)
            last = [parse_event(line) for line in trainer.stdout][-1]
            assert trainer.wait(timeout=60) == 0
        finally:
            trainer.kill()
    assert isinstance(last, Failure), last
    assert (last.code, last.retryable) == ("RANK_DIED", True)
    assert f"(process {peers[1]}) ended with signal 9" in last.message
    wait_until(lambda: not any(map(is_alive, peers)))


def test_peers_of_a_killed_trainer_end_with_it(ranks_bench: Bench) -> None:
    """kill -9 of rank 0 gives it no time to tidy up."""
    work = ranks_bench.submit(**_spec(epochs=1000), distributed={"processes": 2})
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as trainer:
        try:
            assert trainer.stdin is not None
            assert trainer.stdout is not None
            with trainer.stdin as body:
                body.write(work.to_json_line())
            while '"stage":"training"' not in trainer.stdout.readline():
                assert trainer.poll() is None
            peers = children_of(trainer.pid)
            assert len(peers) == 1
        finally:
            trainer.kill()
    wait_until(lambda: not any(map(is_alive, peers)))


def test_two_machines_under_torchrun_train_what_one_process_does(ranks_bench: Bench, tmp_path: Path) -> None:
    """Two agents with a process each, as on two machines: the documented command."""
    tasks = [
        {"name": name, "labels": list(labels), "data": {"train": f"{name}.csv"}} for name, labels in LABELS.items()
    ]
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"tasks": tasks, **_spec()}))
    port = free_port()
    agents = [_agent(node, port, recipe, ranks_bench, tmp_path) for node in (0, 1)]
    outputs = [agent.communicate(timeout=250) for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], outputs
    results = list(tmp_path.glob("result-*.json"))
    assert len(results) == 1, "rank 0 alone tells a result"
    result = Result.model_validate(json.loads(results[0].read_text()))
    assert result.report["processes"] == 2
    expected = _weights(ranks_bench, ranks_bench.train(**_spec()))
    artifact = ArtifactReader(type(ranks_bench.store)(tmp_path / "store"), result.artifact_id, result.manifest_sha256)
    weights = load_model(artifact).model.state_dict()
    assert max(float((weights[name] - expected[name]).abs().max()) for name in expected) < TOLERANCE


def _agent(node: int, port: int, recipe: Path, bench: Bench, folder: Path) -> subprocess.Popen[str]:
    launcher = ("-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", f"--node-rank={node}")
    meeting = ("--master-addr=127.0.0.1", f"--master-port={port}")
    arguments: Sequence[str] = (
        "-m", "worker.training.run", str(recipe), f"--data-root={bench.root}", f"--store={folder / 'store'}",
        f"--base-model={bench.base}", "--device=cpu", "--threads=1", f"--output={folder / f'result-{node}.json'}",
    )  # fmt: skip
    return subprocess.Popen(
        [sys.executable, *launcher, *meeting, *arguments],
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
