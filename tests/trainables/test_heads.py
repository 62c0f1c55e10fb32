"""Heads against transformers' own losses, one sequence at a time."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.trainables.toy_training import SHAPES, toy_features, toy_model
from trainables.family import FAMILIES
from trainables.features import IGNORED, Features
from trainables.heads import num_averaged
from trainables.inference import predict
from trainables.model import Model
from trainables.packing import pack, split_units


def loss_of_predictions(features: Features, scores: torch.Tensor) -> torch.Tensor:
    """The mean loss, from the definition of each kind, example by example."""
    targets = torch.from_numpy(features.targets.astype(np.int64))
    match features.kind:
        case "classification":
            return cross_entropy(scores, targets)
        case "tagging":
            return cross_entropy(scores, targets, ignore_index=IGNORED)
        case "multiple_choice":
            options = [scores[features.example == each] for each in range(features.num_examples)]
            return torch.stack([cross_entropy(each, target) for each, target in zip(options, targets, strict=True)]).mean()
        case "span_qa":
            windows = scores.split(np.diff(features.offsets).tolist())
            return torch.stack([cross_entropy(each.T, target) for each, target in zip(windows, targets, strict=True)]).mean()
    raise AssertionError(features.kind)


@pytest.mark.parametrize("kind", ["classification", "tagging", "multiple_choice", "span_qa"])
@pytest.mark.parametrize("max_tokens", [1, 100, 10**6])
def test_summed_losses_make_the_mean(kind: str, max_tokens: int, tmp_path: Path) -> None:
    model, features, task = toy_model("bert", tmp_path, kind).eval(), toy_features(kind), SHAPES[kind].task
    expected = loss_of_predictions(features, torch.from_numpy(predict(model, features, task, max_tokens=150)))
    with torch.inference_mode():
        sums = [model(pack(features, part, model.device), task) for part in split_units(features, max_tokens)]
    torch.testing.assert_close(sum(sums) / num_averaged(features), expected, rtol=1e-5, atol=1e-6)


def logits_in_order(model: Model, features: Features, max_tokens: int) -> torch.Tensor:
    """What the head gives for rows of at most so many tokens, in the order of the features; of tags and masks, where there is a target."""
    logits, places = [], []
    for part in split_units(features, max_tokens):
        packed = pack(features, part, model.device)
        with torch.inference_mode():
            logits.append(model.logits(packed, SHAPES[features.kind].task))
        place = packed.sequences_B if features.kind in ("classification", "multiple_choice") else packed.rows_T
        places.append(place[packed.labelled_K.numpy()] if features.kind in ("tagging", "mlm") else place)
    return torch.cat(logits)[np.argsort(np.concatenate(places))]


@pytest.mark.parametrize("family", FAMILIES.names)
@pytest.mark.parametrize("kind", list(SHAPES))
def test_company_in_a_row_changes_no_logit(family: str, kind: str, tmp_path: Path) -> None:
    """Each sequence or question alone, which needs no padding, and all of them in one row."""
    model, features = toy_model(family, tmp_path, kind).eval(), toy_features(kind)
    torch.testing.assert_close(logits_in_order(model, features, 10**6), logits_in_order(model, features, 1), rtol=1e-5, atol=1e-5)


def test_masked_tokens_are_predicted_where_there_is_a_target(tmp_path: Path) -> None:
    model, features = toy_model("xlm_roberta", tmp_path, "mlm").eval(), toy_features("mlm")
    predicted = predict(model, features, "predict", max_tokens=100)
    assert predicted.dtype == np.int32
    np.testing.assert_array_equal(predicted == -1, features.targets == IGNORED)
    with torch.inference_mode():
        packed = pack(features, np.arange(40), model.device)
        logits_MV = model.logits(packed, "predict")
    assert logits_MV.shape == (num_averaged(features), model.encoder.config.vocab_size)
    np.testing.assert_array_equal(predicted[packed.rows_T][packed.targets != IGNORED], logits_MV.argmax(1))


@pytest.mark.parametrize("kind", list(SHAPES))
def test_a_fresh_head_depends_on_its_name_and_seed_alone(kind: str, tmp_path: Path) -> None:
    alone = toy_model("bert", tmp_path / "a", kind)
    torch.manual_seed(99)
    together = toy_model("bert", tmp_path / "b", *SHAPES)
    for name, weight in alone.heads.state_dict().items():
        assert torch.equal(weight, together.heads.state_dict()[name])
