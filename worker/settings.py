"""The worker's settings: typed, frozen, read from the environment once, at the entry point."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from shared.settings import ProcessSettings


class WorkerSettings(ProcessSettings):
    """Settings of `python -m worker`."""

    PREFIX = "WORKER_"

    base_model: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2",
        min_length=1,
        description="The encoder that jobs start from: a folder, or a name on the Hugging Face hub.",
    )
    worker_data_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        (Path("data"),), description="Folders below which training data may lie, separated as in PATH."
    )
    worker_lease_ttl_s: Annotated[float, Field(ge=1)] = Field(
        30.0, description="Seconds after which a silent worker's job may be taken over."
    )
    worker_sweep_s: Annotated[float, Field(gt=0)] = Field(
        5.0, description="Seconds between two looks for jobs and publications that wait."
    )
    worker_max_attempts: Annotated[int, Field(ge=1)] = Field(
        3, description="Failures recorded by the trainer, after which a job has failed."
    )
    worker_checkpoint_s: Annotated[float, Field(ge=0)] = Field(
        60.0, description="Seconds of training between two checkpoints, from which a killed job goes on; 0: none."
    )
    worker_threads: Annotated[int, Field(ge=0)] = Field(0, description="Threads of the trainer; 0: one a core.")
    worker_device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N.")
    worker_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged.")

    @field_validator("worker_data_roots", mode="before")
    @classmethod
    def _split_as_path(cls, value: object) -> object:
        return tuple(Path(part) for part in value.split(os.pathsep) if part) if isinstance(value, str) else value

    @property
    def num_threads(self) -> int:
        """Threads of the trainer, resolved."""
        return self.worker_threads or num_cores()

    def redacted(self) -> dict[str, Any]:
        return {**super().redacted(), "num_threads": self.num_threads}


def num_cores() -> int:
    """Cores that this process may use; a container's limit counts where the system tells it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
