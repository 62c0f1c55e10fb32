"""What frozen layers give is computed once: the same training, without their dropout."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainables.toy_training import NO_GRADIENT, SHAPES, toy_features, toy_model, toy_spec
from trainables import frozen_layers, layers
from trainables.layers import Rule, num_kept_layers, rule_of
from trainables.masking import Vocabulary
from trainables.model import Model
from trainables.packing import pack
from trainables.train import TaskData, Trained, train

VOCABULARY = Vocabulary(4, np.arange(5, dtype=np.int32), np.arange(5, 30, dtype=np.int32))


def run(model: Model, *kinds: str, **changes: Any) -> Trained:
    mixture = [TaskData(SHAPES[kind].task, toy_features(kind)) for kind in kinds]
    spec = toy_spec(*kinds, **({"num_evals": 1, "steps": 40} | changes))
    return train(model, spec, mixture, VOCABULARY, evaluate_dev=lambda _: (None, ()), report=lambda _: None)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of how many layers the outputs were computed to be kept, a number a time."""
    seen: list[int] = []
    original = frozen_layers._compute

    def compute(model: Model, features: Any, number: int) -> Any:
        seen.append(number)
        return original(model, features, number)

    monkeypatch.setattr(frozen_layers, "_compute", compute)
    return seen


@pytest.mark.parametrize("family", ["bert", "xlm_roberta", "xlm_roberta_xl"])
@pytest.mark.parametrize(
    ("layers_trained", "kinds", "number"),
    [("frozen_1", ["classification"], 1), ("top_1", ["tagging", "multiple_choice"], 2), ("head", ["span_qa"], 3)],
)
def test_kept_outputs_train_as_those_that_are_computed_each_time(
    family: str,
    layers_trained: str,
    kinds: list[str],
    number: int,
    tmp_path: Path,
    computed: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shape = {"num_layers": 3, "dropout": 0.1}
    kept_model = toy_model(family, tmp_path, *kinds, **shape)
    kept = run(kept_model, *kinds, layers_trained=layers_trained)
    assert computed == [number] * len(kinds)
    monkeypatch.setattr(layers, "_LEAST_VISITS", np.inf)
    model = toy_model(family, tmp_path, *kinds, **shape)
    plain = run(model, *kinds, layers_trained=layers_trained)
    assert len(computed) == len(kinds), "computed at each step"
    np.testing.assert_allclose(kept.losses_K, plain.losses_K, rtol=2e-4)
    assert kept.effort.flops < plain.effort.flops
    weights = model.state_dict()
    for name, weight in kept_model.state_dict().items():
        if not name.endswith(NO_GRADIENT):
            torch.testing.assert_close(weight, weights[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("family", "kinds", "changes"),
    [
        ("bert", ["mlm"], {"layers_trained": "top_1"}),
        ("mt5", ["classification"], {"layers_trained": "top_1"}),
        ("bert", ["classification"], {"unfreezing": "gradual"}),
        ("bert", ["classification"], {"layers_trained": "lora_2"}),
        ("bert", ["classification"], {"layers_trained": "no_embeddings"}),
        ("bert", ["classification"], {"layers_trained": "top_1", "steps": 4}),
    ],
)
def test_nothing_is_kept_where_it_may_not_or_need_not(
    family: str, kinds: list[str], changes: dict[str, Any], tmp_path: Path, computed: list[int]
) -> None:
    assert len(run(toy_model(family, tmp_path, *kinds), *kinds, **changes).losses_K) > 0
    assert computed == []


def test_mt5_s_heads_alone_train_on_kept_outputs(tmp_path: Path, computed: list[int]) -> None:
    run(toy_model("mt5", tmp_path, "classification", dropout=0.1), "classification", layers_trained="head")
    assert computed == [2]


def test_frozen_layers_have_no_dropout_and_others_have(tmp_path: Path) -> None:
    model, features = toy_model("xlm_roberta", tmp_path, "tagging", dropout=0.3), toy_features("tagging")
    packed = pack(features, np.arange(len(features.second_segment)), torch.device("cpu"))
    model.freeze(rule_of("top_1", 2))
    model.train()
    with torch.no_grad():
        one, two = model.hidden(packed, 1), model.hidden(packed, 1)
        assert torch.equal(one, two)
        assert not torch.equal(model.hidden(packed), model.hidden(packed))
        model.freeze(rule_of("all", 2))
        assert not torch.equal(model.hidden(packed, 1), model.hidden(packed, 1))
        model.eval()
        assert torch.equal(model.hidden(packed, 1), one)


def test_more_than_a_disk_should_hold_is_not_kept() -> None:
    assert num_kept_layers(Rule(3), 1e6, 768, 3.0) == 2
    assert num_kept_layers(Rule(3), 1e7, 768, 3.0) == 0
    assert num_kept_layers(Rule(3), 1e6, 768, 1.5) == 0
