"""Contracts of every model family that is found."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer

from tests.trainables.toy_training import SHAPES, save_toy_encoder, toy_features, toy_init, toy_model
from trainables.family import FAMILIES
from trainables.inference import embed, predict
from trainables.model import Model, load_encoder, load_model, save_model
from trainables.packing import pack

pytestmark = pytest.mark.parametrize("family", FAMILIES.names)


def plain_encoder(folder: Path) -> torch.nn.Module:
    """As transformers itself reads it, with its own attention."""
    if AutoConfig.from_pretrained(folder).model_type == "mt5":
        return AutoModelForTextEncoding.from_pretrained(folder).eval()
    return AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()


def padded_states(folder: Path, features, family: str) -> list[tuple[torch.Tensor, ...]]:
    """Hidden states [L, D] of each layer, for each sequence, from plain transformers on one padded batch with a mask."""
    encoder = plain_encoder(folder)
    lengths = np.diff(features.offsets)
    shape = (len(lengths), lengths.max())
    ids, mask, segments = (
        torch.full(shape, encoder.config.pad_token_id),
        torch.zeros(shape, dtype=torch.long),
        torch.zeros(shape, dtype=torch.long),
    )
    for row, (start, length) in enumerate(zip(features.offsets, lengths, strict=False)):
        ids[row, :length] = torch.from_numpy(features.token_ids[start : start + length])
        mask[row, :length] = 1
        segments[row, features.second_segment[row] : length] = int(FAMILIES.load(family).has_segments)
    with torch.inference_mode():
        states = encoder(input_ids=ids, attention_mask=mask, token_type_ids=segments, output_hidden_states=True).hidden_states
    return [tuple(state[row, :length] for state in states) for row, length in enumerate(lengths)]


def test_packed_equals_padded(family: str, tmp_path: Path) -> None:
    model = toy_model(family, tmp_path)
    features = toy_features("classification")
    expected = padded_states(tmp_path, features, family)
    packed = pack(features, np.arange(40), torch.device("cpu"))
    model.eval()
    with torch.inference_mode():
        for layer in (0, 1, -1):
            pieces = model.hidden(packed, layer).split(np.diff(features.offsets)[packed.sequences_B].tolist())
            for sequence, piece in zip(packed.sequences_B, pieces, strict=True):
                torch.testing.assert_close(piece, expected[sequence][layer], rtol=0, atol=1e-5)


def test_a_row_that_is_filled_up_computes_and_learns_the_same(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of bfloat16 are, here without its rounding."""
    model = toy_model(family, tmp_path, "tagging")
    monkeypatch.setattr(Model, "_casting", lambda _model: contextlib.nullcontext())
    packed = pack(toy_features("tagging"), np.arange(39), torch.device("cpu"))
    plain = model(packed, "tag")
    plain.backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    model.precision = "bfloat16"
    rows: list[int] = []
    model.encoder.register_forward_pre_hook(lambda _module, _, given: rows.append(given["input_ids"].numel()), with_kwargs=True)
    filled = model(packed, "tag")
    filled.backward()
    num_tokens = len(packed.token_ids_T)
    assert num_tokens < rows[0] <= num_tokens * 17 / 16
    torch.testing.assert_close(filled, plain)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], msg=name)


def test_heads_read_one_vector_of_each_sequence(family: str, tmp_path: Path) -> None:
    """The first token's, or of mT5, which puts none before a text, the mean over all."""
    model = toy_model(family, tmp_path, "classification").eval()
    features = toy_features("classification")
    states = [layers[-1] for layers in padded_states(tmp_path, features, family)]
    vectors_SD = torch.stack([state.mean(0) if family == "mt5" else state[0] for state in states])
    head = model.heads["classify"]
    with torch.inference_mode():
        expected = head.out_proj(torch.tanh(head.dense(vectors_SD))).numpy()
    np.testing.assert_allclose(predict(model, features, "classify", max_tokens=100), expected, atol=1e-5)


def test_embed_pools_each_sequence(family: str, tmp_path: Path) -> None:
    model = toy_model(family, tmp_path)
    features = toy_features("classification")
    expected = padded_states(tmp_path, features, family)
    mean, first = (embed(model, features, 1, pooling, max_tokens=100) for pooling in ("mean", "first"))
    np.testing.assert_allclose(mean, [states[1].mean(0).numpy() for states in expected], atol=1e-5)
    np.testing.assert_allclose(first, [states[1][0].numpy() for states in expected], atol=1e-5)


def test_saved_folder_is_read_by_plain_transformers(family: str, tmp_path: Path) -> None:
    model = toy_model(family, tmp_path / "random", *SHAPES)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "random")
    save_model(model, tokenizer, tmp_path / "saved")
    plain = plain_encoder(tmp_path / "saved")
    for (name, weight), (plain_name, plain_weight) in zip(model.encoder.named_parameters(), plain.named_parameters(), strict=True):
        assert name == plain_name
        assert torch.equal(weight, plain_weight)
    assert plain.config._attn_implementation != "packed"
    assert AutoTokenizer.from_pretrained(tmp_path / "saved")("bar dest")["input_ids"] == tokenizer("bar dest")["input_ids"]


def test_saved_heads_come_back(family: str, tmp_path: Path) -> None:
    model = toy_model(family, tmp_path / "random", *SHAPES)
    save_model(model, AutoTokenizer.from_pretrained(tmp_path / "random"), tmp_path / "saved")
    again = load_model(family, tmp_path / "saved", "float32")
    assert load_model(family, tmp_path / "random", "float32").shapes == {}
    assert again.shapes == model.shapes
    assert all(torch.equal(weight, again.state_dict()[name]) for name, weight in model.state_dict().items())


def test_tokenizer_frames_texts_and_pairs(family: str, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(save_toy_encoder(family, tmp_path))
    assert tokenizer.is_fast
    begin, end = tokenizer.cls_token_id, tokenizer.eos_token_id if family == "mt5" else tokenizer.sep_token_id
    single, pair = tokenizer("bar dest")["input_ids"], tokenizer("bar", "dest")["input_ids"]
    assert single[-1] == end
    assert begin is None or single[0] == begin
    assert pair.count(end) == {"bert": 2, "mt5": 2}.get(family, 3)
    assert tokenizer.unk_token_id not in single
    assert tokenizer.decode(single, skip_special_tokens=True) == "bar dest"
    assert None not in (tokenizer.pad_token_id, tokenizer.mask_token_id)


def test_random_encoder_is_a_function_of_its_spec(family: str, tmp_path: Path) -> None:
    one, two = (save_toy_encoder(family, tmp_path / name) for name in "ab")
    other = load_encoder(save_toy_encoder(family, tmp_path / "c", seed=2))
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
    assert (one / "tokenizer.json").read_bytes() == (two / "tokenizer.json").read_bytes()
    assert not torch.equal(load_encoder(one).get_input_embeddings().weight, other.get_input_embeddings().weight)


def test_longest_sequence_fits(family: str, tmp_path: Path) -> None:
    length = toy_init(family).max_positions
    features = toy_features("classification", 1)._replace(token_ids=np.full(length, 6, np.int32), offsets=np.array([0, length]))
    assert embed(toy_model(family, tmp_path), features, -1, "mean").shape == (1, 32)
