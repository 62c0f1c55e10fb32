"""What MLflow shows of a spec and a manifest, as names and values that line up from run to run."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from sweeps.events import Registered
from sweeps.results import ORACLE_NOTE
from trainables.manifest import CurvePoint, Manifest, Measurement

MAX_VALUE_CHARACTERS = 6000
"""Of a parameter or a tag; MLflow cuts longer ones without a word."""
CUT = "characters, sha256"
"""Stands where a value was cut."""
NOT_IN_NAMES = re.compile(r"[^\w.\- :]")


def parameters(spec: Mapping[str, Any]) -> dict[str, str]:
    """A spec as names and values that line up across runs of different tasks, encoders and kinds."""
    flat: dict[str, object] = {}
    for name, value in spec.items():
        if name == "versions":
            flat |= {f"version.{library}": version for library, version in value}
        elif name == "encoder":
            flat[name] = "@".join(value.values())
        elif name == "arms":
            flat[name] = " against ".join("@".join(map(str, arm.values())) for arm in value)
        elif name == "mixture":
            flat["tasks"] = " + ".join(tasks(spec))
            flat["train_data"] = "; ".join(_data(task["train"]) for task in value)
            flat["dev_data"] = "; ".join(_data(dev) for task in value for dev in task["dev"])
            flat["weights"] = " ".join(str(task["weight"]) for task in value)
        elif name in ("data", "tokenizer_text"):
            flat[name] = "; ".join(_data(data) for data in value)
            flat["languages"] = " ".join(data["language"] for data in value)
        elif isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": inner_value for inner, inner_value in value.items()}
        else:
            flat[name] = value
    return {name: fit(str(value)) for name, value in flat.items() if value is not None}


def marks(leaks: Iterable[str], is_oracle: bool) -> dict[str, str]:
    """The tags of a run whose numbers are limited, and its note, which MLflow shows on the run's page."""
    lines = sorted(set(leaks))
    notes = [*(f"- leak: {leak}" for leak in lines), *([f"- oracle: {ORACLE_NOTE}"] if is_oracle else [])]
    tags = {"leak": "\n".join(lines), "oracle": "true" if is_oracle else "", "mlflow.note.content": "\n".join(notes)}
    return {name: fit(text) for name, text in tags.items() if text}


def version_text(event: Registered, version: int | str) -> str:
    """What a registered version's page says: how it is loaded, and what is known of it."""
    given = "" if event.precision == "float32" else f', dtype="{event.precision}"'
    code = [
        f'    folder = mlflow.artifacts.download_artifacts("models:/{event.name}/{version}")',
        f"    model = transformers.{event.auto_class}.from_pretrained(folder{given})",
    ]
    return "\n".join([*code, "", *(f"- {fact}" for fact in event.facts)])


def marked_leaks(tags: Mapping[str, str]) -> list[str]:
    """The leaks that a run is tagged with; not what `fit` put between them."""
    return [line for line in tags.get("leak", "").split("\n") if line and CUT not in line]


def metric_name(*parts: str) -> str:
    """`parts` between slashes, without the characters that MLflow refuses."""
    return "/".join(NOT_IN_NAMES.sub("_", part) for part in parts)


def fit(value: str) -> str:
    """`value`, or where MLflow would cut it its beginning, its hash and its end."""
    if len(value) <= MAX_VALUE_CHARACTERS:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()[:16]
    return f"{value[:1000]} [... {len(value)} {CUT} {digest} ...] {value[-1000:]}"


def tasks(spec: Mapping[str, Any]) -> list[str]:
    return [task["train"]["task"] for task in spec.get("mixture", ())]


def _data(data: Mapping[str, Any]) -> str:
    num_examples = "all" if data["num_examples"] is None else data["num_examples"]
    return f"{data['task']} v{data['task_version']} {data['language']} {data['split']} {num_examples} from {data['source']}"


def curve_values(point: CurvePoint) -> dict[str, float]:
    values = {"train_loss": point.train_loss, "learning_rate": point.learning_rate, "epoch": point.epoch}
    if point.score is not None:
        values["dev_score"] = point.score
    return values | {metric_name("curve", item.task, item.language, item.metric): item.value for item in point.dev}


def stage_values(manifest: Manifest) -> dict[str, float]:
    """The numbers that the report reads, beside those of the curve: at the kept checkpoint, with what they cost."""
    cost = manifest.cost
    values = score_values(manifest)
    prefix = f"{manifest.spec['kind']}_cost"
    values[f"{prefix}/seconds"] = cost.seconds
    values[f"{prefix}/device_seconds"] = cost.device_seconds
    values[f"{prefix}/num_tokens"] = float(cost.num_tokens)
    values[f"{prefix}/peak_memory_bytes"] = float(cost.peak_memory_bytes)
    if manifest.score is not None:
        values["kept_dev_score"] = manifest.score
    for name, counts in (("num_dropped", [use.dropped for use in manifest.data]), ("num_cut", [use.cut for use in manifest.data])):
        if any(counts):
            values[f"{manifest.spec['kind']}_{name}"] = float(sum(sum(count.values()) for count in counts))
    return values


def score_values(manifest: Manifest) -> dict[str, float]:
    """What was measured; of an evaluation the mean over its languages too, under the same name for every task."""
    values = measured_values(manifest.measurements)
    if manifest.spec.get("kind") == "evaluate":
        first = manifest.measurements[0].metric
        values["test_score"] = fmean(item.value for item in manifest.measurements if item.metric == first)
    return values


def measured_values(measurements: Iterable[Measurement]) -> dict[str, float]:
    """`<task>/<language>/<metric>` of the test set, the same below `dev/` of anything else."""
    names = ((() if item.split.startswith("test") else ("dev",)) + (item.task, item.language, item.metric) for item in measurements)
    return {metric_name(*name): item.value for name, item in zip(names, measurements, strict=True)}


def mean_values(replicates: Iterable[Mapping[str, float]]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for scores in replicates:
        for name, value in scores.items():
            values.setdefault(name, []).append(value)
    return {name: fmean(all_values) for name, all_values in values.items()}
