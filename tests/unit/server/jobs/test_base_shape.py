"""Specs are checked against the base model that the server can know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.jobs.base_shape import BaseShapes
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
