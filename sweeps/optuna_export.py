"""A study's searches as studies of Optuna in a storage, for `optuna-dashboard` and whatever else reads one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from statistics import fmean
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from search_spaces import SPACES
from sweeps.opened import Opened, walk_store
from sweeps.plan import PairProgram, Request
from sweeps.results import PairId, Point, Trial
from sweeps.study import StudyError
from sweeps.walk import Walk
from trainables.specs import TrainSpec
from trainables.stage_log import failed_at, log_path
from trainables.task import TASKS

OWNER = "polystilts_study"
"""Attribute of a study that was written here: it may be written anew."""


class OptunaExport(NamedTuple):
    """What a storage has now."""

    storage: str
    """Its URL, without a password."""
    num_studies: int
    num_trials: int
    num_added: int
    """Of these trials, by this export."""


class _Search(NamedTuple):
    """What Optuna is to have of one pair."""

    name: str
    attributes: Mapping[str, Any]
    trials: Sequence[FrozenTrial]


def export_optuna(opened: Opened, storage_url: str | None = None) -> OptunaExport:
    """Writes a study for each pair that was searched, a trial for each of its points; what is there already stays as it is.

    By default into `optuna.db` beside the report. A StudyError says why a storage cannot be written.
    """
    folder = opened.home.report(opened.study.name)
    url = storage_url or f"sqlite:///{folder.resolve() / 'optuna.db'}"
    searches = list(_searches(opened, walk_store(opened)[0]))
    try:
        shown = make_url(url).render_as_string()
        if storage_url is None:
            folder.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.RDBStorage(url)
        num_added = sum(_write(storage, search) for search in searches)
        storage.remove_session()
    except (SQLAlchemyError, optuna.exceptions.OptunaError, ImportError, OSError) as error:
        raise StudyError(
            f"--storage: {type(error).__name__}: {str(error).splitlines()[0]}; give a URL such as sqlite:///optuna.db"
        ) from None
    return OptunaExport(shown, len(searches), sum(len(search.trials) for search in searches), num_added)


def _searches(opened: Opened, walk: Walk) -> Iterator[_Search]:
    """The pairs of which a point is known, in the order of the study."""
    failed = _failed(walk)
    space = SPACES.load(opened.study.search.space)
    for program in walk.programs:
        trials = [*_finished_trials(program, space), *_failed_trials(opened, failed.get(program.pair, ()), space)]
        if trials:
            model, intermediate, variant, target = program.pair
            place = {"model": model, "intermediate": intermediate, "variant": variant, "target": target}
            attributes = {OWNER: opened.study.name, **place, "metric": TASKS.load(target).metrics[0], "marks": list(program.result().marks)}
            yield _Search(f"{opened.study.name}/{program.pair}", attributes, trials)


def _finished_trials(program: PairProgram, space: Mapping[str, BaseDistribution]) -> Iterator[FrozenTrial]:
    """A trial for each point, with what the search was told of it: the mean over its replicates, or that it was pruned."""
    by_point: dict[tuple[tuple[str, object], ...], dict[str, Trial]] = {}
    for trial in program.trials:  # a sampler may ask for a point again, which is trained once
        by_point.setdefault(tuple(sorted(trial.point.items())), {})[trial.manifest.key] = trial
    for of_point in by_point.values():
        trials = list(of_point.values())
        manifests = [trial.manifest for trial in trials]
        is_pruned = any(trial.is_pruned for trial in trials)
        scores = [manifest.score for manifest in manifests if manifest.score is not None]
        found = _trial(
            TrialState.PRUNED if is_pruned else TrialState.COMPLETE,
            trials[0].point,
            space,
            {"stage_keys": [manifest.key for manifest in manifests], "seeds": [trial.seed for trial in trials], "dev_scores": scores},
            None if is_pruned else fmean(scores),
            {point.step: point.score for point in manifests[0].curve if point.score is not None},
        )
        found.datetime_start = datetime.fromtimestamp(min(manifest.cost.started_at for manifest in manifests))
        found.datetime_complete = datetime.fromtimestamp(max(each.cost.started_at + each.cost.seconds for each in manifests))
        yield found


def _failed(walk: Walk) -> Mapping[PairId, Sequence[Request]]:
    """The target trainings that are still to be done; of those that were tried in vain the log says so."""
    waiting: dict[PairId, list[Request]] = {}
    while (request := walk.next()) is not None:
        context = request.context
        if context.role == "trial" and context.intermediate is not None and context.target is not None:
            pair = PairId(context.model, context.intermediate, context.variant, context.target)
            waiting.setdefault(pair, []).append(request)
    return waiting


def _failed_trials(opened: Opened, waiting: Iterable[Request], space: Mapping[str, BaseDistribution]) -> Iterator[FrozenTrial]:
    for request in waiting:
        log = (opened.store.files.read(log_path(request.key)) or b"").decode(errors="replace")
        at = failed_at(log)
        if at is not None and isinstance(request.spec, TrainSpec):
            point = {name: getattr(request.spec, name) for name in space}
            found = _trial(TrialState.FAIL, point, space, {"stage_keys": [request.key], "seeds": [request.spec.seed]}, None, {})
            found.datetime_start = found.datetime_complete = at
            yield found


def _trial(
    state: TrialState,
    point: Point,
    space: Mapping[str, BaseDistribution],
    attributes: dict[str, Any],
    value: float | None,
    intermediate_values: dict[int, float],
) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=state,
        params=dict(point),
        distributions=dict(space),
        user_attrs=attributes,
        value=value,
        intermediate_values=intermediate_values,
    )


def _write(storage: optuna.storages.BaseStorage, search: _Search) -> int:
    """Adds the trials that are not there; returns how many.

    Optuna changes no trial that has ended, so a study with another beginning, of which a failed point was mended or the replicates are
    others, is written anew.
    """
    study = optuna.create_study(storage=storage, study_name=search.name, direction=StudyDirection.MAXIMIZE, load_if_exists=True)
    there = study.get_trials(deepcopy=False)
    if there and study.user_attrs.get(OWNER) != search.attributes[OWNER]:
        raise StudyError(f"--storage: it has a study {search.name!r} that polystilts did not write; give another storage")
    if [_content(trial) for trial in there] != [_content(trial) for trial in search.trials[: len(there)]]:
        optuna.delete_study(storage=storage, study_name=search.name)
        return _write(storage, search)
    for name, value in search.attributes.items():
        if study.user_attrs.get(name) != value:
            study.set_user_attr(name, value)
    study.add_trials(search.trials[len(there) :])
    return len(search.trials) - len(there)


def _content(trial: FrozenTrial) -> tuple[object, ...]:
    """What makes two trials the same."""
    return trial.state, trial.user_attrs["stage_keys"], trial.value, trial.params
