"""What an encoder lacks is said while planning: positions, layers, weights, a tokenizer, a family."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import trainables.pocket
from sweeps.encoder_limits import check_limits, first_position
from sweeps.study import Study, StudyError, Variation
from sweeps.study_training import Training
from trainables.family import FAMILIES

POCKET = Path(trainables.pocket.__file__ or "").parent / "encoder"


def study(family: str = "xlm_roberta", **training: Any) -> Study:
    return Study.model_validate(
        {
            "name": "limited",
            "source_language": "qaa",
            "models": {"one": {"family": family, "folder": "encoder"}},
            "targets": ["pocket_rank_class"],
            "target_training": {"max_length": 64, **training},
        }
    )


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The folder of a study beside an encoder of 3 layers and 64 positions."""
    shutil.copytree(POCKET, tmp_path / "encoder")
    return tmp_path


def change(path: Path, **fields: Any) -> None:
    content = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


def problem(base: Path, study: Study) -> str:
    with pytest.raises(StudyError) as error:
        check_limits(study, base)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(base), "BASE")


def test_an_encoder_that_is_whole_is_taken(base):
    check_limits(study(), base)


@pytest.mark.parametrize("name", FAMILIES.names)
def test_the_first_position_is_the_family_s(name):
    for pad_token_id in (0, 1, 5):
        config: Any = SimpleNamespace(pad_token_id=pad_token_id)
        assert first_position(name, vars(config)) == FAMILIES.load(name).first_position(config)


@pytest.mark.parametrize("model_max_length", [None, int(1e30), 64, 512])
def test_an_encoder_reads_no_more_tokens_than_it_has_positions_for(base, model_max_length):
    change(base / "encoder/tokenizer_config.json", model_max_length=model_max_length)
    check_limits(study(max_length=64), base)
    assert problem(base, study(max_length=65)) == (
        "targets.pocket_rank_class: max_length is 65, but models.one reads at most 64 tokens; set max_length: 64 or less"
    )


def test_a_tokenizer_may_read_less_than_there_are_positions_for(base):
    change(base / "encoder/tokenizer_config.json", model_max_length=32)
    assert "models.one reads at most 32 tokens" in problem(base, study())


def test_layers_that_are_not_there_are_not_trained(base):
    check_limits(study(layers_trained="top_3"), base)
    assert problem(base, study(layers_trained="top_4")) == (
        "targets.pocket_rank_class: layers_trained is 'top_4', but the encoder has 3 layers (models.one); name at most 3"
    )


def test_a_value_of_an_axis_is_held_to_the_encoder_too(base):
    def varied(**training: Any) -> Study:
        return study().model_copy(update={"axes": {"layers": {"few": Variation(target_training=Training(**training))}}})

    check_limits(varied(layers_trained="top_3"), base)
    assert problem(base, varied(layers_trained="top_4")).startswith("axes.layers.few.target_training: layers_trained is 'top_4'")
    assert problem(base, varied(max_length=65)).startswith("axes.layers.few.target_training: max_length is 65")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_training": {"layers_trained": "frozen_13"}}, "targets.tatoeba: layers_trained is 'frozen_13', but the encoder has 12"),
        ({"targets": {"tatoeba": {"retrieval": {"layer": 13}}}}, "targets.tatoeba.retrieval.layer: 13, but models.one has 12 layers"),
        ({"target_training": {"max_length": 513}}, "targets.tatoeba: max_length is 513, but models.one reads at most 512 tokens"),
    ],
)
def test_the_shape_of_a_well_known_encoder_is_known_before_it_is_loaded(changes, message, tmp_path):
    model = {"family": "xlm_roberta", "hub": "xlm-roberta-base"}
    asked = Study.model_validate({"name": "limited", "models": {"one": model}, "targets": ["tatoeba"], **changes})
    assert problem(tmp_path, asked).startswith(message)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("config.json", "models.one.folder: BASE/encoder holds no config.json; it must be a folder that from_pretrained"),
        ("model.safetensors", "models.one.folder: BASE/encoder holds no model.safetensors or model.safetensors.index.json or "),
        ("tokenizer.json", "models.one.folder: BASE/encoder holds no tokenizer.json or sentencepiece.bpe.model or spiece.model or "),
    ],
)
def test_a_folder_without_a_file_is_refused(base, file, message):
    (base / "encoder" / file).unlink()
    assert problem(base, study()).startswith(message)


def test_a_folder_of_another_family_is_refused(base):
    assert problem(base, study(family="bert")) == (
        "models.one.folder: BASE/encoder is of the family xlm_roberta, but family is bert; set family: xlm_roberta"
    )


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", b'{"num_hidden_layers": 3', "models.one.folder: BASE/encoder/config.json is no JSON: Expecting"),
        ("config.json", b"[]", "models.one.folder: BASE/encoder/config.json holds no JSON object; copy it again"),
        ("config.json", b'{"num_hidden_layers": "3"}', "models.one.folder: BASE/encoder/config.json has num_hidden_layers '3'; it must"),
        ("tokenizer_config.json", b"", "models.one.folder: BASE/encoder/tokenizer_config.json is no JSON: Expecting value"),
        ("tokenizer_config.json", b'"\xff"', "models.one.folder: BASE/encoder/tokenizer_config.json is no JSON: 'utf-8' codec"),
        (
            "tokenizer_config.json",
            b'{"model_max_length": -1}',
            "models.one.folder: BASE/encoder/tokenizer_config.json has model_max_length -1",
        ),
    ],
)
def test_a_broken_file_is_named(base, file, content, message):
    (base / "encoder" / file).write_bytes(content)
    assert problem(base, study()).startswith(message)


MT5 = {"family": "mt5", "hub": "google/mt5-small"}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"intermediates": {"text": {"tasks": {"pocket_text": {}}}}}, "intermediates.text.tasks.pocket_text"),
        ({"models": {"one": {**MT5, "pretraining": {"tasks": ["pocket_text"]}}}}, "models.one.pretraining.tasks.pocket_text"),
        (
            {"intermediates": ["pocket_rank_choice"], "axes": {"text": {"with": {"mixed_in": {"pocket_text": {"share": 0.2}}}}}},
            "axes.text.with.mixed_in.pocket_text",
        ),
    ],
)
def test_an_encoder_without_a_mask_token_is_not_trained_to_unmask(tmp_path, changes, place):
    fields = {"name": "masked", "source_language": "qaa", "models": {"one": MT5}, "targets": ["pocket_rank_class"]}
    assert problem(tmp_path, Study.model_validate(fields | changes)) == (
        f"{place}: masked-language modelling, but models.one has no mask token; leave the task out, or the model"
    )
