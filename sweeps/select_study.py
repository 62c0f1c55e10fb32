"""Chooses the intermediate of every target of a study for a share of what the whole study would cost."""

import functools
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from sweeps.cost import NO_SHAPE, CostModel, planned_stages
from sweeps.data_sample import NO_SIZE, DataSamples
from sweeps.events import Event, RunContext, Selected, StudyFinished
from sweeps.journal import Journal
from sweeps.ladder import PRIOR_RUNG, Ladder, Transfer
from sweeps.marks import mark_lines
from sweeps.opened import Opened, driving, open_store, retries_of, walk_store
from sweeps.plan import Steps, plan_study
from sweeps.progress import Progress
from sweeps.results import VARIANT
from sweeps.run import CLOSE_TRACKER_S, check_data, run_rest
from sweeps.selected import Choice, Ranked, Selection
from sweeps.selection import Ask, Selector, Standing, has_room, standardised
from sweeps.study import StudyError
from sweeps.tracking import Tracker
from sweeps.walk import Walk
from trainables.manifest import Manifest
from trainables.specs import Spec
from trainables.store import Store
from trainables.task import TASKS

INTERVAL = 1.96
"""Standard deviations on either side of a gain."""


class SelectionProgram:
    """The stages of one model's selection: transferability scores, then round after round of trials."""

    def __init__(self, ladder: Ladder, cost: Callable[[Spec], float], budget: float) -> None:
        self.ladder = ladder
        costs = ladder.costs(cost)
        self.least = costs.least
        """The cost under which nothing can be compared."""
        self._transfers: Sequence[Transfer] = ladder.transfers()
        spent = ladder.cost_of((request for transfer in self._transfers for request in transfer.requests), cost)
        if not has_room(costs, spent, budget):
            spent, self._transfers = 0.0, ()
        trained = frozenset((transfer.arm, PRIOR_RUNG, 0) for transfer in self._transfers)
        self.selector = Selector(costs, budget, ladder.num_replicates, spent=spent, trained=trained)
        self.trials: dict[Ask, list[Manifest]] = {}
        """What each finished trial's stages found, its evaluation last."""
        self.problem: str | None = None

    def steps(self) -> Steps:
        """As the selector asks."""
        if self._transfers:
            manifests = yield [request for transfer in self._transfers for request in transfer.requests]
            self.selector.inform(standardised(transfer_values(self.ladder, self._transfers, manifests)))
        while asks := self.selector.ask():
            trials = [self.ladder.trial(ask) for ask in asks]
            found = iter((yield [request for requests in trials for request in requests]))
            self.trials |= {ask: [next(found) for _ in requests] for ask, requests in zip(asks, trials, strict=True)}
            self.selector.tell([score_of(self.ladder.targets[ask.target], self.trials[ask][-1]) for ask in asks])

    def choices(self) -> list[Choice]:
        """What is believed now."""
        return [self._choice(target) for target in range(len(self.ladder.targets))]

    def events(self) -> list[Selected]:
        """What MLflow is told of each arm, target and rung that was tried."""
        by_cell: dict[tuple[int, int, int], list[list[Manifest]]] = defaultdict(list)
        for ask, manifests in self.trials.items():
            by_cell[ask.arm, ask.target, ask.rung].append(manifests)
        events = []
        for (arm, target, rung), found in by_cell.items():
            context = self.ladder.trial(Ask(arm, target, rung, 0))[-1].context
            where = RunContext(
                model=context.model, intermediate=context.intermediate, variant=context.variant, target=context.target, seed=None
            )
            trains = TASKS.load(self.ladder.targets[target]).kind != "retrieval"
            winners = tuple(manifests[-2] for manifests in found) if trains else ()
            evaluations = tuple(manifests[-1] for manifests in found)
            events.append(Selected(context=where, winners=winners, evaluations=evaluations, num_trials=len(found)))
        return events

    def _choice(self, target: int) -> Choice:
        ranking = tuple(self._ranked(standing) for standing in self.selector.standings(target))
        return Choice(model=self.ladder.model, target=self.ladder.targets[target], chosen=ranking[0].intermediate, ranking=ranking)

    def _ranked(self, standing: Standing) -> Ranked:
        half = INTERVAL * standing.deviation
        return Ranked(
            intermediate=self.ladder.arms[standing.arm],
            gain=standing.gain,
            low=standing.gain - half,
            high=standing.gain + half,
            is_best=standing.is_best,
        )


