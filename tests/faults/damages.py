"""Ways in which an artifact can be wrong, each at places drawn by the test's seed.

RAW: its files are not those that were published, so their hashes tell. FORGED: hashes and records agree with what lies
there, so only loading, labels and probes can tell.
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import load, save

ENCODER, HEADS = "model.safetensors", "heads.safetensors"
Files = dict[str, bytes]
Manifest = dict[str, Any]


def _pick(random: Random, folder: Path) -> Path:
    return random.choice(sorted(path for path in folder.rglob("*") if path.is_file()))


def flip_bytes(random: Random, folder: Path) -> None:
    path = _pick(random, folder)
    body = bytearray(path.read_bytes())
    for _ in range(random.randint(1, 8)):
        body[random.randrange(len(body))] ^= random.randint(1, 255)
    path.write_bytes(body)


def cut(random: Random, folder: Path) -> None:
    path = _pick(random, folder)
    body = path.read_bytes()
    path.write_bytes(body[: random.randrange(len(body))])


def append(random: Random, folder: Path) -> None:
    path = _pick(random, folder)
    path.write_bytes(path.read_bytes() + random.randbytes(random.randint(1, 4096)))


def blank_a_block(random: Random, folder: Path) -> None:
    path = folder / random.choice([ENCODER, HEADS, "tokenizer.json"])
    body = bytearray(path.read_bytes())
    start = random.randrange(len(body) - 64)
    body[start : start + 64] = b"\0" * 64
    path.write_bytes(body)


def remove(random: Random, folder: Path) -> None:
    _pick(random, folder).unlink()


def empty(random: Random, folder: Path) -> None:
    _pick(random, folder).write_bytes(b"")


def folder_for_file(random: Random, folder: Path) -> None:
    path = _pick(random, folder)
    path.unlink()
    path.mkdir()


def swap_files(random: Random, folder: Path) -> None:
    one, two = random.sample(sorted(path for path in folder.rglob("*") if path.is_file()), 2)
    bodies = one.read_bytes(), two.read_bytes()
    two.write_bytes(bodies[0])
    one.write_bytes(bodies[1])


def remove_all(random: Random, folder: Path) -> None:
    shutil.rmtree(folder)


RAW: list[Callable[[Random, Path], None]] = [
    flip_bytes,
    cut,
    append,
    blank_a_block,
    remove,
    empty,
    folder_for_file,
    swap_files,
    remove_all,
]


def _task(random: Random, manifest: Manifest) -> Any:
    return random.choice(manifest["tasks"])


def _tensor(random: Random, files: Files, change: Callable[[torch.Tensor], None]) -> None:
    """Change one tensor of one file, keeping the file's metadata."""
    name = random.choice([ENCODER, HEADS])
    header = json.loads(files[name][8 : 8 + int.from_bytes(files[name][:8], "little")])
    tensors = load(files[name])
    key = random.choice(sorted(tensors))
    tensors[key] = tensors[key].clone()
    change(tensors[key])
    files[name] = save(tensors, header.get("__metadata__"))


def label_more(random: Random, files: Files, manifest: Manifest) -> None:
    task = _task(random, manifest)
    task["labels"].insert(random.randint(0, len(task["labels"])), "more")


def label_less(random: Random, files: Files, manifest: Manifest) -> None:
    task = _task(random, manifest)
    task["labels"].pop(random.randrange(len(task["labels"])))


def labels_swapped(random: Random, files: Files, manifest: Manifest) -> None:
    labels = _task(random, manifest)["labels"]
    one, two = random.sample(range(len(labels)), 2)
    labels[one], labels[two] = labels[two], labels[one]


def labels_swapped_in_probes_too(random: Random, files: Files, manifest: Manifest) -> None:
    task = _task(random, manifest)
    task["labels"].reverse()
    manifest["probes"]["labels"][task["name"]] = task["labels"]


def label_renamed(random: Random, files: Files, manifest: Manifest) -> None:
    labels = _task(random, manifest)["labels"]
    labels[random.randrange(len(labels))] += "2"


def task_more(random: Random, files: Files, manifest: Manifest) -> None:
    manifest["tasks"].append({"name": "more", "labels": ["a", "b"]})


def task_less(random: Random, files: Files, manifest: Manifest) -> None:
    manifest["tasks"].pop(random.randrange(len(manifest["tasks"])))


def tasks_renamed(random: Random, files: Files, manifest: Manifest) -> None:
    first, second = manifest["tasks"]
    first["name"], second["name"] = second["name"], first["name"]


def temperature(random: Random, files: Files, manifest: Manifest) -> None:
    _task(random, manifest)["temperature"] *= random.choice([0.25, 0.5, 2.0, 4.0])


def foreign_architecture(random: Random, files: Files, manifest: Manifest) -> None:
    config = json.loads(files["config.json"])
    config["model_type"] = random.choice(["distilbert", "roberta", "mpnet", "gpt2", "t5", "no-such-model", ""])
    files["config.json"] = json.dumps(config).encode()


def other_shape(random: Random, files: Files, manifest: Manifest) -> None:
    config = json.loads(files["config.json"])
    name = random.choice(["hidden_size", "num_hidden_layers", "vocab_size", "intermediate_size", "num_attention_heads"])
    config[name] = random.choice([config[name] * 2, config[name] + 1, 0, -1, "many", None])
    files["config.json"] = json.dumps(config).encode()


