"""The split over all tasks of a job: a text is on one side for every task, since they share the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from shared.errors import DataError
from shared.spec import DataSpec, SplitSpec, TaskSpec
from tests.unit.worker.data.test_loading import labelled, sentences, write_csv
from worker.data.known import add_texts, is_known, text_hashes
from worker.data.ledger import TaskData
from worker.data.loading import load_tasks
from worker.data.similarity import near_duplicates_across
from worker.data.splitting import Column, split_rows

SPLIT = SplitSpec(validation=0.1, test=0.2, seed=7)
LABELS = ("bad", "good")


def task(name: str, **data: str) -> TaskSpec:
    return TaskSpec(name=name, labels=LABELS, data=DataSpec.model_validate({"train": f"{name}.csv", **data}))


def assert_no_text_on_two_sides(data: Sequence[TaskData]) -> None:
    sides = [[t for own in data for t in getattr(own, part).texts] for part in ("train", "validation", "test")]
    assert not any(table.any() for table in near_duplicates_across(sides))


@pytest.mark.parametrize("num_shared", [0, 1, 60, 200])
def test_tasks_that_share_texts_have_each_text_on_one_side(tmp_path: Path, num_shared: int) -> None:
    """Also near-duplicates: what mood is trained on must not be what team is tested on."""
    shared = sentences(200)[:num_shared]
    changed = [f"@someone {text.upper()}" for text in shared]
    write_csv(tmp_path / "mood.csv", labelled(shared + sentences(200, seed=1), *LABELS))
    write_csv(tmp_path / "team.csv", labelled(changed + sentences(100, seed=2), *LABELS))
    mood, team = load_tasks([task("mood"), task("team")], SPLIT, [tmp_path])
    assert_no_text_on_two_sides([mood, team])
    for data, num in ((mood, 200 + num_shared), (team, 100 + num_shared)):
        assert (data.num_read, data.dropped) == (num, {})
        for part, share in ((data.train, 0.7), (data.validation, 0.1), (data.test, 0.2)):
            assert len(part) == pytest.approx(share * num, abs=4)
            assert np.bincount(part.label_ids) == pytest.approx([len(part) / 2] * 2, abs=4)


def test_row_that_another_tasks_file_holds_out_leaves_training(tmp_path: Path) -> None:
    """The file stays whole; the other task gives up the rows, and says why."""
    held_out = sentences(30, seed=3)
    write_csv(tmp_path / "mood.csv", labelled(sentences(100), *LABELS))
    write_csv(tmp_path / "test.csv", labelled(held_out, *LABELS))
    write_csv(tmp_path / "team.csv", labelled(sentences(100, seed=2) + held_out[:8], *LABELS))
    mood, team = load_tasks([task("mood", test="test.csv"), task("team")], SPLIT, [tmp_path])
    assert_no_text_on_two_sides([mood, team])
    assert mood.test.texts == held_out
    assert team.dropped == {"leaks into test of another task (near-duplicate)": 8}


def test_row_that_another_task_holds_out_leaves_a_task_with_files(tmp_path: Path) -> None:
    """mood has files for both parts, team has none: their common texts cannot be held out for mood."""
    texts = sentences(120)
    write_csv(tmp_path / "mood.csv", labelled(texts, *LABELS))
    for part, seed in (("v", 4), ("t", 5)):
        write_csv(tmp_path / f"{part}.csv", labelled(sentences(20, seed=seed), *LABELS))
    write_csv(tmp_path / "team.csv", labelled(texts, *LABELS))
    mood, team = load_tasks([task("mood", validation="v.csv", test="t.csv"), task("team")], SPLIT, [tmp_path])
    assert_no_text_on_two_sides([mood, team])
    gone = sum(num for reason, num in mood.dropped.items() if "of another task" in reason)
    assert gone == len(team.validation) + len(team.test) > 0
    assert (len(mood.validation), len(mood.test)) == (20, 20)


def test_known_texts_stay_in_training_where_others_are_enough(tmp_path: Path) -> None:
    """What trained the parent version is no test of its child."""
    old, new = sentences(100), sentences(60, seed=1)
    write_csv(tmp_path / "mood.csv", labelled(old + new, *LABELS))
    known = add_texts({}, {"whatever": [text.upper() for text in old]})
    (data,) = load_tasks([task("mood")], SPLIT, [tmp_path], known)
    assert (len(data.validation), len(data.test)) == (16, 32)
    assert set(data.validation.texts) | set(data.test.texts) <= set(new)
    assert data.known_held_out == {"validation": 0, "test": 0}


def test_known_texts_are_held_out_and_counted_where_others_are_too_few(tmp_path: Path) -> None:
    """The job goes on, and its report says which figures flatter."""
    old, new = sentences(100), sentences(20, seed=1)
    write_csv(tmp_path / "mood.csv", labelled(old + new, *LABELS))
    (data,) = load_tasks([task("mood")], SPLIT, [tmp_path], add_texts({}, {"mood": old}))
    assert (len(data.validation), len(data.test)) == (12, 24)
    assert sum(data.known_held_out.values()) == 16
    assert set(new) <= set(data.validation.texts) | set(data.test.texts)


def test_continuing_on_the_same_rows_holds_out_the_same_rows(tmp_path: Path) -> None:
    """The parent's test rows are the only ones that it was not trained on."""
    write_csv(tmp_path / "mood.csv", labelled(sentences(150), *LABELS))
    (first,) = load_tasks([task("mood")], SPLIT, [tmp_path])
    known = add_texts({}, {"mood": first.train.texts})
    (second,) = load_tasks([task("mood")], SPLIT.model_copy(update={"seed": 99}), [tmp_path], known)
    assert set(second.train.texts) == set(first.train.texts)
    assert sum(second.known_held_out.values()) == 0


