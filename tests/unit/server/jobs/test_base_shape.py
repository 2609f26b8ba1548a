"""Specs are checked against the base model that the server can know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.jobs.base_shape import BaseShapes
from shared.base_model import load_base_model
from shared.spec import parse_spec
from shared.store.folder import FolderStore
from shared.store.versions import VersionRecord, versions_log
from tests.published import publish
from tests.tiny_model import make_tiny_base

TASK = {"name": "t", "labels": ["x", "y"], "data": {"train": "a.csv"}}


def _body(layers: int, **fields: Any) -> dict[str, Any]:
    return {"tasks": [TASK], "freeze": {"policy": "layers", "layers": layers}, **fields}


def _refused(shapes: BaseShapes, body: dict[str, Any]) -> dict[str, str]:
    return {violation.field: violation.description for violation in shapes.violations_blocking(body)}


def _plan(shapes: BaseShapes, body: dict[str, Any]) -> dict[str, Any] | None:
    assert _refused(shapes, body) == {}
    return shapes.plan_blocking(parse_spec(body))


def test_base_model_of_the_newest_version_is_the_one_that_counts(store: FolderStore, tmp_path: Path) -> None:
    """The worker's setting is not the server's to read; what it published is."""
    for layers in (2, 4):
        publish(store, make_tiny_base(tmp_path / f"base{layers}", layers))
    shapes = BaseShapes(store, "")
    assert "has 4 layers" in _refused(shapes, _body(5))["freeze.layers"]
    plan = _plan(shapes, _body(4))
    assert plan is not None
    assert plan["layers"] == 4


def test_version_that_a_job_continues_from_is_the_one_that_counts(store: FolderStore, tmp_path: Path) -> None:
    """Its encoder is trained on, not the newest one."""
    numbers = [publish(store, make_tiny_base(tmp_path / f"base{layers}", layers)) for layers in (4, 2)]
    shapes = BaseShapes(store, "")
    assert _refused(shapes, _body(4, base={"version": numbers[0]})) == {}
    assert "has 2 layers" in _refused(shapes, _body(4, base={"version": numbers[1]}))["freeze.layers"]
    assert _refused(shapes, _body(4, base={"version": 77})) == {}, "that there is none is said by another check"


@pytest.mark.parametrize("architecture", ["bert", "distilbert"])
def test_base_model_that_is_set_wins_over_the_store(store: FolderStore, tmp_path: Path, architecture: Any) -> None:
    """After a change of BASE_MODEL the newest version is still of the old one. DistilBERT's word for layers differs."""
    publish(store, make_tiny_base(tmp_path / "old", 2))
    shapes = BaseShapes(store, str(make_tiny_base(tmp_path / "new", 5, architecture=architecture)))
    assert _plan(shapes, _body(5)) is not None
    assert "has 5 layers" in _refused(shapes, _body(6))["freeze.layers"]


def test_base_model_that_cannot_be_known_refuses_nothing(store: FolderStore, tmp_path: Path) -> None:
    """A hub name that is in no version, a broken record, a config without layers: the worker will look."""
    shapes = BaseShapes(store, "some/model-on-the-hub")
    assert _plan(shapes, _body(900)) is None
    versions_log(store).append(lambda _: VersionRecord(artifact_id="gone", manifest_sha256="0" * 64, job_id="j"))
    assert _plan(shapes, _body(900)) is None
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/config.json").write_text(json.dumps({"model_type": "odd"}))
    assert _plan(BaseShapes(store, str(tmp_path / "odd")), _body(900)) is None


def test_base_model_of_an_empty_store_is_the_packaged_default(store: FolderStore) -> None:
    """Before the first publication a default installation knows its model all the same: six layers."""
    plan = _plan(BaseShapes(store, ""), _body(6))
    assert plan is not None
    assert (plan["base_model"], plan["layers"]) == ("sentence-transformers/all-MiniLM-L6-v2", 6)


