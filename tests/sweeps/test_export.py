"""What `export` writes, `score` scores as the study itself measured it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from sweeps.benchmarks import file_name
from sweeps.cli import app
from sweeps.export import WRITERS, Row, export_study
from sweeps.results import ORACLE_NOTE
from sweeps.run import Opened, open_study, walk_store
from sweeps.study import StudyError
from tests.trainables.toy_stages import make_job
from tests.trainables.toy_training import WORDS
from trainables.data import Examples, load_examples
from trainables.examples import Choice, Passage, Question, Sentence, Text
from trainables.language_sets import LANGUAGE_SETS
from trainables.origins import data_source
from trainables.specs import DataSpec
from trainables.stage import run_stage
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


def write_data(root: Path) -> Path:
    """A few examples of every task in all of its languages."""
    rng = Random(0)

    def words(least: int = 3) -> list[str]:
        return [WORDS[int(rng.random() * len(WORDS))] for _ in range(least + int(rng.random() * 4))]

    def put(name: str, lines: Sequence[str]) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("".join(f"{line}\n" for line in lines))

    def squad(prefix: str) -> list[str]:
        questions = []
        for number in range(5):
            context = words(8)
            answer = {"text": context[2], "answer_start": len(" ".join(context[:2])) + 1}
            questions.append(
                {"context": " ".join(context), "qas": [{"id": f"{prefix}{number}", "question": words()[0], "answers": [answer]}]}
            )
        return [json.dumps({"version": "1.1", "data": [{"title": "", "paragraphs": questions}]})]

    def tagged(task: str) -> list[str]:
        labels = TASKS.load(task).labels
        sentences = [[f"{word}\t{labels[int(rng.random() * len(labels))]}" for word in words()] for _ in range(4)]
        return [line for sentence in sentences for line in (*sentence, "")]

    def choices() -> list[str]:
        rows = (
            {"premise": " ".join(words()), "question": "cause", "choice1": "a", "choice2": words()[0], "label": n % 2, "idx": n}
            for n in range(5)
        )
        return [json.dumps(row) for row in rows]

    put("text/en.txt", [" ".join(words()) for _ in range(60)])
    for split in ("train", "dev", "test"):
        for task in ("panx", "udpos"):
            for language in TASKS.load(task).languages if split == "test" else ("en",):
                put(f"{task}/{split}-{language}.tsv", tagged(task))
    for name in ("train", "dev_2k", "test_2k"):
        for language in TASKS.load("pawsx").languages:
            pairs = [f"{number}\t{' '.join(words())}\t{' '.join(words())}\t{number % 2}" for number in range(5)]
            put(f"pawsx/x-final/{language}/{name}.tsv", ["id\tsentence1\tsentence2\tlabel", *pairs])
    for name in ("train", "dev"):
        put(f"squad_v1.1/{name}-v1.1.json", squad("s"))
    for language in TASKS.load("xquad").languages:
        put(f"xquad/xquad.{language}.json", squad("q"))
    for language in TASKS.load("mlqa").languages:
        for split in ("dev", "test"):
            put(f"mlqa/MLQA_V1/{split}/{split}-context-{language}-question-{language}.json", squad("m"))
    for code in TASKS.load("tatoeba").files[0].codes.values():
        for side in ("eng", code):
            put(f"tatoeba/v1/tatoeba.{code}-eng.{side}", [" ".join(words()) for _ in range(6)])
    for language in TASKS.load("bucc2018").languages:
        for split in ("dev", "test"):
            texts = {side: [" ".join(words()) for _ in range(8)] for side in (language, "en")}
            texts["en"][2], texts["en"][5] = texts[language][4], texts[language][1]
            for side, lines in texts.items():
                put(f"bucc2018/{language}-en.{split}.{side}", [f"{side}-{number}\t{line}" for number, line in enumerate(lines)])
            gold = {"4": 2, "1": 5, "6": 7}.items()
            put(f"bucc2018/{language}-en.{split}.gold", [f"{language}-{query}\ten-{found}" for query, found in gold])
    for language in TASKS.load("lareqa").languages:
        sentences = [" ".join(words()) for _ in range(3)]
        context, ends = " ".join(sentences), [sum(map(len, sentences[: n + 1])) + n for n in range(3)]
        starts = [0, *(end + 1 for end in ends[:-1])]
        asked = [
            {"id": f"q{n}", "question": " ".join(words()), "answers": [{"text": context[start], "answer_start": start}]}
            for n, start in enumerate(starts)
        ]
        paragraph = {"context": context, "qas": asked, "sentence_breaks": list(zip(starts, ends, strict=True))}
        put(f"lareqa/xquad-r/{language}.json", [json.dumps({"data": [{"paragraphs": [paragraph]}]})])
    for name in ("train", "val", "test"):
        put(f"copa/{name}-en.jsonl", choices())
    for language in TASKS.load("xcopa").languages:
        for name in ("val", "test"):
            put(f"xcopa/{name}.{language}.jsonl", choices())
    return root


def run_here(opened: Opened) -> None:
    """Runs a study in this process, one stage after the other."""
    walk, _ = walk_store(opened)
    assert opened.data is not None
    while (request := walk.next()) is not None:
        job = make_job(opened.data, request.spec, store=opened.store.uri, cache=str(opened.home.cache))
        walk.finish(request.key, run_stage(job, opened.store, lambda _: None))


def benchmark_of(task: str) -> str:
    return "xtreme-r" if task in ("xcopa", "lareqa") else "xtreme"


def languages_of(task: str) -> tuple[str, ...]:
    return LANGUAGE_SETS[benchmark_of(task)].languages[task]


def write_labels(opened: Opened, root: Path) -> Path:
    """The labels of the tasks' own test examples, in XTREME's layout, by benchmark."""
    for data in opened.builder.all_data():
        if data.task in METRICS and data.split == "test":
            path = root / benchmark_of(data.task) / data.task / file_name(data.task, data.language)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(labels_of(data, opened.data))
    return root


def labels_of(data: DataSpec, folder: Path | None) -> str:
    examples: Any = load_examples(data, folder).examples
    match examples[0]:
        case Text():
            return "".join(f"{example.label}\n" for example in examples)
        case Sentence():
            return "\n".join("".join(f"{tag}\n" for tag in example.tags) for example in examples)
        case Choice():
            return "".join(f'{{"label": {example.label}}}\n' for example in examples)
        case Passage() if data.task == "bucc2018":
            return "".join(f"{query.id}\t{candidate}\n" for query in examples for candidate in query.relevant)
        case Passage() if data.task == "lareqa":
            return json.dumps({query.id: query.relevant for query in examples if query.side == "query"})
        case Passage():
            # Its line in the file of the other language; XTREME sorts the English one.
            english = sorted((example.text, int(example.id)) for example in examples if example.side == "query")
            return "".join(f"{line}\n" for _, line in english)
        case Question():
            questions = [{"id": one.id, "answers": [{"text": answer.text} for answer in one.answers]} for one in examples]
            return json.dumps([{"paragraphs": [{"qas": questions}]}])
    raise AssertionError


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
    written = json.loads(export(opened, tmp_path / "out", "--json").stdout)
    rows = {(row, seed): tmp_path / "out" / "toy" / row / f"seed-{seed}" for row in ("none", "copa") for seed in (0, 1)}
    assert sorted(written["folders"]) == sorted(map(str, rows.values()))
    assert written["files"] == len(list((tmp_path / "out").rglob("test-*"))) == 4 * sum(len(languages_of(task)) for task in METRICS)
    labels = write_labels(opened, tmp_path / "labels")
    scores = {place: official_scores(folder, labels) for place, folder in rows.items()}
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
    assert printed[-1].startswith(f"next: polystilts score --predictions {tmp_path / 'out' / 'toy' / 'none' / 'seed-0'} ")


def copied(opened: Opened, tmp_path: Path, study: str = STUDY) -> Opened:
    """The same store in a home of its own."""
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
        (cut,) = (line for line in printed.stdout.splitlines() if line.startswith("cut: "))
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
    assert lines[:2] == ["toy: nothing to export", "toy: none -> pawsx: not finished"]
    assert not (tmp_path / "new").exists()


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
