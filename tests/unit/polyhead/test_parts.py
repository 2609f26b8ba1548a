"""Long lists into parts, and back."""

from __future__ import annotations

import pytest

from polyhead.errors import FieldViolation, InvalidArgumentError
from polyhead.parts import PART, cut, is_cut, join_embeddings, pinned, shifted
from polyhead.results import EmbedResult, SentenceEmbedding, Timing
from polyhead.v1 import inference_pb2 as pb


@pytest.mark.parametrize(("limit", "size"), [(8, 8), (PART * 4, PART)])
def test_parts_hold_every_sentence_once_and_all_options(limit: int, size: int) -> None:
    """No part may be larger than the server takes, nor ask for something else."""
    sentences = [f"s{number}" for number in range(3 * size + 1)]
    found = cut(pb.EmbedRequest(sentences=sentences, dimensions=4, normalize=False, expect_encoder_id="e"), limit)
    assert [len(part.sentences) for part in found] == [size, size, size, 1]
    assert [text for part in found for text in part.sentences] == sentences
    assert all((part.dimensions, part.normalize, part.expect_encoder_id) == (4, False, "e") for part in found)


@pytest.mark.parametrize(("num_sentences", "limit", "expected"), [(8, 8, False), (9, 8, True), (9, 0, False)])
def test_list_is_cut_only_over_a_limit_that_is_told(num_sentences: int, limit: int, expected: bool) -> None:
    """Whole is simpler: one call, one batch of errors."""
    assert is_cut(num_sentences, limit) is expected


def test_pinned_parts_name_the_version_instead_of_what_was_asked() -> None:
    """An alias may be moved between two parts; a version is what it is."""
    parts = [pb.PredictRequest(sentences=["a"], model=pb.ModelSelector(alias="latest"))]
    assert [part.model.version for part in pinned(parts, 7)] == [7]
    assert parts[0].model.alias == "latest"


def test_error_of_a_part_names_places_of_the_list() -> None:
    """The caller has one list."""
    violation = FieldViolation("sentences[3]", "is blank")
    error = shifted(InvalidArgumentError("sentences[3] is blank", "X", (violation,), None, "id"), 128)
    assert (str(error), error.violations[0].field, error.request_id) == (
        "sentences[131] is blank",
        "sentences[131]",
        "id",
    )


def test_joined_answers_are_in_order_with_the_slowest_times() -> None:
    """As one request would have answered."""
    answers = []
    for number in range(2):
        embedding = SentenceEmbedding(values=None, token_count=number, truncated=False)  # type: ignore[arg-type]
        answers.append(EmbedResult((embedding,), 3, "a", "e", Timing(1 + number, 2 - number, 3, 4)))
    joined = join_embeddings(answers)
    assert [item.token_count for item in joined] == [0, 1]
    assert (joined.timing, joined.model_version) == (Timing(2, 2, 3, 4), 3)
