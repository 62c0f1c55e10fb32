"""What `export` writes, `score` scores as the study itself measured it."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sweeps.cli import app
from sweeps.export import export_study
from sweeps.export_files import WRITERS, Row, label_text
from sweeps.opened import Opened, open_study, walk_store
from sweeps.results import ORACLE_NOTE
from sweeps.study import StudyError
from tests.sweeps.toy_benchmark import run_here, write_data
from trainables.data import Examples, load_examples
from trainables.examples import Passage
from trainables.language_sets import LANGUAGE_SETS
from trainables.origins import data_source
from trainables.specs import DataSpec
from trainables.task import TASKS

REAL_DATA = Path(__file__).parents[3] / "shared" / "data"
STUDY = """
name: toy
models:
  toy:
    family: xlm_roberta
    random:
      {hidden_size: 16, num_layers: 1, num_heads: 2, intermediate_size: 16, vocabulary_size: 120, max_positions: 80, tokenizer_text: [text]}
intermediates: {copa: {}}
targets:
  pawsx:
  panx:
  xquad:
  mlqa:
  tatoeba:
  bucc2018:
  lareqa:
  xcopa: {languages: xtreme-r}
  squad1: {test: dev}
  udpos: {test: "test[:2]"}
intermediate_training: {steps: 2, max_length: 60, num_evals: 1, batch_size: 4}
target_training: {steps: 2, max_length: 60, num_evals: 1, batch_size: 4}
search: {trials: 1, replicates: 2}
"""
METRICS = {
    "pawsx": {"accuracy": "accuracy"},
    "panx": {"span_f1": "f1"},
    "xquad": {"f1": "f1", "exact_match": "exact_match"},
    "mlqa": {"mlqa_f1": "f1", "mlqa_exact_match": "exact_match"},
    "tatoeba": {"accuracy": "accuracy"},
    "bucc2018": {"mining_f1": "f1", "mining_precision": "precision", "mining_recall": "recall"},
    "lareqa": {"map_at_20": "map@20"},
    "xcopa": {"accuracy": "accuracy"},
}
"""The official name of each of a study's measurements."""


def benchmark_of(task: str) -> str:
    return "xtreme-r" if task in ("xcopa", "lareqa") else "xtreme"


def languages_of(task: str) -> tuple[str, ...]:
    return LANGUAGE_SETS[benchmark_of(task)].languages[task]


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Opened:
    """A study that ran to its end."""
    root = tmp_path_factory.mktemp("export")
    (root / "study.yaml").write_text(STUDY)
    opened = open_study(root / "study.yaml", root / "runs", write_data(root / "data"))
    run_here(opened)
    return opened


def export(opened: Opened, out: Path, *words: str) -> Any:
    """What the command line did."""
    root = opened.home.root  # runs, beside study.yaml
    given = ["export", str(root.parent / "study.yaml"), "--home", str(root), "--data", str(opened.data), "--out", str(out)]
    return CliRunner().invoke(app, [*given, *words])


def test_a_study_s_own_numbers_are_those_of_its_export(opened, tmp_path):
    written = json.loads(export(opened, tmp_path / "out", "--json", "--labels", str(tmp_path / "labels")).stdout)
    assert written["labels"] == {benchmark: str(tmp_path / "labels" / benchmark) for benchmark in ("xtreme", "xtreme-r")}
    rows = {(row, seed): tmp_path / "out" / "toy" / row / f"seed-{seed}" for row in ("none", "copa") for seed in (0, 1)}
    assert sorted(written["folders"]) == sorted(map(str, rows.values()))
    assert written["files"] == len(list((tmp_path / "out").rglob("test-*"))) == 4 * sum(len(languages_of(task)) for task in METRICS)
    scores = {place: official_scores(folder, tmp_path / "labels") for place, folder in rows.items()}
    compared = []
    for found in (program.result() for program in walk_store(opened)[0].programs):
        for evaluation in found.evaluations if found.pair.target in METRICS else ():
            for seed in (0, 1) if TASKS.load(found.pair.target).kind == "retrieval" else (evaluation.seed,):
                for measured in evaluation.manifest.measurements:
                    name = METRICS[found.pair.target].get(measured.metric)
                    if name is not None:
                        score = scores[found.pair.intermediate, seed][found.pair.target][name][measured.language]
                        assert score == pytest.approx(100 * measured.value, abs=1e-9)
                        compared.append(measured.value)
    assert len(compared) == 4 * sum(len(languages_of(task)) * len(METRICS[task]) for task in METRICS)
    assert 0 < sum(compared) < len(compared)


