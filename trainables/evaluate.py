"""Evaluations: of the dev sets that select a checkpoint, and of a stage that scores every language."""

import contextlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from trainables.examples import Example, Passage
from trainables.features import Features
from trainables.inference import embed, predict
from trainables.kept_examples import scored_examples
from trainables.manifest import DataUse, Measurement
from trainables.metrics import value_of
from trainables.model import Model
from trainables.packing import take
from trainables.prepare import data_use, prepare
from trainables.scoring import Scored, choose_threshold, score, score_passages
from trainables.specs import DataSpec, EvaluateSpec
from trainables.task import TASKS

NO_LABEL = "written is no label, which is wrong"
"""The reason under which answers of a text-to-text model that no label has are counted."""
THRESHOLD = "threshold"
"""The metric under which the score from which on mined pairs are kept is recorded."""


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
    use: DataUse


def load_dev_set(
    head: str,
    data: DataSpec,
    folder: str | Path | None,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    cache: str | Path,
    is_written: bool = False,
) -> DevSet:
    """Reads and prepares a dev set, once for all evaluations of a training; as text for a text-to-text model."""
    prepared = prepare(data, folder, tokenizer, max_length, "score", cache, written_for=head if is_written else None)
    return DevSet(head, data, scored_examples(data, folder), prepared.features, data_use(data, "dev", prepared))


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
    data: tuple[DataUse, ...]
    num_tokens: int
    num_examples: int


def run_evaluation(
    spec: EvaluateSpec, model: Model, tokenizer: PreTrainedTokenizerBase, folder: str | Path | None, cache: str | Path, table: Path
) -> Evaluation:
    """Scores every language of `spec` and writes `table` (examples.parquet): a row for each scored example.

    Its columns are language, example_id, prediction (JSON), then one float64 column for each count of the task's metrics.
    """
    evaluator = _Evaluator(spec, model, tokenizer, folder, cache)
    measurements: list[Measurement] = []
    with contextlib.ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for place, data in enumerate(spec.data):
            threshold = evaluator.threshold(spec.threshold_data[place]) if spec.threshold_data else None
            scored = evaluator.score(data, threshold)
            measurements += measure(data, scored)
            if threshold is not None:
                measurements.append(threshold)
            rows = _table(data.language, scored)
            writer = writer or stack.enter_context(pq.ParquetWriter(table, rows.schema))
            writer.write_table(rows)  # language by language, so that memory does not grow with their number
    return Evaluation(tuple(measurements), tuple(evaluator.data), evaluator.num_tokens, evaluator.num_examples)


class _Evaluator:
    """Scores one set of examples after the other, and counts what it reads."""

    def __init__(
        self, spec: EvaluateSpec, model: Model, tokenizer: PreTrainedTokenizerBase, folder: str | Path | None, cache: str | Path
    ) -> None:
        self._spec, self._model, self._tokenizer = spec, model, tokenizer
        self._folder, self._cache = folder, cache
        self._known_vectors: dict[bytes, NDArray[np.float32]] = {}
        self.data: list[DataUse] = []
        self.num_tokens = self.num_examples = 0

    def score(self, data: DataSpec, threshold: Measurement | None) -> Scored:
        examples, features = self._read(data, "test")
        if self._spec.retrieval is None:
            assert self._spec.head is not None, "an evaluation without a head needs a retrieval protocol"
            scored = _score_with_head(self._model, self._spec.head, data, examples, features)
            if unanswered := sum(said in ("", -1) for said in scored.predictions) if self._spec.form is not None else 0:
                use = self.data[-1]
                self.data[-1] = use.model_copy(update={"cut": {**use.cut, NO_LABEL: unanswered}})
            return scored
        passages = cast(list[Passage], examples)
        least = 0.0 if threshold is None else threshold.value
        return score_passages(TASKS.load(data.task), passages, self._vectors(features), self._spec.retrieval, least, self._model.device)

    def threshold(self, data: DataSpec) -> Measurement:
        """The score from which on mined pairs are kept, as found on `data`."""
        assert self._spec.retrieval is not None, "only mining has a threshold"
        examples, features = self._read(data, "threshold")
        passages = cast(list[Passage], examples)
        value = choose_threshold(passages, self._vectors(features), self._spec.retrieval, self._model.device)
        num_queries = sum(passage.side == "query" for passage in passages)
        return Measurement(task=data.task, language=data.language, split=data.split, metric=THRESHOLD, value=value, n=num_queries)

    def _read(self, data: DataSpec, purpose: Literal["test", "threshold"]) -> tuple[list[Example], Features]:
        head = None if self._spec.form is None else self._spec.head
        prepared = prepare(data, self._folder, self._tokenizer, self._spec.max_length, "score", self._cache, written_for=head)
        self.data.append(data_use(data, purpose, prepared))
        self.num_tokens += len(prepared.features.token_ids)
        self.num_examples += prepared.features.num_examples
        return scored_examples(data, self._folder), prepared.features

    def _vectors(self, features: Features) -> NDArray[np.float32]:
        """[S, D]; a sequence that the set before had, such as a candidate that languages share, is not embedded again."""
        assert self._spec.retrieval is not None, "vectors are for retrieval"
        texts = [features.token_ids[first:end].tobytes() for first, end in itertools.pairwise(features.offsets)]
        places = {text: place for place, text in enumerate(texts) if text not in self._known_vectors}
        if places:
            new = np.array(sorted(places.values()), dtype=np.int64)
            vectors = embed(self._model, take(features, new), self._spec.retrieval.layer, self._spec.retrieval.pooling)
            self._known_vectors |= {texts[place]: vector for place, vector in zip(new, vectors, strict=True)}
        found = np.stack([self._known_vectors[text] for text in texts])
        self._known_vectors = dict(zip(texts, found, strict=True))  # of this set alone: what languages share is in each of theirs
        return found


def _table(language: str, scored: Scored) -> pa.Table:
    columns: dict[str, object] = {
        "language": [language] * len(scored.ids),
        "example_id": scored.ids,
        "prediction": [json.dumps(prediction, ensure_ascii=False) for prediction in scored.predictions],
    }
    return pa.table(columns | {name: scored.counts_NK[:, index] for index, name in enumerate(scored.columns)})
