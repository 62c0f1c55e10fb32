"""Of every task with published files: perfect predictions score 1 in every metric and language, shuffled ones less."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest

from tests.trainables.task_cases import COUNTS
from tests.trainables.test_evaluate import TOP_1, perfect_outputs, values
from tests.trainables.test_tasks import REAL_DATA, real_data
from tests.trainables.toy_data import toy_tokenizer
from trainables.data import load_examples
from trainables.examples import Example, Passage, Question
from trainables.features import Features
from trainables.origins import data_source
from trainables.prepare import make_features
from trainables.scoring import Scored, choose_threshold, score, score_answers, score_passages
from trainables.span_qa import FoundAnswer
from trainables.specs import DataSpec
from trainables.task import TASKS, Split, Task

NUM_EXAMPLES = 60
UNLABELLED = {(task, "test") for task in ("xnli", "pawsx", "panx", "udpos", "commonsenseqa", "copa", "rte")} | {
    ("tydiqa", "dev"),
    ("tydiqa", "test"),
}
SPLITS = [(name, split) for name, split in COUNTS if TASKS.load(name).kind != "mlm" and (name, split) not in UNLABELLED]


def read_some(name: str, split: Split, language: str) -> list[Example]:
    """Examples of a published split; of a corpus that pairs are mined from, those that are in pairs."""
    source = data_source(name, split, language, REAL_DATA)
    spec = DataSpec(task=name, task_version=TASKS.load(name).version, split=split, language=language, num_examples=None, source=source)
    examples = load_examples(spec, REAL_DATA).examples
    if not isinstance(examples[0], Passage):
        return examples[:NUM_EXAMPLES]
    passages = cast(list[Passage], examples)
    queries = [passage for passage in passages if passage.side == "query" and passage.relevant][:NUM_EXAMPLES]
    wanted = {candidate for query in queries for candidate in query.relevant}
    return [*queries, *(passage for passage in passages if passage.side == "candidate" and passage.id in wanted)]


def score_shifted(task: Task, language: str, examples: Sequence[Example], by: int) -> Scored:
    """The score of predictions that are perfect for the example `by` places further on."""
    if task.kind == "span_qa":
        questions = cast(list[Question], examples)
        texts = np.roll(np.array([question.answers[0].text if question.answers else "" for question in questions], dtype=object), by)
        return score_answers(task, language, questions, [FoundAnswer(text, -1.0 if text else 1.0) for text in texts])
    if task.kind == "retrieval":
        vectors = passage_vectors(cast(list[Passage], examples), by)
        threshold = choose_threshold(cast(Any, examples), vectors, TOP_1) if task.is_mining else 0.0
        return score_passages(task, cast(Any, examples), vectors, TOP_1, threshold)
    features = make_features(task, examples, toy_tokenizer("xlm_roberta"), 512, "score").features
    outputs = perfect_outputs(features, examples, len(task.labels))
    return score(task, task.labels, language, examples, features, np.roll(outputs, by * unit(features), axis=0))


def unit(features: Features) -> int:
    """Rows of the outputs that one example has; those of a sentence are moved by a word."""
    return len(features.example) // features.num_examples if features.kind == "multiple_choice" else 1


def passage_vectors(passages: Sequence[Passage], by: int) -> np.ndarray:
    """Each candidate points its own way, and each query to what is relevant for the query `by` places further on."""
    places = {passage.id: place for place, passage in enumerate(one for one in passages if one.side == "candidate")}
    queries = [passage for passage in passages if passage.side == "query"]
    vectors = np.zeros((len(queries), len(places)), dtype=np.float32)
    for row in range(len(queries)):
        vectors[row, [places[candidate] for candidate in queries[(row + by) % len(queries)].relevant]] = 1
    return np.vstack([vectors, np.eye(len(places), dtype=np.float32)])


@pytest.mark.realdata
@real_data
@pytest.mark.parametrize(("name", "split"), SPLITS, ids=lambda value: str(value))
def test_perfect_predictions_score_one_and_shuffled_ones_less(name: str, split: Split) -> None:
    task = TASKS.load(name)
    for language in COUNTS[name, split]:
        examples = read_some(name, split, language)
        perfect, shifted = (values(task, score_shifted(task, language, examples, by)) for by in (0, 1))
        assert perfect == {metric: pytest.approx(1) for metric in task.metrics}, language
        assert all(shifted[metric] < 1 for metric in task.metrics), language
