"""Two processes that hold the weights in parts train as one does that has them whole."""

import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing
from torch import Tensor

from tests.trainables.test_train import VOCABULARY, KilledError, die_at
from tests.trainables.toy_training import NO_GRADIENT, SHAPES, save_toy_encoder, toy_features, toy_spec
from trainables.inference import predict
from trainables.model import Model, empty_encoder, load_encoder, with_fresh_heads
from trainables.progress import DevScore
from trainables.ranks import is_first
from trainables.train import TaskData, Trained, train


class Case(NamedTuple):
    """A training that is tried alone and by two."""

    family: str = "xlm_roberta"
    kinds: tuple[str, ...] = ("classification",)
    max_tokens: int = 8192
    changes: dict[str, Any] = {}  # noqa: RUF012 (never changed)


CASES = {
    "all": Case(),
    "best": Case(changes={"num_evals": 6, "learning_rate": 1e-2}),
    "micro_batches": Case(max_tokens=60),
    "xlm_roberta_xl": Case(family="xlm_roberta_xl"),
    "mt5": Case(family="mt5", kinds=("classification", "mlm")),
    "mt5_bfloat16": Case(family="mt5", changes={"precision": "bfloat16"}),
    "mt5_gradual": Case(family="mt5", changes={"unfreezing": "gradual"}),
    "bias_norm": Case(changes={"layers_trained": "bias_norm"}),
    "top_1": Case(changes={"layers_trained": "top_1"}),
    "head": Case(changes={"layers_trained": "head"}),
    "adapters": Case(changes={"layers_trained": "lora_2"}),
    "decay": Case(changes={"layer_decay": 0.7}),
    "gradual_mixture": Case(kinds=("tagging", "mlm", "multiple_choice"), changes={"unfreezing": "gradual"}),
    "bfloat16": Case(changes={"precision": "bfloat16"}),
}
NUM_RANKS = 2


def run(case: Case, folder: Path, shard_on: torch.device | None, **options: Any) -> tuple[Trained, dict[str, Tensor]]:
    """What it came to, and the weights that it left."""
    source = folder / case.family
    encoder = load_encoder(source) if shard_on is None or is_first() else empty_encoder(source)
    spec = toy_spec(*case.kinds, **{"steps": 12} | case.changes)
    model = with_fresh_heads(case.family, encoder, [SHAPES[kind] for kind in case.kinds], 5, spec.precision)
    mixture = [TaskData(SHAPES[kind].task, toy_features(kind)) for kind in case.kinds]
    head, features = mixture[0]

    def evaluate(model: Model) -> DevScore:
        outputs = predict(model, features, head, max_tokens=150)
        return float((outputs.argmax(-1) == features.targets).mean()), ()

    given = {"evaluate_dev": evaluate, "report": lambda _: None} | options
    trained = train(model, spec, mixture, VOCABULARY, max_tokens=case.max_tokens, shard_on=shard_on, **given)
    return trained, model.state_dict()


def work(rank: int, folder: Path) -> None:
    """Both ranks; the first one writes down what it found."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=NUM_RANKS)
    cpu = torch.device("cpu")
    found: dict[str, Any] = {name: run(case, folder, cpu) for name, case in CASES.items()}
    often = {"checkpoints": folder / "progress", "checkpoint_every_s": 0.0}
    try:
        run(CASES["best"], folder, cpu, **often, **die_at(8, []))
    except KilledError:
        found["files"] = sorted(path.relative_to(folder / "progress").parent.name for path in (folder / "progress").rglob("*.pt"))
        if rank == 1:  # its newest checkpoint is damaged: both go on from the one before
            newest = max((folder / "progress" / "1-of-2").glob("*.pt"))
            newest.write_bytes(newest.read_bytes()[:-1])
    dist.barrier()
    found["resumed"] = run(CASES["best"], folder, cpu, **often)
    if rank == 0:
        (folder / "found.pickle").write_bytes(pickle.dumps(found))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where toy encoders lie."""
    folder = tmp_path_factory.mktemp("parallel")
    for family in {case.family for case in CASES.values()}:
        save_toy_encoder(family, folder / family)
    return folder


@pytest.fixture(scope="module")
def sharded(folder: Path) -> dict[str, Any]:
    """What two processes found, by case."""
    torch.multiprocessing.spawn(work, (folder,), NUM_RANKS)
    found: dict[str, Any] = pickle.loads((folder / "found.pickle").read_bytes())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_sharded_weights_train_as_whole_ones(name: str, folder: Path, sharded: dict[str, Any]) -> None:
    case = CASES[name]
    (alone, weights), (shared, gathered) = run(case, folder, None), sharded[name]
    tolerance = 1e-2 if case.changes.get("precision") == "bfloat16" else 1e-4
    np.testing.assert_allclose(shared.losses_K, alone.losses_K, rtol=tolerance)
    assert shared.kept.step == alone.kept.step
    assert shared.num_tokens == alone.num_tokens
    assert shared.effort._replace(seconds=0, flops=0) == alone.effort._replace(seconds=0, flops=0)
    # what frozen layers give is kept by a process that trains alone
    assert (shared.effort.flops == alone.effort.flops) == (case.changes.get("layers_trained", "all") not in ("top_1", "head"))
    assert gathered.keys() == weights.keys(), "a plain model again"
    for weight_name, weight in weights.items():
        if not weight_name.endswith(NO_GRADIENT):
            torch.testing.assert_close(gathered[weight_name], weight, rtol=10 * tolerance, atol=tolerance)


@pytest.mark.slow
def test_a_resumed_sharded_training_is_the_uninterrupted_one(sharded: dict[str, Any]) -> None:
    (straight, weights), (resumed, resumed_weights) = sharded["best"], sharded["resumed"]
    assert sharded["files"] == ["0-of-2", "0-of-2", "1-of-2", "1-of-2"], "each rank keeps its own part"
    assert resumed.seconds_before > 0
    np.testing.assert_array_equal(resumed.losses_K, straight.losses_K)
    assert resumed.curve == straight.curve
    for name, weight in weights.items():
        assert torch.equal(weight, resumed_weights[name]), name
