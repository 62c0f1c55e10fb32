"""Translated data in a mixture: languages as the study names them, one head, selection on the original's source-language dev split."""

import pytest

from sweeps.builder import SpecBuilder
from sweeps.study import Study, StudyError
from tests.sweeps.simulation import builder_of, make_study
from tests.trainables.task_cases.translated import CASES, LOST
from trainables.data import load_examples
from trainables.origins import data_source
from trainables.specs import DataSpec
from trainables.task import head_name


def study_with(**tasks: object) -> Study:
    return make_study(intermediates={"translated": {"tasks": tasks}}, targets=["xnli"])


def entries(builder: SpecBuilder) -> list[tuple[str, str, str | None]]:
    """Task, language and dev data of each entry of the mixture."""
    found: list[tuple[str, str, str | None]] = []
    for entry in builder.intermediate("xlmr", "translated", (), 0).mixture:
        selecting = [f"{dev.task}/{dev.split}/{dev.language}" for dev in entry.dev]
        found.append((entry.train.task, entry.train.language, *selecting) if selecting else (entry.train.task, entry.train.language, None))
    return found


def test_each_language_is_an_entry_and_english_dev_data_select_once():
    builder = builder_of(study_with(mnli_translated={"languages": ["de", "ru", "sw"]}))
    assert entries(builder) == [
        ("mnli_translated", "de", "mnli/dev/en"),
        ("mnli_translated", "ru", None),
        ("mnli_translated", "sw", None),
    ]


def test_originals_and_translations_are_one_mixture_with_one_head():
    builder = builder_of(study_with(mnli={}, mnli_translated={"languages": ["sw"], "dev": "none"}))
    assert entries(builder) == [("mnli", "en", "mnli/dev/en"), ("mnli_translated", "sw", None)]
    assert head_name("mnli_translated") == head_name("mnli") == "mnli"


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ({"languages": ["de", "en"]}, [("pawsx", "de", None), ("pawsx", "en", "pawsx/dev/en")]),
        ({"languages": ["de", "ko"]}, [("pawsx", "de", "pawsx/dev/en"), ("pawsx", "ko", None)]),
        ({"languages": ["de"], "dev": "dev[:500]"}, [("pawsx", "de", "pawsx/dev[:500]/en")]),
        ({"languages": ["de"], "dev": "none"}, [("pawsx", "de", None)]),
        ({}, [("pawsx", "en", "pawsx/dev/en")]),
    ],
)
def test_dev_data_are_in_the_source_language_whatever_is_trained_in(use, expected):
    assert entries(builder_of(study_with(pawsx=use))) == expected


def test_every_language_has_its_own_key():
    one, other = (builder_of(study_with(mnli_translated={"languages": [language]})) for language in ("de", "ru"))
    assert one.intermediate("xlmr", "translated", (), 0).key != other.intermediate("xlmr", "translated", (), 0).key


def test_a_translated_task_asks_for_its_languages():
    place = "^intermediates.translated.tasks"
    with pytest.raises(
        StudyError, match=rf"{place}.mnli_translated.languages: mnli_translated is translated; name languages of it, or all"
    ):
        builder_of(study_with(mnli_translated={})).check()
    with pytest.raises(
        StudyError, match=rf"{place}.squad1_translated.train: squad1_translated train de: the task is not on the hub; give the folder"
    ):
        builder_of(study_with(squad1_translated={"languages": ["de"]})).check()
    with pytest.raises(ValueError, match=r"tasks.mnli_translated.languages: mnli_translated has no language 'fi'"):
        study_with(mnli_translated={"languages": ["fi"]})


def test_what_is_left_out_of_a_translation_is_counted(tmp_path):
    (case,) = (case for case in CASES if case.task == "squad1_translated")
    for path, content in case.files.items():
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(content)
    source = data_source("squad1_translated", "train", "de", tmp_path)
    data = DataSpec(task="squad1_translated", task_version=1, split="train", language="de", num_examples=None, source=source)
    loaded = load_examples(data, tmp_path)
    assert (len(loaded.examples), loaded.dropped) == (1, {LOST: 4})
