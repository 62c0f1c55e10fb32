"""The encoder that the pocket encoder's pretraining starts from: random weights and the world's own vocabulary.

`python -m trainables.pocket.start FOLDER` writes it. A vocabulary trained on the text, as in `random_encoder`, would cut a noun into
four pieces, because generated words do not repeat the way words of real languages do.
"""

import sys
from pathlib import Path

import torch
from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer

from trainables.models.xlm_roberta import SPECIAL_TOKENS
from trainables.pocket.text import pieces

MAX_TOKENS = 64
SEED = 0


def save_start(folder: Path) -> None:
    tokenizer = XLMRobertaTokenizer(vocab=[*((token, 0.0) for token in SPECIAL_TOKENS), *pieces()], model_max_length=MAX_TOKENS)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=MAX_TOKENS + 2,  # ids 0 and 1 are never used
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=1e-5,
        initializer_range=0.05,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        encoder = XLMRobertaModel(config, add_pooling_layer=False)
    encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    save_start(Path(sys.argv[1]))
