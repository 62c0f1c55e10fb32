"""Published numbers: each has a source, and stands beside a measured one without touching it."""

import csv
import io
from pathlib import Path

import pytest
from pydantic import ValidationError

from sweeps.publications import AVERAGE, FOLDER, Number, load_published, published_beside, published_of
from sweeps.report.write import write_report
from sweeps.results import BASELINE, PairId, StudyResult
from sweeps.study_file import load_study
from tests.sweeps.report.toy_study import Toy, toy_study
from trainables.metrics import METRICS
from trainables.store import Store
from trainables.task import TASKS

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
STUDIES = sorted((Path(__file__).parents[2] / "sweeps" / "studies").glob("*.yaml"))
LARGE = "FacebookAI/xlm-roberta-large"
BASE = "FacebookAI/xlm-roberta-base"


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_a_source_and_is_of_a_task(name):
    for number in load_published(name).numbers:
        assert load_published(name).sources[number.source]
        assert number.target in (*TASKS.names, AVERAGE)
        assert number.target == AVERAGE or number.metric in METRICS or number.metric == "f1"


def test_a_number_without_a_source_is_refused():
    with pytest.raises(ValidationError, match="source"):
        Number.model_validate(
            {"model": "m", "intermediate": "mnli", "target": "xnli", "kind": "gain", "value": 1, "metric": "accuracy", "split": "test"}
        )


def test_numbers_are_of_the_encoder_and_the_pair_that_they_were_measured_of():
    pair = PairId("large", BASELINE, "base", "xnli")
    assert [each.value for each in published_of(["xtreme"], pair, LARGE)] == [79.2, 80.9]
    assert [each.value for each in published_of(["xtreme"], pair, BASE)] == [74.5, 76.2]
    assert published_of(["xtreme"], pair, None) == published_of(["xtreme"], pair._replace(variant="mlm"), LARGE) == ()
    assert published_of(["phang2020"], pair._replace(intermediate="mnli"), LARGE) == (), "the paper's matrix is not known"
    means = {each.intermediate: each.value for each in published_beside(["phang2020"], [pair], [LARGE]) if each.target == AVERAGE}
    assert means == {"squad": 8.2, "mnli": 7.5, "hellaswag": 7.0, "all-nine": 8.7, "best-of-each": 5.4}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_that_names_publications_has_an_encoder_that_they_measured(path):
    study = load_study(path)
    hubs = [model.hub for model in study.models.values() if model.hub]
    assert not study.published or published_beside(study.published, [], hubs)


@pytest.fixture
def result(tmp_path) -> tuple[StudyResult, Store]:
    store = Store(str(tmp_path / "store"), tmp_path / "cache")
    made = toy_study(store, Toy({"mnli": 0.4}, {"xnli": "accuracy", "panx": "span_f1"}, seeds=(1, 2)))
    pairs = [found._replace(published=published_of(["xtreme"], found.pair, LARGE)) for found in made.pairs]
    pairs[-1] = pairs[-1]._replace(evaluations=(), problem="train-0 failed")
    beside = published_beside(["phang2020"], [found.pair for found in pairs], [LARGE])
    return made._replace(pairs=tuple(pairs), published=beside), store


def test_the_report_sets_them_beside_measured_numbers_and_mixes_nothing(result, tmp_path):
    found, store = result
    with_them = write_report(found, store, tmp_path / "with")
    plain = found._replace(pairs=tuple(each._replace(published=()) for each in found.pairs), published=())
    without = write_report(plain, store, tmp_path / "without")
    rows, bare = (list(csv.DictReader(io.StringIO((one.folder / "matrix.csv").read_text()))) for one in (with_them, without))
    own = ("published_gain", "published_score", "published_in")
    assert [{name: value for name, value in row.items() if name not in own} for row in rows] == [
        {name: value for name, value in row.items() if name not in own} for row in bare
    ]
    by_cell = {(row["intermediate"], row["target"]): row for row in rows}
    assert by_cell[BASELINE, "xnli"]["published_score"] == "79.2 80.9"
    assert "RemBERT" in by_cell[BASELINE, "xnli"]["published_in"]
    assert by_cell["mnli", "xnli"]["published_gain"] == by_cell["mnli", "xnli"]["published_score"] == ""
    page = with_them.page.read_text()
    table = page[page.index("Published beside measured") : page.index('<section id="languages">')]
    assert "79.2 (score, accuracy, test)" in table
    assert "+7.5 (gain, mean, dev)" in table
    mean = table[table.index("+7.5 (gain") :]
    assert mean.index("missing") < mean.index("</tr>"), "one target of the row is not measured, so there is no mean"
    assert 'id="published"' not in without.page.read_text()
    assert (with_them.folder / "results.parquet").read_bytes() == (without.folder / "results.parquet").read_bytes()
    assert (with_them.folder / "matrix.svg").read_bytes() == (without.folder / "matrix.svg").read_bytes()
