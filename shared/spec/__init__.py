"""The job spec: what to train, on which data, how. The one definition that wire, recipes, records and trainer share.

Every part is frozen, keyword-only and validated on construction; `parse_spec` reports all violations at once. Field
names and defaults are the recipe format, the stored `jobs/<id>/spec.json` and (as protobuf) the wire.
"""

from shared.spec.base import BaseSpec
from shared.spec.caching import CacheSpec
from shared.spec.checkpointing import CheckpointSpec
from shared.spec.class_weights import ClassWeightsSpec
from shared.spec.data import DataSpec, SplitSpec
from shared.spec.distributed import DistributedSpec
from shared.spec.freezing import FreezeSpec, GradualSpec
from shared.spec.gating import GateSpec, PublishSpec
from shared.spec.job import JobSpec, misfits
from shared.spec.lora import LoraSpec
from shared.spec.optimizing import OptimizerSpec
from shared.spec.parsing import parse_spec, searched_misfits
from shared.spec.part import Label, Name
from shared.spec.rates import LayerwiseSpec
from shared.spec.references import DatasetReference, parse_reference
from shared.spec.sampling import SamplingSpec
from shared.spec.searching import SearchParameter, SearchSpec
from shared.spec.stopping import StoppingMetric, StoppingSpec
from shared.spec.tasks import TaskSpec

__all__ = [
    "BaseSpec",
    "CacheSpec",
    "CheckpointSpec",
    "ClassWeightsSpec",
    "DataSpec",
    "DatasetReference",
    "DistributedSpec",
    "FreezeSpec",
    "GateSpec",
    "GradualSpec",
    "JobSpec",
    "Label",
    "LayerwiseSpec",
    "LoraSpec",
    "Name",
    "OptimizerSpec",
    "PublishSpec",
    "SamplingSpec",
    "SearchParameter",
    "SearchSpec",
    "SplitSpec",
    "StoppingMetric",
    "StoppingSpec",
    "TaskSpec",
    "misfits",
    "parse_reference",
    "parse_spec",
    "searched_misfits",
]
