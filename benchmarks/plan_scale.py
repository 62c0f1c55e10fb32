"""How long `polystilts plan` takes on a study of about 10,000 stages.

    python benchmarks/plan_scale.py [--rounds N] [--json FILE]

Prints the median wall clock of the whole command, Python's start and imports included.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDY = """
name: plan_scale
models:
  xlmr: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-large}
intermediates:
%s
targets:
  xnli:
  pawsx:
  panx:
  udpos:
  xquad:
  squad2: {test: dev}
  commonsenseqa: {test: dev}
  tatoeba:
search: {trials: 8, replicates: 3}
"""
NUM_INTERMEDIATES = 53


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    rows = "\n".join(f"  mnli_{size}: {{tasks: {{mnli: {{num_examples: {1000 + size}}}}}}}" for size in range(NUM_INTERMEDIATES))
    with tempfile.TemporaryDirectory() as scratch:
        study = Path(scratch) / "plan_scale.yaml"
        study.write_text(STUDY % rows)
        command = [sys.executable, "-m", "sweeps.cli", "plan", str(study), "--home", str(Path(scratch) / "runs"), "--json"]
        seconds = []
        for _ in range(given.rounds):
            began = time.monotonic()
            counts = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            seconds.append(time.monotonic() - began)
    median_s = statistics.median(seconds)
    print(f"{counts['stages']} stages planned in {median_s:.2f} s (median of {given.rounds}; {min(seconds):.2f} to {max(seconds):.2f})")
    if given.json:
        given.json.write_text(json.dumps({"stages": counts["stages"], "median_s": median_s, "seconds": seconds}))


if __name__ == "__main__":
    main()
