"""Models that write text: translation models and causal language models, loaded from the hub or a folder, a batch at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedTokenizerBase

from trainables.pretrained import NO_CODE
from trainables.seeds import derive_seed
from trainables.specs import FolderEncoder, Generate, HubEncoder, TranslationModel


class Written(NamedTuple):
    """What a model wrote for one text."""

    text: str
    is_cut: bool
    """It was not given the whole text."""
    is_unfinished: bool
    """It was stopped before its own end."""
    num_tokens: int


TextModel = Callable[[Sequence[str], int], list[Written]]
"""Writes for a batch of texts; the number of the batch decides what is drawn for it."""


def load_text_model(settings: TranslationModel | Generate, places: Mapping[str, str], device: torch.device) -> TextModel:
    """The model of `settings` on `device`; `places` says where folders lie, by their hash."""
    if isinstance(settings, TranslationModel):
        return _Translator(settings, places, device)
    return _Writer(settings, places, device)


class _Translator:
    def __init__(self, settings: TranslationModel, places: Mapping[str, str], device: torch.device) -> None:
        self._settings, self._device = settings, device
        source = _source(settings.model, places)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(**source, **NO_CODE)
        self._first_token = None
        if settings.source_code is not None:
            if not hasattr(self._tokenizer, "src_lang"):
                raise ValueError(f"{_name(source)} is of one pair of languages, but it is told {settings.source_code!r}; give codes: none")
            _language_id(self._tokenizer, settings.source_code, _name(source))
            self._tokenizer.src_lang = settings.source_code
        if settings.target_code is not None:
            self._first_token = _language_id(self._tokenizer, settings.target_code, _name(source))
        self._model = AutoModelForSeq2SeqLM.from_pretrained(**source, **NO_CODE, dtype=_dtype(settings.precision)).to(device).eval()

    def __call__(self, texts: Sequence[str], _number: int) -> list[Written]:
        given = [self._settings.prefix + text for text in texts]
        encoded, is_cut = _encode(self._tokenizer, given, self._settings.max_length, self._device)
        with torch.inference_mode():
            tokens_BL = self._model.generate(
                **encoded,
                **({} if self._first_token is None else {"forced_bos_token_id": self._first_token}),
                num_beams=self._settings.num_beams,
                do_sample=False,
                max_new_tokens=self._settings.max_length,
            )
        return _read(self._tokenizer, self._model, tokens_BL[:, 1:], is_cut)  # the first starts the decoder


class _Writer:
    def __init__(self, settings: Generate, places: Mapping[str, str], device: torch.device) -> None:
        self._settings, self._device = settings, device
        source = _source(settings.model, places)
        sides = {"padding_side": "left", "truncation_side": "left"}
        self._tokenizer = cast(PreTrainedTokenizerBase, AutoTokenizer.from_pretrained(**source, **NO_CODE, **sides))
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model = AutoModelForCausalLM.from_pretrained(**source, **NO_CODE, dtype=_dtype(settings.precision)).to(device).eval()
        positions = getattr(self._model.config, "max_position_embeddings", None) or self._tokenizer.model_max_length
        self._room = positions - settings.max_length
        if self._room <= 0:
            raise ValueError(f"max_length is {settings.max_length}, but {_name(source)} has {positions} positions for prompt and answer")

    def __call__(self, texts: Sequence[str], number: int) -> list[Written]:
        encoded, is_cut = _encode(self._tokenizer, texts, self._room, self._device)
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.inference_mode(), torch.random.fork_rng(devices=devices):
            torch.manual_seed(derive_seed("generate", self._settings.seed, number))
            tokens_BL = self._model.generate(
                **encoded,
                do_sample=True,
                num_beams=1,
                temperature=self._settings.temperature,
                top_p=self._settings.top_p,
                top_k=0,
                max_new_tokens=self._settings.max_length,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        return _read(self._tokenizer, self._model, tokens_BL[:, encoded["input_ids"].shape[1] :], is_cut)


def _encode(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int, device: torch.device
) -> tuple[dict[str, torch.Tensor], list[bool]]:
    """The padded batch, and which texts are cut in it."""
    limit = min(max_length, tokenizer.model_max_length)
    whole = tokenizer(list(texts), return_attention_mask=False, verbose=False)["input_ids"]
    batch = tokenizer(list(texts), padding=True, truncation=True, max_length=limit, return_tensors="pt")
    encoded = {name: batch[name].to(device) for name in ("input_ids", "attention_mask")}
    return encoded, [len(ids) > limit for ids in whole]


def _read(tokenizer: PreTrainedTokenizerBase, model: Any, tokens_BL: torch.Tensor, is_cut: Sequence[bool]) -> list[Written]:
    ends = model.generation_config.eos_token_id
    end_ids = torch.tensor(ends if isinstance(ends, list) else [ends] if ends is not None else [], device=tokens_BL.device)
    is_end_BL = torch.isin(tokens_BL, end_ids)
    is_finished = is_end_BL.any(dim=1).tolist()
    # what stands behind the first end is padding
    num_tokens = ((is_end_BL.cumsum(dim=1) - is_end_BL.long()) == 0).sum(dim=1).tolist()
    texts = tokenizer.batch_decode(tokens_BL, skip_special_tokens=True)
    return [
        Written(text.strip(), cut, not finished, num)
        for text, cut, finished, num in zip(texts, is_cut, is_finished, num_tokens, strict=True)
    ]


def _language_id(tokenizer: Any, code: str, name: str) -> int:
    """The token that tells the model a language; a ValueError if it does not know it."""
    try:
        found = tokenizer.get_lang_id(code) if hasattr(tokenizer, "get_lang_id") else tokenizer.convert_tokens_to_ids(code)
    except KeyError:
        found = None
    if found is None or found == tokenizer.unk_token_id:
        raise ValueError(f"{name} has no language {code!r}; leave it out, or give the codes that the model goes by")
    return int(found)


def _source(model: HubEncoder | FolderEncoder, places: Mapping[str, str]) -> dict[str, str]:
    if isinstance(model, HubEncoder):
        return {"pretrained_model_name_or_path": model.hub, "revision": model.revision}
    return {"pretrained_model_name_or_path": places[model.folder_hash]}


def _name(source: Mapping[str, str]) -> str:
    return source["pretrained_model_name_or_path"]


def _dtype(precision: str) -> torch.dtype:
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
