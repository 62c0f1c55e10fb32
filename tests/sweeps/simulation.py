"""Runs a plan without training anything: each stage's record follows from its key, so that only the engine is under test."""

import hashlib
import random
from pathlib import Path

from sweeps.builder import SpecBuilder
from sweeps.plan import Request, plan_study
from sweeps.pruning import pruned_at
from sweeps.study import Study
from sweeps.walk import Walk
from trainables.manifest import Cost, CurvePoint, Manifest, Measurement
from trainables.specs import TrainSpec

COST = Cost(started_at=0.0, seconds=1.0, device_seconds=1.0, num_tokens=1, num_examples=1, peak_memory_bytes=1, device="none")


def make_study(**changes: object) -> Study:
    """Two intermediates, a trained and a retrieval target, on a hub model: planned without a hub."""
    fields: dict[str, object] = {
        "name": "simulated",
        "models": {"xlmr": {"family": "xlm_roberta", "hub": "FacebookAI/xlm-roberta-base"}},
        "intermediates": ["mnli", "squad2"],
        "targets": ["xnli", "panx", "tatoeba"],
        "search": {"trials": 4, "replicates": 3},
    }
    return Study.model_validate({**fields, **changes})


def builder_of(study: Study) -> SpecBuilder:
    """Its specs, read from the hub in name only."""
    return SpecBuilder(study, Path(), None)


def manifest_of(request: Request) -> Manifest:
    """What the stage would have published: scores drawn from its key, pruned where its floors say so."""
    spec = request.spec
    draw = random.Random(int(hashlib.sha256(request.key.encode()).hexdigest()[:8], 16))
    scores: list[float] = []
    pruned = None
    if isinstance(spec, TrainSpec):
        base = draw.random()
        scores = [base * (rung + 1) / spec.num_evals + 0.01 * draw.random() for rung in range(spec.num_evals)]
        pruned = pruned_at(scores, request.floors)
        scores = scores if pruned is None else scores[: pruned + 1]
    curve = tuple(
        CurvePoint(step=rung + 1, epoch=rung + 1.0, train_loss=1.0, learning_rate=1e-5, score=score, dev=())
        for rung, score in enumerate(scores)
    )
    return Manifest(
        key=request.key,
        status="done" if pruned is None else "pruned",
        spec=spec.model_dump(mode="json"),
        parents=request.parents,
        attempt="simulated",
        files=(),
        files_dropped=False,
        measurements=(Measurement(task="t", language="en", split="dev", metric="accuracy", value=draw.random(), n=10),),
        curve=curve,
        score=scores[-1] if scores else None,
        cost=COST,
    )


def run(study: Study, store: dict[str, Manifest], order: random.Random, *, stop_after: int | None = None) -> tuple[Walk, list[str]]:
    """Runs up to four stages at a time, which finish in a random order; returns the walk and the keys that were executed."""
    walk = Walk(plan_study(builder_of(study)), store.get)
    executed: list[str] = []
    running: list[Request] = []
    while not walk.is_finished and (stop_after is None or len(executed) < stop_after):
        while len(running) < 4 and (request := walk.next()) is not None:
            running.append(request)
        request = running.pop(order.randrange(len(running)))
        store[request.key] = manifest_of(request)
        executed.append(request.key)
        walk.finish(request.key, store[request.key])
    return walk, executed


def outcome(walk: Walk) -> list[tuple[object, ...]]:
    """Everything of a walk that a report would show."""
    return [
        (
            str(program.pair),
            [(tuple(trial.point.items()), trial.seed, trial.is_pruned, trial.manifest.key) for trial in program.trials],
            program.selected,
            [evaluation.manifest.key for evaluation in program.evaluations],
            program.problem,
        )
        for program in walk.programs
    ]
