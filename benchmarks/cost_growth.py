"""How the cost of a study grows with its model, lengths, languages, targets and points, as `polystilts plan` counts it.

    python benchmarks/cost_growth.py [--json FILE]

Each row differs in one thing from MNLI before XNLI with XLM-R Base: three trainings (MNLI; XNLI's with and without it) and two
evaluations in 15 languages. Nothing is trained, and no file is read but what `sweeps` ships about data sets and encoders.
"""

import argparse
import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import yaml

from sweeps.estimate import count
from sweeps.opened import open_study

HUB = {
    "XLM-R Large": ("xlm_roberta", "FacebookAI/xlm-roberta-large"),
    "XLM-R XL": ("xlm_roberta_xl", "facebook/xlm-roberta-xl"),
    "XLM-R XXL": ("xlm_roberta_xl", "facebook/xlm-roberta-xxl"),
}
PLAIN: dict[str, Any] = {
    "name": "growth",
    "models": {"model": {"family": "xlm_roberta", "hub": "FacebookAI/xlm-roberta-base"}},
    "intermediates": ["mnli"],
    "targets": ["xnli"],
    "search": {"space": "learning_rate", "trials": 1, "replicates": 1},
}
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    **{name: {"models": {"model": {"family": family, "hub": hub}}} for name, (family, hub) in HUB.items()},
    "sequences of SQuAD in place of MNLI's": {"intermediates": ["squad2"]},
    "scored in 1 language, not 15": {"targets": {"xnli": {"languages": ["en"]}}},
    "3 targets": {"targets": ["xnli", "panx", "pawsx"]},
    "3 intermediates": {"intermediates": ["mnli", "squad2", "hellaswag"]},
    "3 intermediates, 3 targets": {"intermediates": ["mnli", "squad2", "hellaswag"], "targets": ["xnli", "panx", "pawsx"]},
    "3 seeds": {"search": {**PLAIN["search"], "replicates": 3}},
    "6 points": {"search": {**PLAIN["search"], "trials": 6}},
}


def cost(changes: dict[str, Any], folder: Path) -> dict[str, float]:
    """Operations of a study, and gigabytes of the encoders that it keeps."""
    path = folder / "growth.yaml"
    path.write_text(yaml.safe_dump(copy.deepcopy(PLAIN) | changes))
    found = count(open_study(path, folder / "runs", None))
    assert found.cost is not None, "a cost was asked for"
    return {
        "trainings": found.trainings,
        "training": found.cost.training_flops,
        "evaluation": found.cost.evaluation_flops,
        "encoders_gb": found.cost.checkpoint_gb,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = {name: cost(changes, Path(folder)) for name, changes in CHANGES.items()}
    first = rows["as it is"]
    print(f"{'':40} trainings   training, operations     evaluation        encoders kept")
    for name, row in rows.items():
        times = row["training"] / first["training"], row["evaluation"] / first["evaluation"]
        print(
            f"{name:40} {row['trainings']:9.0f}   {row['training']:9.2e} ({times[0]:6.2f} x)   {row['evaluation']:9.2e} ({times[1]:6.2f} x)"
            f"   {row['encoders_gb']:6.1f} GB"
        )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
