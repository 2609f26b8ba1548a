"""Wire messages -> polyhead.results. Pure functions; the sync and the async client share them."""

from polyhead.readers.answers import read_embeddings, read_predictions
from polyhead.readers.datasets import read_dataset
from polyhead.readers.jobs import read_job, read_plan, read_submitted
from polyhead.readers.server import read_release, read_server_info, read_version

__all__ = [
    "read_dataset",
    "read_embeddings",
    "read_job",
    "read_plan",
    "read_predictions",
    "read_release",
    "read_server_info",
    "read_submitted",
    "read_version",
]
