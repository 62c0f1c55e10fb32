"""From a model's outputs to predictions and per-example counts, for every kind of task.

Legend: `S` sequences, `N` scored examples, `C` classes, `D` hidden size, `K` columns.
"""

import functools
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from trainables.examples import Choice, Example, Passage, Question, Sentence, Text
from trainables.features import IGNORED, Features
from trainables.metrics import (
    METRICS,
    Floats,
    answer_scores,
    average_precision,
    columns_of,
    mlqa_tokens,
    scores_at_best_threshold,
    span_counts_of,
    squad2_scores,
    squad_tokens,
)
from trainables.retrieval import Device, best_threshold, mine, rank
from trainables.span_qa import FoundAnswer, decode_answers
from trainables.specs import RetrievalProtocol
from trainables.task import Task
from trainables.text_to_text import KIND, label_names

Vectors = NDArray[np.float32]
Prediction = str | int | list[str] | list[int]
"""classification: label, empty if what was written is none. tagging: a tag a word. span_qa: answer. multiple_choice: index of an
option, -1 if what was written is none. retrieval: candidates' ids, best first; none for a sentence without a translation. mlm: a token
id a masked token."""


class Scored(NamedTuple):
    """What is known of each scored example: all examples, but for retrieval the queries alone."""

    ids: list[str]
    predictions: list[Prediction]
    columns: tuple[str, ...]
    counts_NK: Floats
    """The columns of the task's metrics; a metric's value follows from their sums."""


def score(
    task: Task, head_labels: Sequence[str], language: str, examples: Sequence[Example], features: Features, outputs: NDArray[np.generic]
) -> Scored:
    """Scores the outputs of `predict` for the features of `examples`.

    `head_labels` are the labels of the task whose head spoke, in its order; they must be this task's, in any order. Where labels lie in
    files, the head has those that it was trained with, and what it does not know it gets wrong.
    """
    _check_finite(outputs)
    labels = label_names(task) if features.kind == KIND else task.labels
    if not task.has_file_labels and set(head_labels) != set(labels):
        raise ValueError(f"the head predicts {', '.join(head_labels) or 'no labels'}, but the task's are {', '.join(labels) or 'none'}")
    if task.kind == "span_qa":
        questions = cast(Sequence[Question], examples)
        return score_answers(task, language, questions, decode_answers(cast(NDArray[np.float32], outputs), features, questions))
    predictions = _predictions(task, head_labels, features, outputs)
    gold = _gold(task, examples, features)
    columns = columns_of(task.metrics)
    counts_NK = np.zeros((len(examples), len(columns)))
    for name in task.metrics:
        places = [columns.index(column) for column in METRICS[name].columns]
        if name in ("span_f1", "pos_f1"):
            counts_NK[:, places] = span_counts_of(cast(list[list[str]], predictions), cast(list[tuple[str, ...]], gold))
        else:
            counts_NK[:, places] = [_counts(name, task, right, said) for right, said in zip(gold, predictions, strict=True)]
    return Scored([example.id for example in examples], predictions, columns, counts_NK)


def score_answers(task: Task, language: str, questions: Sequence[Question], found: Sequence[FoundAnswer]) -> Scored:
    """Scores what `decode_answers` found.

    A task has unanswerable questions or it has none; where it has none, an empty answer is never right.
    """
    predictions = [answer.said(task.has_unanswerable) for answer in found]
    columns = columns_of(task.metrics)
    counts_NK = np.ones((len(questions), len(columns)))
    for name in task.metrics:
        texts = [answer.text for answer in found] if name.startswith("best_") else predictions
        tokens_of = functools.partial(mlqa_tokens, language=language) if name.startswith("mlqa_") else squad_tokens
        score_of = squad2_scores if task.has_unanswerable else functools.partial(answer_scores, tokens_of=tokens_of)
        pairs = zip(texts, questions, strict=True)
        score_N = np.array([score_of(text, question.answers)["exact" in name] for text, question in pairs])
        if name.startswith("best_"):
            has_answer_N = np.array([bool(question.answers) for question in questions])
            is_empty_N = np.array([not text for text in texts])
            score_N = scores_at_best_threshold(score_N, np.array([answer.null_odds for answer in found]), has_answer_N, is_empty_N)
        counts_NK[:, columns.index(METRICS[name].columns[0])] = score_N
    return Scored([question.id for question in questions], list(predictions), columns, counts_NK)


def score_passages(
    task: Task,
    passages: Sequence[Passage],
    vectors_SD: Vectors,
    protocol: RetrievalProtocol,
    threshold: float,
    device: Device = "cpu",
) -> Scored:
    """Scores what each query finds among the candidates by the vectors [S, D] of `passages`.

    A mining task keeps the pairs that reach `threshold`; the others keep the first 20 candidates, or the first where no metric
    asks for more.
    """
    _check_finite(vectors_SD)
    queries = [passage for passage in passages if passage.side == "query"]
    if task.is_mining:
        found = {pair.query: [pair.candidate] for pair in mined_pairs(passages, vectors_SD, protocol, device) if pair.score >= threshold}
        ranked = [found.get(query.id, []) for query in queries]
    else:
        ranked = _ranked(passages, vectors_SD, protocol, 20 if "map_at_20" in task.metrics else 1, device)
    columns = columns_of(task.metrics)
    counts_NK = np.zeros((len(queries), len(columns)))
    for name in task.metrics:
        places = [columns.index(column) for column in METRICS[name].columns]
        counts_NK[:, places] = [_passage_counts(name, query.relevant, ids) for query, ids in zip(queries, ranked, strict=True)]
    return Scored([query.id for query in queries], list(ranked), columns, counts_NK)


