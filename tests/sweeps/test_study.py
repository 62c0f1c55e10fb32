"""A study is read strictly, and every mistake is one line with its place and its remedy."""

import textwrap
from pathlib import Path

import pytest

from search_spaces import SPACES
from sweeps.references import parse_reference
from sweeps.results import VARIANT
from sweeps.study import DEFAULT_TRAINING, StudyError, Training
from sweeps.study_data import StudyData
from sweeps.study_file import load_study
from sweeps.yaml_reader import read_yaml
from trainables.task import TASKS

STUDIES = sorted((Path(__file__).parents[2] / "sweeps" / "studies").glob("*.yaml"))

GOOD = """
name: good
models:
  xlmr: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}
intermediates: [mnli]
targets:
  xnli:
target_training: {learning_rate: 1e-5}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(textwrap.dedent(text))
    return path


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_is_valid_and_named_after_its_file(path):
    assert load_study(path).name == path.stem


@pytest.mark.parametrize("name", SPACES.names)
def test_every_search_space_varies_fields_of_a_training(name):
    assert set(SPACES.load(name)) <= set(Training.model_fields)


def test_a_list_of_names_is_short_for_empty_entries(tmp_path):
    study = load_study(write(tmp_path, GOOD))
    assert list(study.mixture("mnli").tasks) == ["mnli"]
    assert study.target_training.learning_rate == 1e-5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: good", "name: good\ntrails: 3", "study.yaml: trails: unknown field; known: name, description,"),
        ("  xnli:", "  xnly:", "study.yaml: targets.xnly: unknown task 'xnly'; did you mean 'xnli'?"),
        ("[mnli]", "[mnlii]", "study.yaml: intermediates.mnlii.tasks.mnlii: unknown task 'mnlii'; did you mean 'mnli'?"),
        ("[mnli]", "[none]", "study.yaml: intermediates: 'none' is the baseline, which is always there; leave it out"),
        ("xlm_roberta,", "xlmr,", "study.yaml: models.xlmr: unknown model family 'xlmr'; known: bert, xlm_roberta"),
        ("  xnli:", "  xnli: {languages: [en, xx]}", "study.yaml: targets.xnli.languages: xnli has no language 'xx'; known: ar, bg,"),
        (
            "  xnli:",
            "  xnli: {languages: some}",
            "study.yaml: targets.xnli.languages: 'some' is neither a list of languages nor one of all,",
        ),
        ("  xnli:", "  pawsx: {languages: xtreme-r}", "study.yaml: targets.pawsx.languages: xtreme-r has no task 'pawsx', only lareqa, "),
        ("  xnli:", "  xnli: {test: dve}", "study.yaml: targets.xnli: split 'dve'"),
        ("1e-5", "-1e-5", "study.yaml: target_training.learning_rate: input should be greater than 0, got -1e-05"),
        ("1e-5", "fast", "study.yaml: target_training.learning_rate: input should be a valid number"),
        ("learning_rate: 1e-5", "epochs: 1, steps: 2", "study.yaml: target_training: give either epochs or steps, not both"),
        ("name: good", "name: good\nsearch: {trails: 3}", "study.yaml: search.trails: unknown field; did you mean 'trials'?"),
        ("name: good", "name: good\nsearch: {space: lr}", "study.yaml: search: unknown search space 'lr'"),
        ("name: good", "name: good\nsearch: {replicates: 0}", "study.yaml: search.replicates: input should be greater than 0, got 0"),
        ("name: good", "name: ../good", "study.yaml: name: '../good' may hold only letters, digits"),
        ("hub: FacebookAI/xlm-roberta-base", "hub: a, folder: b", "study.yaml: models.xlmr: give exactly one of hub, folder and random"),
        ("name: good", "name: good\nname: again", "study.yaml, line 3: the key 'name' is given twice"),
        ("[mnli]", "[mnli", "study.yaml, line 6:"),
    ],
)
def test_a_mistake_is_one_line_with_place_and_remedy(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(StudyError) as error:
        load_study(write(tmp_path, GOOD.replace(old, new)))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("target", "num_languages"),
    [
        ("xquad", 11),
        ("xquad: {languages: xtreme}", 11),
        ("xquad: {languages: xtreme-r}", 12),
        ("xquad: {languages: all}", 12),
        ("xquad: {languages: [ro]}", 1),
        ("udpos: {languages: available}", 33),
        ("panx: {languages: xtreme-r}", 48),
        ("xcopa", 11),
        ("mlqa_pairs", 42),
    ],
)
def test_a_target_s_mean_is_over_xtreme_s_languages_unless_the_study_says_otherwise(tmp_path, target, num_languages):
    name, _, entry = target.partition(":")
    study = load_study(write(tmp_path, GOOD.replace("xnli:", f"{name}: {entry}")))
    languages = StudyData(study, None).languages(name)
    assert len(languages) == num_languages
    assert list(languages) == [language for language in TASKS.load(name).languages if language in languages]


@pytest.mark.parametrize(("target", "dev"), [("mlqa", "mlqa"), ("mlqa_pairs", "squad1"), ("xquad", "squad1"), ("tydiqa", "tydiqa")])
def test_a_target_is_selected_on_its_own_english_dev_split_or_its_training_task_s(tmp_path, target, dev):
    study = load_study(write(tmp_path, GOOD.replace("xnli:", f"{target}:")))
    (data,) = StudyData(study, None).target_mixture(target, VARIANT).dev
    assert (data.task, data.split, data.language) == (dev, "dev", "en")


def test_several_mistakes_are_all_reported(tmp_path):
    with pytest.raises(StudyError) as error:
        load_study(write(tmp_path, GOOD.replace("name: good", "name: good\nsede: 1\nresources: {workers: none}")))
    assert len(str(error.value).splitlines()) == 2


def test_a_missing_study_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"nowhere\.yaml: No such file"):
        load_study(tmp_path / "nowhere.yaml")


def test_yaml_numbers_and_languages_are_what_they_look_like():
    assert read_yaml("[1e-5, no, on, 010, 1.5, true, ~]", "x") == [1e-5, "no", "on", 10, 1.5, True, None]


def test_settings_are_inherited_and_a_length_replaces_a_length():
    assert Training(steps=10).over(DEFAULT_TRAINING).epochs is None
    assert Training(batch_size=8).over(DEFAULT_TRAINING).epochs == 3.0
    assert Training(batch_size=8).over(Training(batch_size=4, steps=5)).batch_size == 8


def test_references_name_task_and_split():
    assert parse_reference("dev[:90%]", "mnli") == ("mnli", "dev[:90%]")
    assert parse_reference("snli/train", "mnli") == ("snli", "train")
    with pytest.raises(ValueError, match="unknown task 'snlii'"):
        parse_reference("snlii/train", "mnli")
