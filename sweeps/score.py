"""Scores a folder of predictions against a folder of labels as XTREME's script does it, under its names.

Every number is that of google-research/xtreme@838c13b, evaluate.py, in percent. LAReQA, which that script names and cannot score,
has the mean average precision of its 20 best candidates, so that XTREME-R has its mean over ten tasks.
"""

import difflib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.benchmarks import GROUPS, LAYOUTS, benchmark_tasks, contents_of, file_name, visible
from sweeps.score_files import (
    UNLABELLED,
    TagFile,
    check_line_numbers,
    is_blank,
    read_answers,
    read_labels,
    read_line_numbers,
    read_options,
    read_pairs,
    read_questions,
    read_rankings,
    read_relevant,
    read_tags,
)
from trainables.catalogue import listed
from trainables.examples import Answer
from trainables.language_sets import LANGUAGE_SETS
from trainables.metrics import answer_scores, average_precision, mlqa_tokens, span_counts_of, squad_tokens
from trainables.task import TASKS


class ScoreError(ValueError):
    """The folders cannot be scored; one line that says where and why."""


class Both(NamedTuple):
    """The two files of a task and a language, for messages."""

    predictions: Path
    labels: Path


class FileScore(NamedTuple):
    """One task in one language."""

    metrics: Mapping[str, float]
    """In percent, by the official name."""
    num_examples: int
    """Labels, sentences, pairs, questions or queries of the labels' file."""
    num_unanswered: int = 0
    """Questions or queries without a prediction, which count as wrong."""
    num_blank: int = 0
    """Questions whose gold answer is blank, which only an answer without a word matches."""


class TaskScore(NamedTuple):
    """One task in all of the benchmark's languages."""

    languages: Mapping[str, FileScore]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics that each language has."""
        return tuple(next(iter(self.languages.values())).metrics)

    def average(self, metric: str) -> float:
        """The plain mean over the languages."""
        return sum(score.metrics[metric] for score in self.languages.values()) / len(self.languages)

    @property
    def average_metric(self) -> float:
        """What stands for the task in a mean over tasks: of question answering, the mean of exact match and F1."""
        if "exact_match" in self.metrics:
            return (self.average("exact_match") + self.average("f1")) / 2
        return self.average(self.metrics[0])

    def as_json(self) -> dict[str, Any]:
        """As in the official output."""
        by_language = {name: {language: score.metrics[name] for language, score in self.languages.items()} for name in self.metrics}
        averages = {f"avg_{name}": self.average(name) for name in self.metrics}
        return {**by_language, **averages, "avg_metric": self.average_metric}


class BenchmarkScore(NamedTuple):
    """What two folders come to."""

    benchmark: str
    tasks: Mapping[str, TaskScore]
    not_scored: Mapping[str, str]
    """Tasks of the benchmark, and folders of other tasks, with the reason."""
    ignored: tuple[str, ...]
    """What else lies in the two folders, and is no file of the benchmark's."""

    @property
    def means(self) -> dict[str, float]:
        """Over the groups whose tasks are all there, and `all_task` if every task is."""
        groups = {"all_task": benchmark_tasks(self.benchmark), **GROUPS[self.benchmark]}
        return {
            group: sum(self.tasks[task].average_metric for task in tasks) / len(tasks)
            for group, tasks in groups.items()
            if set(tasks) <= self.tasks.keys()
        }

    @property
    def unanswered(self) -> dict[str, int]:
        """How many questions or queries have no prediction, by `<task>/<language>`; none where all have one."""
        return {place: score.num_unanswered for place, score in self._files() if score.num_unanswered}

    @property
    def blank(self) -> dict[str, int]:
        """How many questions have a blank gold answer alone, by `<task>/<language>`; none where all have a text."""
        return {place: score.num_blank for place, score in self._files() if score.num_blank}

    def _files(self) -> Iterator[tuple[str, FileScore]]:
        for task, found in self.tasks.items():
            for language, score in found.languages.items():
                yield f"{task}/{language}", score

    def as_json(self) -> dict[str, Any]:
        """The official output, and `notes`."""
        notes = {
            "benchmark": self.benchmark,
            "language_set": LANGUAGE_SETS[self.benchmark].version,
            "num_examples": {task: {code: one.num_examples for code, one in found.languages.items()} for task, found in self.tasks.items()},
            "unanswered": self.unanswered,
            "blank": self.blank,
            "not_scored": dict(self.not_scored),
            "ignored": list(self.ignored),
        }
        return {**self.means, **{task: found.as_json() for task, found in self.tasks.items()}, "notes": notes}