def official_scores(predictions: Path, labels: Path) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    for benchmark in ("xtreme", "xtreme-r"):
        words = ["score", "--predictions", str(predictions), "--labels", str(labels / benchmark), "--benchmark", benchmark, "--json"]
        scores |= json.loads(CliRunner().invoke(app, words).stdout)
    return scores


def test_what_is_left_out_is_said(opened, tmp_path):
    printed = export(opened, tmp_path / "out").stdout.splitlines()
    assert printed[0] == f"toy: {4 * sum(len(languages_of(task)) for task in METRICS)} files in 4 folders"
    assert "  left out: squad1: no task of xtreme or xtreme-r" in printed
    assert "  left out: udpos: scored on test[:2], not on the whole test set" in printed
    assert not [line for line in printed if line.startswith("  note")]
    predictions = tmp_path / "out" / "toy" / "none" / "seed-0"
    nexts = [f"next: polystilts score --predictions {predictions} --labels LABELS --benchmark {name}" for name in ("xtreme", "xtreme-r")]
    assert printed[-3:-1] == nexts
    assert printed[-1].startswith("LABELS is a folder of gold labels; with --labels, export writes ")


def copied(opened: Opened, tmp_path: Path, study: str = STUDY) -> Opened:
    """The same store in a home of its own."""
    tmp_path.mkdir(exist_ok=True)
    shutil.copytree(opened.home.root, tmp_path / "runs")
    (tmp_path / "study.yaml").write_text(study)
    return open_study(tmp_path / "study.yaml", tmp_path / "runs", opened.data)


def test_unfinished_and_damaged_cells_are_left_out(opened, tmp_path):
    mine = copied(opened, tmp_path)
    for manifest in (tmp_path / "runs" / "store" / "manifests").glob("evaluate-*.json"):
        content = json.loads(manifest.read_text())
        if content["spec"]["task"] == "pawsx":
            manifest.unlink()
        if content["spec"]["task"] == "xcopa":
            (path,) = (tmp_path / "runs" / "store" / "artifacts" / manifest.stem).rglob("examples.parquet")
            path.write_bytes(b"flipped")
    left_out = json.loads(export(mine, tmp_path / "out", "--json").stdout)["left_out"]
    assert "toy: none -> pawsx: not finished" in left_out
    assert [line for line in left_out if line.startswith("toy: copa -> xcopa: its predictions cannot be read: ") and "was altered" in line]
    assert not list((tmp_path / "out").rglob("pawsx"))
    assert not list((tmp_path / "out").rglob("xcopa"))


def test_languages_without_which_no_benchmark_can_be_scored_are_noted(opened, tmp_path):
    mine = copied(opened, tmp_path, STUDY.replace("  tatoeba:\n", "  tatoeba: {languages: [de, ro]}\n"))
    run_here(mine)
    (note,) = json.loads(export(mine, tmp_path / "out", "--json").stdout)["notes"]
    assert note.startswith("tatoeba: xtreme is also scored in af, ar, ")
    assert len(list((tmp_path / "out").rglob("tatoeba/*"))) == 4 * 2


CUTS = {"cut to max_length": 7, "question cut": 7, "answer in no window": 7, "answer over 30 tokens": 7, "word cut": 7}


