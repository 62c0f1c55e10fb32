"""Every number that a study measured, one a row: `results.parquet`."""

import pyarrow as pa
import pyarrow.parquet as pq

from sweeps.report.data_use import reasons, use_of
from sweeps.results import Evaluation, PairResult, StudyResult, Trial
from trainables.manifest import DataUse, Manifest

SCHEMA = pa.schema(
    [
        ("study", pa.string()),
        ("model", pa.string()),
        ("intermediate", pa.string()),
        ("variant", pa.string()),
        ("target", pa.string()),
        ("language", pa.string()),
        ("split", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("n", pa.int64()),
        ("seed", pa.int64()),
        ("learning_rate", pa.float64()),
        ("selected", pa.bool_()),
        ("stage_key", pa.string()),
        ("encoder_key", pa.string()),
        ("device_s", pa.float64()),
        ("num_dropped", pa.int64()),
        ("dropped", pa.string()),
        ("cut", pa.string()),
        ("marks", pa.list_(pa.string())),
    ]
)
"""`value` is as measured (accuracies and F1 between 0 and 1) on `n` examples. `target` is the pair's target; a training's own dev
numbers stand under it. `selected`: of the point that the search chose, by the source language's dev score. `learning_rate` and
`encoder_key` are null where there is none (retrieval, weights from a hub). `device_s` is the cost of the row's *whole* stage, the same
on each of its rows: sum it over distinct `stage_key`, never over rows. `dropped` and `cut` are of the examples that the row measures, by
reason: entries of the whole split that the data set's own rules leave out (`num_dropped` in all), and examples that were scored though they
lost tokens; null where the stage's record does not say. `marks` are the leaks of the row's pair, and that an oracle chose."""

_ORDER = [
    (name, "ascending")
    for name in (
        "study",
        "model",
        "intermediate",
        "variant",
        "target",
        "split",
        "language",
        "metric",
        "seed",
        "learning_rate",
        "stage_key",
        "selected",
    )
]

_Row = dict[str, str | float | int | bool | list[str] | None]


def build_table(result: StudyResult) -> pa.Table:
    """All measurements of all trials and evaluations, pruned ones included, in an order that depends on nothing else."""
    rows = [row for found in result.pairs for row in _pair_rows(result.study, found)]
    return pa.Table.from_pylist(rows, schema=SCHEMA).sort_by(_ORDER)


def to_parquet(table: pa.Table) -> bytes:
    """The bytes of `results.parquet`."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue().to_pybytes())


def encoder_key(manifest: Manifest) -> str | None:
    """The stage whose encoder a stage began from; None for weights from a hub or a folder."""
    key = manifest.spec.get("encoder", {}).get("stage")
    return None if key is None else str(key)


def _pair_rows(study: str, found: PairResult) -> list[_Row]:
    rows = [row for trial in found.trials for row in _trial_rows(trial, found)]
    rows += [row for evaluation in found.evaluations for row in _evaluation_rows(evaluation, found)]
    model, intermediate, variant, target = found.pair
    pair: _Row = {
        "study": study,
        "model": model,
        "intermediate": intermediate,
        "variant": variant,
        "target": target,
        "marks": list(found.marks),
    }
    return [pair | row for row in rows]


def _trial_rows(trial: Trial, found: PairResult) -> list[_Row]:
    learning_rate = trial.point.get("learning_rate", trial.manifest.spec.get("learning_rate"))
    is_selected = found.selected is not None and dict(trial.point) == dict(found.selected)
    stage: _Row = {"seed": trial.seed, "learning_rate": _float(learning_rate), "selected": is_selected}
    return [stage | row for row in _measurement_rows(trial.manifest, encoder_key(trial.manifest))]


def _evaluation_rows(evaluation: Evaluation, found: PairResult) -> list[_Row]:
    selected = found.selected or {}
    stage: _Row = {"seed": evaluation.seed, "learning_rate": _float(selected.get("learning_rate")), "selected": True}
    return [stage | row for row in _measurement_rows(evaluation.manifest, evaluation.encoder_key)]


def _measurement_rows(manifest: Manifest, encoder: str | None) -> list[_Row]:
    return [
        {
            "language": one.language,
            "split": one.split,
            "metric": one.metric,
            "value": one.value,
            "n": one.n,
            "stage_key": manifest.key,
            "encoder_key": encoder,
            "device_s": manifest.cost.device_seconds,
            **_lost(use_of(manifest, one.task, one.language, one.split)),
        }
        for one in manifest.measurements
    ]


def _lost(use: DataUse | None) -> _Row:
    if use is None:
        return {"num_dropped": None, "dropped": None, "cut": None}
    return {"num_dropped": sum(use.dropped.values()), "dropped": reasons(use.dropped), "cut": reasons(use.cut)}


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
