"""Examples to token ids: special tokens, truncation, windows, masks, and the shared file."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.toy_data import MAX_LENGTHS, TEXTS, toy_examples, toy_task, toy_tokenizer
from trainables.examples import Choice, Example, Line, Question, Sentence, Text
from trainables.family import FAMILIES
from trainables.feature_file import Prepared, read_prepared, write_prepared
from trainables.features import IGNORED, Features
from trainables.origins import data_source
from trainables.prepare import Purpose, make_features, prepare, tokenizer_hash
from trainables.sequences import fit, template_of
from trainables.specs import DataSpec
from trainables.task import TASKS, Kind

KINDS = get_args(Kind)
pytestmark = pytest.mark.filterwarnings("ignore")


def prepared(
    kind: Kind,
    family: str = "xlm_roberta",
    max_length: int | None = None,
    examples: Sequence[Example] | None = None,
    purpose: Purpose = "score",
) -> Prepared:
    max_length = max_length or MAX_LENGTHS.get(kind, 40)
    return make_features(toy_task(kind), examples or toy_examples(kind), toy_tokenizer(family), max_length, purpose)


def sequences(features: Features) -> list[list[int]]:
    return [part.tolist() for part in np.split(features.token_ids, features.offsets[1:-1])]


def assert_equal(one: Features, other: Features) -> None:
    for name, mine, theirs in zip(Features._fields, one, other, strict=True):
        assert np.array_equal(mine, theirs), name
        assert getattr(mine, "dtype", None) == getattr(theirs, "dtype", None), name


@pytest.mark.parametrize("family", FAMILIES.names)
@pytest.mark.parametrize("kind", KINDS)
def test_features_keep_their_promises(kind: Kind, family: str) -> None:
    features = prepared(kind, family).features
    lengths = np.diff(features.offsets)
    tokenizer = toy_tokenizer(family)
    num_tokens, num_sequences, num_examples = len(features.token_ids), len(lengths), len(toy_examples(kind))
    assert features.offsets[0] == 0
    assert features.offsets[-1] == num_tokens
    assert 2 < lengths.min() <= lengths.max() <= MAX_LENGTHS.get(kind, 40)
    assert ((features.second_segment > 1) & (features.second_segment <= lengths)).all()
    assert (np.diff(features.example) >= 0).all()
    assert set(features.example.tolist()) == set(range(num_examples))
    assert features.num_examples == num_examples
    template = template_of(tokenizer)
    assert {sequence[: len(template.single_prefix)] == template.single_prefix for sequence in sequences(features)} == {True}
    assert {sequence[-1:] == template.single_suffix for sequence in sequences(features)} == {True}
    shape = {"tagging": (num_tokens,), "mlm": (num_tokens,), "span_qa": (num_sequences, 2), "retrieval": (0,)}.get(kind, (num_examples,))
    assert features.targets.shape == shape
    assert features.char_spans.shape == (num_tokens if kind == "span_qa" else 0, 2)


@pytest.mark.parametrize("family", FAMILIES.names)
def test_sequences_are_those_of_the_tokenizer(family: str) -> None:
    tokenizer = toy_tokenizer(family)
    examples = [Text("a", TEXTS[0], None, "no"), Text("b", TEXTS[1], TEXTS[2], "yes")]
    features = prepared("classification", family, 512, examples).features
    assert sequences(features) == [tokenizer(TEXTS[0])["input_ids"], tokenizer(TEXTS[1], TEXTS[2])["input_ids"]]
    second = tokenizer(TEXTS[1], TEXTS[2]).sequence_ids(0).index(1)
    assert features.second_segment.tolist() == [features.offsets[1], second]
    assert features.targets.tolist() == [0, 2]


@pytest.mark.parametrize("family", FAMILIES.names)
def test_pairs_are_cut_longest_first_and_counted(family: str) -> None:
    tokenizer = toy_tokenizer(family)
    examples = [
        Text("a", TEXTS[0], TEXTS[1], "no"),
        Text("b", "Rome", TEXTS[1], "no"),
        Text("c", TEXTS[0], "Rome", "no"),
        Text("d", "in", "in", "no"),
    ]
    features, dropped, cut = prepared("classification", family, 24, examples)
    expected = [
        tokenizer(each.text, each.pair, truncation="longest_first", max_length=24)["input_ids"]
        for each in examples
        if isinstance(each, Text)
    ]
    assert [len(sequence) for sequence in sequences(features)] == [len(each) for each in expected]
    assert sequences(features)[1:] == expected[1:]
    num_cut = sum(len(tokenizer(each.text, each.pair)["input_ids"]) > 24 for each in examples)
    assert num_cut > 0
    assert (dropped, cut) == ({}, {"cut to max_length": num_cut})


@given(st.integers(0, 50), st.integers(0, 50), st.integers(2, 60))
def test_fit_fills_the_room(first: int, second: int, room: int) -> None:
    kept = fit(first, second, room)
    assert sum(kept) == min(first + second, room)
    assert kept[0] <= first
    assert kept[1] <= second
    assert abs(kept[0] - kept[1]) <= 1 or kept[0] == first or kept[1] == second


@pytest.mark.parametrize("family", FAMILIES.names)
@pytest.mark.parametrize("max_length", [8, 40, 512])
def test_no_word_of_a_sentence_is_lost(family: str, max_length: int) -> None:
    features, _, cut = prepared("tagging", family, max_length)
    labels = toy_task("tagging").labels
    tags: dict[int, list[str]] = {}
    for example, first, end in zip(features.example, features.offsets[:-1], features.offsets[1:], strict=True):
        targets = features.targets[first:end]
        tags.setdefault(int(example), []).extend(labels[target] for target in targets if target != IGNORED)
        assert targets[len(template_of(toy_tokenizer(family)).single_prefix)] != IGNORED, "a sequence starts with a word"
    assert list(tags.values()) == [
        list(example.tags) for example in toy_examples("tagging") if isinstance(example, Sentence) and example.tags
    ]
    assert (len(features.example) > features.num_examples) == (max_length < 512)
    assert not any(reason != "word cut" for reason in cut)


@pytest.mark.parametrize("family", FAMILIES.names)
def test_windows_cover_the_context(family: str) -> None:
    features = prepared("span_qa", family).features
    for index, question in enumerate(toy_examples("span_qa")):
        assert isinstance(question, Question)
        windows = np.flatnonzero(features.example == index)
        covered = np.zeros(len(question.context), dtype=int)
        previous_end = 0
        for window in windows:
            spans = features.char_spans[features.offsets[window] : features.offsets[window + 1]]
            spans = spans[spans[:, 0] >= 0]
            assert spans[0, 0] <= previous_end, "windows overlap"
            previous_end = spans[-1, 1]
            for first, end in spans:
                covered[first:end] += 1
                assert question.context[first:end] == question.context[first:end].strip() != ""
        assert all(count or character.isspace() for count, character in zip(covered, question.context, strict=True))
        assert len(windows) > 2


def test_an_answer_is_marked_in_the_windows_that_hold_it_whole() -> None:
    features = prepared("span_qa").features
    is_marked = features.targets[:, 1] > 0
    assert set(features.example[is_marked].tolist()) == set(range(features.num_examples))
    assert not is_marked.all()
    assert (features.targets[:, 0] <= features.targets[:, 1]).all()


def test_long_questions_and_answers_are_counted() -> None:
    context = " ".join(TEXTS)
    question = toy_examples("span_qa")[0]
    assert isinstance(question, Question)
    answer = question.answers[0]._replace(text=context[:200], start=0)
    examples = [question._replace(question=context, answers=(answer,))]
    assert prepared("span_qa", examples=examples).cut == {"answer in no window": 1, "answer over 30 tokens": 1, "question cut": 1}


def test_a_question_has_one_sequence_an_option() -> None:
    features = prepared("multiple_choice").features
    examples = [each for each in toy_examples("multiple_choice") if isinstance(each, Choice)]
    assert np.bincount(features.example).tolist() == [len(each.options) for each in examples]


@pytest.mark.parametrize("family", FAMILIES.names)
@pytest.mark.parametrize("max_length", [9, 40, 512])
def test_no_token_of_a_line_is_lost(family: str, max_length: int) -> None:
    features = prepared("mlm", family, max_length, purpose="train").features
    special = set(toy_tokenizer(family).all_special_ids) - {toy_tokenizer(family).unk_token_id}
    assert not len(features.targets)
    found: dict[tuple[int, bool], list[int]] = {}
    for sequence, example, second in zip(sequences(features), features.example, features.second_segment, strict=True):
        for place, token_id in enumerate(sequence):
            if token_id not in special:
                found.setdefault((int(example), place >= second), []).append(token_id)
    for index, line in enumerate(toy_examples("mlm")):
        assert isinstance(line, Line)
        for text, is_second in ((line.text, False), (line.pair, True)):
            if text is not None:
                assert found[index, is_second] == toy_tokenizer(family)(text, add_special_tokens=False)["input_ids"]


def test_the_fixed_mask_is_a_seventh_and_a_function_of_the_content() -> None:
    train, score = (prepared("mlm", purpose=purpose).features for purpose in ("train", "score"))
    is_masked = score.targets != IGNORED
    assert 0.1 < is_masked.mean() < 0.2
    assert set(score.token_ids[is_masked].tolist()) == {toy_tokenizer("xlm_roberta").mask_token_id}
    assert np.array_equal(np.where(is_masked, score.targets, score.token_ids), train.token_ids)
    assert all(part.any() for part in np.split(is_masked, score.offsets[1:-1]))
    assert_equal(score, prepared("mlm").features)
    alone = prepared("mlm", examples=toy_examples("mlm")[3:4]).features
    start = score.offsets[np.searchsorted(score.example, 3)]
    assert np.array_equal(alone.token_ids, score.token_ids[start : start + len(alone.token_ids)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_gives_back_what_was_written(kind: Kind, tmp_path: Path) -> None:
    made = prepared(kind)
    write_prepared(tmp_path / "deep" / "x.arrow", made)
    read = read_prepared(tmp_path / "deep" / "x.arrow")
    assert_equal(read.features, made.features)
    assert (read.dropped, read.cut) == (made.dropped, made.cut)
    assert not read.features.token_ids.flags.owndata
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["x.arrow"]


COPY_MANY_TIMES = """
import sys
from pathlib import Path
from trainables.feature_file import read_prepared, write_prepared
made = read_prepared(Path(sys.argv[1]))
for _ in range(200):
    write_prepared(Path(sys.argv[2]), made)
    assert (read_prepared(Path(sys.argv[2])).features.token_ids == made.features.token_ids).all()
