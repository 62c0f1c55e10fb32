"""Overlaps are counted text by text, as they are whatever case, width and white space; what is kept on disk says the same."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.task_cases.case import squad_json
from tests.trainables.test_tasks import REAL_DATA, ROOT, real_data
from trainables.examples import Answer, Choice, Line, Passage, Question, Sentence, Text
from trainables.origins import data_source
from trainables.overlap import PAGE, WHOLE, compared_texts, every_text, hash_texts, load_text_hashes, normalised, num_shared, overlap_rows
from trainables.specs import DataSpec


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("The  Cat\tsat.\n", "the cat sat.", True),
        ("Straße", "STRASSE", True),
        ("ﬁne １２", "fine 12", True),
        ("e\u0301", "\u00e9", True),
        ("the cat sat", "the cat sat.", False),
    ],
)
def test_normalisation(one: str, other: str, is_same: bool) -> None:
    assert (normalised(one) == normalised(other)) == is_same


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        (Text("0", "A", "B", None), {WHOLE: "a\nb", "text": "a", "pair": "b"}),
        (Text("0", "A", None, None), {WHOLE: "a"}),
        (Sentence("0", ("A", "b"), None), {WHOLE: "a b"}),
        (Question("0", "Q", "C d", (Answer("d", 2),)), {WHOLE: "q\nc d", "question": "q", "context": "c d"}),
        (Choice("0", "P", ("x", "y"), 0), {WHOLE: "p\nx\ny", "prompt": "p"}),
        (Passage("0", "P", "query", ()), {"query": "p"}),
        (Line("0", "L", "M"), {WHOLE: "l\nm", "text": "l", "pair": "m"}),
    ],
)
def test_what_is_compared(example, expected):
    assert dict(compared_texts(example)) == expected


@given(st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30), min_size=1))
def test_counts_are_those_of_sets(first, second, scored):
    seen = [hash_texts(Line(str(i), f"l{number}", None) for i, number in enumerate(numbers)) for numbers in (first, second)]
    asked = hash_texts(Line(str(i), f"L{number}", None) for i, number in enumerate(scored))
    assert num_shared(every_text(seen), asked, WHOLE) == sum(number in {*first, *second} for number in scored)


@pytest.mark.parametrize(
    ("seen", "scored", "shared"),
    [
        (Line("0", "Habari.", None), Passage("0", "habari.", "candidate", ()), {"candidate"}),
        (Question("0", "Habari?", "c", ()), Passage("0", "habari?", "query", ()), {"query"}),
        (Passage("0", "Habari?", "query", ()), Question("0", "habari?", "c", ()), {"question"}),
        (Line("0", "A paragraph.", None), Question("0", "q", "a paragraph.", ()), {"context"}),
        (Text("0", "One.", "Other.", None), Text("0", "other.", "one.", None), {"text", "pair"}),
        (Text("0", "One.", "Other.", None), Line("0", "one. other.", None), set()),
        (Choice("0", "p", ("An option.", "b"), 0), Line("0", "an option.", None), set()),
    ],
)
def test_a_text_is_found_whatever_it_was(seen, scored, shared):
    texts, asked = every_text([hash_texts([seen])]), hash_texts([scored])
    assert {name for name in asked if num_shared(texts, asked, name)} == shared


def test_nothing_is_shared_with_nothing():
    assert num_shared(every_text([]), hash_texts([Line("0", "a", None)]), WHOLE) == 0


def test_hashes_are_made_once_and_only_where_there_are_files(tmp_path: Path):
    path = tmp_path / "data" / "xquad" / "xquad.de.json"
    path.parent.mkdir(parents=True)
    answer = {"text": "b", "answer_start": 2}
    path.write_text(squad_json("a b", {"id": "1", "question": "Q", "answers": [answer]}))
    source = data_source("xquad", "test", "de", tmp_path / "data")
    data = DataSpec(task="xquad", task_version=1, split="test", language="de", num_examples=None, source=source)
    assert load_text_hashes(data, None, tmp_path / "cache") is None, "nobody read it yet, and the hub is not asked"
    made = load_text_hashes(data, tmp_path / "data", tmp_path / "cache")
    path.unlink()
    kept = load_text_hashes(data, None, tmp_path / "cache")
    assert made is not None
    assert kept is not None
    assert {name: hashes.tolist() for name, hashes in made.items()} == {name: hashes.tolist() for name, hashes in kept.items()}
    assert num_shared(every_text([made]), kept, "context") == 1
    assert [each.name.partition("-")[0] for each in (tmp_path / "cache" / "texts").iterdir()] == ["texts"], "nothing is left aside"


def test_hashes_do_not_depend_on_the_order_of_examples():
    examples = [Text(str(number), f"t{number}", f"p{number % 3}", None) for number in range(50)]
    shuffled = random.Random(0).sample(examples, len(examples))
    one, other = hash_texts(examples), hash_texts(shuffled)
    assert {name: hashes.tolist() for name, hashes in one.items()} == {name: hashes.tolist() for name, hashes in other.items()}


@pytest.mark.realdata
@real_data
def test_the_page_is_what_the_command_writes() -> None:
    assert (ROOT / "docs" / "overlap.md").read_text() == PAGE + "\n".join(overlap_rows(REAL_DATA)) + "\n"
