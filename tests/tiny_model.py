"""Tiny base models with random weights: folders usable as BASE_MODEL that train in seconds without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
)

Architecture = Literal["bert", "roberta", "distilbert", "mpnet"]
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
#: RoBERTa and MPNet number positions from the padding id + 1, and MPNet takes that id to be 1.
_SPECIAL_ROBERTA = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]")
_WORDS = """
a all and angry are at awful bad best bird blue boring bread bright broken cake calm cat city clean clear
cloud coffee cold cruel dark day delivery dog door dull early evening every fast fine fire food friend from
game garden glad go good great green happy hard hate her him home hope horrible hot house i idiot in is it job
joy kind last late laugh life light like list long lost love made many meeting menu monday morning movie music
my never new nice night no not now of old on open pain people phone place plan poor rain red river road room
sad school service she sky slow smile song sorry street stupid summer sun team terrible thank that the they
this time to today tomorrow train tree truly ugly vile want warm water we week well wind winter with wonderful
work world worst wrong year you
""".split()  # noqa: SIM905


def make_tiny_base(
    folder: Path, layers: int = 2, hidden: int = 32, seed: int = 0, architecture: Architecture = "bert"
) -> Path:
    """Save a random encoder of `layers` layers with a small WordPiece tokenizer in `folder`, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    _tokenizer(architecture).save(str(folder / "tokenizer.json"))
    make_tiny_encoder(layers, hidden, seed, architecture).save_pretrained(folder)
    return folder


def make_tiny_encoder(
    layers: int = 2, hidden: int = 32, seed: int = 0, architecture: Architecture = "bert"
) -> PreTrainedModel:
    """The encoder alone, with the pooler that its architecture has."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _build(_config(layers, hidden, architecture))


def _config(layers: int, hidden: int, architecture: Architecture) -> PreTrainedConfig:
    vocabulary = _tokenizer(architecture).get_vocab_size()
    if architecture == "distilbert":
        return DistilBertConfig(
            vocab_size=vocabulary, dim=hidden, n_layers=layers, n_heads=2, hidden_dim=2 * hidden,
            max_position_embeddings=64,
        )  # fmt: skip
    kind = {"bert": BertConfig, "roberta": RobertaConfig, "mpnet": MPNetConfig}[architecture]
    padding = {} if architecture == "bert" else {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    return kind(
        vocab_size=vocabulary, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=2 * hidden, max_position_embeddings=66, **padding,
    )  # fmt: skip


def _build(config: PreTrainedConfig) -> PreTrainedModel:
    if isinstance(config, DistilBertConfig):
        return DistilBertModel(config)
    if isinstance(config, RobertaConfig):
        return RobertaModel(config)
    if isinstance(config, MPNetConfig):
        return MPNetModel(config)
    assert isinstance(config, BertConfig)
    return BertModel(config)


def _tokenizer(architecture: Architecture) -> Tokenizer:
    special = _SPECIAL_ROBERTA if architecture in ("roberta", "mpnet") else _SPECIAL
    pieces = [
        *special,
        *_WORDS,
        *"abcdefghijklmnopqrstuvwxyz0123456789.,!?'",
        *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz0123456789"),
    ]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=32))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(piece, special.index(piece)) for piece in ("[CLS]", "[SEP]")]
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer
