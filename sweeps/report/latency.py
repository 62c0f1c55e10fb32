"""What intermediate training changes of the latency of inference: single times become a table, and `benchmarks.parquet`."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sweeps.report.cells import Cell
from sweeps.report.equivalence import Comparison, Floats, block_log_ratios, compare, compare_all
from sweeps.report.pareto import Pareto, frontier
from sweeps.report.statistics import Estimate
from sweeps.results import BenchmarkResult, PairId, StudyResult
from trainables.benchmark_names import ANY_LANGUAGE, ARCHITECTURE, ARM_NAMES, TIMES_FILE
from trainables.manifest import Manifest
from trainables.store import Store


class Speed(NamedTuple):
    """One arm at one setting."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    examples_per_s: float
    tokens_per_s: float
    peak_memory_bytes: float
    num_passes: int
    written_tokens: float | None = None
    """A sequence; None where nothing is written."""


class SettingRow(NamedTuple):
    """One setting of one pair."""

    language: str
    batch_size: int
    length: str
    precision: str
    direct: Speed
    intermediate: Speed
    comparison: Comparison
    score_gain: Estimate | None
    """Of the language, beside what it costs in time; None where it is not measured."""


class PairRows(NamedTuple):
    """One pair's settings, and what they say together."""

    result: BenchmarkResult
    rows: tuple[SettingRow, ...]
    """Empty while the benchmark is not finished."""
    overall: Comparison | None
    """Of the mean over all settings."""
    gain: Estimate | None
    score: Estimate | None
    baseline: Estimate | None
    conditions: Mapping[str, str]
    tokens_per_word: Mapping[str, float]
    """By language; without those that write no spaces."""
    num_parameters: float
    checkpoint_bytes: float

    @property
    def num_by_verdict(self) -> Mapping[str, int]:
        """How many settings have each verdict, those without any left out."""
        verdicts = [row.comparison.verdict for row in self.rows]
        return {verdict: verdicts.count(verdict) for verdict in ("equivalent", "different", "undecided") if verdict in verdicts}


class ArchitectureRow(NamedTuple):
    """An encoder at one setting, whatever its weights."""

    model: str
    batch_size: int
    length: str
    precision: str
    speed: Speed
    device: str
    key: str


def read_benchmarks(result: StudyResult, cells: Sequence[Cell], store: Store) -> tuple[PairRows, ...]:
    """What each benchmark of a study found, beside what its pair gained."""
    by_pair = {cell.pair: cell for cell in cells}
    return tuple(_pair_rows(found, by_pair.get(found.pair), store) for found in result.benchmarks)


def _pair_rows(found: BenchmarkResult, cell: Cell | None, store: Store) -> PairRows:
    gain, score, baseline = (None, None, None) if cell is None else (cell.gain, cell.score, cell.baseline)
    if found.manifest is None:
        return PairRows(found, (), None, gain, score, baseline, {}, {}, 0.0, 0.0)
    values = _values(found.manifest)
    gains = {} if cell is None else {one.language: one.gain for one in cell.languages}
    rows, log_ratios = [], []
    for setting, times in _by_setting(pq.read_table(store.fetch(found.manifest.key) / TIMES_FILE)).items():
        language, batch_size, length, precision = setting
        is_second = times["arm"] == ARM_NAMES[1]
        ratios_B = block_log_ratios(times["block"], times["repetition"], is_second, times["seconds"])
        log_ratios.append(ratios_B)
        direct, intermediate = (_speed(values, setting, arm) for arm in ARM_NAMES)
        compared = compare(ratios_B, found.margin)
        rows.append(SettingRow(language, batch_size, length, precision, direct, intermediate, compared, gains.get(language)))
    return PairRows(
        result=found,
        rows=tuple(rows),
        overall=compare_all(log_ratios, found.margin),
        gain=gain,
        score=score,
        baseline=baseline,
        conditions=found.manifest.conditions,
        tokens_per_word={language: value for (language, metric), (value, _) in values.items() if metric == "tokens_per_word"},
        num_parameters=values[ANY_LANGUAGE, f"num_parameters {ARM_NAMES[1]}"][0],
        checkpoint_bytes=values[ANY_LANGUAGE, f"checkpoint_bytes {ARM_NAMES[1]}"][0],
    )


_Setting = tuple[str, int, str, str]
_Values = Mapping[tuple[str, str], tuple[float, int]]


def _by_setting(times: pa.Table) -> dict[_Setting, dict[str, np.ndarray]]:
    """The passes of each setting as columns, settings in the order of language, batch size, length and precision."""
    columns = {name: times.column(name).to_numpy(zero_copy_only=False) for name in times.column_names}
    settings = list(zip(*(columns[name].tolist() for name in ("language", "batch_size", "length", "precision")), strict=True))
    places: dict[_Setting, list[int]] = {}
    for place, setting in enumerate(settings):
        places.setdefault(setting, []).append(place)
    ordered = sorted(places, key=lambda setting: (setting[0], setting[1], setting[2].zfill(9), setting[3]))
    return {setting: {name: column[places[setting]] for name, column in columns.items()} for setting in ordered}


