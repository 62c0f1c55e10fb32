"""Tiny random models that write text, saved as transformers saves them: what they write is gibberish, how they are asked is real."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    NllbTokenizer,
    PreTrainedTokenizerFast,
)

from tests.trainables.toy_data import TEXTS
from tests.trainables.toy_training import WORDS

SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
SIZES = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "init_std": 0.5,  # so that what is written depends on what is read
}


def save_nllb(folder: Path) -> Path:
    """A model that is told languages by FLORES codes."""
    trained = json.loads(_tokenizer().to_str())["model"]
    tokenizer = NllbTokenizer(vocab=trained["vocab"], merges=[tuple(merge) for merge in trained["merges"]])
    torch.manual_seed(0)
    model = M2M100ForConditionalGeneration(M2M100Config(vocab_size=len(tokenizer), decoder_start_token_id=2, **SIZES))
    return _save(model, tokenizer, folder)


def save_marian(folder: Path, seed: int = 0) -> Path:
    """A model of one pair of languages."""
    trained = _tokenizer()
    trained.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A $B </s>", special_tokens=[("</s>", 2)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained, model_max_length=64, **SPECIAL)
    torch.manual_seed(seed)
    config = MarianConfig(vocab_size=len(tokenizer), decoder_start_token_id=1, forced_eos_token_id=None, **SIZES)
    return _save(MarianMTModel(config), tokenizer, folder)


def save_writer(folder: Path, seed: int = 0) -> Path:
    """A causal language model, without a padding token, as many come."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(), model_max_length=512, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    torch.manual_seed(seed)
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=512, n_embd=16, n_layer=1, n_head=2, initializer_range=0.5)
    return _save(GPT2LMHeadModel(config), tokenizer, folder)


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        [*TEXTS, *WORDS], trainers.BpeTrainer(vocab_size=300, special_tokens=list(SPECIAL.values()), show_progress=False)
    )
    return tokenizer


def _save(model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast | NllbTokenizer, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
