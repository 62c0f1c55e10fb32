"""The embedding matrix cut to the rows in use: the same training, the same saved weights."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.trainables.toy_training import SHAPES, toy_features, toy_model, toy_spec
from trainables import vocabulary_cut
from trainables.masking import Vocabulary
from trainables.model import Model
from trainables.progress import Point
from trainables.train import TaskData, Trained, train
from trainables.vocabulary_cut import CutEmbedding, cut_vocabulary

NUM_STEPS = 50
VOCABULARY = Vocabulary(4, np.arange(5, dtype=np.int32), np.arange(5, 30, dtype=np.int32))


def trained(folder: Path, family: str, kind: str, scores: list[float], **changes: Any) -> tuple[Model, Trained, list[type[nn.Module]]]:
    """A training whose evaluations score as told, and what its embeddings were at each of them."""
    model = toy_model(family, folder, kind)
    given, seen = iter(scores), list[type[nn.Module]]()

    def evaluate_dev(model: Model) -> tuple[float, tuple[()]]:
        seen.append(type(model.encoder.get_input_embeddings()))
        return next(given), ()

    def ignore(_point: Point) -> None:
        pass

    spec = toy_spec(kind, steps=NUM_STEPS, weight_decay=0.1, learning_rate=3e-3, num_evals=len(scores), **changes)
    found = train(model, spec, [TaskData(SHAPES[kind].task, toy_features(kind))], VOCABULARY, evaluate_dev=evaluate_dev, report=ignore)
    return model, found, seen


@pytest.mark.parametrize("family", ["bert", "xlm_roberta", "mt5"])
@pytest.mark.parametrize(
    ("kind", "scores", "changes"),
    [
        ("classification", [0.5], {}),
        ("tagging", [0.1, 0.9, 0.2], {}),
        ("span_qa", [0.5], {"unfreezing": "gradual"}),
        ("multiple_choice", [0.5], {"layer_decay": 0.8}),
    ],
)
def test_a_cut_vocabulary_trains_as_the_whole_one(
    family: str, kind: str, scores: list[float], changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut, cut_found, cut_seen = trained(tmp_path, family, kind, scores, **changes)
    monkeypatch.setattr(vocabulary_cut, "_MOST_KEPT", 0.0)
    whole, whole_found, whole_seen = trained(tmp_path, family, kind, scores, **changes)
    assert cut_seen == [CutEmbedding] * len(scores)
    assert CutEmbedding not in whole_seen
    np.testing.assert_allclose(cut_found.losses_K, whole_found.losses_K, rtol=1e-4)
    assert cut_found.effort.num_parameters == whole_found.effort.num_parameters
    assert cut_found.effort.num_trained == whole_found.effort.num_trained
    weights = whole.state_dict()
    assert set(cut.state_dict()) == set(weights)
    for name, weight in cut.state_dict().items():
        torch.testing.assert_close(weight, weights[name], rtol=1e-4, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_rows_that_no_text_touches_decay_as_they_would(tmp_path: Path) -> None:
    before = toy_model("xlm_roberta", tmp_path, "tagging").encoder.get_input_embeddings().weight.detach()
    after = trained(tmp_path, "xlm_roberta", "tagging", [0.5])[0].encoder.get_input_embeddings().weight.detach()
    rates = [3e-3 * (step / 5 if step < 5 else (50 - step) / 45) for step in range(NUM_STEPS)]
    torch.testing.assert_close(after[30:], before[30:] * math.prod(1 - 0.1 * rate for rate in rates))
    assert (after[5:30] != before[5:30]).any(1).all()


@pytest.mark.parametrize("kinds", [["mlm"], ["mlm", "tagging"]])
def test_who_predicts_every_token_keeps_every_row(kinds: list[str], tmp_path: Path) -> None:
    assert cut_vocabulary(toy_model("bert", tmp_path, *kinds), [toy_features("tagging")]) is None


def test_nothing_is_cut_where_most_of_it_is_used(tmp_path: Path) -> None:
    features = toy_features("tagging")
    model = toy_model("bert", tmp_path, "tagging")
    size = model.encoder.config.vocab_size
    everything = features._replace(token_ids=np.arange(len(features.token_ids), dtype=np.int32) % size)
    assert cut_vocabulary(model, [everything]) is None


def test_a_token_that_was_left_out_is_refused(tmp_path: Path) -> None:
    model = toy_model("bert", tmp_path, "tagging")
    cut = cut_vocabulary(model, [toy_features("tagging")])
    assert cut is not None
    embeddings = model.encoder.get_input_embeddings()
    assert embeddings(torch.tensor([5])).shape == (1, 32)
    with pytest.raises(IndexError):
        embeddings(torch.tensor([60]))
    cut.undo(1.0)
    assert model.encoder.get_input_embeddings()(torch.tensor([60])).shape == (1, 32)
