"""What the supervisor and the trainer process say to each other: one JSON object in, JSON lines out.

Owns the shape of the messages and nothing else; imports no torch, since the supervisor's process must not. The trainer
reads one TrainerInput from its stdin, writes any number of Progress lines to its stdout and then exactly one Result or
Failure, and exits 0. A trainer that ends without one has died.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared.trials import SearchProgress

Stage = Literal[
    "reading data",
    "searching",
    "loading model",
    "encoding",
    "training",
    "evaluating",
    "baselines",
    "judging",
    "saving",
]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    def to_json_line(self) -> str:
        """One line of JSON with its newline."""
        return self.model_dump_json() + "\n"


class TrainerInput(_Message):
    """What to train, where to write, on which device."""

    store_url: str
    job_id: str
    #: The claim this attempt holds: the fencing token, part of the artifact id.
    claim: int
    base_model: str
    data_roots: tuple[str, ...]
    #: Threads of torch and of the numeric libraries. Equal seeds give equal weights only with equal threads.
    threads: Annotated[int, Field(ge=1)] = 1
    #: Seconds of training between two checkpoints; 0: none, unless the spec names steps.
    checkpoint_s: Annotated[float, Field(ge=0)] = 0.0
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"

    @classmethod
    def from_json(cls, body: str | bytes) -> Self:
        """
        Raises:
            pydantic.ValidationError: (a ValueError) if `body` is not such an object.
        """
        return cls.model_validate_json(body)


class Progress(_Message):
    """Where the trainer is. `step` of `steps` counts within the stage; 0 of 0 where it cannot be counted."""

    event: Literal["progress"] = "progress"
    stage: Stage
    step: int = 0
    steps: int = 0
    #: Epochs done, with the share of the one that runs; 0 outside of training.
    epoch: float = 0.0
    #: Mean training loss of each task since the epoch began.
    loss_by_task: dict[str, float] = {}
    examples_per_s: float = 0.0
    #: Seconds until the stage ends; 0 where unknown.
    eta_s: float = 0.0
    #: What is trained now (`layer.4 and above`), and its share of the model's parameters; set while training.
    thawed: str = ""
    trainable_share: float = 0.0
    #: Where the search stands of which this is a trial; None without one.
    search: SearchProgress | None = None
    #: The step that an interrupted training went on from; 0: none.
    resumed_at: int = 0
    #: The best validation so far, after which step; 0: none yet.
    best_step: int = 0
    best_value: float = 0.0


class Result(_Message):
    """The artifact is written and complete; it has no id where a search was to be reported only.

    What `metrics` and `report` hold is told by worker.training.evaluate.
    """

    event: Literal["result"] = "result"
    artifact_id: str
    manifest_sha256: str
    metrics: dict[str, Any]
    report: dict[str, Any]


class Failure(_Message):
    """The attempt failed. `retryable` is False where another attempt would fail in the same way."""

    event: Literal["failure"] = "failure"
    code: str
    message: str
    retryable: bool


Event = Progress | Result | Failure
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def parse_event(line: str | bytes) -> Event:
    """One line of the trainer's output.

    Raises:
        pydantic.ValidationError: (a ValueError) if the line is no such message.
    """
    return _EVENT.validate_json(line)
