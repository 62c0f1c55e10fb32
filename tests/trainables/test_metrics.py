"""Metrics against numbers derived by hand from the official definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.examples import Answer
from trainables.metrics import (
    METRICS,
    Span,
    answer_scores,
    average_precision,
    columns_of,
    mlqa_tokens,
    scores_at_best_threshold,
    span_counts_of,
    spans,
    spans_of,
    squad2_scores,
    squad_tokens,
    value_of,
)
from trainables.task import TASKS

TAG = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "NOUN", "SCONJ", "CCONJ", "X", "E-PER", "S-LOC"])


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        # seqeval's documentation of get_entities
        ("B-PER I-PER O B-LOC", [("PER", 0, 1), ("LOC", 3, 3)]),
        # conlleval: an I- after O or after another type opens a span, a B- closes the one before it
        ("I-PER I-PER O I-LOC", [("PER", 0, 1), ("LOC", 3, 3)]),
        ("B-PER I-LOC I-LOC", [("PER", 0, 0), ("LOC", 1, 2)]),
        ("B-PER B-PER I-PER", [("PER", 0, 0), ("PER", 1, 2)]),
        ("O O", []),
        ("B-MISC-X I-MISC-X", [("MISC-X", 0, 1)]),
        # without prefixes the first letter is taken for one
        ("NOUN NOUN VERB", [("OUN", 0, 1), ("ERB", 2, 2)]),
        ("SYM SYM", [("YM", 0, 0), ("YM", 1, 1)]),
        ("X X NOUN", [("_", 0, 1), ("OUN", 2, 2)]),
        ("X X", []),
        ("CCONJ SCONJ", [("CONJ", 1, 1)]),
        ("SCONJ CCONJ NOUN", [("CONJ", 0, 0), ("CONJ", 0, 1), ("OUN", 2, 2)]),
        ("INTJ INTJ PUNCT", [("NTJ", 0, 1), ("UNCT", 2, 2)]),
    ],
)
def test_spans_are_those_of_seqeval(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert spans(tags.split()) == {Span(*each) for each in expected}


def test_seqeval_s_documented_f1() -> None:
    """The example of its README: F1 0.50."""
    gold = ["O O O B-MISC I-MISC I-MISC O", "B-PER I-PER O"]
    predicted = ["O O B-MISC I-MISC I-MISC I-MISC O", "B-PER I-PER O"]
    counts = np.array(span_counts_of([tags.split() for tags in predicted], [tags.split() for tags in gold]))
    assert counts.tolist() == [[0, 1, 1], [1, 1, 1]]
    assert METRICS["span_f1"].value(counts.sum(axis=0).astype(float)) == 0.5


def test_an_x_that_opens_a_sentence_reaches_back() -> None:
    """seqeval 1.2.2 reads sentences as one list: get_entities gives (OUN, 0, 0), (ERB, 1, 1), (_, 1, 3), (OUN, 4, 4)."""
    assert list(spans_of([["NOUN", "VERB"], ["X", "NOUN"]])) == [
        {Span("OUN", 0, 0), Span("ERB", 1, 1)},
        {Span("_", -2, 0), Span("OUN", 1, 1)},
    ]
    right, said = [["NOUN", "VERB"], ["X", "NOUN"]], [["NOUN", "NOUN"], ["X", "NOUN"]]
    assert span_counts_of(said, right) == [(0, 1, 2), (1, 2, 2)]
    assert span_counts_of(said[1:], right[1:]) == [(2, 2, 2)]


def test_pos_f1_is_not_accuracy() -> None:
    """seqeval 1.2.2 gives 0.40 where two of three tokens are right."""
    (counts,) = span_counts_of([["NOUN", "PROPN", "VERB"]], [["NOUN", "NOUN", "VERB"]])
    assert counts == (1, 3, 2)
    assert METRICS["pos_f1"].value(np.array(counts, dtype=float)) == pytest.approx(0.40)


@given(st.lists(TAG, max_size=8))
def test_what_is_right_scores_one(tags: list[str]) -> None:
    ((true_positives, predicted, gold),) = span_counts_of([tags], [tags])
    assert true_positives == predicted == gold


@given(st.lists(st.lists(st.integers(0, 100), min_size=3, max_size=3), min_size=1, max_size=5))
def test_values_are_of_sums_of_any_shape(rows: list[list[int]]) -> None:
    sums = np.array(rows, dtype=float)
    values = METRICS["span_f1"].value(sums)
    assert values.shape == (len(rows),)
    assert np.array_equal(values, [METRICS["span_f1"].value(row) for row in sums])


def test_values_of_nothing_are_zero() -> None:
    for metric in METRICS.values():
        assert metric.value(np.zeros((2, len(metric.columns)))).tolist() == [0, 0]


def test_columns_are_shared() -> None:
    columns = columns_of(["f1", "exact_match"])
    assert columns == ("f1_sum", "questions", "exact_sum")
    assert value_of("exact_match", columns, np.array([[3.0, 4.0, 1.0], [0.0, 2.0, 2.0]])).tolist() == [0.25, 1.0]


@pytest.mark.parametrize(
    ("predicted", "gold", "f1", "exact"),
    [
        ("The Eiffel  Tower!", ["eiffel tower"], 1, 1),
        ("in the Eiffel tower", ["Eiffel Tower"], 0.8, 0),  # 2 of 3 and 2 of 2 words
        ("Oslo", ["Rome", "Oslo, Norway", "of Oslo"], 2 / 3, 0),
        ("anthem", ["an them"], 0, 0),
        ("the", ["The"], 0, 1),  # evaluate-v1.1.py: no common word, though the normalised texts are equal
        ("北京", ["北京。"], 0, 0),  # English rules leave the full stop of Chinese, and do not split words
        ("", ["Rome"], 0, 0),
    ],
)
def test_answers_by_squad_s_rules(predicted: str, gold: list[str], f1: float, exact: float) -> None:
    assert answer_scores(predicted, [Answer(text, 0) for text in gold], squad_tokens) == (pytest.approx(f1), exact)


@pytest.mark.parametrize(
    ("predicted", "gold", "f1", "exact"),
    [
        ("", [], 1, 1),
        ("Rome", [], 0, 0),
        ("the.", [], 1, 1),  # evaluate-v2.0.py compares what is left of the texts, and here nothing is
        ("The", ["a"], 1, 1),
        ("Rome", ["the", "in Rome"], 2 / 3, 0),
        ("", ["the", "Rome"], 0, 0),
    ],
)
def test_answers_by_squad2_s_rules(predicted: str, gold: list[str], f1: float, exact: float) -> None:
    assert squad2_scores(predicted, [Answer(text, 0) for text in gold]) == (pytest.approx(f1), exact)


QUESTIONS = st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3), st.booleans()), min_size=1, max_size=12)


@given(QUESTIONS)
def test_no_threshold_is_better_than_the_best(questions: list[tuple[int, int, bool]]) -> None:
    """Scores in quarters, odds with ties; without ties the best is that of a threshold."""
    score_N, odds_N = (np.array([each[part] for each in questions], dtype=float) for part in (0, 1))
    has_answer_N = np.array([each[2] for each in questions])
    score_N = np.where(has_answer_N, score_N / 4, 0)
    is_empty_N = np.zeros(len(questions), dtype=bool)
    best = scores_at_best_threshold(score_N, odds_N, has_answer_N, is_empty_N).sum()
    at = [np.where(odds_N <= threshold, score_N, ~has_answer_N).sum() for threshold in range(-4, 4)]
    assert best >= max(at) if len(set(odds_N)) < len(questions) else best == max(at)


@pytest.mark.parametrize(
    ("text", "language", "tokens"),
    [
        ("«Der Rhein»", "de", ["rhein"]),
        ("La  Habana.", "es", ["habana"]),
        ("在1990年，NBA联赛", "zh", ["在", "1990", "年", "nba", "联", "赛"]),
        ("القاهرة", "ar", ["قاهرة"]),
        ("राजधानी।", "hi", ["राजधानी"]),
        ("những con mèo", "vi", ["con", "mèo"]),
        ("The cat – a pet", "en", ["cat", "pet"]),
    ],
)
def test_answers_by_mlqa_s_rules(text: str, language: str, tokens: list[str]) -> None:
    assert mlqa_tokens(text, language) == tokens


def test_answers_of_a_mixed_pair_are_read_by_the_context_s_rules() -> None:
    assert mlqa_tokens("der the 在年", "de-en") == mlqa_tokens("der the 在年", "de") == ["the", "在年"]
    assert mlqa_tokens("der the 在年", "en-zh") == ["der", "在年"]
    assert mlqa_tokens("der the 在年", "zh-de") == ["der", "the", "在", "年"]


def test_mlqa_s_rules_end_at_its_languages() -> None:
    with pytest.raises(ValueError, match="language 'sw': MLQA's metrics are defined for en, es, vi, de, ar, hi, zh alone"):
        mlqa_tokens("x", "sw")


@pytest.mark.parametrize("name", TASKS.names)
def test_every_task_names_known_metrics(name: str) -> None:
    assert TASKS.load(name).metrics
    assert set(TASKS.load(name).metrics) <= set(METRICS)


@pytest.mark.parametrize(
    ("ranked", "relevant", "wanted"),
    [
        ("abc", "a", 1),
        ("bca", "a", 1 / 3),
        ("bcd", "a", 0),
        ("abcd", "ad", (1 + 2 / 4) / 2),
        ("ba", "abcd", (1 + 1) / 4),
        ("baa", "a", 1 / 2),
        ("baa", "ab", 1),
        ("", "a", 0),
        ("x" * 19 + "a", "a", 1 / 20),
        ("x" * 20 + "a", "a", 0),
    ],
)
def test_average_precision_by_hand(ranked: str, relevant: str, wanted: float) -> None:
    assert average_precision(list(ranked), list(relevant)) == pytest.approx(wanted)


def test_more_relevant_ids_than_places_can_all_be_found() -> None:
    assert average_precision([str(i) for i in range(20)], [str(i) for i in range(50)]) == 1