def score_folders(predictions: Path, labels: Path, benchmark: str) -> BenchmarkScore:
    """Scores every task of a benchmark that both folders have, in all of the benchmark's languages; a ScoreError says what is wrong."""
    try:
        return _score_folders(predictions, labels, benchmark)
    except OSError as error:
        raise ScoreError(f"{error.filename or predictions}: {error.strerror or error}") from None


def _score_folders(predictions: Path, labels: Path, benchmark: str) -> BenchmarkScore:
    try:
        predicted, other_predictions = contents_of("--predictions", predictions)
        labelled, other_labels = contents_of("--labels", labels)
    except ValueError as error:
        raise ScoreError(str(error)) from None
    not_scored = {name: f"no task of {benchmark}" for name in (*predicted, *labelled) if name not in benchmark_tasks(benchmark)}
    tasks: dict[str, TaskScore] = {}
    for task in benchmark_tasks(benchmark):
        if task in predicted and task in labelled:
            tasks[task] = _score_task(task, predictions / task, labels / task, benchmark)
        else:
            not_scored[task] = (
                "labels without predictions" if task in labelled else "no labels" if task in predicted else "in neither folder"
            )
    if not tasks:
        names = f"{_listed(predicted, other_predictions)} and {_listed(labelled, other_labels)}"
        raise ScoreError(f"{predictions} and {labels} have no task of {benchmark} in common; in them are {names}")
    others = [*other_predictions, *other_labels]
    for task in tasks:
        known = {file_name(task, language) for language in LANGUAGE_SETS[benchmark].languages[task]}
        others += [path for folder in (predictions, labels) for path in visible(folder / task) if path.name not in known]
    return BenchmarkScore(benchmark, tasks, not_scored, tuple(map(_named, others)))


def _listed(tasks: Sequence[str], others: Sequence[Path]) -> str:
    return listed([*tasks, *(_named(Path(path.name)) for path in others)]) or "nothing"


def _named(path: Path) -> str:
    """On one line, whatever a name holds."""
    return str(path) if str(path).isprintable() else repr(str(path))


def _score_task(task: str, predictions: Path, labels: Path, benchmark: str) -> TaskScore:
    languages = LANGUAGE_SETS[benchmark].languages[task]
    scores = {}
    for language in languages:
        paths = predictions / file_name(task, language), labels / file_name(task, language)
        for path in paths:
            if not path.is_file():
                scored_in = f"{benchmark} scores {task} in {', '.join(languages)}"
                raise ScoreError(f"{path}: there is no such file; {scored_in}")
        try:
            scores[language] = score_file(task, language, *paths)
        except ValueError as error:
            raise ScoreError(str(error)) from None
    return TaskScore(scores)


def score_file(task: str, language: str, predictions: Path, labels: Path) -> FileScore:
    """Scores one file against another; a ValueError names the file and line, or the id, that cannot be scored."""
    both = Both(predictions, labels)
    match LAYOUTS[task].content:
        case "labels":
            allowed = TASKS.load(task).labels
            return _accuracy(read_labels(predictions, allowed), read_labels(labels, allowed, UNLABELLED), both)
        case "line_numbers":
            said, right = read_line_numbers(predictions), read_line_numbers(labels, UNLABELLED)
            score = _accuracy(said, right, both)
            check_line_numbers(said, predictions)
            check_line_numbers(right, labels)
            return score
        case "options":
            return _accuracy(read_options(predictions), read_options(labels, UNLABELLED), both)
        case "tags":
            allowed = TASKS.load(task).labels
            return _span_scores(read_tags(predictions, allowed), read_tags(labels, allowed, UNLABELLED), both)
        case "pairs":
            return _pair_scores(read_pairs(predictions), read_pairs(labels), both)
        case "answers":
            tokens_of = functools.partial(mlqa_tokens, language=language) if task == "mlqa" else squad_tokens
            return _answer_scores(read_answers(predictions), read_questions(labels), tokens_of, both)
        case "rankings":
            relevant = read_relevant(labels)
            # Mewsli-X has one right entity; as officially, it is the first of its list, stripped.
            relevant = {query: [ids[0].strip()] for query, ids in relevant.items()} if task == "mewslix" else relevant
            return _ranking_scores(read_rankings(predictions), relevant, both)


