"""Lists longer than the server takes in one request, by both clients: in order, and of one version."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

import polyhead
from shared.store.folder import FolderStore
from tests.integration.client.driver import AsyncDriver, SyncDriver
from tests.integration.client.fake_service import FakeServer
from tests.published import publish
from tests.server_thread import DEADLINE_S, ServerInThread

Driver = SyncDriver | AsyncDriver
#: The fake server takes 8 in one request.
COUNT = 50
TEXTS = [f"{'good' if number % 3 else 'rain'} {number}" for number in range(COUNT)]


@pytest.fixture(params=[SyncDriver, AsyncDriver], ids=["sync", "async"])
def call(request: pytest.FixtureRequest, server: FakeServer) -> Iterator[Driver]:
    driver = request.param(server.target, timeout_s=60)
    yield driver
    driver.close()


def test_long_list_is_answered_in_order_by_one_version(call: Driver, server: FakeServer) -> None:
    """Nobody has to cut lists by hand; the limit is asked for once."""
    for _ in range(2):
        answer = call("predict", TEXTS)
        assert [result["sentiment"].label == "positive" for result in answer] == ["good" in text for text in TEXTS]
        assert answer.model_version == 3
    assert len(call("embed", TEXTS)) == COUNT
    assert (server.inference.num_calls, server.models.num_looks) == (21, 1)
    assert server.inference.largest == 8


def test_release_between_two_parts_begins_the_list_again(call: Driver, server: FakeServer) -> None:
    """Half of an answer by each of two models is an answer of none."""
    server.inference.release_after(3, version=4)
    answer = call("predict", TEXTS)
    assert (answer.model_version, answer.artifact_id, len(answer)) == (4, "a4", COUNT)


def test_releases_without_end_are_told(call: Driver, server: FakeServer) -> None:
    """Rather than asking for ever, or mixing."""
    server.inference.release_every = 3
    with pytest.raises(polyhead.UnavailableError, match="changed 3 times"):
        call("predict", TEXTS)


def test_wrong_sentence_of_a_later_part_is_named_by_its_place_in_the_list(call: Driver) -> None:
    """The fake refuses the first sentence of its part."""
    texts = list(TEXTS)
    texts[24] = "INVALID_ARGUMENT"
    with pytest.raises(polyhead.InvalidArgumentError) as caught:
        call("predict", texts)
    assert caught.value.violations[0].field == "sentences[24]"


def test_part_that_fails_for_a_while_is_tried_again_by_itself(call: Driver, server: FakeServer) -> None:
    """One hiccup must not cost the whole list."""
    server.inference.troubles.extend([(grpc.StatusCode.UNAVAILABLE, None)] * 2)
    assert len(call("predict", TEXTS)) == COUNT
    assert server.inference.num_calls == 9


@pytest.mark.parametrize("kind", [SyncDriver, AsyncDriver])
def test_list_at_a_real_server_is_of_one_version_while_one_is_released(
    kind: type[SyncDriver] | type[AsyncDriver], tiny_base: Path, valkey_url: str, store: FolderStore
) -> None:
    """Vectors do not change with the heads: scores tell which version a sentence was answered by."""
    first = publish(store, tiny_base, seed=1)
    server = ServerInThread(store, valkey_url, SERVER_MAX_SENTENCES_PER_REQUEST="16")
    driver = kind(server.target, timeout_s=60)
    try:
        driver("wait_until_ready", DEADLINE_S, polyhead.INFERENCE_SERVICE)
        seen = [driver("predict", TEXTS)]
        second = publish(store, tiny_base, seed=2)
        deadline = time.monotonic() + DEADLINE_S
        while seen[-1].model_version != second:
            assert time.monotonic() < deadline
            seen.append(driver("predict", TEXTS))
        expected = {answer.model_version: scores(answer) for answer in (seen[0], seen[-1])}
        assert set(expected) == {first, second}
        assert expected[first] != pytest.approx(expected[second], abs=1e-3)
        for answer in seen:
            assert scores(answer) == pytest.approx(expected[answer.model_version], abs=1e-5)
    finally:
        driver.close()
        server.stop()


def scores(answer: polyhead.PredictResult) -> list[float]:
    return [result["sentiment"].scores["positive"] for result in answer]
