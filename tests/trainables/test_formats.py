"""The shared readers: what they make of well-formed files, and the one line that each kind of bad input gets."""

import functools
import json
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.examples import Answer, Dropped, Question, Sentence, Text
from trainables.formats import (
    conllu_sentences,
    jsonl_rows,
    member,
    nli_jsonl_pairs,
    nli_pair,
    parallel_lines,
    read_json,
    tagged_sentences,
    text_lines,
    tsv_rows,
)
from trainables.squad_format import answered_question, squad_questions, stripped_hub_question


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def word(word_id: str, form: str, tag: str) -> str:
    return "\t".join([word_id, form, "_", tag, *"______"])


def squad_file(question: object, context: object = " The cat sat. ") -> str:
    return json.dumps({"version": "x", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": [question]}]}]})


CAT = {"id": "7", "question": " Who? ", "answers": [{"text": "cat ", "answer_start": 5}]}


def test_only_line_feeds_separate_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "\ufeffone\u2028still\x0bone\x85\r\n\ntwo \n")
    assert text_lines(path) == ["one\u2028still\x0bone\x85", "", "two "]
    assert text_lines(write(path, "")) == []


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\ufeff"))))
def test_every_text_without_line_ends_is_a_line(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = write(tmp_path_factory.mktemp("lines") / "a.txt", "".join(line + "\n" for line in lines))
    assert text_lines(path) == lines


def test_double_quotes_mean_nothing_unless_the_file_is_quoted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", '"""Hi"", she said"\tplain\n5" long\t\n')
    assert list(tsv_rows(path, ("a", "b"))) == [{"a": '"""Hi"", she said"', "b": "plain"}, {"a": '5" long', "b": ""}]
    assert list(tsv_rows(path, ("a", "b"), quoted=True)) == [{"a": '"Hi", she said', "b": "plain"}, {"a": '5" long', "b": ""}]


def test_a_header_names_the_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "x\tid\ty\n1\t2\t3\n")
    assert list(tsv_rows(path, ("id", "y"), header=True)) == [{"x": "1", "id": "2", "y": "3"}]


def test_optional_columns_may_be_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "1\t2\n3\t4\t5\n")
    assert list(tsv_rows(path, ("a", "b", "c"), num_optional=1)) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4", "c": "5"}]


def test_sentences_with_and_without_tags(tmp_path: Path) -> None:
    tagged = write(tmp_path / "a.tsv", '"\tPUNCT\nHi\tINTJ\n\n\nthere\tADV\n')
    untagged = write(tmp_path / "b.tsv", "Hi\nthere\n\n")
    assert list(tagged_sentences([tagged, untagged], "en")) == [
        Sentence("0", ('"', "Hi"), ("PUNCT", "INTJ")),
        Sentence("1", ("there",), ("ADV",)),
        Sentence("2", ("Hi", "there"), None),
    ]
    prefixed = write(tmp_path / "c", "en:10:30\tO\nen::\tO\n")
    assert list(tagged_sentences([prefixed], "en", prefixed=True)) == [Sentence("0", ("10:30", ":"), ("O", "O"))]