def test_examples_that_a_data_set_drops_are_noted_and_cut_ones_are_there(opened, tmp_path):
    mine = copied(opened, tmp_path)
    for manifest in (tmp_path / "runs" / "store" / "manifests").glob("evaluate-*.json"):
        content = json.loads(manifest.read_text())
        for use in content["data"]:
            if use["language"] == "de":
                use |= {"dropped": {"no label": 7}, "cut": CUTS}
        manifest.write_text(json.dumps(content))
    study = [str(tmp_path / "study.yaml"), "--home", str(mine.home.root), "--data", str(mine.data)]
    for verb in ("run", "report"):
        printed = CliRunner().invoke(app, [verb, *study])
        (dropped,) = (line for line in printed.stdout.splitlines() if line.startswith("dropped by the data sets' rules: "))
        assert "pawsx test (de): no label: 7; " in dropped
        (cut,) = (line for line in printed.stdout.splitlines() if line.startswith("cut to max_length: "))
        assert "pawsx test: up to 35 of " in cut
        assert json.loads(CliRunner().invoke(app, [verb, *study, "--json"]).stdout)["lost"] == [dropped, cut]
    notes = json.loads(export(mine, tmp_path / "out", "--json").stdout)["notes"]
    assert sorted(notes) == [
        f"{task}/de: no label: 7 examples, which have no line in the file" for task in sorted(METRICS) if "de" in languages_of(task)
    ]


def test_leaks_and_what_an_oracle_chose_are_said(opened, tmp_path):
    mine = copied(opened, tmp_path, STUDY.replace("  pawsx:\n", "  pawsx: {selection: [source, oracle]}\n"))
    run_here(mine)
    marks = json.loads(export(mine, tmp_path / "out", "--json").stdout)["marks"]
    assert f"every pair of pawsx [oracle]: oracle: {ORACLE_NOTE}" in marks
    assert [mark for mark in marks if mark.startswith("every pair of xquad: leak: squad1/dev chooses what xquad/test then scores: ")]
    printed = export(mine, tmp_path / "again").stdout.splitlines()
    assert {f"  {mark}" for mark in marks} <= set(printed)


