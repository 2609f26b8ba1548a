"""Tiny models for the tests of this room, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shared.base_model import load_base_model
from shared.model import MultiTaskModel
from shared.model_files import build_model
from tests.tiny_model import make_tiny_base
from tests.tiny_rows import TASKS


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def tiny_model(tiny_base: Path) -> MultiTaskModel:
    """Two tasks on the tiny base model, the same weights for every test."""
    torch.manual_seed(0)
    return build_model(load_base_model(str(tiny_base)), TASKS)
