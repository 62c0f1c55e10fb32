"""`polystilts score` gives the numbers of XTREME's script, and says where a folder is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from sweeps.benchmarks import LAYOUTS, benchmark_tasks, file_name
from sweeps.cli import app
from sweeps.score import ScoreError, score_folders
from tests.sweeps.benchmark_folders import digest, write_folders
from trainables.language_sets import LANGUAGE_SETS
from trainables.metrics import span_counts_of, value_of

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "benchmark_scores.json").read_text())
TAG = st.sampled_from(["ADJ", "NOUN", "SCONJ", "CCONJ", "SYM", "X", "VERB"])
SENTENCES = st.lists(st.lists(st.tuples(TAG, TAG), min_size=1, max_size=6), min_size=1, max_size=4)


@pytest.fixture(scope="module", params=["xtreme", "xtreme-r"])
def made(request, tmp_path_factory):
    """A benchmark, and whole folders of predictions and labels."""
    return request.param, *write_folders(tmp_path_factory.mktemp(request.param), request.param)


def flat(tree: object, place: str = "") -> dict[str, float]:
    if not isinstance(tree, dict):
        return {place: tree}
    return {name: value for key, part in tree.items() for name, value in flat(part, f"{place}/{key}").items()}


def without(tree: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: part for name, part in tree.items() if name not in names}


def test_every_number_is_the_official_script_s(made):
    benchmark, predictions, labels = made
    assert digest(predictions.parent) == GOLDEN["digests"][benchmark], "these are not the folders that were scored officially"
    found = score_folders(predictions, labels, benchmark).as_json()
    official = flat(GOLDEN[benchmark])
    assert len(official) > 350
    assert flat(without(found, "notes", *(("lareqa", "all_task") if benchmark == "xtreme-r" else ()))) == pytest.approx(official, abs=1e-9)


def test_the_command_line_prints_the_official_object_and_notes(made):
    benchmark, predictions, labels = made
    words = ["score", "--predictions", str(predictions), "--labels", str(labels), "--benchmark", benchmark]
    printed = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert printed == score_folders(predictions, labels, benchmark).as_json()
    questions = {place.split("/")[0] for place in printed["notes"]["unanswered"]}
    assert {"xquad", "mlqa", "tydiqa"} <= questions <= {"xquad", "mlqa", "tydiqa", "mewslix", "lareqa"}
    text = CliRunner().invoke(app, words, env={"COLUMNS": "200"}).stdout
    for task in benchmark_tasks(benchmark):
        assert f"{printed[task]['avg_metric']:.2f}" in text
        for language in LANGUAGE_SETS[benchmark].languages[task]:
            assert f"{language}={next(iter(printed[task].values()))[language]:.2f}" in text
    assert f"{printed['all_task']:.2f}" in text


def test_xtreme_r_s_mean_is_over_ten_tasks(made):
    benchmark, predictions, labels = made
    found = score_folders(predictions, labels, benchmark)
    averages = [task.average_metric for task in found.tasks.values()]
    assert len(averages) == {"xtreme": 9, "xtreme-r": 10}[benchmark]
    assert found.means["all_task"] == pytest.approx(np.mean(averages), abs=1e-9)


def test_labels_score_100_as_predictions_and_shuffled_ones_less(made, tmp_path):
    benchmark, _, labels = made
    perfect, shuffled = copy_as_predictions(labels, tmp_path)
    best, worse = score_folders(perfect, labels, benchmark), score_folders(shuffled, labels, benchmark)
    assert not best.unanswered
    for task, found in best.tasks.items():
        # An answer without a word, such as "the", has an F1 of 0 even if it is matched exactly.
        assert found.average("exact_match" if "exact_match" in found.metrics else found.metrics[0]) == 100, task
        assert worse.tasks[task].average_metric < found.average_metric - 5, task


def copy_as_predictions(labels: Path, root: Path) -> tuple[Path, Path]:
    """The labels as predictions: as they are, and each given to the next example (tags: to the next word)."""
    perfect, shuffled = root / "perfect", root / "shuffled"
    for path in labels.rglob("test-*"):
        content, text = LAYOUTS[path.parent.name].content, path.read_text()
        if content == "answers":
            root_json = json.loads(text)
            articles = root_json["data"] if isinstance(root_json, dict) else root_json
            questions = [one for article in articles for paragraph in article["paragraphs"] for one in paragraph["qas"]]
            right: Any = {one["id"]: one["answers"][0]["text"] for one in questions}
        else:
            right = json.loads(text) if content == "rankings" else text.splitlines()
        if content == "rankings" and path.parent.name == "mewslix":
            right = {query: [one.strip() for one in ids] for query, ids in right.items()}
        for folder, moved in ((perfect, right), (shuffled, rotated(right, content))):
            (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
            text = json.dumps(moved) if isinstance(moved, dict) else "".join(f"{line}\n" for line in moved)
            (folder / path.parent.name / path.name).write_text(text)
    return perfect, shuffled


def rotated(right: Any, content: str) -> Any:
    if isinstance(right, dict):
        return dict(zip(right, [*list(right.values())[1:], next(iter(right.values()))], strict=True))
    if content == "pairs":
        firsts, seconds = zip(*(line.split("\t") for line in right), strict=True)
        return [f"{first}\t{second}" for first, second in zip(firsts, [*seconds[1:], seconds[0]], strict=True)]
    if content == "options":
        labels = [json.loads(line)["label"] for line in right]
        return [json.dumps({"idx": index, "label": label}) for index, label in enumerate([*labels[1:], labels[0]])]
    places = [index for index, line in enumerate(right) if line]
    moved = dict(zip(places, [*places[1:], places[0]], strict=True))
    return [right[moved[index]] if line else line for index, line in enumerate(right)]


@given(SENTENCES)
def test_tags_score_as_a_study_s_own_evaluation_scores_them(tmp_path_factory, sentences):
    root = tmp_path_factory.mktemp("tags")
    sides = [[[pair[side] for pair in sentence] for sentence in sentences] for side in (0, 1)]
    for language in LANGUAGE_SETS["xtreme"].languages["udpos"]:
        for folder, side in zip(("predictions", "labels"), sides, strict=True):
            write(root, f"{folder}/udpos/test-{language}.tsv", "\n\n".join("\n".join(tags) for tags in side))
    found = score_folders(root / "predictions", root / "labels", "xtreme").tasks["udpos"]
    sums = np.sum(span_counts_of(*sides), axis=0)
    assert found.average("f1") == pytest.approx(100 * float(value_of("pos_f1", ("span_tp", "span_predicted", "span_gold"), sums)), abs=1e-9)


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


GOOD = {
    "pawsx": ("0\n1\n", "0\n0\n"),
    "udpos": ("NOUN\nVERB\n\nADJ\n", "NOUN\nNOUN\n\nADJ\n"),
    "bucc2018": ("a\tb\n", "a\tb\nc\td\n"),
    "tatoeba": ("1\n0\n", "1\n0\n"),
    "xquad": ('{"q1": "Rome"}', '{"data": [{"paragraphs": [{"qas": [{"id": "q1", "answers": [{"text": "Rome"}]}]}]}]}'),
    "xcopa": ('{"label": 1}\n', '{"label": 0}\n'),
    "mewslix": ('{"m1": ["Q1"]}', '{"m1": ["Q2"]}'),
}


def one_task(root: Path, task: str, **files: str) -> tuple[Path, Path, str]:
    """The folders of a task that can be scored, but for the file of Russian (XCOPA: Estonian), if given."""
    benchmark = "xtreme-r" if task in ("xcopa", "mewslix") else "xtreme"
    languages = LANGUAGE_SETS[benchmark].languages[task]
    for folder, text in zip(("predictions", "labels"), GOOD[task], strict=True):
        for language in languages:
            is_bad = folder in files and language == languages[0]
            write(root, f"{folder}/{task}/{file_name(task, language)}", files[folder] if is_bad else text)
    return root / "predictions", root / "labels", benchmark


@pytest.mark.parametrize("task", GOOD)
def test_good_files_are_scored(tmp_path, task):
    found = score_folders(*one_task(tmp_path, task))
    assert list(found.tasks) == [task]
    assert not found.means.keys() - {"multi_choice"}
    assert found.not_scored["xnli"] == "in neither folder"


P, L = "predictions", "labels"
SQUAD = GOOD["xquad"][1]


@pytest.mark.parametrize(
    ("task", "folder", "text", "message"),
    [
        ("pawsx", P, "0\n1\n1\n", "{P}/test-de.tsv:3: a line too many: 3 lines here, 2 in {L}/test-de.tsv"),
        ("pawsx", P, "0\n", "{P}/test-de.tsv:2: a line is missing: 1 lines here, 2 in {L}/test-de.tsv"),
        ("pawsx", P, "0\n\n", "{P}/test-de.tsv:2: expected a label (0, 1), found a blank line"),
        ("pawsx", L, "0\n \n", "{L}/test-de.tsv:2: expected a label (0, 1), found a blank line"),
        ("pawsx", P, "0\n2\n", "{P}/test-de.tsv:2: expected one of 0, 1, found '2'"),
        (
            "pawsx",
            L,
            "0\nA.\tB.\n",
            "{L}/test-de.tsv:2: expected one of 0, 1, found 'A.\\tB.'; XTREME's own copies of the test sets have no",
        ),
        ("pawsx", L, "", "{L}/test-de.tsv: expected labels, found none"),
        ("udpos", P, "NOUN\n\nADJ\n", "{P}/test-af.tsv:1: expected a sentence of 2 tags, as at {L}/test-af.tsv:1, found 1"),
        ("udpos", P, "NOUN\nVERB\n\n\nADJ\n", "{P}/test-af.tsv:4: expected a sentence of 1 tags, as at {L}/test-af.tsv:4, found 0"),
        (
            "udpos",
            P,
            "NOUN\nX\n\nADJ\n\nX\n",
            "{P}/test-af.tsv:6: a sentence too many: 3 sentences in {P}/test-af.tsv, 2 in {L}/test-af.tsv",
        ),
        ("udpos", P, "NOUN\nX\n", "{L}/test-af.tsv:4: this sentence has no prediction: 1 sentences in {P}/test-af.tsv, 2 in"),
        ("udpos", P, "a\tNOUN\n", "{P}/test-af.tsv:1: expected the tag's column alone, found 2 columns: 'a\\tNOUN'"),
        ("udpos", P, "NOUN\nNOUM\n", "{P}/test-af.tsv:2: expected one of ADJ, ADP,"),
        ("udpos", L, "word\n", "{L}/test-af.tsv:1: expected one of ADJ, ADP,"),
        ("bucc2018", P, "a b\n", "{P}/test-de.tsv:1: expected two ids with a tab between them, found 'a b'"),
        ("bucc2018", P, "a\tb\t0.9\n", "{P}/test-de.tsv:1: expected two ids with a tab between them, found 'a\\tb\\t0.9'"),
        ("bucc2018", P, "a\tb\nc\td\na\tb\n", "{P}/test-de.tsv:3: the pair 'a', 'b' is also on line 1; give it once"),
        ("bucc2018", L, "", "{L}/test-de.tsv: expected labels, found none"),
        ("tatoeba", P, "1\n-1\n", "{P}/test-af.tsv:2: expected a line number, counted from 0, found '-1'"),
        ("tatoeba", L, "1\nHej.\n", "{L}/test-af.tsv:2: expected a line number, counted from 0, found 'Hej.'; XTREME's own copies"),
        ("tatoeba", P, "1\n2\n", "{P}/test-af.tsv:2: expected a line number from 0 to 1, found '2'"),
        ("tatoeba", P, "00\n" + "9" * 5000, "{P}/test-af.tsv:2: expected a line number from 0 to 1, found '9999"),
        ("tatoeba", P, "1\n", "{P}/test-af.tsv:2: a line is missing: 1 lines here, 2 in {L}/test-af.tsv"),
        ("tatoeba", L, "2\n0\n", "{L}/test-af.tsv:1: expected a line number from 0 to 1, found '2'"),
        ("xquad", P, '{"q1x": "Rome"}', "{P}/test-ar.json: the id 'q1x' is not in {L}/test-ar.json; did you mean 'q1'?"),
        ("xquad", P, '{"q1": 3}', "{P}/test-ar.json: 'q1': expected a string, found 3"),
        ("xquad", P, '["Rome"]', '{P}/test-ar.json: expected an object with an entry for each id, found ["Rome"]'),
        ("xquad", P, '{"q1":\n', "{P}/test-ar.json:1: expected JSON, but Expecting value"),
        ("xquad", P, '{"q1": "a", "q1": "b"}', "{P}/test-ar.json: the key 'q1' is given twice"),
        ("xquad", P, "[" * 100_000, "{P}/test-ar.json: expected JSON, found brackets within brackets without end"),
        ("xquad", P, '{"q1": ' + "7" * 5000 + "}", "{P}/test-ar.json: expected an integer of at most 100 digits, found 7777"),
        ("xquad", P, '{"q\\n1": "Rome"}', "{P}/test-ar.json: the id 'q\\n1' is not in {L}/test-ar.json"),
        ("xquad", P, '{"q\\n1": 3}', "{P}/test-ar.json: 'q\\n1': expected a string, found 3"),
        ("xquad", L, "{}", "{L}/test-ar.json: expected the key 'data', found none"),
        (
            "xquad",
            L,
            f"[{SQUAD[10:-2]}, {SQUAD[10:-2]}]",
            "{L}/test-ar.json: data[1].paragraphs[0].qas[0]: the id 'q1' is given twice",
        ),
        (
            "xquad",
            L,
            SQUAD.replace('"Rome"', '""'),
            "{L}/test-ar.json: data[0].paragraphs[0].qas[0]: expected an answer to question 'q1', found a blank one; XTREME's own",
        ),
        (
            "xquad",
            L,
            SQUAD[:-6] + ', {"id": "q2", "answers": []}]}]}]}',
            "{L}/test-ar.json: data[0].paragraphs[0].qas[1]: expected an answer to question 'q2', found none",
        ),
        (
            "xquad",
            L,
            SQUAD.replace('[{"text": "Rome"}]', "[]"),
            "{L}/test-ar.json: data[0].paragraphs[0].qas[0]: expected an answer to quest",
        ),
        ("xquad", L, SQUAD.replace('"answers"', '"answer"'), "{L}/test-ar.json: data[0].paragraphs[0].qas[0]: expected the key 'answers'"),
        ("xquad", L, '{"data": [{"paragraphs": ["x"]}]}', '{L}/test-ar.json: data[0].paragraphs[0]: expected an object, found "x"'),
        ("xcopa", P, '{"label": 2}\n', "{P}/test-et.jsonl:1: label: expected 0 or 1, found 2"),
        ("xcopa", P, '{"label": "0"}\n', '{P}/test-et.jsonl:1: label: expected an integer, found "0"'),
        ("xcopa", L, '{"label": -1}\n', "{L}/test-et.jsonl:1: label: expected 0 or 1, found -1; XTREME's own copies"),
        (
            "xcopa",
            P,
            '{"idx": 0, "label": 1}\n{"idx": 2, "label": 1}\n',
            "{P}/test-et.jsonl:2: idx: expected 1, for lines are in the order",
        ),
        ("xcopa", P, '{"idx": "0", "label": 1}\n', '{P}/test-et.jsonl:1: idx: expected an integer, found "0"'),
        (
            "xcopa",
            L,
            '{"idx": 1, "label": 1}\n',
            "{L}/test-et.jsonl:1: idx: expected 0, for lines are in the order of the data set, found 1",
        ),
        ("xcopa", P, '{"label": 1, "label": 0}\n', "{P}/test-et.jsonl:1: the key 'label' is given twice"),
        ("xcopa", P, "[" * 100_000 + "\n", "{P}/test-et.jsonl:1: expected JSON, found brackets within brackets without end"),
        ("mewslix", P, '{"m1": "Q1"}', "{P}/test-ar.json: 'm1': expected a list, found \"Q1\""),
        ("mewslix", P, '{"m1": [1]}', "{P}/test-ar.json: 'm1': expected a list of ids, which are strings, found 1"),
        ("mewslix", L, '{"m1": []}', "{L}/test-ar.json: 'm1': expected a right candidate, found none"),
        ("mewslix", P, '{"other": []}', "{P}/test-ar.json: the id 'other' is not in {L}/test-ar.json"),
    ],
)
def test_a_bad_file_is_one_line_with_its_place(tmp_path, task, folder, text, message):
    predictions, labels, benchmark = one_task(tmp_path, task, **{folder: text})
    with pytest.raises(ScoreError) as error:
        score_folders(predictions, labels, benchmark)
    assert str(error.value).startswith(message.replace("{P}", str(predictions / task)).replace("{L}", str(labels / task)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("task", ["xquad", "mewslix"])
def test_predictions_may_lie_under_data(tmp_path, task):
    """As for the official script, which reads predictions and labels alike."""
    predictions, labels, benchmark = one_task(tmp_path, task, predictions=f'{{"data": {GOOD[task][0]}}}')
    assert not score_folders(predictions, labels, benchmark).unanswered


def test_a_byte_that_is_not_utf8_is_named(tmp_path):
    predictions, labels, benchmark = one_task(tmp_path, "pawsx")
    (predictions / "pawsx" / "test-ko.tsv").write_bytes(b"0\n\xff\n")
    with pytest.raises(ScoreError, match=r"test-ko\.tsv:2: expected UTF-8, found the byte 0xff"):
        score_folders(predictions, labels, benchmark)


@pytest.mark.parametrize("folder", [P, L])
def test_a_language_without_a_file_is_named(tmp_path, folder):
    predictions, labels, benchmark = one_task(tmp_path, "pawsx")
    (tmp_path / folder / "pawsx" / "test-ko.tsv").unlink()
    with pytest.raises(ScoreError, match=r"test-ko\.tsv: there is no such file; xtreme scores pawsx in de, en, es, fr, ja, ko, zh$"):
        score_folders(predictions, labels, benchmark)


def test_folders_are_checked_before_files(tmp_path):
    predictions, labels, benchmark = one_task(tmp_path, "pawsx")
    with pytest.raises(ScoreError, match=r"^--labels .*nowhere: there is no such folder$"):
        score_folders(predictions, tmp_path / "nowhere", benchmark)
    with pytest.raises(ScoreError, match=r"^--predictions .*nowhere: there is no such folder$"):
        score_folders(tmp_path / "nowhere", labels, benchmark)
    (predictions / "xnil").mkdir()
    with pytest.raises(ScoreError, match=r"predictions: no task is called 'xnil'; did you mean 'xnli'\?$"):
        score_folders(predictions, labels, benchmark)
    (predictions / "xnil").rmdir()
    (labels / "xn\nli").mkdir()
    with pytest.raises(ScoreError, match=r"labels: no task is called 'xn\\nli'; did you mean 'xnli'\?$"):
        score_folders(predictions, labels, benchmark)
    (labels / "xn\nli").rmdir()
    (predictions / "seed-0").mkdir()
    with pytest.raises(ScoreError, match=r"have no task of xtreme-r in common; in them are pawsx, seed-0 and pawsx$"):
        score_folders(predictions, labels, "xtreme-r")
    with pytest.raises(ScoreError, match=r"^" + "x" * 5000 + ": File name too long$"):
        score_folders(predictions, Path("x" * 5000), benchmark)
    write(predictions, "panx", "B-LOC\n")
    with pytest.raises(ScoreError, match=r"predictions/panx: expected a folder of files test-<language>\.tsv, found a file$"):
        score_folders(predictions, labels, benchmark)
    with pytest.raises(ScoreError, match=r"^--predictions .*panx: it is a file; give a folder$"):
        score_folders(predictions / "panx", labels, benchmark)


def test_what_is_left_out_is_said(tmp_path):
    predictions, labels, benchmark = one_task(tmp_path, "xquad", predictions="{}")
    write(predictions, "xquad/test-ro.json", "{}")
    write(predictions, "xcopa/test-et.jsonl", "{}")
    write(predictions, "xnli/test-de.tsv", "neutral\n")
    write(labels, "pawsx/test-de.tsv", "0\n")
    write(labels, "lareqa/test-de.json", "{}")
    for name in ("predictions/more/x", "predictions/README.md", "predictions/.hidden", "labels/old/x", "labels/xquad/dev-ar.json"):
        write(tmp_path, name, "")
    found = score_folders(predictions, labels, benchmark)
    assert found.unanswered == {"xquad/ar": 1}
    assert found.ignored == tuple(
        str(tmp_path / name)
        for name in (
            "predictions/README.md",
            "predictions/more",
            "labels/old",
            "predictions/xquad/test-ro.json",
            "labels/xquad/dev-ar.json",
        )
    )
    reasons = {
        "xcopa": "no task of xtreme",
        "lareqa": "no task of xtreme",
        "xnli": "no labels",
        "pawsx": "labels without predictions",
        "panx": "in neither folder",
    }
    assert reasons.items() <= found.not_scored.items()
    words = ["score", "--predictions", str(predictions), "--labels", str(labels), "--benchmark", "xtreme"]
    text = CliRunner().invoke(app, words, env={"COLUMNS": "200"}).stdout
    for line in (
        "xquad/ar: 1 of 1 are not predicted and count as wrong",
        "not scored, no labels: xnli",
        "not scored, no task of xtreme: xcopa, lareqa",
        f"not read, for xtreme has no such file: {', '.join(found.ignored)}",
    ):
        assert line.replace(" ", "") in "".join(text.split())


def test_a_blank_gold_answer_among_others_counts_as_officially_and_is_said(tmp_path):
    """evaluate-v1.1.py: no word is matched, so that F1 is 0, and an answer without a word, such as "the", is an exact match."""
    more = [{"id": f"q{number}", "answers": [{"text": " "}]} for number in (2, 3)]
    labels = SQUAD[:-6] + f", {json.dumps(more)[1:-1]}]}}]}}]}}"
    predictions, gold, benchmark = one_task(tmp_path, "xquad", labels=labels, predictions='{"q1": "Rome", "q2": "the", "q3": "Oslo"}')
    score = score_folders(predictions, gold, benchmark)
    assert score.tasks["xquad"].languages["ar"].metrics == pytest.approx({"exact_match": 200 / 3, "f1": 100 / 3}, abs=1e-9)
    assert score.blank == score.as_json()["notes"]["blank"] == {"xquad/ar": 2}
    words = ["score", "--predictions", str(predictions), "--labels", str(gold), "--benchmark", benchmark]
    assert "xquad/ar: 2 of 3 have a blank gold answer, " in CliRunner().invoke(app, words, env={"COLUMNS": "200"}).stdout


def test_the_command_line_ends_with_one_line_and_exit_code_2_without_torch(tmp_path):
    script = """
import sys
from sweeps import cli
try:
    cli.main()
finally:
    heavy = {"torch", "ray", "transformers", "mlflow"} & set(sys.modules)
    assert not heavy, heavy
"""
    predictions, labels, _ = one_task(tmp_path, "pawsx")
    words = [sys.executable, "-c", script, "score", "--labels", str(labels), "--benchmark", "xtreme", "--predictions"]
    assert subprocess.run([*words, str(predictions)], capture_output=True, check=False).returncode == 0
    done = subprocess.run([*words, "nowhere"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "polystilts: --predictions nowhere: there is no such folder\n")
