"""The server's settings: typed, frozen, read from the environment once, at the entry point."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from shared.settings import ProcessSettings

MAX_PORT = 65_535


class ServerSettings(ProcessSettings):
    """Settings of `python -m server`."""

    PREFIX = "SERVER_"

    base_model: str = Field(
        "",
        description="Base model to check job specs against; empty: the newest version's, or the worker's default.",
    )
    server_listen: str = Field(
        "127.0.0.1:50051", pattern=r"^.+:\d{1,5}$", description="Host and port; port 0 takes a free one."
    )
    server_metrics_listen: str = Field(
        "",
        pattern=r"^(.+:\d{1,5})?$",
        description="Host and port where Prometheus finds /metrics; empty: nowhere; port 0 takes a free one.",
    )
    server_device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N.")
    server_precision: Literal["float32", "bfloat16"] = Field("float32", description="Arithmetic of the torch engine.")
    server_compute_workers: Annotated[int, Field(ge=0, le=256)] = Field(
        0, description="Compute threads; 0: one a core on a CPU, one on a GPU."
    )
    server_max_batch_rows: Annotated[int, Field(ge=1, le=1024)] = Field(16, description="Sentences in one batch.")
    server_max_batch_tokens: Annotated[int, Field(ge=16)] = Field(
        4096, description="Tokens in one batch, with padding."
    )
    server_max_sentences_per_request: Annotated[int, Field(ge=1)] = Field(512, description="More are refused.")
    server_max_sentence_bytes: Annotated[int, Field(ge=1)] = Field(
        16_384, description="Longer ones (UTF-8) are refused before tokenizing."
    )
    server_max_queue_tokens: Annotated[int, Field(ge=256)] = Field(
        262_144, description="Tokens that may wait; more are refused with RESOURCE_EXHAUSTED."
    )
    server_max_queue_age_ms: Annotated[int, Field(ge=0)] = Field(
        100, description="The request that came first is served at least once in so long."
    )
    server_max_calls_per_client: Annotated[int, Field(ge=0)] = Field(
        0, description="Inference calls and streams that one client may have open; 0: any number."
    )
    server_deduplicate: bool = Field(True, description="Compute equal sentences of a batch once.")
    server_max_message_bytes: Annotated[int, Field(ge=1024)] = Field(
        16 * 2**20, description="Largest gRPC message in either direction."
    )
    server_max_upload_bytes: Annotated[int, Field(ge=1)] = Field(
        512 * 2**20, description="Largest file that can be uploaded to train on."
    )
    server_poll_s: Annotated[float, Field(gt=0)] = Field(
        0.5, description="Seconds between two looks for a new release."
    )
    server_drain_s: Annotated[float, Field(ge=0)] = Field(
        20.0, description="Seconds that running requests get at a stop."
    )
    server_drain_min_s: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="Seconds that the port stays open at a stop at least, so that load balancers see NOT_SERVING.",
    )
    server_reflection: bool = Field(True, description="Offer gRPC server reflection.")
    server_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged.")

    @field_validator("server_listen", "server_metrics_listen")
    @classmethod
    def _is_a_port(cls, address: str) -> str:
        if address and int(address.rpartition(":")[2]) > MAX_PORT:
            raise ValueError(f"the port of {address} is above {MAX_PORT}")
        return address

    @model_validator(mode="after")
    def _one_sentence_fits(self) -> Self:
        if self.server_max_sentence_bytes > self.server_max_message_bytes:
            raise ValueError("SERVER_MAX_SENTENCE_BYTES is larger than SERVER_MAX_MESSAGE_BYTES")
        return self

    @model_validator(mode="after")
    def _drain_is_long_enough(self) -> Self:
        if self.server_drain_min_s > self.server_drain_s:
            least_s, most_s = self.server_drain_min_s, self.server_drain_s
            raise ValueError(f"SERVER_DRAIN_MIN_S ({least_s:g}) is longer than SERVER_DRAIN_S ({most_s:g})")
        return self
