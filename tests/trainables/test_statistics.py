"""Statistics count what is there, field by field, whatever the kind of task."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainables.task_cases.case import jsonl
from trainables.examples import Answer, Choice, Line, Passage, Question, Sentence, Text
from trainables.statistics import Field, Lengths, Statistics, statistics_of


def test_labels_and_lengths_of_pairs():
    found = statistics_of([Text("0", "two words", "one", "yes"), Text("1", "a", None, "no"), Text("2", "a b c d", None, "no")])
    assert found == Statistics(
        num_examples=3,
        labels={"label no": 2, "label yes": 1},
        fields={
            "text": Field(3, Lengths(17, 5.67, 7, 9), Lengths(7, 2.33, 2, 4)),
            "pair": Field(1, Lengths(3, 3, 3, 3), Lengths(1, 1, 1, 1)),
        },
    )


def test_every_kind_has_its_labels_and_fields():
    for example, labels, fields in (
        (Sentence("0", ("a", "b", "c"), ("X", "Y", "X")), {"tag X": 2, "tag Y": 1}, ["sentence"]),
        (Sentence("0", ("a",), None), {"tag None": 1}, ["sentence"]),
        (Question("0", "q", "a b", (Answer("a", 0), Answer("b", 2))), {"2 answers": 1}, ["question", "context", "answer"]),
        (Question("0", "q", "a b", ()), {"0 answers": 1}, ["question", "context"]),
        (Choice("0", "p", ("a", "b"), 1), {"label 1 of 2": 1}, ["prompt", "option"]),
        (Passage("0", "p", "query", ("1",)), {"query": 1}, ["query"]),
        (Line("0", "l", "m"), {}, ["text", "pair"]),
    ):
        found = statistics_of([example])
        assert (found.labels, list(found.fields)) == (labels, fields)


def test_the_command_prints_a_line_a_split_and_language(tmp_path: Path):
    for name in ("train-en", "val-en"):
        (tmp_path / "copa").mkdir(exist_ok=True)
        row = {"premise": "I froze.", "choice1": "It was cold.", "choice2": "I ran.", "question": "cause", "label": 0, "idx": 0}
        (tmp_path / "copa" / f"{name}.jsonl").write_text(jsonl(row))
    done = subprocess.run(
        [sys.executable, "-m", "trainables.statistics", "--data", str(tmp_path), "copa"], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "copa/train/en: 1 examples (label 0 of 2 1); mean/median/longest: prompt: 28/28/28 characters, 6/6/6 words; "
        "option: 9/9/12 characters, 2/2/3 words"
    )
    assert [line.partition(":")[0] for line in lines] == ["copa/train/en", "copa/dev/en"]


@pytest.mark.parametrize("module", ["statistics", "overlap"])
@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("nowhere", "--data {}: there is no such folder\n"),
        ("file", "--data {}: is a file; give the folder that its data set's folder is in\n"),
        ("empty", "--data {}: no files of anli, "),
        ("broken", "{}/copa/val-en.jsonl"),
    ],
)
def test_a_folder_without_data_is_one_line_and_exit_code_2(tmp_path: Path, module: str, folder: str, message: str):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    path = tmp_path / "broken/copa/val-en.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("{\n")
    done = subprocess.run(
        [sys.executable, "-m", f"trainables.{module}", "--data", str(tmp_path / folder)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert message.format(tmp_path / folder) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_task_is_one_line_and_exit_code_2(tmp_path: Path):
    words = [sys.executable, "-m", "trainables.statistics", "--data", str(tmp_path), "copaa"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "unknown task 'copaa'; did you mean 'copa'?\n")
