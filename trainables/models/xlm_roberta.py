"""XLM-R: Conneau et al. 2020, "Unsupervised cross-lingual representation learning at scale", https://arxiv.org/abs/1911.02116."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import Unigram
from tokenizers.trainers import UnigramTrainer
from transformers import PreTrainedConfig, XLMRobertaConfig, XLMRobertaTokenizer

from trainables.family import Family, initializer_range

if TYPE_CHECKING:
    from trainables.specs import InitSpec

SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_TWIN = "\u0001"
_MAX_PIECE_LENGTH = 16
"""The trainer's own limit, in characters."""


def first_position(config: PreTrainedConfig) -> int:
    """fairseq counts positions from the one after the padding token's id."""
    return int(config.pad_token_id) + 1


def make_config(spec: InitSpec, vocabulary_size: int) -> XLMRobertaConfig:
    return XLMRobertaConfig(**config_fields(spec, vocabulary_size))


def config_fields(spec: InitSpec, vocabulary_size: int) -> dict[str, Any]:
    """What a configuration of XLM-R and one of its larger kin have in common: everything."""
    return {
        "vocab_size": vocabulary_size,
        "hidden_size": spec.hidden_size,
        "num_hidden_layers": spec.num_layers,
        "num_attention_heads": spec.num_heads,
        "intermediate_size": spec.intermediate_size,
        "max_position_embeddings": spec.max_positions + 2,  # ids 0 and 1 are never used
        "initializer_range": initializer_range(spec.hidden_size),
        "hidden_dropout_prob": spec.dropout,
        "attention_probs_dropout_prob": spec.dropout,
        "type_vocab_size": 1,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }


def train_tokenizer(texts: Iterable[str], vocabulary_size: int, max_length: int) -> XLMRobertaTokenizer:
    learned = learn_pieces(texts, vocabulary_size, SPECIAL_TOKENS)
    return XLMRobertaTokenizer(vocab=[(token, 0.0) for token in SPECIAL_TOKENS] + learned, model_max_length=max_length)


def learn_pieces(texts: Iterable[str], vocabulary_size: int, special_tokens: list[str]) -> list[tuple[str, float]]:
    """Pieces and scores of a Unigram model (Kudo 2018) over words, as SentencePiece trains it; beside the special tokens."""
    tokenizer = Tokenizer(Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    trainer = UnigramTrainer(vocab_size=vocabulary_size, special_tokens=special_tokens, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator((line for text in texts for line in (text, _twins(text))), trainer)
    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"][len(special_tokens) :]
    return [(piece, score) for piece, score in _settle(vocabulary) if _TWIN not in piece]


def _twins(text: str) -> str:
    """The words of a text, each with a mark at its end.

    This trainer considers a piece only if it occurs in two different words, so that a frequent word that is part of no other one
    would be cut up; SentencePiece counts occurrences. The twin is the other word.
    """
    return " ".join(f"{word}{_TWIN}" for word in text.split() if len(word) < _MAX_PIECE_LENGTH)


def _settle(learned: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Pieces and scores by score, without what differs from one training to the next.

    The trainer's sums differ in their last digits, and it appends the characters that it needs but has not learned in the order of a
    hash table, each scored a ten-thousandth above the one before, from the lowest score on.
    """
    scores = {piece: round(score, 4) for piece, score in learned}
    lowest = min(scores.values(), default=0.0)
    limit = lowest + 1e-4 * (1 + sum(len(piece) == 1 for piece in scores))
    settled = {piece: lowest if len(piece) == 1 and score <= limit else score for piece, score in scores.items()}
    return sorted(settled.items(), key=lambda entry: (-entry[1], entry[0]))


FAMILY = Family(
    first_position=first_position,
    has_segments=False,
    make_config=make_config,
    train_tokenizer=train_tokenizer,
)
