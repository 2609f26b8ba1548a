"""predict_stream and embed_stream of both clients against a real server with a real, tiny model."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import polyhead
from polyhead.streams.batches import DEFAULT_BATCH_SIZE, WINDOW
from shared.store.folder import FolderStore
from tests.integration.client.driver import AsyncDriver, SyncDriver
from tests.published import publish
from tests.server_thread import ServerInThread

Driver = SyncDriver | AsyncDriver
DEADLINE_S = 120


@pytest.fixture(scope="module")
def real(tiny_base: Path, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    store = FolderStore(tmp_path_factory.mktemp("streams") / "store")
    publish(store, tiny_base)
    server = ServerInThread(store, valkey_url)
    with polyhead.Client(server.target) as client:
        client.wait_until_ready(DEADLINE_S, polyhead.INFERENCE_SERVICE)
    yield server
    server.stop()


@pytest.fixture(params=[SyncDriver, AsyncDriver], ids=["sync", "async"])
def call(request: pytest.FixtureRequest, real: ServerInThread) -> Iterator[Driver]:
    driver = request.param(real.target, timeout_s=60)
    yield driver
    driver.close()


def texts(count: int) -> Iterator[str]:
    return (f"{'the cat ' * (number % 7)}day {number}" for number in range(count))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "never came true"
        time.sleep(0.01)


def test_predict_stream_answers_as_predict_in_order(call: Driver) -> None:
    """Cut into messages and put together, every sentence has its own answer."""
    sentences = list(texts(100))
    streamed = call("predict_stream", iter(sentences), tasks=["sentiment"])
    alone = call("predict", sentences, tasks=["sentiment"])
    assert len(streamed) == 100
    for ours, theirs in zip(streamed, alone, strict=True):
        assert ours.token_count == theirs.token_count
        assert ours["sentiment"].scores == pytest.approx(dict(theirs["sentiment"].scores), abs=1e-5)


def test_embed_stream_takes_its_options(call: Driver) -> None:
    """Every message of the stream asks for the same."""
    streamed = call("embed_stream", texts(10), dimensions=4, batch_size=3)
    alone = call("embed", list(texts(10)), dimensions=4)
    assert [len(item.values) for item in streamed] == [4] * 10
    assert [list(item.values) for item in streamed] == [pytest.approx(list(item.values), abs=1e-5) for item in alone]


@pytest.mark.parametrize(("sentences", "count"), [((), 0), ("one text", 1), (["a"] * DEFAULT_BATCH_SIZE, 32)])
def test_stream_of_any_length_ends(call: Driver, sentences: Any, count: int) -> None:
    """Nothing, one plain text, exactly one message."""
    assert len(call("predict_stream", sentences)) == count


def test_endless_stream_is_read_lazily_and_dropped_early(call: Driver, real: ServerInThread) -> None:
    """Memory is bounded by the window, and leaving frees the server."""
    num_read = itertools.count()
    last = -1

    def endless() -> Iterator[str]:
        nonlocal last
        while True:
            last = next(num_read)
            yield f"day {last}"

    call.first("predict_stream", endless())
    assert last < (WINDOW + 1) * DEFAULT_BATCH_SIZE
    wait_for(lambda: real.application._scheduler.queue.num_requests == 0)


def test_wrong_sentence_is_named_after_the_answers_before_its_message(call: Driver) -> None:
    """The server names messages; a caller thinks in sentences."""
    sentences = [f"day {number}" for number in range(50)]
    sentences[41] = " "
    with pytest.raises(polyhead.InvalidArgumentError, match=r"^sentences\[41\] is blank") as caught:
        call("predict_stream", sentences)
    assert caught.value.violations[0].field == "sentences[41]"


def test_sentence_that_is_no_text_is_named_and_those_before_are_answered(real: ServerInThread) -> None:
    """The 40 before it are not lost, though they share a message."""
    found = []
    with (
        polyhead.Client(real.target) as client,
        pytest.raises(polyhead.InvalidArgumentError, match=r"sentences\[40\].*None"),
    ):
        for result in client.predict_stream(["a day"] * 40 + [None]):  # type: ignore[list-item]
            found.append(result)
    assert len(found) == 40


def test_error_of_the_iterable_comes_to_the_caller(call: Driver) -> None:
    """gRPC would log it in a thread and say UNKNOWN."""

    def broken() -> Iterator[str]:
        yield "a day"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        call("predict_stream", broken())


@pytest.mark.parametrize("wrong", [None, 7, b"bytes"])
def test_no_iterable_is_refused_before_anything_is_sent(call: Driver, wrong: Any) -> None:
    """Where the call is written, not where its results are read."""
    with pytest.raises(polyhead.InvalidArgumentError, match=type(wrong).__name__):
        call("predict_stream", wrong)


def test_stream_of_an_unknown_task_says_so(call: Driver) -> None:
    """With the status of the plain call."""
    with pytest.raises(polyhead.NotFoundError, match="irony"):
        call("predict_stream", texts(5), tasks=["irony"])


async def test_async_stream_takes_an_async_iterable_as_it_comes(real: ServerInThread) -> None:
    """Each question may depend on the answer before: with batch_size 1 nothing is held back."""
    answers: asyncio.Queue[int] = asyncio.Queue()

    async def questions() -> AsyncIterator[str]:
        for number in range(5):
            yield f"day {number}"
            assert await asyncio.wait_for(answers.get(), DEADLINE_S) == number

    number = 0
    async with polyhead.AsyncClient(real.target) as client:
        async for result in client.predict_stream(questions(), batch_size=1):
            assert result.predictions
            answers.put_nowait(number)
            number += 1
    assert number == 5


async def test_async_stream_left_while_it_waits_leaves_no_task(real: ServerInThread) -> None:
    """A service that drops streams all day must not collect what waits for them."""
    never = asyncio.Event()

    async def slow() -> AsyncIterator[str]:
        yield "a day"
        await never.wait()

    before = asyncio.all_tasks()
    async with polyhead.AsyncClient(real.target) as client:
        stream = client.predict_stream(slow(), batch_size=1)
        assert (await anext(stream)).predictions
        await stream.aclose()
    deadline = time.monotonic() + DEADLINE_S
    while asyncio.all_tasks() - before:
        assert time.monotonic() < deadline, asyncio.all_tasks() - before
        await asyncio.sleep(0.01)
    gc.collect()


def test_streams_of_several_threads_share_one_client(real: ServerInThread) -> None:
    """The synchronous client is thread-safe, its streams too."""
    counts: dict[int, list[int]] = {}

    def work(number: int) -> None:
        sentences = ["the cat " * (1 + (number + index) % 5) for index in range(70)]
        counts[number] = [item.token_count for item in client.embed_stream(sentences, batch_size=7)]

    with polyhead.Client(real.target) as client:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)
        for number in range(4):
            sentences = ["the cat " * (1 + (number + index) % 5) for index in range(70)]
            assert counts[number] == [item.token_count for item in client.embed(sentences)]
