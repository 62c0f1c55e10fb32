"""From a model's outputs to predictions, per-example counts, measurements and the table of an evaluation.

Legend: `S` sequences, `T` tokens of all of them, `N` scored examples, `C` classes, `D` hidden size, `K` columns.
"""

import functools
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from trainables.data import load_examples
from trainables.examples import Choice, Example, Passage, Question, Sentence, Text
from trainables.features import IGNORED, Features
from trainables.inference import embed, predict
from trainables.manifest import Measurement
from trainables.metrics import (
    METRICS,
    Floats,
    answer_scores,
    columns_of,
    mlqa_tokens,
    scores_at_best_threshold,
    span_counts_of,
    squad2_scores,
    squad_tokens,
    value_of,
)
from trainables.model import Model
from trainables.prepare import prepare
from trainables.retrieval import nearest
from trainables.span_qa import FoundAnswer, decode_answers
from trainables.specs import DataSpec, EvaluateSpec
from trainables.task import TASKS, Task

Prediction = str | int | list[str] | list[int]
"""classification: label. tagging: a tag a word. span_qa: answer. multiple_choice: index of an option.
retrieval: candidates' ids, best first. mlm: a token id a masked token."""


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
    """Scores the outputs of `predict` (retrieval: of `embed`) for the features of `examples`.

    `head_labels` are the labels of the task whose head spoke, in its order; they must be this task's, in any order.
    """
    if not np.isfinite(outputs).all():
        raise FloatingPointError("the model's outputs are not all finite")
    if set(head_labels) != set(task.labels):
        raise ValueError(
            f"the head predicts {', '.join(head_labels) or 'no labels'}, but the task's are {', '.join(task.labels) or 'none'}"
        )
    if task.kind == "span_qa":
        questions = cast(Sequence[Question], examples)
        return score_answers(task, language, questions, decode_answers(cast(NDArray[np.float32], outputs), features, questions))
    if task.kind == "retrieval":
        queries, predictions = _retrieve(cast(Sequence[Passage], examples), cast(NDArray[np.float32], outputs))
        examples = queries
        gold: list[object] = [query.relevant for query in queries]
    else:
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


def _predictions(task: Task, head_labels: Sequence[str], features: Features, outputs: NDArray[np.generic]) -> list[Prediction]:
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


def _retrieve(examples: Sequence[Passage], vectors_SD: NDArray[np.float32]) -> tuple[list[Passage], list[Prediction]]:
    is_query = np.array([example.side == "query" for example in examples])
    queries = [example for example in examples if example.side == "query"]
    candidates = [example for example in examples if example.side != "query"]
    return queries, [[candidates[index].id] for index in nearest(vectors_SD[is_query], vectors_SD[~is_query])]


def _counts(metric: str, task: Task, gold: object, predicted: object) -> tuple[float, ...]:
    """One example's values of the metric's columns."""
    match metric:
        case "accuracy" if task.kind == "retrieval":
            return cast(list[str], predicted)[0] in cast(tuple[str, ...], gold), 1
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


def measure(data: DataSpec, scored: Scored) -> tuple[Measurement, ...]:
    """One measurement for each metric of the task, in its order."""
    sums = scored.counts_NK.sum(axis=0)
    return tuple(
        Measurement(
            task=data.task,
            language=data.language,
            split=data.split,
            metric=name,
            value=float(value_of(name, scored.columns, sums)),
            n=len(scored.ids),
        )
        for name in TASKS.load(data.task).metrics
    )


class DevSet(NamedTuple):
    """Examples that select a checkpoint, and the task of the mixture whose head is asked."""

    head: str
    data: DataSpec
    examples: list[Example]
    features: Features


def load_dev_set(
    head: str, data: DataSpec, folder: str | Path | None, tokenizer: PreTrainedTokenizerBase, max_length: int, cache: str | Path
) -> DevSet:
    """Reads and prepares a dev set, once for all evaluations of a training."""
    features = prepare(data, folder, tokenizer, max_length, "score", cache).features
    return DevSet(head, data, load_examples(data, folder).examples, features)


def evaluate_dev(model: Model, dev_sets: Sequence[DevSet]) -> tuple[float | None, tuple[Measurement, ...]]:
    """The plain mean over the dev sets of each one's first metric, None without any, and all measurements."""
    measurements: list[tuple[Measurement, ...]] = []
    for dev_set in dev_sets:
        scored = _score_with_head(model, dev_set.head, dev_set.data, dev_set.examples, dev_set.features)
        measurements.append(measure(dev_set.data, scored))
    mean = sum(each[0].value for each in measurements) / len(measurements) if measurements else None
    return mean, tuple(measurement for each in measurements for measurement in each)


def _score_with_head(model: Model, head: str, data: DataSpec, examples: Sequence[Example], features: Features) -> Scored:
    outputs = predict(model, features, head)
    return score(TASKS.load(data.task), model.shapes[head].labels, data.language, examples, features, outputs)


class Evaluation(NamedTuple):
    """The result of an EvaluateSpec, beside its table."""

    measurements: tuple[Measurement, ...]
    dropped: dict[str, int]
    """By `<task>/<language>: <reason>`."""
    num_tokens: int
    num_examples: int


def run_evaluation(
    spec: EvaluateSpec, model: Model, tokenizer: PreTrainedTokenizerBase, folder: str | Path | None, cache: str | Path, table: Path
) -> Evaluation:
    """Scores every language of `spec` and writes `table` (examples.parquet): a row for each scored example.

    Its columns are language, example_id, prediction (JSON), then one float64 column for each count of the task's metrics.
    """
    measurements: list[Measurement] = []
    tables: list[pa.Table] = []
    dropped: dict[str, int] = {}
    num_tokens = num_examples = 0
    for data in spec.data:
        prepared = prepare(data, folder, tokenizer, spec.max_length, "score", cache)
        features, examples = prepared.features, load_examples(data, folder).examples
        if spec.retrieval is not None:
            vectors_SD = embed(model, features, spec.retrieval.layer, spec.retrieval.pooling)
            scored = score(TASKS.load(data.task), (), data.language, examples, features, vectors_SD)
        else:
            assert spec.head is not None, "an evaluation without a head needs a retrieval protocol"
            scored = _score_with_head(model, spec.head, data, examples, features)
        measurements += measure(data, scored)
        tables.append(_table(data.language, scored))
        dropped |= {f"{data.task}/{data.language}: {reason}": number for reason, number in prepared.dropped.items()}
        num_tokens += len(features.token_ids)
        num_examples += features.num_examples
    pq.write_table(pa.concat_tables(tables), table)
    return Evaluation(tuple(measurements), dropped, num_tokens, num_examples)


def _table(language: str, scored: Scored) -> pa.Table:
    columns: dict[str, object] = {
        "language": [language] * len(scored.ids),
        "example_id": scored.ids,
        "prediction": [json.dumps(prediction, ensure_ascii=False) for prediction in scored.predictions],
    }
    return pa.table(columns | {name: scored.counts_NK[:, index] for index, name in enumerate(scored.columns)})