def test_split_without_rows_of_a_label_for_each_part_names_file_and_label(tmp_path: Path) -> None:
    """With several files in one split, the message must say which."""
    write_csv(tmp_path / "mood.csv", labelled(sentences(50), *LABELS))
    write_csv(tmp_path / "team.csv", [*labelled(sentences(30, seed=1), "good"), ("a sad day", "bad")])
    with pytest.raises(DataError, match=r"team\.csv: label 'bad' has 1 rows"):
        load_tasks([task("mood"), task("team")], SPLIT, [tmp_path])


@pytest.mark.parametrize("seed", range(5))
def test_split_of_rows_with_several_labels_keeps_their_shares(seed: int) -> None:
    """Each label, also a rare one, has its share in every part (Sechidis et al. 2011)."""
    generator = np.random.default_rng(seed)
    is_in_NK = generator.random((1000, 4)) < np.array([0.5, 0.2, 0.05, 0.01])
    is_in_NK[:6, 3] = True
    is_in_NK = np.hstack([is_in_NK, np.ones((1000, 1), dtype=bool)])
    columns = [Column(name, (0.1, 0.2)) for name in ("a", "b", "c", "d", "")]
    part_of = split_rows(is_in_NK, columns, np.arange(1000), np.zeros(1000, dtype=bool), seed)
    for column in range(5):
        counts = np.bincount(part_of[is_in_NK[:, column]], minlength=3)
        expected = np.array([0.7, 0.1, 0.2]) * counts.sum()
        assert np.abs(counts - expected).max() <= max(2, 0.03 * counts.sum())


def test_hash_of_a_text_is_that_of_its_normalised_form() -> None:
    """The artifact's known rows must be found again when case, links and mentions differ."""
    assert text_hashes(["Hi  @you", "hi @me", "hi"]).tolist()[:2] == [text_hashes(["hi @user"])[0]] * 2
    known = add_texts(add_texts({}, {"a": ["one", "two", "one"]}), {"a": ["three"], "b": ["four"]})
    assert [len(hashes) for hashes in known.values()] == [3, 1]
    assert is_known(["ONE", "four", "five"], known.values()).tolist() == [True, True, False]
    assert is_known(["one"], []).tolist() == [False]
