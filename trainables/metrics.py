"""The metrics: what each counts per example, and its value from the sums, so that a bootstrap is a matrix product.

A metric's columns are summed over examples first; `value` maps sums [..., k] to fractions [...] between 0 and 1.
"""

import functools
import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.examples import Answer

Floats = NDArray[np.float64]


class Metric(NamedTuple):
    """A metric: the names of its per-example columns, and the function from their sums to its value."""

    name: str
    columns: tuple[str, ...]
    value: Callable[[Floats], Floats]


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """0 where there is nothing to count."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator, dtype=np.float64), where=denominator > 0)


def _first_over_second(sums: Floats) -> Floats:
    return _ratio(sums[..., 0], sums[..., 1])


def _first_over_third(sums: Floats) -> Floats:
    return _ratio(sums[..., 0], sums[..., 2])


def _f1(sums: Floats) -> Floats:
    """From true positives, predicted and gold."""
    return _ratio(2 * sums[..., 0], sums[..., 1] + sums[..., 2])


_SPAN_COLUMNS = ("span_tp", "span_predicted", "span_gold")
_PAIR_COLUMNS = ("pair_tp", "pair_predicted", "pair_gold")

METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", ("correct", "total"), _first_over_second),
        Metric("binary_f1", ("positive_tp", "positive_predicted", "positive_gold"), _f1),
        Metric("span_f1", _SPAN_COLUMNS, _f1),
        Metric("pos_f1", _SPAN_COLUMNS, _f1),
        Metric("f1", ("f1_sum", "questions"), _first_over_second),
        Metric("exact_match", ("exact_sum", "questions"), _first_over_second),
        Metric("best_f1", ("best_f1_sum", "questions"), _first_over_second),
        Metric("best_exact_match", ("best_exact_sum", "questions"), _first_over_second),
        Metric("map_at_20", ("average_precision_sum", "queries"), _first_over_second),
        Metric("mining_f1", _PAIR_COLUMNS, _f1),
        Metric("mining_precision", _PAIR_COLUMNS, _first_over_second),
        Metric("mining_recall", _PAIR_COLUMNS, _first_over_third),
        Metric("mlqa_f1", ("mlqa_f1_sum", "questions"), _first_over_second),
        Metric("mlqa_exact_match", ("mlqa_exact_sum", "questions"), _first_over_second),
    )
}
"""`accuracy`: of labels, options, words, masked tokens or retrieved passages. `binary_f1`: F1 of the second of two labels.
`span_f1`: micro F1 of the spans in BIO tags. `pos_f1`: the same count over tags without prefixes, which is XTREME's score for
part of speech and is not accuracy. `f1`, `exact_match`: of answers, by SQuAD's English rules in every language: those of SQuAD 2.0
where a task has unanswerable questions, at a null threshold of 0, and there `best_*`: the same at the threshold that suits the
scored set best. `mlqa_*`: by MLQA's rules for each language. `map_at_20`: mean average precision of the first 20 candidates.
`mining_*`: of sentence pairs found among all of two corpora."""


def columns_of(metric_names: Sequence[str]) -> tuple[str, ...]:
    """The columns that these metrics need, each once."""
    return tuple(dict.fromkeys(column for name in metric_names for column in METRICS[name].columns))


def value_of(metric_name: str, columns: Sequence[str], sums: Floats) -> Floats:
    """The value of a metric from sums [..., k] whose last axis is `columns`."""
    metric = METRICS[metric_name]
    return metric.value(np.asarray(sums, dtype=np.float64)[..., [columns.index(column) for column in metric.columns]])


class Span(NamedTuple):
    """A run of words, last one included, that tags mark as one unit."""

    type: str
    first: int
    last: int


def spans(tags: Sequence[str]) -> set[Span]:
    """The spans of one sentence, as seqeval 1.2.2 finds them in its default mode (conlleval's rules; `get_entities`).

    The first character of a tag is its prefix, whatever it is; the rest, after a hyphen, its type. So for tags without prefixes
    equal neighbours merge; `SCONJ` and `SYM` stand alone, for their prefix is `S`; `CCONJ` and `SCONJ` are one type, `CONJ`; and
    `X` has the type of `O`, so that it never ends a sentence.
    """
    return next(spans_of([tags]))


def spans_of(sentences: Iterable[Sequence[str]]) -> Iterator[set[Span]]:
    """The spans of each of several sentences, which seqeval reads as one list with an `O` after each.

    So an `X` that opens a sentence starts no span, and one that goes on from there is counted from where the last span before it
    started: `first` is negative then, a place in a sentence before.
    """
    first, previous, previous_type = 0, "O", ""
    for tags in sentences:
        found = set()
        for index, tag in enumerate((*tags, "O")):
            prefix, type_ = tag[0], tag[1:].split("-", maxsplit=1)[-1] or "_"
            changed = previous_type != type_
            if previous in "ES" or (previous in "BI" and prefix in "BSO") or (previous not in "O." and changed):
                found.add(Span(previous_type, first, index - 1))
            if (
                prefix in "BS"
                or (previous in "ES" and prefix in "EI")
                or (previous == "O" and prefix in "EI")
                or (prefix not in "O." and changed)
            ):
                first = index
            previous, previous_type = prefix, type_
        yield found
        first -= len(tags) + 1


def span_counts_of(predicted: Sequence[Sequence[str]], gold: Sequence[Sequence[str]]) -> list[tuple[int, int, int]]:
    """For each sentence, its spans in both, predicted, and gold; their sums are seqeval's."""
    both = zip(spans_of(predicted), spans_of(gold), strict=True)
    return [(len(predicted_spans & gold_spans), len(predicted_spans), len(gold_spans)) for predicted_spans, gold_spans in both]


def average_precision(ranked: Sequence[str], relevant: Collection[str], cutoff: int = 20) -> float:
    """The mean, over as many relevant ids as could be among the first `cutoff`, of the precision at the rank of each one found there.

    With one relevant id it is the reciprocal rank, which is what XTREME-R's Mewsli-X score computes (`utils_mewslix.py`). An id that
    is ranked twice is found once.
    """
    left, total = set(relevant), 0.0
    num_relevant = len(left)
    for place, candidate in enumerate(ranked[:cutoff], 1):
        if candidate in left:
            left.remove(candidate)
            total += (num_relevant - len(left)) / place
    return total / min(num_relevant, cutoff)


def answer_scores(predicted: str, answers: Sequence[Answer], tokens_of: Callable[[str], list[str]]) -> tuple[float, float]:
    """F1 and exact match, each the maximum over the gold answers (evaluate-v1.1.py, mlqa_evaluation_v1.py)."""
    predicted_tokens = tokens_of(predicted)
    gold = [tokens_of(answer.text) for answer in answers]
    return max(_token_f1(predicted_tokens, tokens) for tokens in gold), float(any(predicted_tokens == tokens for tokens in gold))


def squad2_scores(predicted: str, answers: Sequence[Answer]) -> tuple[float, float]:
    """F1 and exact match by evaluate-v2.0.py: as version 1.1, but that texts without a word are all equal, and no answer one of them."""
    predicted_tokens = squad_tokens(predicted)
    gold = [tokens for answer in answers if (tokens := squad_tokens(answer.text))]
    if not gold or not predicted_tokens:
        return float(not gold and not predicted_tokens), float(not gold and not predicted_tokens)
    return max(_token_f1(predicted_tokens, tokens) for tokens in gold), float(any(predicted_tokens == tokens for tokens in gold))


def scores_at_best_threshold(
    score_N: Floats, null_odds_N: Floats, has_answer_N: NDArray[np.bool_], is_empty_N: NDArray[np.bool_]
) -> Floats:
    """The scores if only questions with null odds up to the best threshold were answered (evaluate-v2.0.py, `find_best_thresh`).

    `score_N` are those of the best spans, of which `is_empty_N` are empty; a question that is not answered is right iff it has no
    answer. As in the original, the threshold may fall between two questions with the same odds, of which the first comes first.
    """
    order = np.argsort(null_odds_N, kind="stable")
    gain_N = np.where(has_answer_N, score_N, np.where(is_empty_N, 0.0, -1.0))
    num_answered = int(np.argmax(np.append(0.0, np.cumsum(gain_N[order]))))
    is_answered_N = np.isin(np.arange(len(order)), order[:num_answered])
    return np.where(is_answered_N, np.where(has_answer_N, score_N, is_empty_N), ~has_answer_N).astype(np.float64)


def _token_f1(predicted: list[str], gold: list[str]) -> float:
    num_same = sum((Counter(predicted) & Counter(gold)).values())
    return 2 * num_same / (len(predicted) + len(gold)) if num_same else 0.0


_ENGLISH_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)


