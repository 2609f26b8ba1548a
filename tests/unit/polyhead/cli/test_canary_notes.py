"""What `polyhead models canary` says of requests that will never meet the canary."""

from __future__ import annotations

from polyhead.cli.releases import canary_notes
from polyhead.readers import read_server_info
from polyhead.v1 import models_pb2


def state(version: int, role: str, encoder_id: str, *tasks: str) -> models_pb2.ModelState:
    infos = [models_pb2.TaskInfo(name=name, labels=["a", "b"]) for name in tasks]
    return models_pb2.ModelState(
        version=version, state=models_pb2.ModelState.LOADED, roles=[role], encoder_id=encoder_id, tasks=infos
    )


def notes(*states: models_pb2.ModelState) -> list[str]:
    return canary_notes(read_server_info(models_pb2.ServerInfo(models=states)))


def test_canary_that_can_answer_all_that_stable_can_needs_no_words() -> None:
    assert notes(state(1, "stable", "e", "mood"), state(2, "canary", "e", "mood", "spam")) == []


def test_canary_without_a_task_or_with_another_encoder_says_whom_it_will_not_meet() -> None:
    """At a share of 100 % it may get no traffic at all, and nobody would know why."""
    lacking, encoder = notes(state(1, "stable", "e", "mood", "spam"), state(2, "canary", "f", "mood"))
    assert "version 2 lacks spam" in lacking
    assert "another encoder" in encoder
    assert "routing key" in encoder


def test_canary_that_is_not_loaded_yet_is_not_judged() -> None:
    assert notes(state(1, "stable", "e", "mood")) == []
