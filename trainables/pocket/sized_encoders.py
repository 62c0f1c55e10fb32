"""Makes encoders of several sizes out of the pocket world's, of which each larger one knows a language more.

    python -m trainables.pocket.sized_encoders --out FOLDER

All have the shipped encoder's weights. What makes one larger are rows of the embeddings that no word has, so that size itself changes
nothing. Of a language that it does not know, an encoder reads every sentence as one and the same word: what it predicts is then one answer
for all of them, whatever it was trained on, and a gain there is exactly zero.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file

from trainables.pocket.world import LANGUAGES, lexicon

SHIPPED = Path(__file__).parent / "encoder"
EMBEDDINGS = "embeddings.word_embeddings.weight"
UNKNOWN = "?"


class Size(NamedTuple):
    """One encoder."""

    name: str
    """Of its folder."""
    factor: int
    """How many times the parameters of the shipped one it has."""
    num_languages: int
    """That it knows, from the source language on."""


SIZES = (Size("x1", 1, 2), Size("x2", 2, 3), Size("x4", 4, 4), Size("x8", 8, 5))


def write_encoder(size: Size, folder: Path) -> int:
    """Writes an encoder that `from_pretrained` reads; returns its number of parameters."""
    weights = load_file(SHIPPED / "model.safetensors")
    num_parameters = sum(tensor.size for tensor in weights.values())
    words = weights[EMBEDDINGS]
    num_rows = round((size.factor - 1) * num_parameters / words.shape[1])
    weights[EMBEDDINGS] = np.concatenate([words, np.zeros((num_rows, words.shape[1]), words.dtype)])
    config = json.loads((SHIPPED / "config.json").read_bytes())
    config["vocab_size"] += num_rows
    tokenizer = json.loads((SHIPPED / "tokenizer.json").read_bytes())
    tokenizer["normalizer"] = _normalizer(LANGUAGES[size.num_languages :])
    settings = json.loads((SHIPPED / "tokenizer_config.json").read_bytes())
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"  # XLM-R's own would leave out the normalizer

    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    for name, content in (("config", config), ("tokenizer", tokenizer), ("tokenizer_config", settings)):
        (folder / f"{name}.json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    return sum(tensor.size for tensor in weights.values())


def _normalizer(unknown: Sequence[str]) -> dict[str, object] | None:
    """Makes one word of every text with a function word of an unknown language: these are no other language's, and in every sentence."""
    marks = [form for words in map(lexicon, unknown) for form in (words.object_marker, words.oblique_marker, words.question)]
    return {"type": "Replace", "pattern": {"Regex": rf"^(.*\s)?({'|'.join(marks)})(\s.*)?$"}, "content": UNKNOWN} if marks else None


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, required=True)
    out = arguments.parse_args().out
    for size in SIZES:
        try:
            num_parameters = write_encoder(size, out / size.name)
        except OSError as error:
            arguments.exit(2, f"--out {out}: {error.strerror}; give a folder that can be written to\n")
        print(f"{out / size.name}: {num_parameters:,} parameters, knows {', '.join(LANGUAGES[: size.num_languages])}")


if __name__ == "__main__":
    main()
