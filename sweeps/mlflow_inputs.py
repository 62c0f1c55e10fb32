"""The examples that a stage read as data sets of MLflow, which shows them beside the run and finds all runs of one."""

import json
from collections.abc import Iterator
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag

from trainables.keys import content_key
from trainables.manifest import DataUse, Manifest
from trainables.specs import DataSpec

CONTEXT = "mlflow.data.context"
"""MLflow's tag of what a data set was for."""


def dataset_inputs(manifest: Manifest) -> list[DatasetInput]:
    """One for each set of examples; its digest is of all that says which examples these are."""
    specs = {(spec.task, spec.language, spec.split): spec for spec in _data_specs(manifest.spec)}
    known = [(use, specs[place]) for use in manifest.data if (place := (use.task, use.language, use.split)) in specs]
    return [DatasetInput(_dataset(use, spec), [InputTag(CONTEXT, use.purpose)]) for use, spec in known]


def _dataset(use: DataUse, spec: DataSpec) -> Dataset:
    content = spec.model_dump(mode="json")
    return Dataset(
        name=f"{spec.task}/{spec.split}/{spec.language}",
        digest=content_key("data", content),
        source_type=spec.source.partition(":")[0],
        source=json.dumps(content),
        profile=json.dumps({"num_examples": use.num_examples}),
    )


def _data_specs(value: Any) -> Iterator[DataSpec]:
    """All that stand anywhere in a spec."""
    if isinstance(value, dict) and value.keys() == DataSpec.model_fields.keys():
        yield DataSpec.model_validate(value)
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _data_specs(inner)
