"""The worker's settings: typed, frozen, read from the environment once, at the entry point."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import InvalidInputError
from shared.settings import redact_url, refuse_unknown_names

PREFIX = "WORKER_"


class WorkerSettings(BaseSettings):
    """Each field is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    store_url: str = Field(".polyhead/store", description="Folder (or file:// URL) of the store.")
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), description="Redis or Valkey that carries doorbell, leases and progress."
    )
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
        """For the log: every setting as it was resolved, without the password in the URL."""
        shown = self.model_dump(mode="json", exclude={"redis_url"})
        return {**shown, "redis_url": redact_url(self.redis_url.get_secret_value()), "num_threads": self.num_threads}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read all settings.

        Raises:
            InvalidInputError: naming each variable that is unknown or has a value that does not fit.
        """
        refuse_unknown_names(PREFIX, (name.upper() for name in cls.model_fields), environ)
        try:
            return cls()
        except ValidationError as error:
            complaints = (f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
            raise InvalidInputError("; ".join(complaints)) from None


def num_cores() -> int:
    """Cores that this process may use; a container's limit counts where the system tells it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
