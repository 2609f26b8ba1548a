"""Where heavy parts of a load run, and for how long they are patient."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from server.models.idle_thread import IdleThread
from shared.errors import UnavailableError


@contextmanager
def idle_thread(patience_s: float) -> Iterator[IdleThread]:
    idle = IdleThread(patience_s)
    try:
        yield idle
    finally:
        idle.close()


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="only Linux has the class")
def test_the_heavy_parts_have_the_idle_class_and_the_caller_keeps_its_own() -> None:
    with idle_thread(60) as idle:
        idle.start()
        assert idle.run(lambda: os.sched_getscheduler(threading.get_native_id())) == os.SCHED_IDLE
    assert os.sched_getscheduler(threading.get_native_id()) == os.SCHED_OTHER


def test_without_patience_left_it_runs_where_it_is_called() -> None:
    with idle_thread(0) as idle:
        idle.start()
        assert idle.run(threading.get_ident) == threading.get_ident()


def test_a_turn_that_does_not_come_ends_the_patience_for_the_rest_of_the_load() -> None:
    """The thread is busy, as if the machine gave it no core."""
    released, started = threading.Event(), threading.Event()

    def first_waits() -> int:
        if threading.current_thread().name.startswith("idle"):
            started.set()
            released.wait(60)
        return threading.get_ident()

    with idle_thread(0.2) as idle, capture_logs() as logs:
        idle.start()
        try:
            assert idle.run(first_waits) == threading.get_ident()
            assert started.is_set()
            assert idle.run(threading.get_ident) == threading.get_ident()
        finally:
            released.set()
    assert [line["event"] for line in logs] == ["the machine leaves no time for loading, which now takes its share"]


def test_the_next_load_is_patient_again() -> None:
    with idle_thread(1.0) as idle:
        idle.start()
        time.sleep(1.1)
        assert idle.run(threading.get_ident) == threading.get_ident()
        idle.start()
        assert idle.run(threading.get_ident) != threading.get_ident()


def test_a_call_that_was_given_up_does_not_keep_the_thread_of_the_next_load() -> None:
    """On a machine that was busy for a while it may hang there for minutes."""
    released, started = threading.Event(), threading.Event()

    def hangs_in_the_idle_thread() -> None:
        if threading.current_thread().name.startswith("idle"):
            started.set()
            released.wait(60)

    with idle_thread(0.2) as idle:
        idle.start()
        try:
            idle.run(hangs_in_the_idle_thread)
            assert started.is_set()
            idle._patience_s = 60
            idle.start()
            assert idle.run(lambda: threading.current_thread().name).startswith("idle")
        finally:
            released.set()


def test_a_load_in_a_server_that_stops_is_given_up_with_words() -> None:
    with idle_thread(60) as idle:
        idle.start()
        idle.close()
        with pytest.raises(UnavailableError, match="the server stops"):
            idle.run(threading.get_ident)


def test_what_a_call_raises_is_raised_even_a_timeout() -> None:
    def fail() -> None:
        raise TimeoutError("the store's")

    with idle_thread(60) as idle, capture_logs() as logs:
        idle.start()
        with pytest.raises(TimeoutError, match="the store's"):
            idle.run(fail)
    assert not logs
