"""When a training's state is saved."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.spec.part import SpecPart


class CheckpointSpec(SpecPart):
    """The full state of a training, from which a job goes on that was interrupted."""

    #: Save after every so many steps; 0: as often as the worker's WORKER_CHECKPOINT_S says.
    every_steps: Annotated[int, Field(ge=0, le=1_000_000)] = 0
