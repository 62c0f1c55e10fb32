"""Features on disk: one Arrow IPC file with one row, read as a memory map, so that all trials of a machine share its pages."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trainables.features import Features

_ARRAYS = ("token_ids", "offsets", "second_segment", "example", "targets", "char_spans")


class Prepared(NamedTuple):
    """The features of some examples, and what is not in them."""

    features: Features
    dropped: dict[str, int]
    """As in `trainables.manifest.DataUse`, like `cut`."""
    cut: dict[str, int]


def write_prepared(path: Path, prepared: Prepared) -> None:
    """Writes aside and renames, so that a reader sees the whole file or none, and two writers do not disturb each other."""
    features = prepared.features
    arrays = [getattr(features, name) for name in _ARRAYS]
    header = {
        "kind": features.kind,
        "num_examples": features.num_examples,
        "shapes": {name: array.shape for name, array in zip(_ARRAYS, arrays, strict=True)},
        "dropped": prepared.dropped,
        "cut": prepared.cut,
    }
    columns = [pa.LargeListArray.from_arrays([0, array.size], pa.array(array.reshape(-1))) for array in arrays]
    fields = [pa.field(name, column.type) for name, column in zip(_ARRAYS, columns, strict=True)]
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata={"prepared": json.dumps(header)}))
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        os.replace(aside, path)
    finally:
        Path(aside).unlink(missing_ok=True)


def read_prepared(path: Path) -> Prepared:
    """The arrays are read-only views of the mapped file: copy before writing, or before `torch.from_numpy`."""
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    header = json.loads(table.schema.metadata[b"prepared"])

    def array(name: str) -> NDArray[Any]:
        values = table.column(name).chunk(0).values.to_numpy(zero_copy_only=True)
        return np.asarray(values).reshape(header["shapes"][name])

    features = Features(header["kind"], num_examples=header["num_examples"], **{name: array(name) for name in _ARRAYS})
    return Prepared(features, header["dropped"], header["cut"])
