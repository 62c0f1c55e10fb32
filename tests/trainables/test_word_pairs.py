"""Dictionaries made of parallel text: words that are each other's best, in the format that code-switching reads."""

import subprocess
import sys
from pathlib import Path

import pytest

from trainables.dictionaries import read_dictionary
from trainables.word_pairs import word_pairs, write_dictionaries

LINES = [
    ("The dog sleeps.", "Der Hund schläft."),
    ("The cat sleeps!", "Die Katze schläft!"),
    ("A dog runs in 1957.", "Ein Hund rennt 1957."),
    ("One cat runs", "Eine Katze rennt"),
]


def test_words_that_go_together_are_pairs():
    found = {pair.word: (pair.translation, pair.dice) for pair in word_pairs(LINES)}
    assert found["dog"] == ("hund", 1.0)
    assert found["cat"] == ("katze", 1.0)
    assert found["sleeps"] == ("schläft", 1.0)
    assert found["runs"] == ("rennt", 1.0)
    assert "the" not in found, "it is in two lines with schläft, whose best is sleeps"
    assert "1957" not in found


def test_once_is_chance():
    assert word_pairs(LINES[:1]) == []


def test_dictionaries_are_written_for_the_languages_at_hand_with_spaces_between_words(tmp_path):
    folder = tmp_path / "data" / "ntrex128"
    folder.mkdir(parents=True)
    english, german = zip(*LINES, strict=True)
    (folder / "newstest2019-src.eng.txt").write_text("\n".join(english) + "\n")
    for code in ("deu", "tha"):
        (folder / f"newstest2019-ref.{code}.txt").write_text("\n".join(german) + "\n")
    assert [(path.name, number) for path, number in write_dictionaries(tmp_path / "data", tmp_path / "out")] == [("en-de.txt", 4)]
    assert read_dictionary(tmp_path / "out/en-de.txt")["dog"] == ("hund",)


@pytest.mark.parametrize(("folder", "message"), [("none", "there is no such folder"), (".", "it holds no file of ntrex128_pairs")])
def test_wrong_data_is_one_line_and_exit_code_2(tmp_path, folder, message):
    words = [sys.executable, "-m", "trainables.word_pairs", "--data", folder, "--out", "out"]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(words, cwd=tmp_path, env={"PYTHONPATH": root}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