def _accuracy(predicted: Sequence[object], gold: Sequence[object], both: Both) -> FileScore:
    _check_labelled(gold, both)
    if len(predicted) != len(gold):
        first = f"{both.predictions}:{min(len(predicted), len(gold)) + 1}"
        what = "a line too many" if len(predicted) > len(gold) else "a line is missing"
        raise ValueError(f"{first}: {what}: {len(predicted)} lines here, {len(gold)} in {both.labels}")
    num_right = sum(said == right for said, right in zip(predicted, gold, strict=True))
    return FileScore({"accuracy": 100 * num_right / len(gold)}, len(gold))


def _span_scores(predicted: TagFile, gold: TagFile, both: Both) -> FileScore:
    """Micro averages over the spans of all sentences, as seqeval 1.2.2 finds them."""
    said, right = predicted.sentences, gold.sentences
    _check_labelled(right, both)
    for index, (one, other) in enumerate(zip(said, right, strict=False)):
        if len(one) != len(other):
            where, there = f"{both.predictions}:{predicted.first_lines[index]}", f"{both.labels}:{gold.first_lines[index]}"
            raise ValueError(f"{where}: expected a sentence of {len(other)} tags, as at {there}, found {len(one)}")
    numbers = f"{len(said)} sentences in {both.predictions}, {len(right)} in {both.labels}"
    if len(said) > len(right):
        raise ValueError(f"{both.predictions}:{predicted.first_lines[len(right)]}: a sentence too many: {numbers}")
    if len(said) < len(right):
        raise ValueError(f"{both.labels}:{gold.first_lines[len(said)]}: this sentence has no prediction: {numbers}")
    num_both, num_predicted, num_gold = (sum(counts) for counts in zip(*span_counts_of(said, right), strict=True))
    return FileScore(_f1_precision_recall(num_both, num_predicted, num_gold), len(right))


def _pair_scores(predicted: set[tuple[str, ...]], gold: set[tuple[str, ...]], both: Both) -> FileScore:
    _check_labelled(gold, both)
    return FileScore(_f1_precision_recall(len(predicted & gold), len(predicted), len(gold)), len(gold))


def _f1_precision_recall(num_both: int, num_predicted: int, num_gold: int) -> dict[str, float]:
    """All 0 where nothing is in both, or nothing in either."""
    return {
        "f1": 200 * num_both / max(num_predicted + num_gold, 1),
        "precision": 100 * num_both / max(num_predicted, 1),
        "recall": 100 * num_both / max(num_gold, 1),
    }


def _answer_scores(
    predicted: Mapping[str, str], gold: Mapping[str, tuple[Answer, ...]], tokens_of: Callable[[str], list[str]], both: Both
) -> FileScore:
    _check_ids(predicted, gold, both)
    scores = [answer_scores(predicted[one], answers, tokens_of) for one, answers in gold.items() if one in predicted]
    exact_match, f1 = sum(exact for _, exact in scores), sum(f1 for f1, _ in scores)
    metrics = {"exact_match": 100 * exact_match / len(gold), "f1": 100 * f1 / len(gold)}
    return FileScore(metrics, len(gold), len(gold) - len(scores), sum(map(is_blank, gold.values())))


def _ranking_scores(predicted: Mapping[str, list[str]], gold: Mapping[str, list[str]], both: Both) -> FileScore:
    _check_ids(predicted, gold, both)
    precisions = [average_precision(predicted[query], ids) for query, ids in gold.items() if query in predicted]
    return FileScore({"map@20": 100 * sum(precisions) / len(gold)}, len(gold), len(gold) - len(precisions))


def _check_labelled(gold: Sized, both: Both) -> None:
    if not gold:
        raise ValueError(f"{both.labels}: expected labels, found none")


def _check_ids(predicted: Mapping[str, object], gold: Mapping[str, object], both: Both) -> None:
    _check_labelled(gold, both)
    unknown = next((one for one in predicted if one not in gold), None)
    if unknown is not None:
        near = difflib.get_close_matches(unknown, gold, n=1)
        raise ValueError(
            f"{both.predictions}: the id {unknown!r} is not in {both.labels}" + (f"; did you mean {near[0]!r}?" if near else "")
        )
