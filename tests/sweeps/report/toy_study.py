"""Studies with planted effects, published into a real store without training anything."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sweeps.report.arms import read_arms
from sweeps.report.cells import Cell, build_cells
from sweeps.results import BASELINE, Evaluation, PairId, PairResult, StudyResult, Trial
from trainables.keys import content_key
from trainables.manifest import Cost, CurvePoint, Effort, Manifest, Measurement
from trainables.metrics import METRICS, value_of
from trainables.store import Store

LEARNING_RATES = (1e-5, 3e-5)


class Toy(NamedTuple):
    """What a toy study looks like."""

    gains: Mapping[str, float]
    """For each intermediate, what it adds to the ability; a unit is about 30 points."""
    targets: Mapping[str, str]
    """Metric by target, which is the name of a real task."""
    languages: tuple[str, ...] = ("en", "de", "sw")
    source: str = "en"
    """That targets train in, whatever the study's is."""
    num_examples: int = 200
    seeds: tuple[int, ...] = (1, 2, 3)
    seed_spread: float = 0.02
    shares_encoder: bool = False
    baseline_ids: str = "example"
    """Other than `example`, the baseline is scored on examples of its own."""
    device_seconds: float = 12.0
    losing: tuple[str, ...] = ()
    """Languages to which intermediates do the opposite."""
    model: str = "toy-encoder"
    num_parameters: int | None = None
    """What trainings record; None records no effort."""


def toy_study(store: Store, toy: Toy) -> StudyResult:
    """Publishes every stage of the study and returns what the report is given."""
    names = (BASELINE, *toy.gains)
    pairs = tuple(_pair(store, toy, PairId(toy.model, name, "base", target)) for name in names for target in toy.targets)
    encoders = {
        f"{name}, seed {seed}": _encoder(toy, name, seed) for name in toy.gains for seed in toy.seeds[: 1 if toy.shares_encoder else None]
    }
    return StudyResult("toy", "A toy with planted gains.", "en", pairs, encoders, None, ("Made, not measured.",))


def cells_of(result: StudyResult, store: Store) -> tuple[Cell, ...]:
    return build_cells(result, read_arms(result, store))


def _pair(store: Store, toy: Toy, pair: PairId) -> PairResult:
    is_retrieval = pair.target == "tatoeba"
    trials = [] if is_retrieval else [_trial(toy, pair, rate, seed) for rate in LEARNING_RATES for seed in toy.seeds]
    evaluations = tuple(_evaluation(store, toy, pair, seed) for seed in (toy.seeds[:1] if is_retrieval else toy.seeds))
    return PairResult(
        pair,
        tuple(trials),
        None if is_retrieval else {"learning_rate": LEARNING_RATES[0]},
        evaluations,
        None,
        pair._replace(intermediate=BASELINE),
    )


def _trial(toy: Toy, pair: PairId, rate: float, seed: int) -> Trial:
    is_pruned = rate != LEARNING_RATES[0]
    scores = [0.4 + 0.05 * step + 0.01 * seed for step in range(2 if is_pruned else 5)]
    dev = tuple(
        Measurement(task=pair.target, language="en", split="dev", metric=toy.targets[pair.target], value=score, n=100) for score in scores
    )
    curve = tuple(
        CurvePoint(step=10 * place, epoch=place / 2, train_loss=1.0, learning_rate=rate, score=one.value, dev=(one,))
        for place, one in enumerate(dev)
    )
    spec = {
        "kind": "train",
        "mixture": [{"train": {"language": toy.source}}],
        "learning_rate": rate,
        "encoder": _encoder_ref(toy, pair, seed),
        "seed": seed,
        "target": pair.target,
        "pair": str(pair),
    }
    manifest = _manifest(toy, "train", spec, dev[-1:], curve, "pruned" if is_pruned else "done")
    return Trial({"learning_rate": rate}, seed, manifest, is_pruned)