def config_not_an_object(random: Random, files: Files, manifest: Manifest) -> None:
    files["config.json"] = random.choice([b"[]", b"null", b"7", b"", b"{", b"\xff\xfe"])


def future_schema(random: Random, files: Files, manifest: Manifest) -> None:
    manifest["schema"] = random.randint(2, 1000)


def unknown_field(random: Random, files: Files, manifest: Manifest) -> None:
    manifest["quantised"] = True


def field_missing(random: Random, files: Files, manifest: Manifest) -> None:
    manifest.pop(random.choice(["files", "tasks", "encoder_id", "dimensions", "max_tokens", "probes", "schema"]))


def not_finite(random: Random, files: Files, manifest: Manifest) -> None:
    """One value of one tensor, also where no probe looks, such as the embedding of a rare word."""

    def change(tensor: torch.Tensor) -> None:
        tensor.view(-1)[random.randrange(tensor.numel())] = random.choice([float("nan"), float("inf")])

    _tensor(random, files, change)


def other_head(random: Random, files: Files, manifest: Manifest) -> None:
    tensors = load(files[HEADS])
    header = json.loads(files[HEADS][8 : 8 + int.from_bytes(files[HEADS][:8], "little")])
    key = random.choice(sorted(name for name in tensors if name.endswith("weight")))
    tensors[key] = -tensors[key]
    files[HEADS] = save(tensors, header["__metadata__"])


def tensor_missing(random: Random, files: Files, manifest: Manifest) -> None:
    name = random.choice([ENCODER, HEADS])
    tensors = load(files[name])
    tensors.pop(random.choice(sorted(tensors)))
    files[name] = save(tensors)


def tensor_more(random: Random, files: Files, manifest: Manifest) -> None:
    name = random.choice([ENCODER, HEADS])
    files[name] = save({**load(files[name]), "more.weight": torch.zeros(2)})


def weights_cut(random: Random, files: Files, manifest: Manifest) -> None:
    name = random.choice([ENCODER, HEADS])
    files[name] = files[name][: random.randrange(len(files[name]))]


def weights_pickled(random: Random, files: Files, manifest: Manifest) -> None:
    files[random.choice([ENCODER, HEADS])] = pickle.dumps({"weights": [0.0] * 100})


def wrong_tokenizer(random: Random, files: Files, manifest: Manifest) -> None:
    """The same words under other numbers."""
    tokenizer = json.loads(files["tokenizer.json"])
    vocabulary = tokenizer["model"]["vocab"]
    numbers = [number for number in vocabulary.values() if number > 4]
    shift = random.randrange(1, len(numbers))
    tokenizer["model"]["vocab"] = {
        piece: number if number <= 4 else numbers[(numbers.index(number) + shift) % len(numbers)]
        for piece, number in vocabulary.items()
    }
    files["tokenizer.json"] = json.dumps(tokenizer).encode()


def tokenizer_beyond_the_embeddings(random: Random, files: Files, manifest: Manifest) -> None:
    """A word that no probe has: the first caller who writes it would crash the batch."""
    tokenizer = json.loads(files["tokenizer.json"])
    tokenizer["model"]["vocab"]["zyzzyva"] = len(tokenizer["model"]["vocab"]) + random.randint(0, 1000)
    files["tokenizer.json"] = json.dumps(tokenizer).encode()


def no_tokenizer(random: Random, files: Files, manifest: Manifest) -> None:
    files["tokenizer.json"] = random.choice([b"{}", b"", b"[]", b"not json"])


def window_too_wide(random: Random, files: Files, manifest: Manifest) -> None:
    manifest["max_tokens"] += random.randint(16, 512)


def dimensions(random: Random, files: Files, manifest: Manifest) -> None:
    manifest["dimensions"] += random.choice([-1, 1, 32])


def probe_scores(random: Random, files: Files, manifest: Manifest) -> None:
    rows = manifest["probes"]["scores"][_task(random, manifest)["name"]]
    row = random.choice(rows)
    row[random.randrange(len(row))] += 0.01


def probe_embeddings(random: Random, files: Files, manifest: Manifest) -> None:
    row = random.choice(manifest["probes"]["embeddings"])
    row[random.randrange(len(row))] += 0.01


def probe_less(random: Random, files: Files, manifest: Manifest) -> None:
    manifest["probes"]["sentences"].pop()


def no_tolerance(random: Random, files: Files, manifest: Manifest) -> None:
    manifest["probes"]["tolerances"] = {}


FORGED: list[Callable[[Random, Files, Manifest], None]] = [
    label_more,
    label_less,
    labels_swapped,
    labels_swapped_in_probes_too,
    label_renamed,
    task_more,
    task_less,
    tasks_renamed,
    temperature,
    foreign_architecture,
    other_shape,
    config_not_an_object,
    future_schema,
    unknown_field,
    field_missing,
    not_finite,
    other_head,
    tensor_missing,
    tensor_more,
    weights_cut,
    weights_pickled,
    wrong_tokenizer,
    tokenizer_beyond_the_embeddings,
    no_tokenizer,
    window_too_wide,
    dimensions,
    probe_scores,
    probe_embeddings,
    probe_less,
    no_tolerance,
]
