"""What lies beside a saved encoder: its heads, of which shapes they are, and the decoder of a text-to-text model.

Imports no torch: whoever only asks what is there need not wait for it.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

HEADS_FILE = "heads.safetensors"
SHAPES_FILE = "heads.json"
DECODER_FILE = "decoder.safetensors"


class HeadShape(NamedTuple):
    """What a task asks of its head."""

    task: str
    kind: str
    labels: tuple[str, ...]
    words: tuple[tuple[int, ...], ...] = ()
    """The tokens of the labels, where a decoder writes them."""


def read_shapes(source: str | Path) -> dict[str, HeadShape]:
    """The heads that were left beside an encoder, by task; none if there are none, as on the hub."""
    path = Path(source) / SHAPES_FILE
    described = json.loads(path.read_text()) if path.exists() else {}
    return {
        task: HeadShape(task, entry["kind"], tuple(entry["labels"]), tuple(map(tuple, entry.get("words", ()))))
        for task, entry in described.items()
    }


def write_shapes(shapes: Iterable[HeadShape], folder: Path) -> None:
    """What `read_shapes` reads."""
    described = {
        shape.task: {"kind": shape.kind, "labels": shape.labels} | ({"words": shape.words} if shape.words else {}) for shape in shapes
    }
    (folder / SHAPES_FILE).write_text(json.dumps(described, indent=1) + "\n")
