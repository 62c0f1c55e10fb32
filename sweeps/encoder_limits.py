"""What can be known to be too much for an encoder before it is loaded: inputs that are too long, layers or files that it does not have."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sweeps.encoder_shapes import published
from sweeps.model_folder import read_object
from sweeps.study import Study, StudyError
from sweeps.study_models import Model
from sweeps.study_training import DEFAULT_TRAINING, Training
from trainables.family import FAMILIES
from trainables.layers import rule_of
from trainables.specs import Architecture
from trainables.task import TASKS

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_TOKENIZERS = ("tokenizer.json", "sentencepiece.bpe.model", "spiece.model", "vocab.txt")
"""One of each is what `from_pretrained` reads."""
_NUM_LAYERS = ("num_hidden_layers", "num_layers")
"""As a config.json calls it; the latter in mT5's."""
_SHAPE = {
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "vocabulary_size": "vocab_size",
}
"""The fields of an architecture, as a config.json calls them."""


def check_limits(study: Study, base: Path) -> None:
    """A StudyError for a length or a layer that one of the models lacks; `base` is the folder that relative paths start from."""
    for name, model in study.models.items():
        if model.folder is not None:
            _check_files(f"models.{name}.folder", model.family, base / model.folder)
        if not _has_mask(name, model, base):
            _check_unmasked(study, name, model)
        limit = _most_tokens(name, model, base)
        _check_lengths(study, name, model, limit)
        _check_benchmark(study, name, limit)
        num_layers = _num_layers(name, model, base)
        if num_layers is not None:
            _check_layers(study, name, num_layers)
            _check_layers_trained(study, name, model, num_layers)


def first_position(family: str, config: Mapping[str, Any]) -> int:
    """As `Family.first_position`, of a config.json, without the libraries that a family's file needs: positions before it are unused."""
    return int(config.get("pad_token_id", 1)) + 1 if family in ("xlm_roberta", "xlm_roberta_xl") else 0


def _check_files(place: str, family: str, folder: Path) -> None:
    for names in (("config.json",), _WEIGHTS, _TOKENIZERS):
        if not any((folder / name).is_file() for name in names):
            raise StudyError(f"{place}: {folder} holds no {' or '.join(names)}; it must be a folder that from_pretrained reads")
    model_type = str(read_object(place, folder / "config.json").get("model_type")).replace("-", "_")
    if model_type != family and model_type in FAMILIES.names:
        raise StudyError(f"{place}: {folder} is of the family {model_type}, but family is {family}; set family: {model_type}")


def _check_lengths(study: Study, name: str, model: Model, limit: int | None) -> None:
    for place, training in _trainings(study, name, model):
        length = training.over(DEFAULT_TRAINING).max_length
        if limit is not None and length is not None and length > limit:
            raise StudyError(
                f"{place}: max_length is {length}, but models.{name} reads at most {limit} tokens; set max_length: {limit} or less"
            )


def _has_mask(name: str, model: Model, base: Path) -> bool:
    """Whether the tokenizer has a token that masks; mT5's have sentinels instead, which only a random encoder's tokenizer uses so."""
    if model.folder is None:
        return model.family != "mt5" or model.random is not None
    path = base / model.folder / "tokenizer_config.json"
    return model.family != "mt5" or read_object(f"models.{name}.folder", path).get("mask_token") is not None


def _check_unmasked(study: Study, name: str, model: Model) -> None:
    mixtures = {f"intermediates.{intermediate}.tasks": study.mixture(intermediate).tasks for intermediate in study.intermediates}
    if model.pretraining is not None:
        mixtures[f"models.{name}.pretraining.tasks"] = model.pretraining.tasks
    for axis, variations in study.axes.items():
        mixtures |= {f"axes.{axis}.{value}.mixed_in": variation.mixed_in for value, variation in variations.items()}
    for place, tasks in mixtures.items():
        for task in tasks:
            if TASKS.load(task).kind == "mlm":
                raise StudyError(
                    f"{place}.{task}: masked-language modelling, but models.{name} has no mask token; leave the task out, or the model"
                )