def test_white_space_around_texts_is_stripped_and_answers_follow(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", squad_file(CAT))
    question = Question("7", "Who?", "The cat sat.", (Answer("cat", 4),))
    assert list(squad_questions([path], "en")) == [question]
    impossible = {"id": "8", "question": "Why?", "answers": [], "is_impossible": True, "plausible_answers": [{"text": "x"}]}
    assert list(squad_questions([path, write(tmp_path / "b.json", squad_file(impossible))], "en")) == [
        question,
        Question("8", "Why?", "The cat sat.", ()),
    ]


def test_answers_that_xtreme_withholds_are_no_answers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", squad_file(answer("", 0)))
    assert list(squad_questions([path], "en")) == [Question("7", "Who?", "The cat sat.", ())]


@pytest.mark.parametrize(
    ("context", "start", "moved"),
    [
        ("The cat sat.", 6, 4),  # two characters were lost before the context
        ("The cat sat.", 3, 4),  # one before the answer
        ("cat, The cat sat.", 11, 9),  # the nearest, not the first
    ],
)
def test_answers_of_a_stripped_copy_are_found_nearby(context: str, start: int, moved: int) -> None:
    found = answered_question("7", "Who?", context, [Answer("cat", start)], "here", num_lost=2)
    assert found.answers == (Answer("cat", moved),)


def test_answers_that_are_too_far_are_not_found() -> None:
    with pytest.raises(ValueError, match=r"^here: expected the answer 'cat' at character 7, found ' sa'$"):
        answered_question("7", "Who?", "The cat sat.", [Answer("cat", 7)], "here", num_lost=2)
    row = {"id": "7", "question": "Who?", "context": "The cat sat.", "answers": {"text": ["cat"], "answer_start": [12]}}
    assert stripped_hub_question(row, "en", 0).answers == (Answer("cat", 4),)
    row["answers"] = {"text": ["cat"], "answer_start": [13]}
    with pytest.raises(ValueError, match=r"^hub row 7: expected the answer 'cat' at character 13, found ''$"):
        stripped_hub_question(row, "en", 0)


def test_multiword_tokens_and_empty_nodes_are_not_words(tmp_path: Path) -> None:
    lines = ["# text = Im Haus", word("1-2", "Im", "_"), word("1", "In", "ADP"), word("2", "dem", "DET"), word("3", "#", "SYM")]
    path = write(tmp_path / "a.conllu", "\n".join([*lines, word("3.1", "ist", "AUX"), "", "# text = Ja", word("1", "Ja", "INTJ")]))
    expected = [Sentence("0", ("In", "dem", "#"), ("ADP", "DET", "SYM")), Sentence("1", ("Ja",), ("INTJ",))]
    assert list(conllu_sentences([path], "de")) == expected
    assert list(conllu_sentences([path, path], "de"))[2:] == [expected[0]._replace(id="2"), expected[1]._replace(id="3")]


@pytest.mark.parametrize(
    ("words", "is_withheld"), [("_ _ _", True), ("a _ _", True), ("a b _", False), ("a b _ _", False), ("_", True), ("a", False)]
)
def test_sentences_without_their_words_are_left_out_by_xtreme_s_rule(tmp_path: Path, words: str, is_withheld: bool) -> None:
    path = write(tmp_path / "a.conllu", "\n".join(word(str(number), form, "X") for number, form in enumerate(words.split(), 1)))
    (entry,) = conllu_sentences([path], "ar")
    assert isinstance(entry, Dropped) == is_withheld


def test_a_treebank_without_tags_is_unlabelled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", word("1", "Ja", "_"))
    assert list(conllu_sentences([path], "de")) == [Sentence("0", ("Ja",), None)]


def test_the_ways_to_write_a_label() -> None:
    labels: list[str | int | None] = ["neutral", "contradictory", 0, 1, 2, None, "?"]
    pairs = [nli_pair("1", " a", "b ", label) for label in labels]
    assert pairs == [
        Text("1", "a", "b", label) for label in ("neutral", "contradiction", "entailment", "neutral", "contradiction", None, "?")
    ]
    assert [type(nli_pair("1", "a", "b", label)) for label in ("-", -1)] == [Dropped, Dropped]


def test_parallel_lines_are_stripped_together(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a", "a \nb\n"), write(tmp_path / "b", "c\nd")]
    assert list(parallel_lines(paths)) == [("a", "c"), ("b", "d")]


Reader = Callable[[Path], Iterable[object]]
TWO_COLUMNS: Reader = functools.partial(tsv_rows, columns=("a", "b"))
QUOTED: Reader = functools.partial(tsv_rows, columns=("a", "b"), quoted=True)
HEADED: Reader = functools.partial(tsv_rows, columns=("a", "b"), header=True)


def tagged(path: Path) -> Iterable[object]:
    return tagged_sentences([path], "en")


def prefixed(path: Path) -> Iterable[object]:
    return tagged_sentences([path], "en", prefixed=True)


def squad(path: Path) -> Iterable[object]:
    return squad_questions([path], "en")


def treebank(path: Path) -> Iterable[object]:
    return conllu_sentences([path], "de")


def pairs(path: Path) -> Iterable[object]:
    return nli_jsonl_pairs([path], "premise", "hypothesis", "label")


def parallel(path: Path) -> Iterable[object]:
    return parallel_lines([path, write(path.with_name("two.txt"), "a\nb\n")])


def answer(text: object, start: object) -> dict[str, object]:
    return {**CAT, "answers": [{"text": text, "answer_start": start}]}


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (text_lines, b"good\nbad \xff\n", ":2: expected UTF-8, found the byte 0xff"),
        (TWO_COLUMNS, "1\t2\n1\n", ":2: expected 2 columns (a, b), found 1"),
        (TWO_COLUMNS, "1\t2\t3\n", ":1: expected 2 columns (a, b), found 3"),
        (TWO_COLUMNS, "1\t2\n\n", ":2: expected 2 columns (a, b), found 1"),
        (QUOTED, '1\t2\n"open\t2\n', ":2: expected a closing double quote and doubled ones inside, found '\"open'"),
        (QUOTED, '"a"b"\t2\n', ':1: expected a closing double quote and doubled ones inside, found \'"a"b"\''),
        (QUOTED, '"\t2\n', ":1: expected a closing double quote and doubled ones inside, found '\"'"),
        (HEADED, "", ":1: expected a header with a, b; a, b is missing"),
        (HEADED, "a\tc\n1\t2\n", ":1: expected a header with a, b; b is missing"),
        (HEADED, "a\tb\n1\n", ":2: expected 2 columns (a, b), found 1"),
        (pairs, '{"premise": "a", "hypothesis": "b", "label": "c"}\n{"premise', ":2: expected JSON, but Unterminated string starting at"),
        (pairs, "[1]\n", ":1: expected an object, found [1]"),
        (pairs, '{"premise": "a"}\n', ":1: expected the key 'hypothesis', found 'premise'"),
        (pairs, '{"premise": "a", "label": "b", "label": "c"}\n', ":1: the key 'label' is given twice"),
        (pairs, "[" * 100_000 + "\n", ":1: expected JSON, found brackets within brackets without end"),
        (pairs, '{"premise": ' + "7" * 5000 + "}\n", ":1: expected an integer of at most 100 digits, found 7777"),
        (pairs, '{"premise": 5, "hypothesis": "b", "label": "c"}\n', ":1: premise: expected a string, found 5"),
        (parallel, "a\n", "two.txt: 2 lines, expected 1, as in "),
        (parallel, "a\n \n", ":2: expected a sentence, found a blank line"),
        (tagged, "a\tO\nb\n", ":2: expected a sentence with a tag at every word or at none"),
        (tagged, "a\tO\tO\n", ":1: expected a word, perhaps a tab and a tag, found 'a\\tO\\tO'"),
        (tagged, "a\t\n", ":1: expected a word, perhaps a tab and a tag, found 'a\\t'"),
        (tagged, "a\tO\n\tO\n", ":2: expected a word, perhaps a tab and a tag, found '\\tO'"),
        (prefixed, "en:a\tO\nb\tO\n", ":2: expected language:word, found 'b\\tO'"),
        (treebank, word("1", "a", "X") + "\n2\ta\n", ":2: expected 10 columns of CoNLL-U, found 2"),
        (treebank, word("1", "a", "X") + "\n# late\n", ":2: expected 10 columns of CoNLL-U, found 1"),
        (treebank, word("2", "a", "X"), ":1: expected the id 1, 1-n or 0.n, found '2'"),
        (treebank, word("1", "a", "X") + "\n" + word("1", "a", "X"), ":2: expected the id 2, 2-n or 1.n, found '1'"),
        (treebank, word("1", "a", "X") + "\n" + word("1-2", "a", "_"), ":2: expected the id 2, 2-n or 1.n, found '1-2'"),
        (treebank, word("1", "a", "X") + "\n" + word("2.1", "a", "_"), ":2: expected the id 2, 2-n or 1.n, found '2.1'"),
        (treebank, word("x", "a", "X"), ":1: expected the id 1, 1-n or 0.n, found 'x'"),
        (treebank, word("1-2", "a", "_") + "\n" + word("1", "a", "X") + "\n\n", ":3: expected a multiword token's word 2 of 2, found"),
        (treebank, word("1", " ", "X"), ":1: expected a word, perhaps a tab and a tag, found ' \\tX'"),
        (treebank, word("1", "a", ""), ":1: expected a word, perhaps a tab and a tag, found 'a\\t'"),
        (squad, '{"data": [\n', ":1: expected JSON, but Expecting value"),
        (squad, '{"data": ' + "[" * 100_000, ": expected JSON, found brackets within brackets without end"),
        (squad, '{"data": ' + "7" * 5000 + "}", ": expected an integer of at most 100 digits, found 7777"),
        (squad, '{"data": [], "a\\nb": 1, "a\\nb": 2}', ": the key 'a\\nb' is given twice"),
        (squad, "[]", ": expected an object, found []"),
        (squad, "{}", ": expected the key 'data', found none"),
        (squad, squad_file(CAT, context=5), ": data[0].paragraphs[0]: context: expected a string, found 5"),
        (squad, squad_file("who"), ': data[0].paragraphs[0].qas[0]: expected an object, found "who"'),
        (squad, squad_file({**CAT, "id": 7}), ": data[0].paragraphs[0].qas[0]: id: expected a string, found 7"),
        (squad, squad_file(answer("cat", "5")), 'qas[0]: answer_start: expected an integer, found "5"'),
        (squad, squad_file(answer("cat", True)), "qas[0]: answer_start: expected an integer, found true"),
        (squad, squad_file(answer("cat", 6)), "qas[0]: expected the answer 'cat' at character 5, found 'at '"),
        (squad, squad_file(answer("cat", -9)), "qas[0]: expected the answer 'cat' at character -10, found 'The'"),
        (squad, squad_file(answer(" ", 1)), "qas[0]: expected the answer '' at character 1, found ''"),
        (squad, squad_file({**CAT, "is_impossible": True}), "and none where it is true, found 1"),
        (squad, squad_file({**CAT, "answers": [], "is_impossible": False}), "expected answers where is_impossible is false"),
        (squad, squad_file({**CAT, "is_impossible": "no"}), 'is_impossible: expected true or false, found "no"'),
    ],
)
def test_bad_input_is_one_line_that_says_where(tmp_path: Path, read: Reader, content: str | bytes, message: str) -> None:
    path = write(tmp_path / "one.txt", content)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        list(read(path))
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_looking_for_doubled_keys_is_linear(tmp_path: Path) -> None:
    """Counting each key by itself would take an hour."""
    content = "{" + ", ".join(f'"k{number}": 0' for number in [*range(200_000), 199_999]) + "}"
    started = time.process_time()
    with pytest.raises(ValueError, match=r"a\.json: the key 'k199999' is given twice$"):
        read_json(write(tmp_path / "a.json", content))
    assert time.process_time() - started < 10


def test_member_is_strict_about_types(tmp_path: Path) -> None:
    ((where, row),) = jsonl_rows(write(tmp_path / "a.jsonl", '{"a": {"b": [1]}}\n'))
    assert member(member(row, "a", dict, where), "b", list, where) == [1]
