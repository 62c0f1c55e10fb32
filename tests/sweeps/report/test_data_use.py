"""Drops and cuts that stages record reach every reader: terminal, page, cells, matrix.csv and results.parquet, and never as one."""

import csv
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from toy_study import Toy, cells_of, toy_study

from sweeps.report.data_use import Loss, cell_notes, cuts, drops, stages_of, summary, used_sets
from sweeps.report.write import write_report
from sweeps.results import PairResult, StudyResult
from trainables.manifest import DataUse, Manifest
from trainables.store import Store

TOY = Toy({"snli": 0.4, "qqp": 0.0}, {"pawsx": "accuracy", "panx": "span_f1"})
BLANK, NO_LABEL, LENGTH, WORD = "a sentence is blank", "no label that most annotators chose", "cut to max_length", "word cut"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"), tmp_path / "cache")


@pytest.fixture
def result(store: Store) -> StudyResult:
    return recorded(toy_study(store, TOY))


def use(
    task: str,
    language: str,
    split: str,
    purpose: str,
    dropped: dict[str, int] | None = None,
    cut: dict[str, int] | None = None,
    num_examples: int = 200,
) -> DataUse:
    fields = {"task": task, "language": language, "split": split, "purpose": purpose, "num_examples": num_examples}
    return DataUse.model_validate(fields | {"dropped": dropped or {}, "cut": cut or {}})


def with_data(manifest: Manifest, parent: str | None, *data: DataUse) -> Manifest:
    return Manifest.model_validate({**dict(manifest), "data": data, "parents": () if parent is None else (parent,)})


def recorded(result: StudyResult) -> StudyResult:
    """SNLI drops 785 pairs and cuts 9; PAWS-X drops test pairs in de and sw and cuts some; PAN-X cuts words of its training set alone."""
    encoders = {}
    for name, manifest in result.encoders.items():
        lost = ({NO_LABEL: 785}, {LENGTH: 9}) if name.startswith("snli") else ({}, {})
        encoders[name] = with_data(manifest, None, use(name.partition(",")[0], "en", "train", "train", *lost))
    return result._replace(encoders=encoders, pairs=tuple(_with_losses(found) for found in result.pairs))


def _with_losses(found: PairResult) -> PairResult:
    target = found.pair.target
    trained = use(target, "en", "train", "train", None, {WORD: 3} if target == "panx" else None)
    losses = {"de": ({BLANK: 5}, {LENGTH: 20}), "sw": ({BLANK: 1}, {LENGTH: 14})} if target == "pawsx" else {}
    tested = [use(target, language, "test", "test", *losses.get(language, ())) for language in TOY.languages]
    trials = tuple(
        trial._replace(
            manifest=with_data(trial.manifest, trial.manifest.spec["encoder"].get("stage"), trained, use(target, "en", "dev", "dev"))
        )
        for trial in found.trials
    )
    of_seed = {trial.seed: trial.manifest.key for trial in trials if not trial.is_pruned}
    evaluations = tuple(one._replace(manifest=with_data(one.manifest, of_seed[one.seed], *tested)) for one in found.evaluations)
    return found._replace(trials=trials, evaluations=evaluations)


SNLI_NOTE = f"dropped by the data set's rules: snli train (en): {NO_LABEL}: 785"
PAWSX_NOTES = (f"dropped by the data set's rules: pawsx test (de, sw): {BLANK}: 6", f"cut: pawsx test: 34 of 600 ({LENGTH}: 34)")


def test_the_terminal_has_a_line_for_drops_and_one_for_cuts(result: StudyResult) -> None:
    assert summary(result) == [
        f"dropped by the data sets' rules: pawsx test (de, sw): {BLANK}: 6; snli train (en): {NO_LABEL}: 785",
        "cut to max_length: pawsx test: 34 of 600; and examples of 2 splits that train or select (see the report)",
    ]


def test_a_set_that_many_stages_use_is_counted_once(result: StudyResult) -> None:
    found = {(each.use.task, each.use.language): each for each in used_sets(stages_of(result).values())}
    assert set(found) == {("panx", "en"), ("pawsx", "de"), ("pawsx", "sw"), ("snli", "en")}
    assert found["pawsx", "de"].num_stages == 3 * 3, "three rows of three seeds"
    assert found["panx", "en"].num_stages == 3 * 3 * 2, "and two points"
    assert found["snli", "en"].purposes == ("train",)


