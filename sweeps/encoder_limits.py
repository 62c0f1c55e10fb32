"""What can be known to be too much for an encoder before it is loaded: inputs that are too long, layers that it does not have."""

import json
from collections.abc import Iterable
from pathlib import Path

from sweeps.study import DEFAULT_TRAINING, Model, Study, StudyError, Training


def check_limits(study: Study, base: Path) -> None:
    """A StudyError for a length or a layer that one of the models lacks; `base` is the folder that relative paths start from."""
    for name, model in study.models.items():
        _check_lengths(study, name, model, _most_tokens(model, base))
        _check_layers(study, name, _num_layers(model, base))


def _check_lengths(study: Study, name: str, model: Model, limit: int | None) -> None:
    for place, training in _trainings(study, name, model):
        length = training.over(DEFAULT_TRAINING).max_length
        if limit is not None and length is not None and length > limit:
            raise StudyError(
                f"{place}: max_length is {length}, but models.{name} reads at most {limit} tokens; set max_length: {limit} or less"
            )


def _check_layers(study: Study, name: str, num_layers: int | None) -> None:
    for target, settings in study.targets.items():
        for layer in settings.retrieval.layer:
            if num_layers is not None and not -1 - num_layers <= layer <= num_layers:
                raise StudyError(
                    f"targets.{target}.retrieval.layer: {layer}, but models.{name} has {num_layers} layers; "
                    f"0 is the embeddings, {num_layers} or -1 the last layer"
                )


def _trainings(study: Study, name: str, model: Model) -> Iterable[tuple[str, Training]]:
    """Every training that a model goes through, with its place in the study; a target that is not trained has a length too."""
    if model.pretraining is not None:
        yield f"models.{name}.pretraining", model.pretraining.training.over(study.intermediate_training)
    for intermediate, mixture in study.intermediates.items():
        yield f"intermediates.{intermediate}", mixture.training.over(study.intermediate_training)
    for target, settings in study.targets.items():
        yield f"targets.{target}", settings.training.over(study.target_training)


def _most_tokens(model: Model, base: Path) -> int | None:
    """The most tokens that an encoder reads; unknown before an encoder from the hub is loaded."""
    return model.random.max_positions if model.random else _number_in(model, base, "tokenizer_config.json", "model_max_length")


def _num_layers(model: Model, base: Path) -> int | None:
    """Of the encoder; unknown before one from the hub is loaded."""
    return model.random.num_layers if model.random else _number_in(model, base, "config.json", "num_hidden_layers")


def _number_in(model: Model, base: Path, file: str, field: str) -> int | None:
    path = base / (model.folder or "") / file
    if model.folder is None or not path.exists():
        return None
    number = json.loads(path.read_text(encoding="utf-8")).get(field)
    return number if isinstance(number, int) else None
