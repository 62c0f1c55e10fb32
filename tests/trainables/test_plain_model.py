"""What plain transformers makes of a trained model: the same outputs as ours, head included."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoTokenizer

from tests.trainables.toy_training import SHAPES, save_toy_encoder, toy_features, toy_model
from trainables.family import FAMILIES
from trainables.features import IGNORED, Features
from trainables.head_files import HeadShape
from trainables.inference import predict
from trainables.model import load_encoder, save_model, with_fresh_heads
from trainables.plain_model import write_plain_model

ON_AN_ENCODER = ("classification", "multiple_choice", "tagging", "span_qa")
LOADED = [(family, kind) for family in FAMILIES.names for kind in ON_AN_ENCODER if family != "mt5" or kind == "tagging"]


def saved(family: str, folder: Path, *kinds: str) -> Path:
    """What a training of these heads would publish."""
    model = toy_model(family, folder / "random", *kinds)
    save_model(model, AutoTokenizer.from_pretrained(folder / "random"), folder / "saved")
    return folder / "saved"


def plain(source: Path, task: str, folder: Path) -> torch.nn.Module:
    folder.mkdir()
    loading = write_plain_model(source, task, folder)
    assert loading.problem is None
    model, info = getattr(transformers, loading.auto_class).from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"], "a weight that is not in the folder is drawn at random"
    assert not info["unexpected_keys"]
    assert type(model).__name__ == model.config.architectures[0]
    return model.eval()


def plain_outputs(model: torch.nn.Module, features: Features, family: str) -> np.ndarray:
    """What the model gives for each sequence alone, in the shape of `predict`."""
    rows = []
    for start, end, second in zip(features.offsets[:-1], features.offsets[1:], features.second_segment, strict=True):
        given = {"input_ids": torch.from_numpy(features.token_ids[start:end]).long()[None]}
        if FAMILIES.load(family).has_segments:
            given["token_type_ids"] = (torch.arange(end - start) >= int(second)).long()[None]
        if features.kind == "multiple_choice":
            given = {name: tensor[:, None] for name, tensor in given.items()}
        with torch.inference_mode():
            output = model(**given)
        rows.append(torch.stack([output.start_logits, output.end_logits], -1)[0] if features.kind == "span_qa" else output.logits[0])
    return (torch.cat if features.kind in ("tagging", "span_qa") else torch.stack)(rows).squeeze(-1).numpy()


@pytest.mark.parametrize(("family", "kind"), LOADED)
def test_plain_transformers_gives_the_outputs_that_were_scored(family: str, kind: str, tmp_path: Path) -> None:
    source, features, shape = saved(family, tmp_path, *SHAPES), toy_features(kind), SHAPES[kind]
    loaded = plain(source, shape.task, tmp_path / "plain")
    ours = with_fresh_heads(family, load_encoder(tmp_path / "random"), [shape], 5, "float32")
    scored = features.targets != IGNORED if kind == "tagging" else slice(None)
    np.testing.assert_allclose(plain_outputs(loaded, features, family)[scored], predict(ours, features, shape.task)[scored], atol=1e-5)
    if shape.labels:
        assert tuple(loaded.config.id2label[index] for index in range(len(shape.labels))) == shape.labels
    text = "bar dest"
    assert AutoTokenizer.from_pretrained(tmp_path / "plain")(text) == AutoTokenizer.from_pretrained(source)(text)


@pytest.mark.parametrize(("family", "kind"), [("mt5", kind) for kind in ON_AN_ENCODER if kind != "tagging"] + [("bert", "mlm")])
def test_a_head_that_transformers_has_not_is_left_out_and_said(family: str, kind: str, tmp_path: Path) -> None:
    source = saved(family, tmp_path, kind)
    (tmp_path / "plain").mkdir()
    loading = write_plain_model(source, SHAPES[kind].task, tmp_path / "plain")
    assert loading.problem is not None
    assert kind in loading.problem
    encoder = getattr(transformers, loading.auto_class).from_pretrained(tmp_path / "plain")
    weights = encoder.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in load_encoder(source).state_dict().items())


def test_weights_in_several_files_are_copied_as_they_are(tmp_path: Path) -> None:
    source = saved("bert", tmp_path, "tagging")
    load_encoder(source).save_pretrained(source, max_shard_size="20KB")
    (source / "model.safetensors").unlink(missing_ok=True)
    (tmp_path / "plain").mkdir()
    loading = write_plain_model(source, SHAPES["tagging"].task, tmp_path / "plain")
    assert loading.problem == "its weights are in several files"
    assert transformers.AutoModel.from_pretrained(tmp_path / "plain").config.model_type == "bert"


def test_one_task_s_name_may_begin_with_another_s(tmp_path: Path) -> None:
    shapes = [HeadShape("tag", "tagging", ("O", "B", "I")), HeadShape("tag_more", "tagging", ("O", "X"))]
    random = save_toy_encoder("bert", tmp_path / "random")
    model = with_fresh_heads("bert", load_encoder(random), shapes, 5, "float32")
    save_model(model, AutoTokenizer.from_pretrained(random), tmp_path / "saved")
    assert plain(tmp_path / "saved", "tag", tmp_path / "plain").config.num_labels == 3