def test_every_cell_that_rests_on_a_drop_says_so_and_no_other(store: Store, result: StudyResult) -> None:
    for cell in cells_of(result, store):
        expected = ((SNLI_NOTE,) if cell.pair.intermediate == "snli" else ()) + (PAWSX_NOTES if cell.pair.target == "pawsx" else ())
        noted = [note for note in cell.notes if note.startswith(("dropped", "cut"))]
        assert sorted(noted) == sorted(expected), cell.pair


def test_page_and_csv_and_parquet_have_them(store: Store, result: StudyResult, tmp_path: Path) -> None:
    folder = write_report(result, store, tmp_path / "report").folder
    page = (folder / "report.html").read_text()
    section = page.split('<section id="data">')[1].split("</section>")[0]
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", section.split("<tbody>")[1])]
    assert rows == [
        ["panx train", "en", "train", "18", "200", "", f"{WORD}: 3"],
        ["pawsx test", "de", "test", "9", "200", f"{BLANK}: 5", f"{LENGTH}: 20"],
        ["pawsx test", "sw", "test", "9", "200", f"{BLANK}: 1", f"{LENGTH}: 14"],
        ["snli train", "en", "train", "3", "200", f"{NO_LABEL}: 785", f"{LENGTH}: 9"],
    ]
    with (folder / "matrix.csv").open() as file:
        notes = {(row["intermediate"], row["target"]): row["notes"] for row in csv.DictReader(file)}
    assert SNLI_NOTE in notes["snli", "panx"]
    assert all(note in notes["none", "pawsx"] for note in PAWSX_NOTES)
    assert "dropped" not in notes["none", "panx"]
    table = pq.read_table(folder / "results.parquet").to_pylist()
    found = {(row["target"], row["split"], row["language"]): (row["num_dropped"], row["dropped"], row["cut"]) for row in table}
    assert found["pawsx", "test", "de"] == (5, f"{BLANK}: 5", f"{LENGTH}: 20")
    assert found["pawsx", "test", "en"] == (0, "", "")
    assert found["panx", "dev", "en"] == (0, "", "")


def test_of_uses_that_cut_differently_the_one_that_cut_most_counts() -> None:
    uses = [
        use("xquad", "en", "test", "test", None, {"question cut": 2}),
        use("xquad", "en", "test", "test", None, {"question cut": 190, "answer over 30 tokens": 20}),
        use("xquad", "de", "test", "test", None, {"question cut": 1}),
        use("xquad", "en", "test", "tokenizer", num_examples=9000),
        use("xquad", "th", "test", "test"),
    ]
    assert cuts(uses) == [Loss("xquad", "test", 600, ("de", "en"), {"answer over 30 tokens": 20, "question cut": 191})]
    assert drops(uses) == []


def test_a_share_is_never_more_than_all(result: StudyResult) -> None:
    found = next(found for found in result.pairs if found.pair.target == "pawsx")
    data = use("pawsx", "de", "test", "test", None, {"question cut": 150, "answer in no window": 80})
    one = found.evaluations[0]._replace(manifest=with_data(found.evaluations[0].manifest, None, data))
    assert cell_notes(found._replace(evaluations=(one,)), {}) == (
        "cut: pawsx test: up to 200 of 200 (answer in no window: 80; question cut: 150)",
    )


def test_what_could_not_be_made_is_told_apart_from_what_is_dropped(result: StudyResult):
    name, manifest = next((name, manifest) for name, manifest in result.encoders.items() if name.startswith("snli"))
    made = use("snli", "de", "train", "synthetic", {"a translation is empty": 4})
    more = with_data(manifest, None, *manifest.data, made)
    lines = summary(result._replace(encoders={**result.encoders, name: more}))
    assert "could not be made: snli train (de): a translation is empty: 4" in lines
    assert [line for line in lines if line.startswith("dropped")] == [line for line in summary(result) if line.startswith("dropped")]