def test_nothing_is_written_over_and_nothing_to_write_is_an_error(opened, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    done = export(opened, tmp_path / "out")
    assert (done.exit_code, done.stderr) == (2, f"polystilts: --out {tmp_path / 'out'}: it is there and not empty; name a new folder\n")
    mine = open_study(opened.home.root.parent / "study.yaml", tmp_path / "nothing_ran", opened.data)
    with pytest.raises(StudyError) as error:
        export_study(mine, tmp_path / "new")
    lines = str(error.value).splitlines()
    assert lines[:2] == ["toy: nothing to export", "squad1: no task of xtreme or xtreme-r"]
    assert "toy: none -> pawsx: not finished" in lines
    assert not (tmp_path / "new").exists()


def test_a_cell_is_written_whole_or_not_at_all(opened, tmp_path):
    """Of a pair's two seeds, the second is damaged; where that is all there was, the same command works once it is mended."""
    mine = copied(opened, tmp_path)
    (pair,) = (found for program in walk_store(mine)[0].programs if str((found := program.result()).pair) == "toy: none -> panx")
    (path,) = (mine.home.root / "store" / "artifacts" / pair.evaluations[1].manifest.key).rglob("examples.parquet")
    kept = path.read_bytes()
    path.write_bytes(b"flipped")
    written = json.loads(export(mine, tmp_path / "out", "--json").stdout)
    assert [line for line in written["left_out"] if line.startswith("toy: none -> panx: its predictions cannot be read: ")]
    assert not list((tmp_path / "out" / "toy" / "none").rglob("panx"))
    assert len(list((tmp_path / "out" / "toy" / "copa").rglob("panx"))) == 2
    for manifest in (mine.home.root / "store" / "manifests").glob("evaluate-*.json"):
        if manifest.stem not in [one.manifest.key for one in pair.evaluations]:
            manifest.unlink()
    assert export(mine, tmp_path / "again").exit_code == 2
    assert not (tmp_path / "again").exists()
    path.write_bytes(kept)
    assert json.loads(export(mine, tmp_path / "again", "--json").stdout)["files"] == 2 * len(languages_of("panx"))


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(opened, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "labels").mkdir()
    beside = ["--labels", str(tmp_path / "labels")]
    for out, message in ((tmp_path / "file" / "x", "Not a directory"), (tmp_path / ("x" * 300), "File name too long")):
        done = export(opened, out, *beside)
        assert done.exit_code == 2
        assert done.stderr.count("\n") == 1, done.stderr
        assert message in done.stderr
    done = export(opened, tmp_path / "new", "--labels", str(tmp_path / "file" / "x"))
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert not list((tmp_path / "new").iterdir())
    for labels, message in ((tmp_path / "new", "predictions and labels"), (tmp_path, "it is there and not empty")):
        assert export(opened, tmp_path / "new", "--labels", str(labels)).stderr.startswith(f"polystilts: --labels {labels}: {message}")
    assert export(opened, tmp_path / "new", *beside).exit_code == 0


VARIANTS = STUDY.replace("  pawsx:\n", "  pawsx: {selection: [source, oracle]}\n").replace(
    "  tatoeba:\n", "  tatoeba: {retrieval: {layer: [0, 1]}}\n"
)


def test_each_variant_s_folder_is_a_whole_submission(opened, tmp_path):
    """Of tatoeba's two variants none is `base`, so that the oracle's folders have none, and those of `base` would hold nothing more."""
    mine = copied(opened, tmp_path, VARIANTS)
    run_here(mine)
    written = json.loads(export(mine, tmp_path / "out", "--json", "--labels", str(tmp_path / "labels")).stdout)
    variants = {"oracle": set(METRICS) - {"tatoeba"}, "layer0-mean": set(METRICS), "layer1-mean": set(METRICS)}
    rows = {
        tmp_path / "out" / "toy" / row / variant / f"seed-{seed}": (row, variant, seed)
        for row in ("none", "copa")
        for variant in variants
        for seed in (0, 1)
    }
    assert set(written["folders"]) == set(map(str, rows))
    (lacking,) = (line for line in written["left_out"] if "not in the folders" in line)
    assert lacking.startswith("tatoeba: not in the folders of oracle, for it has several variants (layer0-mean, layer1-mean) and ")
    pairs = {found.pair[1:]: found for program in walk_store(mine)[0].programs for found in [program.result()]}
    for folder, (row, variant, seed) in rows.items():
        assert {path.name for path in folder.iterdir()} == variants[variant]
        scores = official_scores(folder, tmp_path / "labels")
        for task in variants[variant]:
            found = pairs.get((row, variant, task)) or pairs[row, "base", task]
            measured = next((one for one in found.evaluations if one.seed == seed), found.evaluations[0]).manifest.measurements
            for one in measured:
                if one.metric in METRICS[task]:
                    score = scores[task][METRICS[task][one.metric]][one.language]
                    assert score == pytest.approx(100 * one.value, abs=1e-9), (folder, task)


def test_base_has_folders_where_it_is_a_choice(opened, tmp_path):
    """The oracle's unfinished folders are not made up of what the source language chose."""
    mine = copied(opened, tmp_path, STUDY.replace("  pawsx:\n", "  pawsx: {selection: [source, oracle]}\n"))
    base = [str(tmp_path / "out" / "toy" / row / f"seed-{seed}") for row in ("none", "copa") for seed in (0, 1)]
    assert json.loads(export(mine, tmp_path / "out", "--json").stdout)["folders"] == base
    run_here(mine)
    oracle = [str(tmp_path / "all" / "toy" / row / "oracle" / f"seed-{seed}") for row in ("none", "copa") for seed in (0, 1)]
    written = json.loads(export(mine, tmp_path / "all", "--json").stdout)
    assert sorted(written["folders"]) == sorted([*oracle, *(folder.replace("/out/", "/all/") for folder in base)])
    for first, second in zip(oracle, base, strict=True):
        for path in (Path(second) / "panx").iterdir():
            assert (Path(first) / "panx" / path.name).read_text() == path.read_text()
    mine = copied(opened, tmp_path / "layers", STUDY.replace("  tatoeba:\n", "  tatoeba: {retrieval: {layer: [0, 1]}}\n"))
    written = json.loads(export(mine, tmp_path / "unfinished", "--json").stdout)
    assert written["folders"] == [folder.replace("/out/", "/unfinished/") for folder in base]
    assert "toy: none -> tatoeba [layer0-mean]: not finished" in written["left_out"]


def test_what_export_says_comes_next_is_a_command_that_works(opened, tmp_path):
    labels = tmp_path / "gold labels"
    printed = export(opened, tmp_path / "o u t", "--labels", str(labels)).stdout.splitlines()
    commands = [line for line in printed if line.startswith("next: ")]
    assert [command.split()[-1] for command in commands] == ["xtreme", "xtreme-r"]
    for command in commands:
        words = shlex.split(command.removeprefix("next: "))
        done = CliRunner().invoke(app, words[1:], env={"COLUMNS": "200"})
        assert (words[0], done.exit_code) == ("polystilts", 0)
        assert "lareqa" in done.stdout if words[-1] == "xtreme-r" else "bucc2018" in done.stdout
    in_xtreme_alone = "\n".join(line for line in STUDY.split("\n") if line.strip(" :") not in ("lareqa", "mlqa") and "xcopa" not in line)
    mine = copied(opened, tmp_path / "one", in_xtreme_alone)
    printed = export(mine, tmp_path / "two").stdout.splitlines()
    assert [line.split()[-1] for line in printed if line.startswith("next: ")] == ["xtreme"]


def test_lines_count_the_other_language_in_the_order_of_sorted_english():
    sides = (("query", ["c", "A", "b", "a"]), ("candidate", ["C", "Ä", "B", "Aa"]))
    examples = [Passage(f"id{number}", text, side, ()) for side, texts in sides for number, text in enumerate(texts)]
    rows = [Row("id0", ["id0"]), Row("id1", ["id3"]), Row("id2", ["id2", "id0"]), Row("id3", ["id1"])]
    assert WRITERS["line_numbers"](rows, lambda: Examples(examples, {})) == "3\n1\n2\n0\n"


@pytest.mark.realdata
@pytest.mark.skipif(not (REAL_DATA / "tatoeba").is_dir(), reason=f"{REAL_DATA} is not there")
@pytest.mark.parametrize(
    ("language", "first_ten"),
    [
        ("af", [308, 441, 713, 233, 757, 35, 93, 939, 872, 52]),
        ("de", [367, 258, 374, 529, 528, 283, 348, 344, 282, 212]),
        ("th", [536, 38, 545, 256, 489, 155, 276, 547, 231, 420]),
    ],
)
def test_perfect_lines_begin_as_xtreme_s_labels_do(language, first_ten):
    """Its mock labels are the first ten of the real ones."""
    source = data_source("tatoeba", "test", language, REAL_DATA)
    data = DataSpec(task="tatoeba", task_version=1, split="test", language=language, num_examples=None, source=source)
    found = load_examples(data, REAL_DATA)
    rows = [Row(one.id, list(one.relevant)) for one in found.examples if isinstance(one, Passage) and one.side == "query"]
    assert [int(line) for line in WRITERS["line_numbers"](rows, lambda: found).split()[:10]] == first_ten
    assert [int(line) for line in label_text("line_numbers", found).split()[:10]] == first_ten
