"""A training and its predictions as Hugging Face's documentation has them, of a folder's encoder, on our prepared examples.

Legend: `S` sequences, `T` tokens of all of them, `N` questions, `O` options, `L` longest sequence, `C` classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peers import QUIET, Recipe, Rows, collate
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset
from transformers import (
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from trainables.features import Features
from trainables.packing import unit_bounds

MODELS = {
    "classification": AutoModelForSequenceClassification,
    "tagging": AutoModelForTokenClassification,
    "span_qa": AutoModelForQuestionAnswering,
    "multiple_choice": AutoModelForMultipleChoice,
}
EVAL_BATCH_SIZE = 64


def load_for(kind: str, source: str, num_labels: int, seed: int) -> PreTrainedModel:
    """The encoder in a folder, with a fresh head of transformers' own."""
    torch.manual_seed(seed)
    # of a multiple choice transformers counts no labels
    options = {} if kind == "multiple_choice" else {"num_labels": num_labels}
    model: PreTrainedModel = MODELS[kind].from_pretrained(source, **options)
    return model


def make_trainer(model: PreTrainedModel, features: Features, recipe: Recipe, folder: Path, **arguments: Any) -> Trainer:
    """Trains with all other settings at their defaults, but for those that only cost time."""
    given = TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        dataloader_pin_memory=False,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=EVAL_BATCH_SIZE,
        num_train_epochs=recipe.epochs or 1.0,
        max_steps=recipe.steps or -1,
        learning_rate=recipe.learning_rate,
        warmup_steps=recipe.warmup_fraction,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        seed=recipe.seed,
        **QUIET,
        **arguments,
    )
    trainer = Trainer(model=model, args=given, train_dataset=rows_of(features), data_collator=collate_rows)
    trainer.remove_callback(PrinterCallback)
    return trainer


def predict(trainer: Trainer, features: Features) -> NDArray[np.float32]:
    """What the model says of each sequence or token, as `trainables.inference.predict` gives it."""
    found: Any = trainer.predict(rows_of(features)).predictions  # type: ignore[arg-type]
    lengths_S = np.diff(features.offsets)
    match features.kind:
        case "tagging":
            rows = [logits_LC[:length] for logits_LC, length in zip(found, lengths_S, strict=True)]
        case "span_qa":
            rows = [logits_L2[:length] for logits_L2, length in zip(np.stack(found, axis=-1), lengths_S, strict=True)]
        case "multiple_choice":
            return np.asarray(found, np.float32).reshape(-1)
        case _:
            return np.asarray(found, np.float32)
    return np.concatenate(rows).astype(np.float32)


def rows_of(features: Features) -> Dataset[dict[str, Tensor]]:
    return Questions(features) if features.kind == "multiple_choice" else Rows(features)


class Questions(Dataset[dict[str, Tensor]]):
    """Multiple choice: a row a question, with the sequences of its options."""

    def __init__(self, features: Features) -> None:
        tokens_T = torch.from_numpy(features.token_ids.astype(np.int64))
        self._options_S = tokens_T.split(np.diff(features.offsets).tolist())
        self._bounds = unit_bounds(features)
        self._targets_N = torch.from_numpy(features.targets.astype(np.int64))

    def __len__(self) -> int:
        return len(self._targets_N)

    def __getitem__(self, place: int) -> dict[str, Any]:
        options = self._options_S[self._bounds[place] : self._bounds[place + 1]]
        return {"input_ids": options, "labels": self._targets_N[place]}


def collate_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """A batch padded to its longest sequence; all questions of multiple choice have as many options."""
    if isinstance(rows[0]["input_ids"], Tensor):
        return collate(rows)
    ids_SL = pad_sequence([option for row in rows for option in row["input_ids"]], batch_first=True, padding_value=1)
    ids_NOL = ids_SL.unflatten(0, (len(rows), -1))
    return {"input_ids": ids_NOL, "attention_mask": (ids_NOL != 1).long(), "labels": torch.stack([row["labels"] for row in rows])}
