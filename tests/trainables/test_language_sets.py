"""The language sets are those of the official script, and every task has the languages that a set names."""

import pytest

from trainables.language_sets import LANGUAGE_SETS, default_languages, languages_in
from trainables.origins import data_source, languages_with
from trainables.task import TASKS

COUNTS = {
    "xtreme": {
        "pawsx": 7, "xnli": 15, "panx": 40, "udpos": 33, "bucc2018": 4, "tatoeba": 36, "xquad": 11, "mlqa": 7, "tydiqa": 9,
    },
    "xtreme-r": {
        "xnli": 15, "panx": 48, "udpos": 38, "tatoeba": 41, "xcopa": 11, "lareqa": 11, "mewslix": 11, "xquad": 12, "mlqa": 7, "tydiqa": 9,
    },
}  # fmt: skip
"""By executing XTREME's evaluate.py; its empty list for lareqa is XQuAD-R's eleven."""


@pytest.mark.parametrize("name", LANGUAGE_SETS)
def test_a_set_has_the_official_number_of_languages(name: str) -> None:
    languages = LANGUAGE_SETS[name].languages
    assert {task: len(codes) for task, codes in languages.items()} == COUNTS[name]
    assert all(len(set(codes)) == len(codes) for codes in languages.values())
    assert LANGUAGE_SETS[name].version


@pytest.mark.parametrize(
    ("name", "task"), [(name, task) for name, one in LANGUAGE_SETS.items() for task in one.languages if task in TASKS.names]
)
def test_a_task_has_every_language_of_a_set(name: str, task: str) -> None:
    assert set(languages_in(name, task)) <= set(TASKS.load(task).languages)


def test_xtreme_r_only_adds_languages() -> None:
    xtreme, xtreme_r = (LANGUAGE_SETS[name].languages for name in ("xtreme", "xtreme-r"))
    for task in xtreme.keys() & xtreme_r.keys():
        assert set(xtreme[task]) <= set(xtreme_r[task])


def test_a_task_that_a_set_lacks_is_named() -> None:
    with pytest.raises(ValueError, match=r"^xtreme-r has no task 'pawsx', only lareqa, .*; name the languages instead$"):
        languages_in("xtreme-r", "pawsx")


def test_the_default_is_xtreme_s_mean_in_the_order_of_the_task() -> None:
    assert default_languages("xquad", ("zh", "ro", "ar")) == ("zh", "ar")
    assert default_languages("mnli", ("en",)) == ("en",)


@pytest.mark.parametrize("name", ["xnli", "pawsx", "panx", "udpos", "xquad", "mlqa", "tydiqa", "bucc2018", "tatoeba"])
def test_one_hub_copy_serves_all_of_xtreme(name: str) -> None:
    if name not in TASKS.names:
        pytest.skip(f"{name} has no file yet")
    task = TASKS.load(name)
    for language in languages_in("xtreme", name):
        hub = task.hub_of(language)
        assert hub is not None
        assert (hub.path, hub.revision) == ("google/xtreme", "ec5f1f46e9af79639a90684a7a70a956c4998f04")
        assert "test" in hub.splits


def test_a_language_that_the_hub_lacks_is_refused_before_anything_is_read() -> None:
    with pytest.raises(
        ValueError,
        match=r"^panx test az: google/xtreme has no 'az'; give the folder of its files by --data, or leave it out$",
    ):
        data_source("panx", "test", "az", None)
    assert languages_with(TASKS.load("panx"), "test", None) == tuple(sorted(languages_in("xtreme", "panx")))


def test_a_language_that_another_data_set_holds_comes_from_there() -> None:
    assert data_source("xquad", "test", "ro", None).startswith("hub:google/xquad@")
    assert data_source("tatoeba", "test", "ro", None).startswith("hub:mteb/tatoeba-bitext-mining@")
    assert languages_with(TASKS.load("xquad"), "test", None) == TASKS.load("xquad").languages