class MinedPair(NamedTuple):
    """The ids of a query and a candidate that are taken for translations of each other."""

    query: str
    candidate: str
    score: float


def mined_pairs(passages: Sequence[Passage], vectors_SD: Vectors, protocol: RetrievalProtocol, device: Device = "cpu") -> list[MinedPair]:
    """The translation pairs among all sentences, best first.

    As in XTREME, a sentence that is there several times is mined once, and its pair is left out, for no one id is its own.
    """
    queries, candidates = _distinct(passages, "query"), _distinct(passages, "candidate")
    pairs = mine(vectors_SD[queries.places], vectors_SD[candidates.places], protocol, device)
    return [
        MinedPair(queries.ids[pair.query], candidates.ids[pair.candidate], pair.score)
        for pair in pairs
        if queries.is_single[pair.query] and candidates.is_single[pair.candidate]
    ]


def choose_threshold(passages: Sequence[Passage], vectors_SD: Vectors, protocol: RetrievalProtocol, device: Device = "cpu") -> float:
    """The score from which on mined pairs have the best F1 on `passages`."""
    _check_finite(vectors_SD)
    pairs = mined_pairs(passages, vectors_SD, protocol, device)
    gold = {(query.id, candidate) for query in passages for candidate in query.relevant}
    is_gold = np.array([(pair.query, pair.candidate) in gold for pair in pairs], dtype=bool)
    return best_threshold(np.array([pair.score for pair in pairs]), is_gold, len(gold))


class _Distinct(NamedTuple):
    """The distinct texts of one side, in order of their first place."""

    places: list[int]
    ids: list[str]
    is_single: list[bool]


def _distinct(passages: Sequence[Passage], side: str) -> _Distinct:
    count = Counter(passage.text for passage in passages if passage.side == side)
    first: dict[str, int] = {}
    for place, passage in enumerate(passages):
        if passage.side == side:
            first.setdefault(passage.text, place)
    return _Distinct(list(first.values()), [passages[place].id for place in first.values()], [count[text] == 1 for text in first])


def _ranked(passages: Sequence[Passage], vectors_SD: Vectors, protocol: RetrievalProtocol, num: int, device: Device) -> list[list[str]]:
    is_query = np.array([passage.side == "query" for passage in passages])
    candidates = [passage.id for passage in passages if passage.side == "candidate"]
    found = rank(vectors_SD[is_query], vectors_SD[~is_query], num, protocol, device)
    return [[candidates[index] for index in row] for row in found]


def _passage_counts(metric: str, relevant: Sequence[str], ranked: Sequence[str]) -> tuple[float, ...]:
    match metric:
        case "accuracy":
            return ranked[0] in relevant, 1
        case "map_at_20":
            return average_precision(ranked, relevant), 1
        case _:
            return len(set(ranked) & set(relevant)), len(ranked), len(relevant)


def _predictions(task: Task, head_labels: Sequence[str], features: Features, outputs: NDArray[np.generic]) -> list[Prediction]:
    if features.kind == KIND:
        written = outputs[:, : len(head_labels) + 1].argmax(axis=1)
        is_choice = task.kind == "multiple_choice"
        said: list[Prediction] = [*(range(len(head_labels)) if is_choice else head_labels), -1 if is_choice else ""]
        return [said[index] for index in written]
    match task.kind:
        case "classification":
            return [head_labels[index] for index in outputs.argmax(axis=1)]
        case "tagging":
            best = outputs.argmax(axis=1)
            return [[head_labels[index] for index in best[tokens]] for tokens in _target_tokens(features)]
        case "multiple_choice":
            bounds = np.searchsorted(features.example, np.arange(features.num_examples + 1))
            return [int(outputs[first:end].argmax()) for first, end in itertools.pairwise(bounds)]
        case _:
            return [outputs[tokens].tolist() for tokens in _target_tokens(features)]


def _gold(task: Task, examples: Sequence[Example], features: Features) -> list[object]:
    match task.kind:
        case "tagging":
            return [cast(Sentence, example).tags for example in examples]
        case "mlm":
            return [features.targets[tokens].tolist() for tokens in _target_tokens(features)]
        case _:
            return [cast(Text | Choice, example).label for example in examples]


def _target_tokens(features: Features) -> list[NDArray[np.int64]]:
    """For each example, its tokens that have a target, over all its sequences."""
    firsts = np.searchsorted(features.example, np.arange(features.num_examples + 1))
    tokens = np.flatnonzero(features.targets != IGNORED)
    return np.split(tokens, np.searchsorted(tokens, features.offsets[firsts[1:-1]]))


def _counts(metric: str, task: Task, gold: object, predicted: object) -> tuple[float, ...]:
    """One example's values of the metric's columns."""
    match metric:
        case "accuracy" if task.kind in ("tagging", "mlm"):
            pairs = list(zip(cast(Sequence[object], gold), cast(Sequence[object], predicted), strict=True))
            return sum(right == said for right, said in pairs), len(pairs)
        case "accuracy":
            return gold == predicted, 1
        case "binary_f1":
            is_gold, is_predicted = gold == task.labels[1], predicted == task.labels[1]
            return is_gold and is_predicted, is_predicted, is_gold
        case _:
            raise AssertionError(f"metric {metric!r} has no counts")


def _check_finite(outputs: NDArray[np.generic]) -> None:
    if not np.isfinite(outputs).all():
        raise FloatingPointError("the model's outputs are not all finite")
