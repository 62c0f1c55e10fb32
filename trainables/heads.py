"""What is put on an encoder: one small module per kind of task, of the shapes of transformers' own heads, and its loss.

Losses are *sums*; `num_averaged` says over how many things a batch's loss is averaged. The sums of all micro-batches and
workers, divided by the number of the whole batch, give the same mean however the batch was cut.

Legend: `B` sequences, `T` packed tokens, `K` of them that a head asks for, `N` examples, `O` options, `L` longest
sequence, `D` hidden size, `C` classes, `V` vocabulary.
"""

from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, linear
from transformers import PreTrainedConfig

from trainables.features import IGNORED, Features
from trainables.flops import ONE_EACH
from trainables.head_files import HeadShape
from trainables.packing import Asked, Packed
from trainables.seeds import derive_seed
from trainables.text_to_text import LabelWords


class Encoded(NamedTuple):
    """What a head sees."""

    hidden_KD: Tensor
    """Of the tokens that it asked for, in that order."""
    packed: Packed
    embeddings_VD: Tensor
    """The encoder's own embedding matrix, to decode with."""


Summary = Literal["first", "mean"]
"""What stands for a whole sequence: its first token, or the mean over its tokens, special ones included."""


class Head(Protocol):
    """Scores from hidden states, and the summed loss of the scores."""

    def asked(self, packed: Packed) -> Asked | None:
        """The tokens that it asks for; None for all."""

    def __call__(self, encoded: Encoded) -> Tensor: ...

    def loss(self, logits: Tensor, packed: Packed) -> Tensor: ...


def _asked_for(summary: Summary, packed: Packed) -> Asked | None:
    return Asked(packed.starts_B, is_one_each=True) if summary == "first" else None


def _summaries(encoded: Encoded, summary: Summary) -> Tensor:
    """[B, D], a vector a sequence, of what `_asked_for` asks for."""
    hidden_KD = encoded.hidden_KD
    if summary == "first":
        return hidden_KD
    lengths_B = encoded.packed.runs.bounds_B1.diff()
    return torch.segment_reduce(hidden_KD.float(), "mean", lengths=lengths_B.long(), unsafe=True).to(hidden_KD.dtype)


def _loss_of_labelled(logits_KC: Tensor, packed: Packed) -> Tensor:
    return cross_entropy(logits_KC, packed.targets[packed.labelled_K], reduction="sum")


class ClassificationHead(nn.Module):
    """Logits [B, C] from the summary of each sequence; the loss is summed over examples."""

    def __init__(self, hidden_size: int, num_classes: int, dropout: float, summary: Summary) -> None:
        super().__init__()
        self.summary = summary
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.out_proj = nn.Linear(hidden_size, num_classes)
        self.dropout = nn.Dropout(dropout)

    def asked(self, packed: Packed) -> Asked | None:
        return _asked_for(self.summary, packed)

    def forward(self, encoded: Encoded) -> Tensor:
        summary_BD = self.dropout(_summaries(encoded, self.summary))
        logits_BC: Tensor = self.out_proj(self.dropout(torch.tanh(self.dense(summary_BD))))
        return logits_BC.float()

    def loss(self, logits_BC: Tensor, packed: Packed) -> Tensor:
        return cross_entropy(logits_BC, packed.targets[packed.example_B], reduction="sum")


class ChoiceHead(nn.Module):
    """One score [B] an option, from the summary of its sequence; the loss is summed over questions."""

    def __init__(self, hidden_size: int, dropout: float, summary: Summary) -> None:
        super().__init__()
        self.summary = summary
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.out_proj = nn.Linear(hidden_size, 1)
        self.dropout = nn.Dropout(dropout)

    def asked(self, packed: Packed) -> Asked | None:
        return _asked_for(self.summary, packed)

    def forward(self, encoded: Encoded) -> Tensor:
        logits_B1: Tensor = self.out_proj(self.dropout(torch.tanh(self.dense(_summaries(encoded, self.summary)))))
        return logits_B1.squeeze(1).float()

    def loss(self, logits_B: Tensor, packed: Packed) -> Tensor:
        num_options = int(packed.option_B.max()) + 1
        logits_NO = logits_B.new_full((len(packed.targets), num_options), -torch.inf)
        return cross_entropy(logits_NO.index_put((packed.example_B, packed.option_B), logits_B), packed.targets, reduction="sum")


