"""How much memory an evaluation takes that scores more and more languages: the most that is resident, in a process for each number.

    python benchmarks/eval_memory.py [--languages 1 10 38] [--sentences N] [--json FILE]

Part-of-speech files in the published format are made, of so many sentences a language, and are read, prepared, predicted and scored by
`trainables.evaluate.run_evaluation`, as a stage does it, with the pocket encoder and an untrained head.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import AutoTokenizer

from trainables.devices import peak_memory_bytes, reset_peak_memory
from trainables.evaluate import run_evaluation
from trainables.head_files import HeadShape
from trainables.model import load_encoder, with_fresh_heads
from trainables.origins import data_source
from trainables.specs import DataSpec, EvaluateSpec, StageEncoder
from trainables.task import TASKS

ENCODER = Path(__file__).parent.parent / "trainables/pocket/encoder"
TASK = "udpos"
CPU = torch.device("cpu")


def write_files(folder: Path, languages: list[str], num_sentences: int) -> None:
    draws = random.Random(0)
    labels = TASKS.load(TASK).labels
    words = ["".join(draws.choices("abcdefghij", k=draws.randint(2, 9))) for _ in range(20_000)]
    (folder / TASK).mkdir()
    for language in languages:
        sentences = ("\n".join(f"{draws.choice(words)}\t{draws.choice(labels)}" for _ in range(20)) for _ in range(num_sentences))
        (folder / TASK / f"test-{language}.tsv").write_text("\n\n".join(sentences) + "\n")


def measure(folder: Path, languages: list[str]) -> int:
    """Bytes beyond what is resident before the first language."""
    version = TASKS.load(TASK).version
    data = tuple(
        DataSpec(
            task=TASK,
            task_version=version,
            split="test",
            language=language,
            num_examples=None,
            source=data_source(TASK, "test", language, folder),
        )
        for language in languages
    )
    task = TASKS.load(TASK)
    model = with_fresh_heads("xlm_roberta", load_encoder(ENCODER), [HeadShape(TASK, task.kind, task.labels)], 0, "float32")
    spec = EvaluateSpec.model_construct(
        encoder=StageEncoder(stage="train-0000000000000000"),
        data=data,
        head=TASK,
        max_length=64,
        retrieval=None,
        threshold_data=(),
        form=None,
    )
    tokenizer = AutoTokenizer.from_pretrained(ENCODER)
    torch.set_num_threads(1)
    reset_peak_memory(CPU)
    before = peak_memory_bytes(CPU)
    with tempfile.TemporaryDirectory() as scratch:
        run_evaluation(spec, model, tokenizer, folder, scratch, Path(scratch) / "examples.parquet")
    return peak_memory_bytes(CPU) - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", type=int, nargs="*", default=[1, 10, 38])
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)  # by itself, of one number
    given = parser.parse_args()
    if given.folder is not None:
        print(measure(given.folder, list(TASKS.load(TASK).languages[: given.languages[0]])))
        return
    with tempfile.TemporaryDirectory(prefix="polystilts-memory-") as scratch:
        write_files(Path(scratch), list(TASKS.load(TASK).languages[: max(given.languages)]), given.sentences)
        found = {}
        for number in given.languages:
            command = [sys.executable, __file__, "--in", scratch, "--languages", str(number)]
            found[number] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(f"{number:3} languages of {given.sentences} sentences: {found[number] / 2**20:6.0f} MiB beyond the model", flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
