"""Windows and spans against run_squad's rules written out plainly, null scores and thresholds, and every published answer found again."""

import functools
import re
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertTokenizer, PreTrainedTokenizerBase

from tests.trainables.toy_data import REAL_DATA, TEXTS, toy_data, toy_task, toy_tokenizer
from trainables import span_qa
from trainables.data import load_examples, read_examples
from trainables.examples import Answer, Question
from trainables.family import FAMILIES
from trainables.features import Features
from trainables.metrics import value_of
from trainables.origins import data_source
from trainables.scoring import score
from trainables.span_qa import MAX_ANSWER_TOKENS, FoundAnswer, decode_answers, span_features
from trainables.specs import DataSpec
from trainables.task import TASKS, Split

pytestmark = pytest.mark.filterwarnings("ignore")

NUM_SPECIAL = 3
"""Of BERT, around a question and a context."""


def letters(num_tokens: int) -> str:
    """A context of which each word is one token of the toy tokenizer, and two characters with its space."""
    return " ".join("abcdefghij"[index % 10] for index in range(num_tokens))


def features_of(question: Question, max_length: int = 384, cut: Counter[str] | None = None) -> Features:
    return span_features([question], toy_tokenizer("bert"), max_length, Counter() if cut is None else cut)


class DocSpan(NamedTuple):
    """A window as run_squad has it, in tokens of the context."""

    start: int
    length: int


def doc_spans(num_tokens: int, room: int, stride: int = 128) -> list[DocSpan]:
    """run_squad, convert_examples_to_features."""
    spans, start = [], 0
    while start < num_tokens:
        length = min(num_tokens - start, room)
        spans.append(DocSpan(start, length))
        if start + length == num_tokens:
            break
        start += min(length, stride)
    return spans


def context_rows(features: Features) -> list[np.ndarray]:
    """For each window, the rows of its context's tokens."""
    rows = np.flatnonzero(features.char_spans[:, 0] >= 0)
    return np.split(rows, np.searchsorted(rows, features.offsets[1:-1]))


