"""What the engine itself costs a stage: a sweep of about 200 stages that compute next to nothing, from command to report.

    python benchmarks/engine_overhead.py [--home DIR] [--json FILE]

Prints seconds of wall clock per stage, over everything: Ray's start, workers' imports, MLflow, the report. The second run of the
same command, which finds every stage in the store, is timed as well.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDY = """
name: overhead
source_language: qaa
models:
  tiny:
    family: xlm_roberta
    random: {hidden_size: 16, num_layers: 1, num_heads: 2, intermediate_size: 32, vocabulary_size: 400, max_positions: 256,
             dropout: 0.0, tokenizer_text: {pocket_text: {num_examples: 200}}}
intermediates: [pocket_rank_class, pocket_colour_class]
targets:
  pocket_flavour_class: {num_examples: 32, languages: [qaa]}
  pocket_flavour_qa: {num_examples: 32, languages: [qaa]}
intermediate_training: {steps: 1, num_evals: 1}
target_training: {steps: 1, num_evals: 1}
search: {space: small_encoder, trials: 10, replicates: 3, pruning: none}
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--home", type=Path)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        study = Path(scratch) / "overhead.yaml"
        study.write_text(STUDY)
        command = [sys.executable, "-m", "sweeps.cli", "run", str(study), "--home", str(given.home or Path(scratch) / "runs"), "--json"]
        first_s, ran = _timed(command)
        again_s, _ = _timed(command)
    num_stages = ran["trained"]
    print(f"{num_stages} stages in {first_s:.1f} s: {first_s / num_stages:.2f} s per stage; the same command again: {again_s:.1f} s")
    if given.json:
        given.json.write_text(
            json.dumps({"stages": num_stages, "seconds": first_s, "per_stage_s": first_s / num_stages, "again_s": again_s})
        )


def _timed(command: list[str]) -> tuple[float, dict[str, int]]:
    began = time.monotonic()
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return time.monotonic() - began, json.loads(output)


if __name__ == "__main__":
    main()
