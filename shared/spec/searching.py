"""Which fields of the spec are searched, how, and by which figure trials are judged."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, field_validator, model_validator

from shared.spec.part import SpecPart

#: Validation figures that a trial can be judged by, with the sign that makes more of it better.
FIGURES = {
    "macro_f1": 1.0,
    "accuracy": 1.0,
    "macro_recall": 1.0,
    "micro_f1": 1.0,
    "subset_accuracy": 1.0,
    "cross_entropy": -1.0,
    "ece": -1.0,
}
MAX_GRID_POINTS = 1000


class SearchParameter(SpecPart):
    """The values that one field takes: `choices`, or the range from `low` to `high`, both included."""

    low: float | None = None
    high: float | None = None
    #: Draw on a logarithmic scale: what learning rates want.
    log: bool = False
    #: Distance of two values from `low` on; whole numbers have 1.
    step: Annotated[float, Field(gt=0)] | None = None
    #: Values of any kind; a whole part such as `freeze` takes mappings, so that its fields vary together.
    choices: Annotated[tuple[JsonValue, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _range_or_choices(self) -> Self:
        if self.choices:
            if self.low is not None or self.high is not None or self.step is not None or self.log:
                raise ValueError("has choices and a range (low, high, log, step); use one of them")
            if any(value in self.choices[:index] for index, value in enumerate(self.choices)):
                raise ValueError("names a choice twice")
            return self
        if self.low is None or self.high is None:
            raise ValueError("needs choices, or both low and high")
        if self.low >= self.high:
            raise ValueError(f"low must be less than high (got {self.low:g} and {self.high:g})")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic scale needs a low above 0 (got {self.low:g})")
        if self.log and self.step is not None:
            raise ValueError("log and step contradict each other; leave one of them out")
        return self

    def bounds(self) -> tuple[float, float]:
        """low and high of a range."""
        if self.low is None or self.high is None:
            raise TypeError("a parameter with choices has no bounds")
        return self.low, self.high


class SearchSpec(SpecPart):
    """Trials of one job with other values of its spec, one after another on the same rows; the best is published.

    Trials are judged by their validation rows; the test rows are seen once, by the best.
    """

    #: tpe: Bergstra et al. 2011. grid: every combination. random: Bergstra & Bengio 2012.
    sampler: Literal["tpe", "grid", "random"] = "tpe"
    trials: Annotated[int, Field(ge=1, le=1000)] = 20
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 13
    #: `task.figure` -> weight; their weighted mean is what is searched for. Empty: the macro_f1 of all tasks alike.
    metric: dict[str, Annotated[float, Field(gt=0, le=1000)]] = {}
    #: Trials that fall behind after an epoch are given up. halving: Li et al. 2020 (ASHA).
    pruner: Literal["none", "median", "halving"] = "none"
    #: Path of a field, such as `optimizer.head_lr` or `tasks.NAME.weight`, -> its values.
    parameters: Annotated[
        dict[Annotated[str, StringConstraints(min_length=1)], SearchParameter], Field(min_length=1, max_length=16)
    ]
    #: publish: the best trial's weights (trained again where they were lost with their process). retrain: trained
    #: again in any case, which keeps no second copy of the weights. report: publish nothing.
    then: Literal["publish", "retrain", "report"] = "publish"

    @field_validator("metric")
    @classmethod
    def _known_figures(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if name.rpartition(".")[2] not in FIGURES or not name.rpartition(".")[0]:
                raise ValueError(f"{name!r} is not TASK.FIGURE with one of the figures {', '.join(FIGURES)}")
        return value

    @field_validator("metric", "parameters")
    @classmethod
    def _in_one_order(cls, value: dict[str, Any]) -> dict[str, Any]:
        # Samplers draw in this order, and maps come off the wire in any.
        return dict(sorted(value.items()))
