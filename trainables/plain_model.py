"""A trained encoder and the head of its task as one folder that plain transformers loads, head included.

Heads have the shapes of transformers' own (`trainables.heads`), so that other names are all it takes: tensors are copied from file to
file, and no weight goes through memory.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from trainables.head_files import DECODER_FILE, HEADS_FILE, SHAPES_FILE, HeadShape, read_shapes
from trainables.tensor_files import stored_tensors, write_tensors

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


class Loading(NamedTuple):
    """How plain transformers loads a folder."""

    auto_class: str
    problem: str | None
    """Why the head is not in it; None if it is."""


class _Family(NamedTuple):
    """What transformers calls the parts of a model with a head."""

    beginning: str
    """Of its classes' names."""
    encoder: str
    heads: Mapping[str, Mapping[str, str]]
    """By kind of task, the modules of a head by what they are called here."""


_AUTO_CLASSES = {
    "classification": "AutoModelForSequenceClassification",
    "multiple_choice": "AutoModelForMultipleChoice",
    "tagging": "AutoModelForTokenClassification",
    "span_qa": "AutoModelForQuestionAnswering",
}
_BY_TOKEN = {"tagging": {"classifier": "classifier"}, "span_qa": {"qa_outputs": "qa_outputs"}}
_ON_FIRST_TOKEN = {"dense": "classifier.dense", "out_proj": "classifier.out_proj"}
_ON_ROBERTA_POOLER = {"dense": "roberta.pooler.dense", "out_proj": "classifier"}
_ON_BERT_POOLER = {"dense": "bert.pooler.dense", "out_proj": "classifier"}
_ROBERTA_HEADS = _BY_TOKEN | {"classification": _ON_FIRST_TOKEN, "multiple_choice": _ON_ROBERTA_POOLER}
_FAMILIES = {
    "xlm-roberta": _Family("XLMRoberta", "roberta", _ROBERTA_HEADS),
    "xlm-roberta-xl": _Family("XLMRobertaXL", "roberta", _ROBERTA_HEADS),
    "bert": _Family("Bert", "bert", _BY_TOKEN | {"classification": _ON_BERT_POOLER, "multiple_choice": _ON_BERT_POOLER}),
    # its other heads are on the decoder in transformers, and on the encoder here
    "mt5": _Family("MT5", "transformer", {"tagging": _BY_TOKEN["tagging"]}),
}
"""By the model type that a configuration names."""


def write_plain_model(source: Path, task: str, folder: Path) -> Loading:
    """Writes into `folder` what `save_model` left in `source`, with the head of `task` where transformers looks for it.

    Where transformers has no such head, the encoder is written alone.
    """
    config = json.loads((source / CONFIG_FILE).read_text(encoding="utf-8"))
    model_type, shape = config["model_type"], read_shapes(source)[task]
    problem = _problem(source, model_type, shape.kind)
    changed = () if problem is not None else (WEIGHTS_FILE, CONFIG_FILE)
    for path in source.iterdir():
        if path.name not in (HEADS_FILE, SHAPES_FILE, DECODER_FILE, *changed):
            shutil.copyfile(path, folder / path.name)
    if problem is not None:
        return Loading("AutoModelForTextEncoding" if model_type == "mt5" else "AutoModel", problem)
    auto_class, family = _AUTO_CLASSES[shape.kind], _FAMILIES[model_type]
    _write_weights(source, task, family, shape, folder)
    _write_config(config | {"architectures": [auto_class.replace("AutoModel", family.beginning)]} | _labels(shape.labels), folder)
    return Loading(auto_class, None)


def _problem(source: Path, model_type: str, kind: str) -> str | None:
    if model_type not in _FAMILIES or kind not in _FAMILIES[model_type].heads:
        return f"transformers has no head for {kind} on the encoder of {model_type}"
    return None if (source / WEIGHTS_FILE).exists() else "its weights are in several files"


def _write_weights(source: Path, task: str, family: _Family, shape: HeadShape, folder: Path) -> None:
    """Of encoder and head, under transformers' names."""
    tensors = {f"{family.encoder}.{name}": tensor for name, tensor in stored_tensors(source / WEIGHTS_FILE).items()}
    for name, tensor in stored_tensors(source / HEADS_FILE).items():
        head, _, rest = name.partition(".")
        if head == task:
            module, _, part = rest.rpartition(".")
            tensors[f"{family.heads[shape.kind][module]}.{part}"] = tensor
    write_tensors(folder / WEIGHTS_FILE, tensors)


def _write_config(config: Mapping[str, object], folder: Path) -> None:
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _labels(labels: Sequence[str]) -> dict[str, object]:
    """The classes as a configuration names them; nothing for a head that has none."""
    if not labels:
        return {}
    return {"id2label": {str(index): label for index, label in enumerate(labels)}, "label2id": {name: i for i, name in enumerate(labels)}}
