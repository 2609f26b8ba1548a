"""From arguments to wire messages: what cannot be sent is refused in the client's own words."""

from __future__ import annotations

from typing import Any

import pytest

from polyhead import errors, requests
from polyhead.v1 import inference_pb2

SPEC = {"tasks": [{"name": "a"}]}


def predict(sentences: Any = "x", tasks: Any = (), truncation: Any = "truncate", encoder: Any = "") -> Any:
    return requests.predict_request(sentences, tasks, False, encoder, truncation)


def embed(dimensions: Any) -> Any:
    return requests.embed_request("x", True, dimensions, "", "truncate")


@pytest.mark.parametrize(
    ("ask", "field", "value"),
    [
        (lambda: predict(["a", None]), "sentences[1]", "None"),
        (lambda: predict(["a", "b\ud800"]), "sentences[1]", r"'\ud800' at character 1"),
        (lambda: predict(None), "sentences", "None"),
        (lambda: predict(b"bytes"), "sentences", "bytes"),
        (lambda: predict(tasks=[3]), "tasks[0]", "3"),
        (lambda: predict(truncation="bogus"), "truncation", "'bogus'"),
        (lambda: predict(encoder=None), "expect_encoder_id", "None"),
        (lambda: embed(-1), "dimensions", "-1"),
        (lambda: embed(2**31), "dimensions", "2147483648"),
        (lambda: embed(True), "dimensions", "True"),
        (lambda: requests.train_request(SPEC, "\udc00", False), "request_id", r"'\udc00'"),
        (lambda: requests.job_request(7), "job_id", "7"),  # type: ignore[arg-type]
        (lambda: requests.watch_request(None), "job_id", "None"),  # type: ignore[arg-type]
        (lambda: requests.job_pages(-1), "limit", "-1"),
        (lambda: requests.version_pages("5"), "limit", "'5'"),  # type: ignore[arg-type]
    ],
)
def test_argument_that_cannot_be_sent_is_refused_with_field_and_value(ask: Any, field: str, value: str) -> None:
    """A caller catches one tree of errors; KeyError or UnicodeEncodeError out of protobuf would pass it by."""
    with pytest.raises(errors.InvalidArgumentError) as caught:
        ask()
    assert caught.value.status == "INVALID_ARGUMENT"
    assert caught.value.violations[0].field == field
    assert value in str(caught.value)


@pytest.mark.parametrize("model", [3, "3", "003"])
def test_model_of_digits_is_a_version(model: int | str) -> None:
    """An alias begins with a letter, so a number can mean nothing else; the command line reads it so too."""
    assert requests.selector(model) == inference_pb2.ModelSelector(version=3)


@pytest.mark.parametrize("model", ["latest", "canary", "v3", "3rc", "-1", "1.5", "²", "٣", ""])
def test_model_that_is_no_number_is_an_alias(model: str) -> None:
    """Whether there is such an alias is the server's to say."""
    assert requests.selector(model) == inference_pb2.ModelSelector(alias=model)


@pytest.mark.parametrize("model", [str(2**31), "9" * 5000])
def test_model_of_too_many_digits_is_refused(model: str) -> None:
    """In our words: neither protobuf's nor int()'s, which stops at a few thousand digits."""
    with pytest.raises(errors.InvalidArgumentError, match=r"model: must be a whole number from 0 to 2147483647 \(got "):
        requests.selector(model)


def test_every_bad_sentence_is_named() -> None:
    """Whoever cleans a file wants all lines at once."""
    with pytest.raises(errors.InvalidArgumentError) as caught:
        predict([1, "fine", 2])
    assert [violation.field for violation in caught.value.violations] == ["sentences[0]", "sentences[2]"]


def test_spec_with_a_lone_surrogate_is_a_recipe_error() -> None:
    """It comes from a file that was read with surrogateescape."""
    with pytest.raises(errors.RecipeError, match="lone surrogate at character 1"):
        requests.train_request({"tasks": [{"name": "a\udc00"}]}, None, False)