def test_all_that_the_base_model_cannot_give_is_said_at_once(store: FolderStore, tmp_path: Path) -> None:
    """Window, rates and adapters too: found here, a job does not wait in the queue to fail."""
    publish(store, make_tiny_base(tmp_path / "base", 4))
    shapes = BaseShapes(store, "")
    fields: dict[str, Any] = {"max_tokens": 67, "layerwise_lr": {"decay": 0.01}, "lora": {}}
    found = _refused(shapes, _body(4, **fields))
    assert sorted(found) == ["layerwise_lr", "lora", "max_tokens"]
    assert "67 is more than the 66 tokens" in found["max_tokens"]
    assert "gives layer.3 the rate 1e+03" in found["layerwise_lr"]
    assert "freeze.layers 4 freezes every layer" in found["lora"]
    assert _refused(shapes, _body(3, max_tokens=66, layerwise_lr={"decay": 0.1}, lora={})) == {}
    assert _refused(shapes, _body(3, lora=None, freeze={"policy": "layers", "layers": 4})) == {}


@pytest.mark.parametrize(("architecture", "window"), [("bert", 66), ("distilbert", 64), ("roberta", 64), ("mpnet", 64)])
def test_window_of_a_base_model_on_this_machine_is_what_a_worker_would_find(
    store: FolderStore, tmp_path: Path, architecture: Any, window: int
) -> None:
    """One token more is refused, so many are not; RoBERTa and MPNet keep two positions for themselves."""
    base = make_tiny_base(tmp_path / "base", 2, architecture=architecture)
    assert load_base_model(str(base)).max_tokens == window
    shapes = BaseShapes(store, str(base))
    assert _refused(shapes, _body(1, max_tokens=window)) == {}
    assert list(_refused(shapes, _body(1, max_tokens=window + 1))) == ["max_tokens"]


def test_window_that_config_leaves_open_or_sentence_transformers_sets(store: FolderStore, tmp_path: Path) -> None:
    """What the files do not say is the architecture's default: the worker looks. A window that is set wins."""
    base = make_tiny_base(tmp_path / "base", 2)
    (base / "sentence_bert_config.json").write_text('{"max_seq_length": 32}')
    assert "the 32 tokens" in _refused(BaseShapes(store, str(base)), _body(1, max_tokens=33))["max_tokens"]
    (base / "sentence_bert_config.json").unlink()
    config = json.loads((base / "config.json").read_text())
    del config["max_position_embeddings"]
    (base / "config.json").write_text(json.dumps(config))
    assert _refused(BaseShapes(store, str(base)), _body(1, max_tokens=8000)) == {}


@pytest.mark.parametrize(
    ("parameters", "field", "words"),
    [
        ({"max_tokens": {"low": 16, "high": 128}}, "search.parameters[max_tokens].high", "66 tokens"),
        ({"freeze.layers": {"choices": [1, 7]}}, "search.parameters[freeze.layers].choices[1]", "has 4 layers"),
        (
            {"freeze": {"choices": [{"policy": "none"}, {"policy": "layers", "layers": 9}]}},
            "search.parameters[freeze].choices[1]",
            "has 4 layers",
        ),
        ({"layerwise_lr.decay": {"low": 0.01, "high": 1}}, "search.parameters", "with layerwise_lr.decay 0.01"),
        (
            {"lora.rank": {"low": 2, "high": 4}, "freeze.layers": {"low": 1, "high": 4}},
            "search.parameters",
            "with freeze.layers 4, lora.rank 2: lora: has nothing to adapt",
        ),
    ],
)
def test_values_of_a_search_are_checked_against_the_base_model(
    store: FolderStore, tmp_path: Path, parameters: dict[str, Any], field: str, words: str
) -> None:
    """A search that fails in its ninth trial has cost eight."""
    publish(store, make_tiny_base(tmp_path / "base", 4))
    body = _body(1, search={"parameters": parameters})
    parse_spec(body)
    found = _refused(BaseShapes(store, ""), body)
    assert list(found) == [field]
    assert words in found[field]


def test_search_within_what_the_base_model_gives_is_accepted(store: FolderStore, tmp_path: Path) -> None:
    """Also where one value would not go with what another parameter replaces."""
    publish(store, make_tiny_base(tmp_path / "base", 4))
    parameters = {
        "max_tokens": {"low": 16, "high": 66},
        "layerwise_lr.decay": {"low": 0.01, "high": 1},
        "layerwise_lr.base_lr": {"low": 1e-10, "high": 1e-9},
    }
    assert _refused(BaseShapes(store, ""), _body(1, search={"parameters": parameters})) == {}
    assert _refused(BaseShapes(store, ""), _body(1, search={"parameters": "all"})) == {}, "said by another check"