@pytest.mark.parametrize("num_tokens", [1, 30, 378, 379, 380, 507, 508, 900])
def test_windows_are_run_squad_s(num_tokens: int) -> None:
    features = features_of(Question("x", "a b", letters(num_tokens), ()))
    windows = [DocSpan(int(features.char_spans[rows[0], 0]) // 2, len(rows)) for rows in context_rows(features)]
    assert windows == doc_spans(num_tokens, 384 - 2 - NUM_SPECIAL)


def test_windows_that_do_not_hold_the_answer_teach_the_first_token() -> None:
    """As in run_squad, for both versions of SQuAD: no window is left out of training."""
    cut: Counter[str] = Counter()
    context = letters(900)
    features = features_of(Question("x", "a b", context, (Answer(context[700:704], 700),)), cut=cut)
    expected = []
    for start, length in doc_spans(900, 384 - 2 - NUM_SPECIAL):
        is_held = start <= 350 and start + length > 351
        expected.append([350 - start + 4, 351 - start + 4] if is_held else [0, 0])
    assert features.targets.tolist() == expected
    assert [0, 0] in expected
    assert not any(cut.values())


def test_an_answer_that_every_window_cuts_is_counted() -> None:
    cut: Counter[str] = Counter()
    context = letters(900)
    features = features_of(Question("x", "a b", context, (Answer(context[200:1400], 200),)), cut=cut)
    assert not features.targets.any()
    assert cut == {"answer in no window": 1, "answer over 30 tokens": 1, "question cut": 0}


def test_a_question_without_an_answer_loses_none() -> None:
    cut: Counter[str] = Counter()
    assert not features_of(Question("x", "a b", letters(900), ()), cut=cut).targets.any()
    assert not any(cut.values())


class Best(NamedTuple):
    score: float
    text: str


def run_squad_best(logits: np.ndarray, features: Features, question: Question, has_max_context: bool) -> Best:
    """run_squad's write_predictions with `n_best_size` = everything: all spans of all windows, the best one first.

    `has_max_context`: a token may start a span only in the window where it is furthest from either end.
    """
    windows = context_rows(features)
    spans = doc_spans(max(int(features.char_spans[:, 0].max()) // 2 + 1, 1), 384 - 2 - NUM_SPECIAL)
    found = []
    for window, rows in enumerate(windows):
        for place, start in enumerate(rows):
            position = spans[window].start + place
            context_of = [
                min(position - span.start, span.start + span.length - 1 - position) + 0.01 * span.length
                if span.start <= position < span.start + span.length
                else -1.0
                for span in spans
            ]
            if has_max_context and context_of.index(max(context_of)) != window:
                continue
            for end in rows[place : place + 30]:
                text = question.context[features.char_spans[start, 0] : features.char_spans[end, 1]]
                found.append(Best(float(logits[start, 0] + logits[end, 1]), text))
    return max(found, key=lambda each: each.score)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), num_tokens=st.integers(1, 700))
def test_no_span_that_run_squad_merges_is_better(seed: int, num_tokens: int) -> None:
    """Over all windows together the answer is the best span; run_squad's context rule can only miss it."""
    question = Question("x", "a b", letters(num_tokens), ())
    features = features_of(question)
    logits = np.random.default_rng(seed).normal(size=(len(features.token_ids), 2)).astype(np.float32)
    (found,) = decode_answers(logits, features, [question])
    null_score = min(float(logits[first].sum()) for first in features.offsets[:-1])
    best, merged = (run_squad_best(logits, features, question, has_max_context) for has_max_context in (False, True))
    assert found.text == best.text
    assert found.null_odds == pytest.approx(null_score - best.score, abs=1e-5)
    assert best.score >= merged.score
    if len(features.example) == 1:
        assert best == merged


# Unanswerable questions


def test_a_context_without_text_has_no_answer() -> None:
    question = Question("x", "a b", " \n", ())
    features = features_of(question)
    (found,) = decode_answers(np.zeros((len(features.token_ids), 2), dtype=np.float32), features, [question])
    assert found == FoundAnswer("", np.inf)


def test_nothing_is_said_where_it_scores_higher_and_is_allowed() -> None:
    assert [FoundAnswer("a", odds).said(has_unanswerable=True) for odds in (-1.0, 0.0, 0.5)] == ["a", "a", ""]
    assert FoundAnswer("a", 0.5).said(has_unanswerable=False) == "a"


def test_the_best_threshold_is_that_of_the_set() -> None:
    """Two questions of which one has an answer: at 0 neither is answered; at 2 the one that should be."""
    context = letters(20)
    examples = [Question("right", "a b", context, (Answer("c", 4),)), Question("none", "a b", context, ())]
    features = span_features(examples, toy_tokenizer("bert"), 384, Counter())
    logits = np.zeros((len(features.token_ids), 2), dtype=np.float32)
    for first, odds in zip(features.offsets[:-1], (2, 3), strict=True):
        logits[first + 4 + 2] = 5
        logits[first] = 5 + odds / 2
    metrics = TASKS.load("squad2").metrics
    scored = score(toy_task("span_qa", has_unanswerable=True, metrics=metrics), (), "en", examples, features, logits)
    assert scored.predictions == ["", ""]
    values = {name: float(value_of(name, scored.columns, scored.counts_NK.sum(axis=0))) for name in metrics}
    assert values == {"best_f1": 1, "best_exact_match": 1, "f1": 0.5, "exact_match": 0.5}
    answerable = score(toy_task("span_qa"), (), "en", examples[:1], features_of(examples[0]), logits[: features.offsets[1]])
    assert answerable.predictions == ["c"]


def test_a_task_says_whether_questions_may_lack_answers() -> None:
    examples = [Question("a", "?", "Rome", (Answer("Rome", 0),)), Question("b", "?", "Rome", ())]
    assert len(read_examples(toy_task("span_qa", examples, has_unanswerable=True), toy_data(), None).examples) == 2
    with pytest.raises(ValueError, match=r"example 'b': it has no answer: this split is unlabelled, or the task lacks has_unanswerable"):
        read_examples(toy_task("span_qa", examples), toy_data(), None)
    with pytest.raises(ValueError, match="no question has an answer: this split is unlabelled"):
        read_examples(toy_task("span_qa", examples[1:], has_unanswerable=True), toy_data(), None)
    assert len(read_examples(toy_task("span_qa", examples), toy_data(), None, labelled=False).examples) == 2


@pytest.mark.parametrize("name", TASKS.names)
def test_a_best_threshold_needs_unanswerable_questions(name: str) -> None:
    task = TASKS.load(name)
    assert task.has_unanswerable == any(metric.startswith("best_") for metric in task.metrics)
    assert task.kind == "span_qa" or not task.has_unanswerable


def test_two_questions_with_one_id_are_refused() -> None:
    examples = [Question("a", "?", "Rome", (Answer("Rome", 0),))] * 2
    with pytest.raises(ValueError, match="the id 'a' is there twice"):
        read_examples(toy_task("span_qa", examples), toy_data(), None)


# Every published answer: features made from the gold spans, decoded back.


def gold_outputs(features: Features) -> np.ndarray:
    """All mass on the gold tokens, and on the first token of windows that do not hold them."""
    outputs = np.zeros((len(features.token_ids), 2), dtype=np.float32)
    for column in (0, 1):
        outputs[features.offsets[:-1] + features.targets[:, column], column] = np.where(features.targets[:, 1] > 0, 9, 5)
    return outputs


@pytest.mark.parametrize("family", FAMILIES.names)
def test_answers_in_every_script_are_cut_to_the_character(family: str) -> None:
    """Words that no space separates from punctuation, brackets or the next word of another script."""
    words = ["Rome", "Москва", "القاهرة", "กรุงเทพ", "北京", "दिल्ली", "Αθήνα", "서울"]
    context = "".join(f"({word}), «{word}»。{word}\n" for word in [*words, *TEXTS])
    for word in words:
        for match in re.finditer(re.escape(word), context):
            question = Question("x", "?", context, (Answer(word, match.start()),))
            features = span_features([question], toy_tokenizer(family), 384, Counter())
            (found,) = decode_answers(gold_outputs(features), features, [question])
            tokens = toy_tokenizer(family)(context, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
            assert found.text == word or miss_of(question, tokens) is not None
            assert word in found.text


class Miss(NamedTuple):
    """Why no span that may be an answer is the gold one."""

    is_too_long: bool
    is_inside_token: bool


def miss_of(question: Question, tokens: list[tuple[int, int]]) -> Miss | None:
    """Of the first gold answer; `tokens` are the first character and the end of each token of the context."""
    text, start = question.answers[0]
    touching = [span for span in tokens if span[1] > start and span[0] < start + len(text) and question.context[slice(*span)].strip()]
    said = question.context[touching[0][0] : touching[-1][1]].strip()
    miss = Miss(len(touching) > MAX_ANSWER_TOKENS, said != text)
    return miss if any(miss) else None


real_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"the published files are not at {REAL_DATA}")

MBERT_MISSES: dict[tuple[str, Split, str], tuple[int, int, int]] = {
    ("xquad", "test", "ar"): (1190, 19, 3),
    ("xquad", "test", "de"): (1190, 7, 0),
    ("xquad", "test", "el"): (1190, 47, 1),
    ("xquad", "test", "en"): (1190, 0, 1),
    ("xquad", "test", "es"): (1190, 3, 1),
    ("xquad", "test", "hi"): (1190, 24, 2),
    ("xquad", "test", "ro"): (1190, 12, 0),
    ("xquad", "test", "ru"): (1190, 15, 0),
    ("xquad", "test", "th"): (1190, 96, 2),
    ("xquad", "test", "tr"): (1190, 8, 3),
    ("xquad", "test", "vi"): (1190, 7, 1),
    ("xquad", "test", "zh"): (1190, 14, 0),
    ("mlqa", "dev", "ar"): (517, 18, 12),
    ("mlqa", "dev", "de"): (512, 7, 7),
    ("mlqa", "dev", "en"): (1148, 5, 3),
    ("mlqa", "dev", "es"): (500, 11, 13),
    ("mlqa", "dev", "hi"): (507, 17, 1),
    ("mlqa", "dev", "vi"): (511, 5, 5),
    ("mlqa", "dev", "zh"): (504, 29, 2),
    ("mlqa_pairs", "dev", "de-en"): (344, 3, 3),
    ("mlqa_pairs", "dev", "en-de"): (329, 0, 1),
    ("tydiqa", "train", "en"): (3696, 123, 34),
    ("tydiqa", "train", "ko"): (1625, 41, 217),
    ("tydiqa", "train", "sw"): (2755, 60, 34),
}
"""For each set: questions, and of these first answers of more than 30 tokens, which no official script finds either, and first answers
that begin or end inside a token of multilingual BERT in such a way that the official score tells."""


@functools.cache
def real_tokenizer(family: str) -> PreTrainedTokenizerBase:
    """Multilingual BERT's own, and one of XLM-R's kind that is trained on a little text in fifteen languages."""
    if family == "bert":
        return BertTokenizer.from_pretrained(REAL_DATA / "mbert_vocab", do_lower_case=False)
    files = sorted((REAL_DATA / "ntrex128").glob("newstest2019-*.txt"))
    texts = [line for file in files for line in file.read_text("utf-8").split("\n")[:300]]
    return FAMILIES.load(family).train_tokenizer(texts, 8000, 512)


def real_questions(name: str, split: Split, language: str) -> list[Question]:
    source = data_source(name, split, language, REAL_DATA)
    spec = DataSpec(task=name, task_version=TASKS.load(name).version, split=split, language=language, num_examples=None, source=source)
    return [example for example in load_examples(spec, REAL_DATA).examples if isinstance(example, Question)]


class Decoded(NamedTuple):
    """What comes back from the gold spans of each question."""

    said: list[str]
    is_exact: list[bool]
    """Whether the task's own metric takes it for the first gold answer."""
    is_held: list[bool]
    """Whether a window holds the first gold answer whole."""


def decoded(name: str, language: str, questions: list[Question], tokenizer: PreTrainedTokenizerBase) -> Decoded:
    task = TASKS.load(name)
    features = span_features(questions, tokenizer, 384, Counter())
    first_alone = [question._replace(answers=question.answers[:1]) for question in questions]
    scored = score(task, (), language, first_alone, features, gold_outputs(features))
    column = next(index for index, column in enumerate(scored.columns) if column.endswith("exact_sum"))
    held = set(features.example[features.targets[:, 1] > 0].tolist())
    said = [str(prediction) for prediction in scored.predictions]
    return Decoded(said, (scored.counts_NK[:, column] == 1).tolist(), [index in held for index in range(len(questions))])


@pytest.mark.realdata
@real_data
@pytest.mark.parametrize("family", FAMILIES.names)
@pytest.mark.parametrize(("name", "split", "language"), MBERT_MISSES, ids=lambda value: str(value))
def test_every_published_answer_is_found_again(
    name: str, split: Split, language: str, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the character, but for answers of more than 30 tokens and those that begin or end inside a token; and these are counted.

    Without the limit of 30 the long ones come back as well.
    """
    questions, tokenizer = real_questions(name, split, language), real_tokenizer(family)
    contexts = sorted({question.context for question in questions})
    encoded = tokenizer(contexts, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    tokens = dict(zip(contexts, encoded, strict=True))
    misses = [miss_of(question, tokens[question.context]) for question in questions]
    said, is_exact, is_held = decoded(name, language, questions, tokenizer)
    for question, miss, text, is_right in zip(questions, misses, said, is_exact, strict=True):
        assert miss is not None or (text == question.answers[0].text and is_right), question.id
    lost = [miss for miss, is_right in zip(misses, is_exact, strict=True) if not is_right and miss is not None]
    counts = (len(questions), sum(miss.is_too_long for miss in lost), sum(not miss.is_too_long for miss in lost))
    if family == "bert":
        assert counts == MBERT_MISSES[name, split, language]
        assert all(is_held)
    assert is_held.count(False) <= 5, "answers of hundreds of tokens"

    only_long = Miss(is_too_long=True, is_inside_token=False)
    long = [question for question, miss, holds in zip(questions, misses, is_held, strict=True) if miss == only_long and holds]
    monkeypatch.setattr(span_qa, "MAX_ANSWER_TOKENS", 384)
    assert not long or decoded(name, language, long, tokenizer).said == [question.answers[0].text for question in long]