class TaggingHead(nn.Module):
    """Logits [K, C] of the tokens that have a tag, in order; the loss is summed over them."""

    def __init__(self, hidden_size: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.classifier = nn.Linear(hidden_size, num_classes)
        self.dropout = nn.Dropout(dropout)

    def asked(self, packed: Packed) -> Asked:
        return Asked(packed.labelled_K, is_one_each=False)

    def forward(self, encoded: Encoded) -> Tensor:
        logits_KC: Tensor = self.classifier(self.dropout(encoded.hidden_KD))
        return logits_KC.float()

    def loss(self, logits_KC: Tensor, packed: Packed) -> Tensor:
        return _loss_of_labelled(logits_KC, packed)


class SpanHead(nn.Module):
    """Scores [T, 2] of each token as first and last of the answer; the loss is summed over windows, the two halves averaged."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.qa_outputs = nn.Linear(hidden_size, 2)

    def asked(self, _packed: Packed) -> None:
        return None

    def forward(self, encoded: Encoded) -> Tensor:
        logits_T2: Tensor = self.qa_outputs(encoded.hidden_KD)
        return logits_T2.float()

    def loss(self, logits_T2: Tensor, packed: Packed) -> Tensor:
        # a softmax over the tokens of each sequence: what lies beyond its end has no probability
        padded_BL2 = logits_T2.new_full((len(packed.starts_B), packed.runs.longest, 2), -torch.inf)
        logits_BL2 = padded_BL2.index_put((packed.sequence_T, packed.position_ids_T), logits_T2)
        return cross_entropy(logits_BL2, packed.targets, reduction="sum") / 2


class MaskedTokenHead(nn.Module):
    """Logits [K, V] of the tokens that have a target, in order; the decoder is the encoder's own embedding matrix."""

    def __init__(self, hidden_size: int, vocabulary_size: int, layer_norm_eps: float) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.layer_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))

    def asked(self, packed: Packed) -> Asked:
        return Asked(packed.labelled_K, is_one_each=False)

    def forward(self, encoded: Encoded) -> Tensor:
        return linear(self.layer_norm(gelu(self.dense(encoded.hidden_KD))), encoded.embeddings_VD, self.bias).float()

    def loss(self, logits_KC: Tensor, packed: Packed) -> Tensor:
        return _loss_of_labelled(logits_KC, packed)


def num_averaged(features: Features) -> int:
    """Over how many examples (tokens, for tagging and masked tokens) the loss of this batch is averaged."""
    match features.kind:
        case "tagging" | "mlm":
            return _num_labelled(features)
        case "multiple_choice":
            return features.num_examples
        case _:
            return len(features.second_segment)


def num_asked(features: Features) -> int:
    """How many tokens of a batch a head asks for, where one token stands for a sequence."""
    if features.kind in ONE_EACH:
        return len(features.second_segment)
    return _num_labelled(features) if features.kind in ("tagging", "mlm") else len(features.token_ids)


def _num_labelled(features: Features) -> int:
    return int(np.count_nonzero(features.targets != IGNORED))


def make_head(shape: HeadShape, config: PreTrainedConfig, seed: int, summary: Summary = "first") -> nn.Module:
    """A fresh head for an encoder; its weights depend on the task's name and the seed alone, not on what is made beside it."""
    is_t5 = config.model_type == "mt5"  # which names all this otherwise
    dropout = float(config.dropout_rate if is_t5 else config.hidden_dropout_prob)
    spread = float(config.hidden_size**-0.5 if is_t5 else config.initializer_range)
    match shape.kind:
        case "classification":
            head: nn.Module = ClassificationHead(config.hidden_size, len(shape.labels), dropout, summary)
        case "multiple_choice":
            head = ChoiceHead(config.hidden_size, dropout, summary)
        case "tagging":
            head = TaggingHead(config.hidden_size, len(shape.labels), dropout)
        case "span_qa":
            head = SpanHead(config.hidden_size)
        case "mlm":
            head = MaskedTokenHead(config.hidden_size, config.vocab_size, config.layer_norm_epsilon if is_t5 else config.layer_norm_eps)
        case "text_to_text":
            head = LabelWords(shape.words)
        case _:
            raise ValueError(f"task {shape.task!r} is of kind {shape.kind!r}, which has no head")
    generator = torch.Generator().manual_seed(derive_seed("head", shape.task, seed))
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=spread, generator=generator)
            nn.init.zeros_(module.bias)
    return head