def _check_layers(study: Study, name: str, num_layers: int) -> None:
    for target, settings in study.targets.items():
        for layer in settings.retrieval.layer:
            if not -1 - num_layers <= layer <= num_layers:
                raise StudyError(
                    f"targets.{target}.retrieval.layer: {layer}, but models.{name} has {num_layers} layers; "
                    f"0 is the embeddings, {num_layers} or -1 the last layer"
                )


def _check_layers_trained(study: Study, name: str, model: Model, num_layers: int) -> None:
    for place, training in _trainings(study, name, model):
        try:
            rule_of(training.layers_trained or "all", num_layers)
        except ValueError as error:
            raise StudyError(f"{place}: {error} (models.{name}); name at most {num_layers}") from None


def _trainings(study: Study, name: str, model: Model) -> Iterable[tuple[str, Training]]:
    """Every training that a model goes through, with its place in the study; a target that is not trained has a length too."""
    if model.pretraining is not None:
        yield f"models.{name}.pretraining", model.pretraining.training.over(study.intermediate_training)
    of_axes = [(f"axes.{axis}.{value}", each) for axis, values in study.axes.items() for value, each in values.items()]
    for intermediate, mixture in study.intermediates.items():
        training = mixture.training.over(study.intermediate_training)
        yield f"intermediates.{intermediate}", training
        yield from ((f"{place}.intermediate_training", each.intermediate_training.over(training)) for place, each in of_axes)
    for target, settings in study.targets.items():
        training = settings.training.over(study.target_training)
        yield f"targets.{target}", training
        yield from ((f"{place}.target_training", each.target_training.over(training)) for place, each in of_axes)


def _check_benchmark(study: Study, name: str, limit: int | None) -> None:
    for length in study.benchmark.lengths if study.benchmark is not None else ():
        if limit is not None and length != "text" and length > limit:
            raise StudyError(f"benchmark.lengths: {length}, but models.{name} reads at most {limit} tokens; name at most {limit}")


def architecture(name: str, model: Model, base: Path) -> Architecture | None:
    """The shape of a model's encoder; unknown before one from the hub is loaded, and where a config.json does not say all of it.

    Of mT5 none says how many positions there are, for there are none.
    """
    if model.random is not None:
        return Architecture.model_validate({field: getattr(model.random, field) for field in Architecture.model_fields})
    if model.folder is None:
        return None
    place, path = f"models.{name}.folder", base / model.folder / "config.json"
    config = read_object(place, path)
    found = {field: _number(place, path, config, written) for field, written in _SHAPE.items()}
    if found["max_positions"] is not None:
        found["max_positions"] -= first_position(model.family, config)
    return None if None in found.values() else Architecture.model_validate(found)


def _most_tokens(name: str, model: Model, base: Path) -> int | None:
    """The most tokens that an encoder reads, by its positions and its tokenizer; of the hub's only well-known ones are known."""
    if model.random is not None:
        return model.random.max_positions
    if model.folder is None:
        found = published(str(model.hub))
        positions = None if found is None else found.num_positions
        return None if positions is None else positions - first_position(model.family, {})
    place, folder = f"models.{name}.folder", base / model.folder
    config = read_object(place, folder / "config.json")
    positions = _number(place, folder / "config.json", config, "max_position_embeddings")
    limits = [
        None if positions is None else positions - first_position(model.family, config),
        _number(place, folder / "tokenizer_config.json", read_object(place, folder / "tokenizer_config.json"), "model_max_length"),
    ]
    return min((limit for limit in limits if limit is not None), default=None)


def _num_layers(name: str, model: Model, base: Path) -> int | None:
    """Of the encoder; of the hub's only well-known ones are known."""
    if model.random is not None:
        return model.random.num_layers
    if model.folder is None:
        found = published(str(model.hub))
        return None if found is None else found.shape.num_layers
    place, path = f"models.{name}.folder", base / model.folder / "config.json"
    numbers = (_number(place, path, read_object(place, path), field) for field in _NUM_LAYERS)
    return next((number for number in numbers if number is not None), None)


def _number(place: str, path: Path, content: Mapping[str, Any], field: str) -> int | None:
    """A count in a file; transformers writes some as a float, and a huge one for no limit."""
    number = content.get(field)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, (int, float)) or number < 1:
        raise StudyError(f"{place}: {path} has {field} {number!r}; it must be a number above 0")
    return int(number)