def squad_tokens(text: str) -> list[str]:
    """SQuAD 1.1's normalised words (evaluate-v1.1.py): lower case, no ASCII punctuation, no English articles."""
    return _ENGLISH_ARTICLES.sub(" ", text.lower().translate(_NO_ASCII_PUNCTUATION)).split()


_MLQA_ARTICLES = {
    "en": _ENGLISH_ARTICLES,
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "ar": re.compile(r"\sال^|ال"),
    "hi": None,
    "zh": None,
}
_CHINESE = re.compile(r"([\u4e00-\u9fa5])")


@functools.cache
def _no_punctuation() -> dict[int, None]:
    return {code: None for code in range(sys.maxunicode) if unicodedata.category(chr(code))[0] == "P" or chr(code) in string.punctuation}


def mlqa_tokens(text: str, language: str) -> list[str]:
    """MLQA's normalised words (mlqa_evaluation_v1.py): all punctuation and the language's own articles go; Chinese by character.

    Of a pair of languages, `<context>-<question>`, the context's counts: the answer is cut from it.
    """
    language = language.partition("-")[0]
    if language not in _MLQA_ARTICLES:
        raise ValueError(f"language {language!r}: MLQA's metrics are defined for {', '.join(_MLQA_ARTICLES)} alone")
    text = text.lower().translate(_no_punctuation())
    articles = _MLQA_ARTICLES[language]
    text = text if articles is None else articles.sub(" ", text)
    return (_CHINESE.sub(r" \1 ", text) if language == "zh" else text).split()