def _values(manifest: Manifest) -> _Values:
    return {(each.language, each.metric): (each.value, each.n) for each in manifest.measurements}


def _speed(values: _Values, setting: _Setting, arm: str) -> Speed:
    language, batch_size, length, precision = setting
    rest = f"batch {batch_size} length {length} {precision} {arm}"

    def value(quantity: str) -> float:
        return values[language, f"{quantity} {rest}"][0]

    return Speed(
        p50_ms=value("latency_p50_ms"),
        p95_ms=value("latency_p95_ms"),
        p99_ms=value("latency_p99_ms"),
        examples_per_s=value("examples_per_s"),
        tokens_per_s=value("tokens_per_s"),
        peak_memory_bytes=value("peak_memory_bytes"),
        num_passes=values[language, f"latency_p50_ms {rest}"][1],
        written_tokens=values.get((language, f"written_tokens {rest}"), (None, 0))[0],
    )


def architectures(result: StudyResult) -> tuple[ArchitectureRow, ...]:
    """The encoders of a study at fixed lengths, each model once."""
    shapes = {found.pair.model: found.architecture for found in result.benchmarks if found.architecture is not None}
    rows = []
    for model, manifest in shapes.items():
        spec, values = manifest.spec, _values(manifest)
        for precision in spec["precisions"]:
            for batch_size in spec["batch_sizes"]:
                for length in spec["lengths"]:
                    speed = _speed(values, (ANY_LANGUAGE, batch_size, str(length), precision), ARCHITECTURE)
                    rows.append(ArchitectureRow(model, batch_size, str(length), precision, speed, manifest.cost.device, manifest.key))
    return tuple(rows)


def pareto_points(pairs: Sequence[PairRows]) -> tuple[Pareto, ...]:
    """Accuracy against milliseconds (geometric means over the settings of the median latency): each timed pair, and its baseline as it
    was timed beside the first of its pairs."""
    points: dict[PairId, tuple[float, Estimate]] = {}
    for each in pairs:
        if each.rows and each.score is not None:
            points[each.result.pair] = (_mean_ms([row.intermediate for row in each.rows]), each.score)
            if each.baseline is not None:
                points.setdefault(each.result.direct, (_mean_ms([row.direct for row in each.rows]), each.baseline))
    return frontier(points)


def _mean_ms(speeds: Sequence[Speed]) -> float:
    latencies: Floats = np.array([speed.p50_ms for speed in speeds])
    return float(np.exp(np.log(latencies).mean()))


def to_parquet(study: str, pairs: Sequence[PairRows], shapes: Sequence[ArchitectureRow]) -> bytes:
    """`benchmarks.parquet`: a row for each arm at each setting, with the comparison on the rows of the arm with intermediate training.

    Latencies are in milliseconds a batch; the single times are in times.parquet of the stage that `stage_key` names.
    """
    rows = [_row(study, each, row, arm) for each in pairs for row in each.rows for arm in ARM_NAMES]
    rows += [_architecture_row(study, shape) for shape in shapes]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), sink)
    return bytes(sink.getvalue().to_pybytes())


SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("study", "model", "intermediate", "variant", "target", "language")]
    + [("batch_size", pa.int64())]
    + [(name, pa.string()) for name in ("length", "precision", "arm")]
    + [(name, pa.float64()) for name in Speed._fields if name != "num_passes"]
    + [("num_passes", pa.int64())]
    + [(name, pa.float64()) for name in ("ratio", "ratio_low", "ratio_high", "ratio_low_90", "ratio_high_90", "p_equivalent", "margin")]
    + [("num_blocks", pa.int64())]
    + [(name, pa.string()) for name in ("verdict", "stage_key", "conditions")]
)


def _row(study: str, each: PairRows, row: SettingRow, arm: str) -> dict[str, object]:
    assert each.result.manifest is not None, "rows are of a finished benchmark"
    is_direct = arm == ARM_NAMES[0]
    pair, compared = (each.result.direct if is_direct else each.result.pair), row.comparison
    compared_columns = {
        "ratio": compared.ratio,
        "ratio_low": compared.low,
        "ratio_high": compared.high,
        "ratio_low_90": compared.inner_low,
        "ratio_high_90": compared.inner_high,
        "p_equivalent": compared.p_equivalent,
        "margin": compared.margin,
        "num_blocks": compared.num_blocks,
        "verdict": compared.verdict,
    }
    return {
        "study": study,
        **pair._asdict(),
        "language": row.language,
        "batch_size": row.batch_size,
        "length": row.length,
        "precision": row.precision,
        "arm": arm,
        **(row.direct if is_direct else row.intermediate)._asdict(),
        **({} if is_direct else compared_columns),
        "stage_key": each.result.manifest.key,
        "conditions": json.dumps(dict(each.conditions), sort_keys=True),
    }


def _architecture_row(study: str, shape: ArchitectureRow) -> dict[str, object]:
    return {
        "study": study,
        "model": shape.model,
        "language": ANY_LANGUAGE,
        "batch_size": shape.batch_size,
        "length": shape.length,
        "precision": shape.precision,
        "arm": ARCHITECTURE,
        **shape.speed._asdict(),
        "stage_key": shape.key,
    }
