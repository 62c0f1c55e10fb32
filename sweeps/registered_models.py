"""The winner of each target as a folder that plain transformers loads, and as what MLflow's registry is told of it."""

import contextlib
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

from pydantic import ValidationError

from sweeps.events import Registered
from sweeps.results import Evaluation, PairResult, StudyResult, Trial, is_oracle
from trainables.manifest import Measurement
from trainables.specs import Record, TrainSpec
from trainables.store import LostArtifactError, Store
from trainables.task import head_name

FOLDER = "models"
"""Of the store: `models/<key>/`, for winners alone."""
RECORD_FILE = "polystilts.json"
"""Written last: without it a folder is not whole."""


class PlainModel(Record):
    """What lies in a folder beside the model, for whoever meets it there."""

    stage_key: str
    task: str
    auto_class: str
    """Of transformers, which loads the folder."""
    problem: str | None
    """Why the head is not in it."""


class Winner(NamedTuple):
    """The best point of the best row of a target, in its first replicate: seeds are replicates, and none is better than another."""

    pair: PairResult
    trial: Trial
    evaluation: Evaluation
    dev_score: float
    """Mean over the replicates; it chose."""
    num_pairs: int
    """That it is the best of."""


class Registration(NamedTuple):
    """What MLflow is to be told, and which models could not be made, and why."""

    events: tuple[Registered, ...]
    problems: tuple[str, ...]


def register_winners(result: StudyResult, store: Store) -> Registration:
    """Makes the folders that are not there yet; those that are cost nothing."""
    events, problems = [], []
    for winner in winners(result):
        key = winner.trial.manifest.key
        try:
            events.append(_registered(result, winner, _plain_model(store, key, _head(winner)), _uri(store, key)))
        except (LostArtifactError, OSError) as error:
            problems.append(f"{model_name(result, winner)} is not registered: {error}")
    return Registration(tuple(events), tuple(problems))


def winners(result: StudyResult) -> Iterator[Winner]:
    """For each model and target whose pairs have all ended, the one with the best dev score; none for retrieval, which has no dev score.

    An oracle's scores are of other examples and choose nothing here.
    """
    columns: dict[tuple[str, str], list[PairResult]] = {}
    for pair in result.pairs:
        if not is_oracle(pair.pair.variant):
            columns.setdefault((pair.pair.model, pair.pair.target), []).append(pair)
    for pairs in columns.values():
        scored = [(pair, score) for pair in pairs if (score := _dev_score(pair)) is not None]
        if scored and all(pair.evaluations or pair.problem is not None for pair in pairs):
            best, score = max(scored, key=lambda each: each[1])  # the first one of equals, so the baseline before any intermediate
            evaluation = best.evaluations[0]
            # a point that was asked for again is there again, with the same trainings
            trial = next(trial for trial in _selected(best) if trial.seed == evaluation.seed)
            yield Winner(best, trial, evaluation, score, len(scored))


def model_name(result: StudyResult, winner: Winner) -> str:
    """`<study>.<model>.<target>`."""
    return f"{result.study}.{winner.pair.pair.model}.{winner.pair.pair.target}"


def _selected(pair: PairResult) -> Sequence[Trial]:
    """The replicates of the selected point."""
    return [trial for trial in pair.trials if trial.point == pair.selected and not trial.is_pruned]


def _dev_score(pair: PairResult) -> float | None:
    """Of the selected point; None where the pair is not finished, or chooses nothing."""
    scores = [trial.manifest.score for trial in _selected(pair) if trial.manifest.score is not None]
    return fmean(scores) if scores and pair.evaluations else None


def _head(winner: Winner) -> str:
    spec = TrainSpec.model_validate(winner.trial.manifest.spec)
    return head_name(spec.mixture[0].train.task)


def _plain_model(store: Store, key: str, task: str) -> PlainModel:
    """The folder's record; makes the folder if it is not whole."""
    known = store.files.read(f"{FOLDER}/{key}/{RECORD_FILE}")
    with contextlib.suppress(ValidationError):  # made again
        if known is not None:
            return PlainModel.model_validate_json(known)
    # imports torch, which a study that is finished does without
    from trainables.plain_model import write_plain_model
    from trainables.scratch import scratch_folder

    with scratch_folder() as folder:
        auto_class, problem = write_plain_model(store.fetch(key), task, folder)
        for path in sorted(folder.iterdir()):
            store.files.upload(path, f"{FOLDER}/{key}/{path.name}")
    plain = PlainModel(stage_key=key, task=task, auto_class=auto_class, problem=problem)
    store.files.write(f"{FOLDER}/{key}/{RECORD_FILE}", plain.model_dump_json(indent=1).encode())
    return plain


def _uri(store: Store, key: str) -> str:
    """Of a folder, as MLflow reads it: without what a URI of pyarrow says of the place."""
    if store.files.is_local:
        return store.files.local(f"{FOLDER}/{key}").as_uri()
    return f"{store.uri.partition('?')[0].rstrip('/')}/{FOLDER}/{key}"


def _registered(result: StudyResult, winner: Winner, plain: PlainModel, source: str) -> Registered:
    pair, trial, evaluation = winner.pair, winner.trial, winner.evaluation
    metric = evaluation.manifest.measurements[0].metric
    scores = [item for item in evaluation.manifest.measurements if item.metric == metric]
    tags = {
        "model": pair.pair.model,
        "target": pair.pair.target,
        "intermediate": pair.pair.intermediate,
        "variant": pair.pair.variant,
        "seed": str(trial.seed),
        "evaluate_key": evaluation.manifest.key,
        "dev_score": f"{trial.manifest.score}",
        "test_score": f"{fmean(item.value for item in scores)}",
        "loads_with": plain.auto_class,
    } | {name: str(value) for name, value in trial.point.items()}
    return Registered(
        name=model_name(result, winner),
        stage_key=trial.manifest.key,
        source=source,
        auto_class=plain.auto_class,
        precision=evaluation.manifest.spec["precision"],
        facts=(*_facts(result, winner, metric, scores), *_limits(plain), *pair.marks),
        tags=tags | ({"leak": "\n".join(pair.leaks)} if pair.leaks else {}),
    )


def _facts(result: StudyResult, winner: Winner, metric: str, scores: Sequence[Measurement]) -> Iterator[str]:
    pair, trial = winner.pair, winner.trial
    point = ", ".join(f"{name} {value}" for name, value in trial.point.items())
    yield f"{pair.pair}, {point}: the best of {winner.num_pairs} pairs of study {result.study} by mean dev score, {winner.dev_score:.4f}"
    yield f"this is seed {trial.seed}, the first of {len(pair.evaluations)}; its dev score is {trial.manifest.score}"
    yield f"{metric} by language: " + ", ".join(f"{item.language} {item.value:.4f}" for item in scores)
    yield f"{winner.trial.manifest.key}, scored as {winner.evaluation.manifest.key}"


def _limits(plain: PlainModel) -> Sequence[str]:
    if plain.problem is None:
        return ()
    return (f"the encoder alone: {plain.problem}; so the scores above are not what this folder gives, but what the stage's own files give",)
