"""What is mT5's alone: a checkpoint as it is published holds a decoder, and an output matrix that is not the embeddings'."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import MT5Config, MT5ForConditionalGeneration

from tests.trainables.toy_training import toy_features
from trainables.model import load_encoder, with_fresh_heads
from trainables.packing import pack


@pytest.mark.parametrize("copies", [(), ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")])
def test_the_encoder_of_a_whole_model_is_read(tmp_path: Path, copies: tuple[str, ...]) -> None:
    """With more attention than hidden size, as mT5 Small has less; the output matrix is never taken for the embeddings."""
    config = MT5Config(vocab_size=40, d_model=16, d_kv=4, d_ff=24, num_layers=2, num_heads=6, dropout_rate=0.0)
    MT5ForConditionalGeneration(config).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    embeddings = weights["shared.weight"]
    weights["lm_head.weight"] = torch.randn(embeddings.shape)
    weights |= {name: embeddings.clone() for name in copies}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    plain = MT5ForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert torch.equal(plain.lm_head.weight, weights["lm_head.weight"])

    model = with_fresh_heads("mt5", load_encoder(tmp_path), [], 0, "float32").eval()
    assert torch.equal(model.encoder.get_input_embeddings().weight, embeddings)
    assert (model.shape.hidden_size, model.shape.attention_size) == (16, 24)
    features = toy_features("classification")
    packed = pack(features, np.arange(40), torch.device("cpu"))
    with torch.inference_mode():
        pieces = model.hidden(packed).split(np.diff(features.offsets)[packed.sequences_B].tolist())
        for sequence, piece in zip(packed.sequences_B, pieces, strict=True):
            ids = features.token_ids[features.offsets[sequence] : features.offsets[sequence + 1]]
            expected = plain.get_encoder()(input_ids=torch.from_numpy(ids.astype(np.int64))[None]).last_hidden_state[0]
            torch.testing.assert_close(piece, expected, rtol=0, atol=1e-5)