"""


def test_processes_that_write_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    write_prepared(tmp_path / "made.arrow", prepared("tagging"))
    command = [sys.executable, "-c", COPY_MANY_TIMES, tmp_path / "made.arrow", tmp_path / "shared" / "x.arrow"]
    assert [process.wait() for process in [subprocess.Popen(command) for _ in range(2)]] == [0, 0]
    assert [each.name for each in (tmp_path / "shared").iterdir()] == ["x.arrow"]


def test_features_are_made_once(tmp_path: Path) -> None:
    """The second call finds the file, and needs the data no more; anything that changes the features changes the file's name."""
    (tmp_path / "panx").mkdir()
    path = tmp_path / "panx" / "dev-en.tsv"
    path.write_text("Rome\tB-LOC\nis\tO\n\nOslo\tB-LOC\n\n")
    source = data_source("panx", "dev", "en", tmp_path)
    data = DataSpec(task="panx", task_version=TASKS.load("panx").version, split="dev", language="en", num_examples=None, source=source)
    tokenizer = toy_tokenizer("bert")
    made = prepare(data, tmp_path, tokenizer, 40, "train", tmp_path / "cache")
    path.unlink()
    assert_equal(prepare(data, tmp_path, tokenizer, 40, "train", tmp_path / "cache").features, made.features)
    assert_equal(prepare(data, tmp_path, tokenizer, 40, "score", tmp_path / "cache").features, made.features)
    assert made.features.num_examples == 2
    others: list[tuple[DataSpec, str, int]] = [
        (data, "xlm_roberta", 40),
        (data, "bert", 41),
        (data.model_copy(update={"num_examples": 1}), "bert", 40),
    ]
    for other, family, max_length in others:
        with pytest.raises(ValueError, match="panx dev en: no files"):
            prepare(other, tmp_path, toy_tokenizer(family), max_length, "train", tmp_path / "cache")


def test_the_tokenizer_s_hash_is_of_its_content() -> None:
    tokenizer = toy_tokenizer("bert")
    before = tokenizer_hash.__wrapped__(tokenizer)
    tokenizer("Rome", truncation=True, max_length=3, padding="max_length")
    assert tokenizer_hash.__wrapped__(tokenizer) == before
    assert tokenizer_hash(toy_tokenizer("xlm_roberta")) != before


def test_templates() -> None:
    bert, xlm_roberta = (toy_tokenizer(family) for family in ("bert", "xlm_roberta"))
    first, last = bert.cls_token_id, bert.sep_token_id
    assert template_of(bert) == ([first], [last], [first], [last], [last])
    first, last = xlm_roberta.bos_token_id, xlm_roberta.eos_token_id
    assert template_of(xlm_roberta) == ([first], [last], [first], [last, last], [last])
