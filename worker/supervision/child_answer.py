"""Asks a child process one question: JSON in, the last line of its stdout is the answer, its last words say why not.

For work that needs torch, which never enters this process. Runs in the calling thread, which must outlive the child.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worker.supervision.child_process import ChildProcess, Stream, child_environment
from worker.supervision.stop_signal import StopSignal

_TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class ChildAnswer:
    """What a child said: `answer` is empty if it said nothing; `why` is its last line on stderr, or how it ended."""

    answer: str
    why: str


def ask_child(command: Sequence[str], question: str, num_threads: int, stop: StopSignal) -> ChildAnswer | None:
    """Run `command` to its end; None if a stop was requested meanwhile, which ends the child.

    Raises:
        OSError: if no process can be started.
    """
    last: dict[Stream, str] = {"stdout": "", "stderr": ""}
    with ChildProcess(command, question, child_environment(num_threads), stop) as child:
        while child.is_running():
            if stop.is_requested:
                return None
            last.update(child.lines(_TICK_S))
        last.update(child.remaining_lines())
        end = child.describe_end()
    return ChildAnswer(last["stdout"], last["stderr"] or f"the process ended: {end}")
