"""The written report: its columns, its determinism, what a reader sees, and that no name can break the page."""

import csv
import io
import time
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from rich.console import Console
from toy_study import LEARNING_RATES, Toy, toy_study

from sweeps.report.terminal import terminal_matrix
from sweeps.report.write import write_report
from sweeps.results import ORACLE, ORACLE_NOTE, StudyResult
from trainables.manifest import Manifest
from trainables.store import Store

GOLDEN = Path(__file__).parents[2] / "golden"
TOY = Toy({"mnli": 0.4, "ccg": -0.4, "squad1": 0.0}, {"xnli": "accuracy", "panx": "span_f1", "tatoeba": "accuracy"})
COLUMNS = [
    *("study", "model", "intermediate", "variant", "target", "language", "split", "metric", "value", "n"),
    *("seed", "learning_rate", "selected", "stage_key", "encoder_key", "device_s", "num_dropped", "dropped", "cut", "marks"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Holds TOY, for tests that only read."""
    folder = tmp_path_factory.mktemp("toy")
    return Store(str(folder / "store"), folder / "cache")


@pytest.fixture(scope="module")
def result(store: Store) -> StudyResult:
    return toy_study(store, TOY)


@pytest.fixture
def own_store(tmp_path: Path) -> Store:
    """For tests that alter what is stored, or publish another study."""
    return Store(str(tmp_path / "store"), tmp_path / "cache")


def _partial(result: StudyResult) -> StudyResult:
    """One cell failed, one is not finished."""
    failed, going = ("ccg", "panx"), ("squad1", "xnli")
    pairs = [
        found._replace(evaluations=(), problem="train-0123 failed: out of memory")
        if found.pair[1::2] == failed
        else found._replace(evaluations=(), selected=None, trials=found.trials[:2])
        if found.pair[1::2] == going
        else found
        for found in result.pairs
    ]
    return result._replace(pairs=tuple(pairs))


def test_the_table_has_a_row_for_every_measured_number(store: Store, result: StudyResult, tmp_path: Path) -> None:
    table = pq.read_table(write_report(result, store, tmp_path / "report").folder / "results.parquet")
    assert table.column_names == COLUMNS
    num_evaluations = sum(len(found.evaluations) for found in result.pairs)
    num_trials = sum(len(found.trials) for found in result.pairs)
    assert len(table) == num_evaluations * len(TOY.languages) + num_trials
    rows = table.to_pylist()
    test_rows = [row for row in rows if row["split"] == "test"]
    dev_rows = [row for row in rows if row["split"] == "dev"]
    assert all(row["selected"] for row in test_rows)
    assert {row["learning_rate"] for row in dev_rows if row["selected"]} == {LEARNING_RATES[0]}
    assert {row["learning_rate"] for row in test_rows} == {LEARNING_RATES[0], None}
    assert {row["learning_rate"] for row in test_rows if row["target"] == "tatoeba"} == {None}
    assert all((row["encoder_key"] is None) == (row["intermediate"] == "none") for row in rows)


def test_leaks_and_oracles_are_in_every_row_of_their_pairs(store: Store, result: StudyResult, tmp_path: Path) -> None:
    pairs = [
        found._replace(
            pair=found.pair._replace(variant=ORACLE) if found.pair.target == "xnli" else found.pair,
            leaks=("the answers were seen",) if found.pair.intermediate == "mnli" else (),
        )
        for found in result.pairs
    ]
    report = write_report(result._replace(pairs=tuple(pairs)), store, tmp_path / "report")
    rows = pq.read_table(report.folder / "results.parquet").to_pylist()
    oracle = f"oracle: {ORACLE_NOTE}"
    assert {(row["intermediate"] == "mnli", row["target"] == "xnli", *row["marks"]) for row in rows} == {
        (True, True, "leak: the answers were seen", oracle),
        (True, False, "leak: the answers were seen"),
        (False, True, oracle),
        (False, False),
    }
    lines = (report.folder / "matrix.csv").read_text().splitlines()
    assert all((f",{ORACLE}," in line) == (oracle in line) for line in lines)


def test_two_runs_write_the_same_but_for_the_cost(tmp_path: Path) -> None:
    folders = []
    for run, device_seconds in (("a", 10.0), ("b", 20.0)):
        each = Store(str(tmp_path / run / "store"), tmp_path / run / "cache")
        toy = TOY._replace(device_seconds=device_seconds)
        folders.append(write_report(toy_study(each, toy), each, tmp_path / run / "report").folder)
    first, second = folders
    assert sorted(path.name for path in first.iterdir()) == [
        "figures",
        "matrix.csv",
        "matrix.svg",
        "report.html",
        "results.parquet",
        "tables",
    ]
    names = ["matrix_toy_encoder", *(f"{what}_{target}" for target in TOY.targets for what in ("languages", "groups"))]
    written = sorted(path.name for path in (first / "tables").iterdir())
    assert written == sorted(f"{name}.{ending}" for name in names for ending in ("csv", "md", "tex"))
    drawn = sorted(path.name for path in (first / "figures").iterdir())
    assert drawn == sorted(f"{name}.{ending}" for name in ("matrix", "curves", "search", "cost") for ending in ("svg", "pdf"))
    for path in (*(first / "tables").iterdir(), *(first / "figures").iterdir()):
        is_same = path.read_bytes() == (second / path.parent.name / path.name).read_bytes()
        assert is_same != path.name.startswith("cost."), path.name
    assert (first / "matrix.csv").read_bytes() == (second / "matrix.csv").read_bytes()
    assert (first / "matrix.svg").read_bytes() == (second / "matrix.svg").read_bytes()
    tables = [pq.read_table(folder / "results.parquet") for folder in folders]
    assert tables[0].drop_columns("device_s").equals(tables[1].drop_columns("device_s"))
    assert not tables[0].equals(tables[1])


def test_figures_for_papers_can_be_read(store: Store, result: StudyResult, tmp_path: Path) -> None:
    folder = write_report(result, store, tmp_path / "report").folder / "figures"
    for path in folder.glob("*.pdf"):
        assert path.read_bytes().startswith(b"%PDF-")
    for name, words in {"matrix": "mnli", "curves": "epochs", "search": "learning_rate", "cost": "device time"}.items():
        texts = [element.text for element in ElementTree.fromstring((folder / f"{name}.svg").read_bytes()).iter() if element.text]
        assert any(words in text for text in texts), name
    assert (folder / "matrix.svg").read_bytes() == (folder.parent / "matrix.svg").read_bytes()


def test_a_second_report_replaces_the_first(store: Store, result: StudyResult, tmp_path: Path) -> None:
    folder = write_report(_partial(result), store, tmp_path / "report").folder
    before = (folder / "report.html").read_text()
    page = write_report(result, store, tmp_path / "report").page.read_text()
    assert "missing" in before.split("<body>")[1]
    assert "missing" not in page.split("<body>")[1].split('id="languages"')[0]


def test_the_terminal_shows_signed_gains_and_why_a_cell_is_missing(store: Store, result: StudyResult, tmp_path: Path) -> None:
    report = write_report(_partial(result), store, tmp_path / "report")
    out = io.StringIO()
    Console(file=out, width=100).print(terminal_matrix(report.cells))
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert lines == (GOLDEN / "matrix.txt").read_text().splitlines()


def test_colours_need_a_terminal(store: Store, result: StudyResult, tmp_path: Path) -> None:
    report = write_report(result, store, tmp_path / "report")
    out = io.StringIO()
    Console(file=out, width=100, force_terminal=True, color_system="standard").print(terminal_matrix(report.cells))
    assert "\x1b[" in out.getvalue()


def test_the_csv_leads_from_each_cell_to_its_manifests(store: Store, result: StudyResult, tmp_path: Path) -> None:
    result = _partial(result)
    folder = write_report(result, store, tmp_path / "report").folder
    rows = list(csv.DictReader((folder / "matrix.csv").open()))
    assert len(rows) == len(result.pairs)
    keys = store.keys()
    for row in rows:
        assert all(key in keys for key in (row["evaluation_keys"] + " " + row["baseline_keys"]).split())
        if row["gain"]:
            assert float(row["gain_low"]) <= float(row["gain"]) <= float(row["gain_high"])
            assert row["num_seeds"] == ("1" if row["target"] == "tatoeba" else "3")
            assert row["num_examples"] == "600"
        else:
            assert row["problem"] or row["intermediate"] == "none"


class _Page(HTMLParser):
    """The tags, attributes and text of a page; event attributes and script elements beyond its own would be an injection."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


OWN_SCRIPTS = [{"type": "application/json", "id": "in-one-language"}, {"type": "text/plain", "id": "manifests"}, {}]
"""The attributes of the page's script elements: none reads another file."""


def _scripts(page: _Page) -> list[dict[str, str | None]]:
    return [attributes for tag, attributes in page.tags if tag == "script"]


def test_the_page_is_one_file_that_asks_the_network_for_nothing(store: Store, result: StudyResult, tmp_path: Path) -> None:
    page = _Page()
    page.feed(write_report(result, store, tmp_path / "report").page.read_text())
    assert not {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object"}
    assert _scripts(page) == OWN_SCRIPTS
    links = [attributes["href"] or "" for _, attributes in page.tags if "href" in attributes]
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert links
    assert all(link.startswith("#") and link[1:] in ids for link in links)


def test_the_answer_comes_first_with_its_interval_and_n(own_store: Store, tmp_path: Path) -> None:
    page = _Page()
    page.feed(write_report(toy_study(own_store, TOY._replace(seed_spread=0.0)), own_store, tmp_path / "report").page.read_text())
    answer = " ".join(page.text[: page.text.index("Transfer matrix")].split())
    assert "xnli: mnli helps most, by +" in answer
    assert "points (95% interval +" in answer
    assert "3 seeds, 600 test examples)" in answer
    assert "1 encoder, 600 test examples)" in answer
    assert "ccg hurts." in answer
    assert "Made, not measured." in answer


def test_names_cannot_break_the_page_or_the_figure(store: Store, result: StudyResult, tmp_path: Path) -> None:
    evil = "<script>alert('$1$')</script>\"&[bold]"
    pairs = tuple(found._replace(pair=found.pair._replace(model=evil), problem=None) for found in result.pairs)
    result = _partial(result._replace(study=evil, description=evil, notes=(evil,), pairs=pairs, encoders={evil: _renamed(result, evil)}))
    report = write_report(result, store, tmp_path / "report")
    page = _Page()
    page.feed(report.page.read_text())
    assert _scripts(page) == OWN_SCRIPTS
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert evil in page.text
    assert "<script" not in (report.folder / "matrix.svg").read_text()
    out = io.StringIO()
    Console(file=out, width=200).print(terminal_matrix(report.cells))
    assert evil in out.getvalue()


def _renamed(result: StudyResult, name: str) -> Manifest:
    """An encoder in whose spec the name stands too."""
    manifest = next(iter(result.encoders.values()))
    return Manifest.model_validate(manifest.model_dump() | {"spec": {**manifest.spec, "intermediate": name}})


def test_a_study_without_any_result_has_a_report(store: Store, result: StudyResult, tmp_path: Path) -> None:
    pairs = tuple(found._replace(evaluations=(), trials=(), selected=None) for found in result.pairs)
    page = write_report(result._replace(pairs=pairs, encoders={}), store, tmp_path / "one").page.read_text()
    assert "no gain is measured yet" in page
    write_report(StudyResult("empty", "", "en", (), {}, None, ()), store, tmp_path / "two")


def test_a_report_of_25_cells_takes_seconds(own_store: Store, tmp_path: Path) -> None:
    toy = Toy(
        {"mnli": 0.3, "squad1": 0.1, "ccg": -0.2, "panx": 0.0},
        {"xnli": "accuracy", "pawsx": "accuracy", "panx": "span_f1", "udpos": "pos_f1", "xquad": "f1"},
        ("en", "de", "sw", "ar", "zh"),
        400,
    )
    result = toy_study(own_store, toy)
    started = time.process_time()
    report = write_report(result, own_store, tmp_path / "report")
    assert time.process_time() - started < 10
    assert sum(cell.gain is not None for cell in report.cells) == 20
