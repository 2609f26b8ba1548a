"""What a job starts from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.spec.part import SpecPart

#: Policies that leave every weight of the encoder as it is.
ENCODER_FROZEN = ("backbone", "all")


class BaseSpec(SpecPart):
    """The worker's base model, or a version: its encoder, and its heads for tasks of the same name, kind and labels.

    Other tasks of the version are carried over unchanged into the new model, if `carry` is set: that takes an encoder
    that stays as it is (freeze.policy backbone or all), since their heads were trained on its vectors.
    """

    #: 0: the worker's base model.
    version: Annotated[int, Field(ge=0, lt=2**31)] = 0
    carry: bool = True
