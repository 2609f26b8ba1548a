"""Which data the demo trains on, and why. Fetches public data by starting `polyhead data fetch`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from polyhead.checkout import checkout_root, child_environment
from polyhead.cli.exits import UsageError
from polyhead.errors import PolyheadError

#: Catalogue names (data/catalogue.toml) of what recipes/demo-public.yaml trains on.
PUBLIC_SETS = ("tweeteval-sentiment", "tweeteval-hate")


class DataSource(StrEnum):
    """What --data takes."""

    AUTO = "auto"
    SAMPLES = "samples"
    MIRROR = "mirror"
    PUBLIC = "public"


class FetchError(PolyheadError):
    """The public data could not be fetched."""


@dataclass(frozen=True, slots=True)
class DemoData:
    """Data that is on this disk now: the root of its paths, the recipe that names them, and a line that says why."""

    root: Path
    recipe: Path
    why: str


def choose(source: DataSource, state: Path, catalogue: Path | None) -> DemoData:
    """
    Raises:
        UsageError: if the mirror is not named or lacks the files.
        FetchError: if the public data cannot be fetched.
    """
    recipes = checkout_root() / "recipes"
    mirror = os.environ.get("DATA_MIRROR", "")
    if source is DataSource.AUTO:
        source = DataSource.MIRROR if mirror else DataSource.SAMPLES
    if source is DataSource.MIRROR:
        root = _mirror(mirror)
        why = (
            f"real tweets of {root / 'kaggle_layout'}, since DATA_MIRROR names that folder; 6,000 rows a task for time"
        )
        return DemoData(root, recipes / "demo-real.yaml", why)
    if source is DataSource.PUBLIC:
        root = state / "public"
        _fetch(root, catalogue)
        why = f"TweetEval sentiment and hate, fetched into {root}, since --data public asks for it; 6,000 rows a task"
        return DemoData(root, recipes / "demo-public.yaml", why)
    why = "the samples of data/samples; DATA_MIRROR=folder or --data public trains on real data"
    return DemoData(checkout_root() / "data", recipes / "demo-samples.yaml", why)


def _mirror(mirror: str) -> Path:
    if not mirror:
        raise UsageError("--data mirror needs DATA_MIRROR, a folder that holds the public data sets")
    root = Path(mirror).resolve()
    for name in ("train.csv", "HateSpeechDataset.csv"):
        if not (root / "kaggle_layout" / name).is_file():
            raise UsageError(f"DATA_MIRROR={mirror} has no kaggle_layout/{name}")
    return root


def _fetch(root: Path, catalogue: Path | None) -> None:
    command = [sys.executable, "-m", "worker.data", "fetch", *PUBLIC_SETS, "--to", str(root)]
    if catalogue is not None:
        command += ["--catalogue", str(catalogue)]
    ended = subprocess.run(command, env=child_environment(checkout_root()), check=False)
    if ended.returncode != 0:
        raise FetchError(
            f"the public data could not be fetched (status {ended.returncode}); its messages are above. "
            "Without network: --data samples"
        )
