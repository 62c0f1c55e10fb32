"""BERT and multilingual BERT: Devlin et al. 2019, https://arxiv.org/abs/1810.04805."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.trainers import WordPieceTrainer
from transformers import BertConfig, BertTokenizer, PreTrainedConfig

from trainables.family import Family, initializer_range

if TYPE_CHECKING:
    from trainables.specs import InitSpec

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MAX_ALPHABET = 1000
"""More characters than this, as in Chinese, would leave no room for words."""


def first_position(_config: PreTrainedConfig) -> int:
    return 0


def make_config(spec: InitSpec, vocabulary_size: int) -> BertConfig:
    return BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=spec.hidden_size,
        num_hidden_layers=spec.num_layers,
        num_attention_heads=spec.num_heads,
        intermediate_size=spec.intermediate_size,
        max_position_embeddings=spec.max_positions,
        initializer_range=initializer_range(spec.hidden_size),
        hidden_dropout_prob=spec.dropout,
        attention_probs_dropout_prob=spec.dropout,
        pad_token_id=0,
    )


def train_tokenizer(texts: Iterable[str], vocabulary_size: int, max_length: int) -> BertTokenizer:
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    texts = list(texts)
    words = Counter(word for text in texts for word, _ in _words(tokenizer, text))
    alphabet = _frequent_characters(words, limit=min(MAX_ALPHABET, (vocabulary_size - len(SPECIAL_TOKENS)) // 2))
    inner = sorted({character for word in words for character in word[1:]} & set(alphabet))
    trainer = WordPieceTrainer(
        vocab_size=vocabulary_size,
        # characters inside words are named here, because the trainer would number them in the order of a hash table, and break ties
        # by number
        special_tokens=SPECIAL_TOKENS + [f"##{character}" for character in inner],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return BertTokenizer(vocab=tokenizer.get_vocab(), do_lower_case=False, model_max_length=max_length)


def _words(tokenizer: Tokenizer, text: str) -> list[tuple[str, tuple[int, int]]]:
    return tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))


def _frequent_characters(words: Counter[str], limit: int) -> list[str]:
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    return sorted(sorted(counts, key=lambda character: (-counts[character], character))[:limit])


FAMILY = Family(
    first_position=first_position,
    has_segments=True,
    make_config=make_config,
    train_tokenizer=train_tokenizer,
)