def parse_budget(text: str) -> float:
    """`25%` as 0.25; a StudyError says what may be given."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
    share = float(found[1]) / 100 if found else math.nan
    if not 0 < share <= 1:
        raise StudyError(f"--budget {text}: give a share of what the whole study costs, above 0% and up to 100%, such as 25%")
    return share


def select_study(opened: Opened, budget: float, console: Console) -> Selection:
    """Runs a selection for each model, or what the store does not have of it; `budget` is a share of the full cost."""
    plan = plan_selection(opened, budget)
    name = f"{opened.study.name} selection"
    tracker = Tracker(opened.home.root, name, opened.study.description)
    num_stages = sum(program.ladder.num_stages() for program in plan.programs)
    try:
        with driving(opened) as leases, Progress(console, name, num_stages) as progress:
            look_up, damaged = open_store(opened, Store.damage)
            walk = Walk((), look_up, others=plan.programs)
            for message in damaged:
                progress.note(message)
            journal = Journal(walk, opened.store, tracker, progress, leases, retries_of(opened))
            journal.settle()
            if not walk.is_finished:
                check_data(opened)
                paused = run_rest(opened, walk, journal, leases)
                if paused is not None:
                    raise StudyError(f"{paused}; then give the same command again")
            journal.close()
        for event in _events(plan.programs, journal):
            tracker.log(event)
    finally:
        tracker.close(CLOSE_TRACKER_S)
    return Selection(
        study=opened.study.name,
        budget=budget,
        spent=sum(program.selector.spent for program in plan.programs) / plan.full_cost,
        num_computed=journal.num_trained,
        choices=tuple(choice for program in plan.programs if program.problem is None for choice in program.choices()),
        failures=dict(journal.failures),
        notes=_notes(opened),
    )


class SelectionPlan(NamedTuple):
    """A selection for each model, and what the whole study would cost."""

    programs: list[SelectionProgram]
    full_cost: float


def plan_selection(opened: Opened, budget: float) -> SelectionPlan:
    """A StudyError says why nothing can be chosen, or not for so little."""
    if not opened.study.intermediates:
        raise StudyError("intermediates: there are none to choose among; name at least one")
    samples = DataSamples(opened.data, opened.home.cache)
    costs = CostModel(opened.study, opened.base, samples)
    programs, full = [], 0.0
    for model in opened.study.models:
        ladder, cost = Ladder(opened.builder, model, samples.num_examples), functools.partial(operations, costs, model)
        whole = full_cost(opened, ladder, cost)
        program = SelectionProgram(ladder, cost, budget * whole)
        _check_counted(costs)
        if program.least > budget * whole:
            least = math.ceil(1000 * program.least / whole) / 10
            raise StudyError(
                f"--budget {100 * budget:g}%: too little to compare the baseline with even one intermediate; give {least:g}% or more"
            )
        programs.append(program)
        full += whole
    return SelectionPlan(programs, full)


def operations(costs: CostModel, model: str, spec: Spec) -> float:
    """All of a stage's."""
    return costs.work(model, spec).total


def full_cost(opened: Opened, ladder: Ladder, cost: Callable[[Spec], float]) -> float:
    """What the study's first variants cost beyond the initial encoder, if nothing is pruned and nothing is in the store."""
    pairs = (program for program in plan_study(opened.builder) if program.pair.model == ladder.model)
    stages = planned_stages(pair for pair in pairs if pair.way == ladder.way(pair.pair.target))
    initial = {spec.key for spec in opened.builder.initial_encoder(ladder.model).stages}
    return sum(stage.number * cost(stage.spec) for stage in stages if stage.spec.key not in initial)


def score_of(target: str, evaluation: Manifest) -> float:
    """The matrix's score in points: the mean over languages of the task's first metric."""
    metric = TASKS.load(target).metrics[0]
    values = [found.value for found in evaluation.measurements if found.metric == metric]
    return 100 * sum(values) / len(values)


def transfer_values(ladder: Ladder, transfers: Sequence[Transfer], manifests: Sequence[Manifest]) -> NDArray[np.float64]:
    """[A, T] transferability scores, from the manifests of all their stages; nan where there is none."""
    values_AT = np.full((len(ladder.arms), len(ladder.targets)), np.nan)
    ends = np.cumsum([len(transfer.requests) for transfer in transfers])
    for transfer, end in zip(transfers, ends, strict=True):
        values_AT[transfer.arm, transfer.target] = manifests[end - 1].measurements[0].value
    return values_AT


def _check_counted(costs: CostModel) -> None:
    """A StudyError for what a budget cannot be counted without."""
    remedies = {NO_SHAPE: "give its folder", NO_SIZE: "name --data DIR, where they are counted"}
    for what, of in costs.unknown:
        if what in remedies:
            raise StudyError(f"{of}: {what}, and a budget is counted in operations; {remedies[what]}")


def _events(programs: Sequence[SelectionProgram], journal: Journal) -> Iterator[Event]:
    yield from (event for program in programs for event in program.events())
    manifests = [manifest for program in programs for found in program.trials.values() for manifest in found]
    yield StudyFinished(
        status="FAILED" if journal.failures else "FINISHED",
        metrics={"stages": float(len({manifest.key for manifest in manifests}))},
        report=None,
        at_s=max((manifest.cost.started_at + manifest.cost.seconds for manifest in manifests), default=0.0),
    )


def _notes(opened: Opened) -> tuple[str, ...]:
    """What limits a choice."""
    builder, study = opened.builder, opened.study
    notes = ["choices look at the examples that the study scores: the gains here are estimates to choose by, not results to publish"]
    if walk_store(opened)[0].is_finished:
        notes.append("the whole study is in the store: where its report says otherwise, believe the report")
    varied = [target for target in study.targets if set(builder.axes.ways(target)) != {VARIANT}]
    if varied:
        notes.append(f"of {', '.join(varied)} the first variant alone was looked at")
    leaks = mark_lines({program.pair: program.leaks() for program in plan_study(builder) if program.pair.variant == VARIANT})
    return (*notes, *(f"leak: {line}" for line in leaks))
