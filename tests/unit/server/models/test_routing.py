"""Which model answers: named, stable or canary."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from server.models.routing import Routes, Wish, named_snapshot, position, unnamed_snapshot
from server.models.snapshot import Snapshot


def snapshot(version: int, tasks: tuple[str, ...] = ("mood",), encoder: str = "e1") -> Snapshot:
    """What routing looks at; the rest of a model is not needed."""
    manifest = SimpleNamespace(tasks=[SimpleNamespace(name=task) for task in tasks], encoder_id=encoder)
    model: Any = SimpleNamespace(manifest=manifest)
    return Snapshot(version, model)


STABLE = snapshot(1, ("mood", "topic"))


def route(canary: Snapshot, share: float = 1.0, drawn: float = 0.5, **wish: Any) -> tuple[int, str]:
    routes = Routes(stable=STABLE, canary=canary, canary_share=share)
    found, name = unnamed_snapshot(routes, STABLE, Wish(**wish), lambda: drawn)
    return found.version, name


@pytest.mark.parametrize(
    ("canary_tasks", "wanted", "expected"),
    [
        (("mood", "topic"), (), 2),
        (("mood",), (), 1),  # all tasks: those that stable has
        (("mood",), ("mood",), 2),
        (("mood",), ("topic",), 1),
        (("mood",), None, 2),  # Embed needs no head
        (("mood", "topic", "new"), ("new",), 2),
    ],
)
def test_request_that_only_stable_can_answer_goes_to_stable(
    canary_tasks: tuple[str, ...], wanted: tuple[str, ...] | None, expected: int
) -> None:
    """A canary must not turn a good request into NOT_FOUND."""
    assert route(snapshot(2, canary_tasks), tasks=wanted)[0] == expected


def test_expected_encoder_decides_between_two_encoders() -> None:
    """A caller that goes on with the vectors it began with is always answered."""
    canary = snapshot(2, ("mood", "topic"), "e2")
    assert route(canary, share=0.01, expect_encoder_id="e2") == (2, "canary")
    assert route(canary, share=1.0, expect_encoder_id="e1") == (1, "stable")
    assert route(canary, share=1.0, expect_encoder_id="other") == (1, "stable")


def test_vectors_of_another_encoder_are_not_drawn_by_chance() -> None:
    """Else an index would be filled with two kinds of vectors, which do not compare."""
    canary = snapshot(2, ("mood", "topic"), "e2")
    assert route(canary, wants_embedding=True) == (1, "stable")
    assert route(canary, wants_embedding=True, routing_key="ann") == (2, "canary")
    assert route(canary, wants_embedding=False) == (2, "canary")
    assert route(snapshot(2, ("mood", "topic")), wants_embedding=True) == (2, "canary")


def test_draw_without_key_follows_the_share() -> None:
    """Below the share it is the canary."""
    canary = snapshot(2, ("mood", "topic"))
    assert route(canary, share=0.25, drawn=0.2499)[0] == 2
    assert route(canary, share=0.25, drawn=0.25)[0] == 1


def test_key_always_meets_the_same_version_and_keys_follow_the_share() -> None:
    """One user sees one model; widening the share keeps those who are in."""
    canary = snapshot(2, ("mood", "topic"))
    keys = [f"user {number}" for number in range(2000)]
    narrow = {key for key in keys if route(canary, share=0.1, routing_key=key)[0] == 2}
    assert narrow == {key for key in keys if route(canary, share=0.1, drawn=0.9, routing_key=key)[0] == 2}
    assert 140 < len(narrow) < 260
    assert narrow < {key for key in keys if route(canary, share=0.3, routing_key=key)[0] == 2}


def test_position_of_a_key_is_that_of_every_server() -> None:
    """Also of the one that runs tomorrow's code: a golden value."""
    assert position("ann", 2) == pytest.approx(0.9703033, abs=1e-6)
    assert position("ann", 3) != position("ann", 2)


def test_named_model_is_found_by_number_alias_and_role() -> None:
    """And what is not loaded is not found."""
    routes = Routes(stable=STABLE, aliases={"eu": snapshot(3)}, canary=snapshot(2), canary_share=0.1)
    names = {alias: named_snapshot(routes, Wish(alias=alias)) for alias in ("stable", "canary", "eu", "latest")}
    assert {alias: found and found.version for alias, found in names.items()} == {
        "stable": 1,
        "canary": 2,
        "eu": 3,
        "latest": None,
    }
    assert [bool(named_snapshot(routes, Wish(version=version))) for version in range(1, 5)] == [True, True, True, False]
