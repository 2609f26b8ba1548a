"""Lineage: where an artifact comes from, for programs. With the same lineage, a job gives the same model.

job, attempt            jobs/<job>/log/<attempt> in the store
base_model, parent_version
spec_sha256             of the accepted spec, written as canonical JSON
data                    {task: {file: sha256}}; an uploaded file is datasets/<sha256> in the store
code_version, libraries {name: version}
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from shared.spec import JobSpec
from shared.version import code_version

#: What computes: another version of one of them may give another last bit.
LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn", "safetensors")


def describe_lineage(
    job_id: str, claim: int, spec: JobSpec, base_model: str, parent_version: int | None, data: Mapping[str, Any]
) -> dict[str, Any]:
    """`data` is worker.training.artifact.describe_data's."""
    canonical = json.dumps(spec.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {
        "job": job_id,
        "attempt": claim,
        "base_model": base_model,
        "parent_version": parent_version,
        "spec_sha256": hashlib.sha256(canonical.encode()).hexdigest(),
        "data": {task: dict(described["sha256"]) for task, described in data.items()},
        "code_version": code_version(),
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }
