"""`polystilts`, with one cause of its speed switched off, for `benchmarks/sweep.py`: everything that it computes stays the same.

python benchmarks/sweep_without.py sharing|"warm actors"|packing|pruning run STUDY --home DIR
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray.tune
import torch
from torch import Tensor

import sweeps.cli
import sweeps.launch
import sweeps.trial
from sweeps.search import PairSearch
from sweeps.study import Resources
from trainables.model import Model
from trainables.packing import Asked, Packed
from trainables.specs import Job, StageEncoder, TrainSpec
from trainables.stage import run_stage
from trainables.store import Store


def run_without_sharing(config: dict[str, Any]) -> None:
    """Every target training begins with an intermediate training of its own, which is the shared one once more."""
    job = Job.model_validate_json(config["job"])
    if isinstance(job.spec, TrainSpec) and isinstance(job.spec.encoder, StageEncoder):
        made = Store(job.store, Path(job.cache)).manifest(job.spec.encoder.stage)
        assert made is not None, "an encoder is made before what trains it"
        with tempfile.TemporaryDirectory() as scratch:
            again = Job.model_validate({**job.model_dump(), "spec": made.spec, "store": scratch, "stop_below": ()})
            run_stage(again, Store(scratch, Path(job.cache)), lambda _: None)
    sweeps.trial.run_trial(config)


def run_padded(config: dict[str, Any]) -> None:
    """Sequences are padded to the longest of their batch, and attention is told so by a mask."""
    Model.hidden = padded_hidden  # type: ignore[method-assign]
    sweeps.trial.run_trial(config)


def padded_hidden(self: Model, packed: Packed, layer: int = -1, asked: Asked | None = None) -> Tensor:
    """As `Model.hidden`; every layer is computed whole."""
    assert layer == -1, "the study has no retrieval"
    places = packed.sequence_T, packed.position_ids_T
    shape = len(packed.starts_B), packed.runs.longest
    token_ids_BL = packed.token_ids_T.new_ones(shape).index_put(places, packed.token_ids_T)
    mask_BL = packed.token_ids_T.new_zeros(shape).index_put(places, torch.ones_like(packed.token_ids_T))
    position_ids_BL = torch.arange(shape[1]) + self.family.first_position(self.encoder.config)
    self.encoder.set_attn_implementation("sdpa")
    with self._casting():
        output = self.encoder(input_ids=token_ids_BL, attention_mask=mask_BL, position_ids=position_ids_BL.expand(shape))
    hidden_TD: Tensor = output.last_hidden_state[places]
    return hidden_TD if asked is None else hidden_TD[asked.rows_K]


def use_trial(run: Callable[[dict[str, Any]], None]) -> None:
    """Makes `run` the body of a trial."""

    def trial(resources: Resources) -> Any:
        return ray.tune.with_resources(run, {"CPU": resources.cpus_per_worker})

    sweeps.launch._trial = trial


def without_warm_actors() -> None:
    """Every stage has a process of its own, which imports everything anew."""
    configured = ray.tune.TuneConfig
    ray.tune.TuneConfig = lambda **settings: configured(**{**settings, "reuse_actors": False})


def without_pruning() -> None:
    """All seeds of all points are trained to their end."""
    PairSearch.floors = lambda _self: ()  # type: ignore[method-assign]


def main() -> None:
    cause = sys.argv.pop(1)
    match cause:
        case "sharing":
            use_trial(run_without_sharing)
        case "warm actors":
            without_warm_actors()
        case "packing":
            use_trial(run_padded)
        case "pruning":
            without_pruning()
    sweeps.cli.main()


if __name__ == "__main__":
    main()
