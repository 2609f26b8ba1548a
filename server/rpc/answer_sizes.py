"""How large an answer becomes at most, known before anything is computed. Pure.

After compute gRPC alone would notice, and say RESOURCE_EXHAUSTED, as of a full queue. Bounds, not sizes: small numbers
and the lengths of texts are counted as if they took all the bytes that protobuf may need.
"""

from __future__ import annotations

from collections.abc import Sequence

from server.rpc.requests import Limits, refuse
from shared.errors import Violation
from shared.store.artifacts import TaskEntry

FLOAT_BYTES = 4
#: What stands once in every answer: version, ids, timing.
ANSWER_BYTES = 512
#: Of a sentence: number of tokens, whether it was cut, lengths.
SENTENCE_BYTES = 48
#: Of a task and of a label beside its text: tags, lengths, score.
TASK_BYTES, LABEL_BYTES = 32, 16


def embedding_bytes(dimensions: int) -> int:
    """Of one sentence."""
    return FLOAT_BYTES * dimensions + SENTENCE_BYTES


def predictions_bytes(tasks: Sequence[TaskEntry]) -> int:
    """Of one sentence: every label with its score, and those told again, of a single-label task the best one."""
    total = SENTENCE_BYTES
    for task in tasks:
        sizes = [len(label.encode()) + LABEL_BYTES for label in task.labels]
        told = sum(sizes) if task.is_multi_label else max(sizes, default=0)
        total += TASK_BYTES + len(task.name.encode()) + sum(sizes) + told
    return total


def check_answer(
    num_sentences: int, sentence_bytes: int, limits: Limits, field: str = "sentences", once_bytes: int = ANSWER_BYTES
) -> None:
    """
    Raises:
        InvalidInputError: if the answer might not fit into one message; tells how many sentences do.
    """
    num_fitting = max(0, limits.max_message_bytes - once_bytes) // max(1, sentence_bytes)
    if num_sentences > num_fitting:
        hint = f"has {num_sentences} sentences; the answer of {num_fitting} fits into this server's largest message"
        refuse([Violation(field, f"{hint} ({limits.max_message_bytes} bytes)")])
