"""A model as files and back: safetensors weights, tokenizer, and what sentence-transformers needs to load the folder.

Owns the file layout of an artifact's model (the folder is also a valid sentence-transformers model). Nothing
is unpickled. Hashing and storing is shared.store.artifacts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn

from shared.base_model import BaseModel
from shared.errors import CorruptArtifactError
from shared.heavy import Runner, call_here
from shared.model import MultiTaskModel, Task, drop_pooler
from shared.store.artifacts import ArtifactReader, TaskEntry
from shared.tensor_file import metadata, tensors
from shared.text import TextEncoder

ENCODER_FILE = "model.safetensors"
HEADS_FILE = "heads.safetensors"
#: Under this key of its metadata the file of the heads says what their outputs mean, so that labels cannot be exchanged
#: without its hash changing.
_LABELS_KEY = "labels"
_PREFIX = "sentence_transformers.models."


@dataclass(frozen=True)
class LoadedModel:
    """A model with the text encoder it was trained with."""

    model: MultiTaskModel
    text: TextEncoder


def build_model(base: BaseModel, tasks: Sequence[Task]) -> MultiTaskModel:
    """The base encoder with fresh heads."""
    return MultiTaskModel(base.encoder, _hidden_size(base.encoder), int(base.config.get("pad_token_id") or 0), tasks)


def model_files(model: MultiTaskModel, base: BaseModel) -> dict[str, bytes]:
    """All files of an artifact but the manifest; `base` gives config, tokenizer and window."""
    head_tensors = {
        f"{task.name}.{name}": tensor
        for task, head in zip(model.tasks, model.heads, strict=True)
        for name, tensor in head.state_dict().items()
    }
    return {
        ENCODER_FILE: _save(model.encoder.state_dict()),
        HEADS_FILE: _save(head_tensors, {_LABELS_KEY: json.dumps({task.name: task.labels for task in model.tasks})}),
        "config.json": _json(base.config),
        **base.tokenizer_files,
        **_sentence_transformers_files(model.hidden_size, base.max_tokens),
    }


def encoder_id_of(files: dict[str, bytes]) -> str:
    """Hash of encoder weights, configuration, tokenizer and window: equal ids give equal embeddings."""
    digest = hashlib.sha256()
    for name in (ENCODER_FILE, "config.json", "tokenizer.json", "sentence_bert_config.json"):
        digest.update(hashlib.sha256(files[name]).digest())
    return digest.hexdigest()[:16]


def task_entries(model: MultiTaskModel) -> tuple[TaskEntry, ...]:
    """The manifest's description of the model's heads."""
    return tuple(
        TaskEntry(name=t.name, kind=t.kind, labels=t.labels, temperature=t.temperature, thresholds=t.thresholds)
        for t in model.tasks
    )


def load_model(
    artifact: ArtifactReader,
    make_text: Callable[[bytes, int], TextEncoder] = TextEncoder,
    run_heavy: Runner = call_here,
) -> LoadedModel:
    """Rebuild a model from a verified artifact, in float32 on the CPU, in eval mode.

    `make_text` turns tokenizer.json and the window into a text encoder, perhaps one that it has already. `run_heavy`
    runs what takes long and hardly any of the interpreter's lock, perhaps in another thread.

    Raises:
        CorruptArtifactError: if files, labels and widths do not fit together.
    """
    from transformers.initialization import no_init_weights

    manifest = artifact.manifest
    config = artifact.read_json("config.json")
    tasks = [Task(t.name, t.labels, t.temperature, t.kind, t.thresholds) for t in manifest.tasks]
    with no_init_weights():  # every parameter is overwritten below: drawing random ones first would cost more than that
        encoder = _build_encoder(config)
        model = MultiTaskModel(encoder, _hidden_size(encoder), int(config.get("pad_token_id") or 0), tasks)
    _load_into(encoder, run_heavy(lambda: tensors(artifact.read(ENCODER_FILE), ENCODER_FILE)), ENCODER_FILE)
    heads_body = artifact.read(HEADS_FILE)
    of_heads = tensors(heads_body, HEADS_FILE)
    expected = {f"{task.name}.{part}" for task in tasks for part in ("weight", "bias")}
    if set(of_heads) != expected:
        raise CorruptArtifactError(f"{HEADS_FILE} holds {sorted(of_heads)}; the tasks need {sorted(expected)}")
    for task, head in zip(tasks, model.heads, strict=True):
        _load_into(head, {part: of_heads[f"{task.name}.{part}"] for part in ("weight", "bias")}, f"head {task.name}")
    _check_labels(heads_body, tasks)
    if manifest.dimensions != model.hidden_size:
        raise CorruptArtifactError(f"the manifest says {manifest.dimensions} dimensions, config {model.hidden_size}")
    text = make_text(artifact.read("tokenizer.json"), manifest.max_tokens)
    rows = int(encoder.get_input_embeddings().weight.shape[0])  # type: ignore[operator]
    if text.num_ids > rows:
        raise CorruptArtifactError(f"tokenizer.json gives ids up to {text.num_ids - 1}, the encoder knows {rows}")
    model.eval().requires_grad_(False)
    return LoadedModel(model, text)


def _hidden_size(encoder: nn.Module) -> int:
    # The attribute, not the key of the dictionary: DistilBERT's file calls it `dim`.
    return int(encoder.config.hidden_size)  # type: ignore[union-attr, arg-type]


def _build_encoder(config: dict[str, Any]) -> nn.Module:
    from transformers import AutoConfig, AutoModel

    try:
        encoder = AutoModel.from_config(AutoConfig.for_model(**config))
    except Exception as error:  # an unknown or inconsistent configuration fails in many ways
        raise CorruptArtifactError(f"config.json describes no encoder this code can build: {error}") from error
    drop_pooler(encoder)
    return encoder  # type: ignore[no-any-return]


def _load_into(module: nn.Module, state: dict[str, Tensor], what: str) -> None:
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise CorruptArtifactError(f"{what} does not fit the model: {error}") from None


def _check_labels(heads_body: bytes, tasks: Sequence[Task]) -> None:
    recorded = json.loads(metadata(heads_body).get(_LABELS_KEY, "{}"))
    for task in tasks:
        if recorded.get(task.name) != list(task.labels):
            raise CorruptArtifactError(
                f"the manifest has labels {list(task.labels)} for task {task.name}, "
                f"{HEADS_FILE} was written for {recorded.get(task.name)}"
            )


def _save(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    return save(  # type: ignore[no-any-return]
        {name: tensor.detach().cpu().float().contiguous() for name, tensor in tensors.items()}, metadata
    )


def _json(body: object) -> bytes:
    return json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _sentence_transformers_files(hidden_size: int, max_tokens: int) -> dict[str, bytes]:
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    return {
        "modules.json": _json(
            [{"idx": i, "name": str(i), "path": path, "type": _PREFIX + kind} for i, (kind, path) in enumerate(modules)]
        ),
        "sentence_bert_config.json": _json({"max_seq_length": max_tokens, "do_lower_case": False}),
        "1_Pooling/config.json": _json(
            {"word_embedding_dimension": hidden_size, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
        ),
        "2_Normalize/config.json": _json({}),
    }