def _evaluation(store: Store, toy: Toy, pair: PairId, seed: int) -> Evaluation:
    metric = toy.targets[pair.target]
    tables, measurements = [], []
    for language in toy.languages:
        columns = _statistics(toy, pair, language, seed)
        prefix = toy.baseline_ids if pair.intermediate == BASELINE else "example"
        ids = [f"{prefix}-{index}" for index in range(toy.num_examples)]
        tables.append(pa.table({"language": [language] * len(ids), "example_id": ids, "prediction": ['"x"'] * len(ids), **columns}))
        sums = np.array([values.sum() for values in columns.values()])
        value = float(value_of(metric, list(columns), sums))
        measurements.append(Measurement(task=pair.target, language=language, split="test", metric=metric, value=value, n=len(ids)))
    spec = {
        "kind": "evaluate",
        "encoder": _encoder_ref(toy, pair, seed),
        "task": pair.target,
        "pair": str(pair),
        "seed": seed,
        "versions": [["numpy", "2"]],
    }
    manifest = publish(store, _manifest(toy, "evaluate", spec, measurements, (), "done"), pa.concat_tables(tables))
    return Evaluation(seed, manifest, _encoder_ref(toy, pair, seed).get("stage"))


def publish(store: Store, manifest: Manifest, examples: pa.Table) -> Manifest:
    """Puts an evaluation into the store."""
    with TemporaryDirectory() as folder:
        pq.write_table(examples, Path(folder) / "examples.parquet")
        return store.publish(manifest, Path(folder))


def _statistics(toy: Toy, pair: PairId, language: str, seed: int) -> dict[str, np.ndarray]:
    difficulty = _random("difficulty", pair.target, language).normal(size=toy.num_examples)
    own = _random(*pair, language, str(seed))
    luck = _random(*pair, "luck", str(seed)).normal(0, toy.seed_spread)
    gain = toy.gains.get(pair.intermediate, 0.0) * (-1 if language in toy.losing else 1)
    ability = 0.3 + gain + luck - (0.0 if language == "en" else 0.4)
    is_right = (ability + difficulty + own.normal(0, 0.3, size=toy.num_examples) > 0).astype(np.float64)
    ones = np.ones(toy.num_examples)
    columns = METRICS[toy.targets[pair.target]].columns
    return dict(zip(columns, (is_right, ones, ones), strict=False))


def _random(*names: str) -> np.random.Generator:
    return np.random.default_rng(int(content_key("random", list(names)).split("-")[1], 16))


def _encoder_ref(toy: Toy, pair: PairId, seed: int) -> dict[str, str]:
    if pair.intermediate == BASELINE:
        return {"hub": "toy", "revision": "main"}
    return {"stage": _encoder(toy, pair.intermediate, toy.seeds[0] if toy.shares_encoder else seed).key}


def _encoder(toy: Toy, name: str, seed: int) -> Manifest:
    return _manifest(
        toy, "train", {"kind": "train", "intermediate": name, "seed": seed, "versions": [["torch", "2"]], **_of(toy)}, (), (), "done"
    )


def _of(toy: Toy) -> dict[str, str]:
    """What tells the encoders of two models apart, where a study has several."""
    return {} if toy.num_parameters is None else {"model": toy.model}


def _manifest(
    toy: Toy, kind: str, spec: Mapping[str, object], measurements: Sequence[Measurement], curve: Sequence[CurvePoint], status: str
) -> Manifest:
    cost = Cost(
        started_at=0.0,
        seconds=toy.device_seconds / 4,
        device_seconds=toy.device_seconds,
        num_tokens=30_000,
        num_examples=600,
        peak_memory_bytes=1 << 29,
        device="cpu",
    )
    effort = None
    if kind == "train" and toy.num_parameters is not None:
        effort = Effort(num_examples=600, num_parameters=toy.num_parameters, num_trained=toy.num_parameters, flops=1e12, seconds=1.0)
    return Manifest(
        key=content_key(kind, dict(spec)),
        status=status,
        spec=dict(spec),
        parents=(),
        attempt="",
        files=(),
        files_dropped=False,
        measurements=tuple(measurements),
        curve=tuple(curve),
        score=curve[-1].score if curve else None,
        effort=effort,
        cost=cost,
    )
