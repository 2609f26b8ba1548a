"""Sentences into requests, and errors of messages back to sentences."""

from __future__ import annotations

import pytest

from polyhead import errors
from polyhead.streams.batches import Batches, OneEncoder
from polyhead.v1 import inference_pb2 as pb


def filled(count: int, size: int = 3) -> tuple[Batches[pb.PredictRequest], list[pb.PredictRequest]]:
    batches = Batches(pb.PredictRequest(tasks=["sentiment"], include_embedding=True), size)
    requests = []
    for number in range(count):
        batches.add(f"s{number}")
        if batches.is_full and (request := batches.take()) is not None:
            requests.append(request)
    if (rest := batches.take()) is not None:
        requests.append(rest)
    return batches, requests


def test_requests_hold_all_sentences_in_order_and_the_form() -> None:
    """Nothing is lost at the seams, nor at the end; every request asks for the same."""
    _, requests = filled(7)
    assert [list(request.sentences) for request in requests] == [["s0", "s1", "s2"], ["s3", "s4", "s5"], ["s6"]]
    assert all(request.include_embedding and list(request.tasks) == ["sentiment"] for request in requests)


def test_nothing_added_is_no_request() -> None:
    """The server refuses a request without sentences."""
    assert filled(0)[1] == []


def test_error_of_a_message_names_the_sentence_of_the_stream() -> None:
    """Nobody knows which message their sentence went with."""
    batches, _ = filled(7)
    violation = errors.FieldViolation("messages[2].sentences[0]", "is blank")
    told = errors.InvalidArgumentError(
        "messages[2]: sentences[0] is blank", "INVALID_ARGUMENT", (violation,), None, "id"
    )
    found = batches.located(told, 6)
    assert isinstance(found, errors.InvalidArgumentError)
    assert (found.message, found.request_id) == ("sentences[6] is blank", "id")
    assert found.violations == (errors.FieldViolation("sentences[6]", "is blank"),)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("messages[1]: no task irony", "sentences[3] to [5]: no task irony"),
        ("messages[2]: no task irony", "sentences[6]: no task irony"),
        ("draining", "draining (after the answers to 6 sentences)"),
    ],
)
def test_error_of_no_single_sentence_says_how_far_the_stream_came(message: str, expected: str) -> None:
    """The caller knows where to go on."""
    batches, _ = filled(7)
    assert batches.located(errors.CallError(message), 6).message == expected


def test_sentence_that_cannot_be_sent_is_named_by_its_place_in_the_stream() -> None:
    """Not by its place in a message."""
    batches, _ = filled(7)
    with pytest.raises(errors.InvalidArgumentError, match=r"sentences\[7\].*None"):
        batches.add(None)


@pytest.mark.parametrize("size", [0, -1, True, 1.5])
def test_batch_of_no_sentences_is_refused(size: int) -> None:
    """It would never send anything."""
    with pytest.raises(errors.InvalidArgumentError, match="batch_size"):
        Batches(pb.EmbedRequest(), size)


def test_vectors_of_a_second_encoder_are_refused() -> None:
    """Their distances to those before would be noise, silently."""
    encoder = OneEncoder()
    encoder.check("a", 0)
    encoder.check("a", 3)
    with pytest.raises(errors.FailedPreconditionError, match=r"sentences\[6\] \(a -> b\)"):
        encoder.check("b", 6)
