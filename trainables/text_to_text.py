"""Classification as text: what is read as one text, as T5 does it, and the words of labels that are written or compared.

The form is mT5's, `xnli: premise: ... hypothesis: ...` (Xue et al. 2021); options are named as in T5's COPA. The head of a task has no
weights of its own: it asks a decoder that all tasks share.

Legend: `B` sequences, `T` packed tokens, `S` longest sequence, `D` hidden size, `C` labels, `L` tokens of the longest label,
`V` vocabulary.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, embedding
from transformers import AutoConfig, MT5ForConditionalGeneration, PreTrainedConfig, PreTrainedTokenizerBase
from transformers.models.mt5.modeling_mt5 import MT5Stack

from trainables.examples import Choice, Text
from trainables.features import IGNORED
from trainables.head_files import DECODER_FILE
from trainables.packing import Packed
from trainables.pretrained import NO_CODE
from trainables.seeds import derive_seed
from trainables.task import Task

if TYPE_CHECKING:  # pydantic, which GPU machines may lack
    from transformers import EncoderDecoderCache

    from trainables.specs import Form

KIND = "text_to_text"
"""Of features and heads."""


def input_texts(head: str, task: Task, example: Text | Choice) -> tuple[str, str]:
    """The two parts of an example's text, each cut by itself where it is too long; a part can be empty.

    `head` is the name of the task that trains, which is told by it, and `task` that task.
    """
    if isinstance(example, Choice):
        options = (f"{name}: {option}" for name, option in zip(label_names(task), example.options, strict=True))
        return f"{head}: premise: {example.prompt}", " ".join(options)
    if example.pair is None:
        return f"{head}: sentence: {example.text}", ""
    first, second = task.text_fields
    return f"{head}: {first}: {example.text}", f"{second}: {example.pair}"


def label_names(task: Task) -> tuple[str, ...]:
    """What is written: the task's labels, or the names of the options."""
    return task.labels or tuple(f"choice{number + 1}" for number in range(task.num_options or 0))


def label_words(tokenizer: PreTrainedTokenizerBase, labels: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """The tokens of each label, its end included; a ValueError if two are the same, or if one has letters that are in no token."""
    words = tuple(tuple(ids) for ids in tokenizer(list(labels))["input_ids"])
    for place, word in enumerate(words):
        if tokenizer.unk_token_id in word:
            raise ValueError(f"the model's tokenizer cannot write the label {labels[place]!r}; it needs a head for this task")
        if word in words[:place]:
            one, other = labels[words.index(word)], labels[place]
            raise ValueError(
                f"the labels {one!r} and {other!r} are the same tokens to the model's tokenizer; it needs a head for this task"
            )
    return words


class Read(NamedTuple):
    """What a decoder looks at."""

    states_BSD: Tensor
    mask_BS: Tensor
    embeddings_VD: Tensor
    """The encoder's, which the decoder reads with too."""

    def repeated(self, times: int) -> "Read":
        """Every sequence so many times in a row."""
        return Read(self.states_BSD.repeat_interleave(times, 0), self.mask_BS.repeat_interleave(times, 0), self.embeddings_VD)


def unpacked(hidden_TD: Tensor, packed: Packed, embeddings_VD: Tensor) -> Read:
    """The hidden states of packed sequences, padded to the longest."""
    num_sequences, longest = len(packed.starts_B), packed.runs.longest
    states_BSD = hidden_TD.new_zeros(num_sequences, longest, hidden_TD.shape[1])
    places = torch.arange(longest, device=hidden_TD.device)
    mask_BS = places < packed.runs.bounds_B1.diff()[:, None]
    return Read(states_BSD.index_put((packed.sequence_T, packed.position_ids_T), hidden_TD), mask_BS, embeddings_VD)


class Decoder(nn.Module):
    """mT5's decoder with its output matrix, which is no transpose of the embeddings; these it borrows from the encoder."""

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__()
        mine = copy.deepcopy(config)
        mine.is_decoder, mine.is_encoder_decoder, mine.use_cache = True, True, True
        mine.num_layers = mine.num_decoder_layers
        mine._attn_implementation = "sdpa"
        self.start, self.end = int(config.decoder_start_token_id), int(config.eos_token_id)
        self.stack = MT5Stack(mine)
        del self.stack.embed_tokens
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        nn.init.normal_(self.lm_head.weight, std=config.d_model**-0.5)

    def step(self, tokens_BL: Tensor, read: Read, cache: "EncoderDecoderCache | None", keep: bool) -> tuple[Tensor, "EncoderDecoderCache"]:
        """Logits [B, L, V] of what follows each token, and if `keep` what later steps need of it."""
        found = self.stack(
            inputs_embeds=embedding(tokens_BL, read.embeddings_VD),
            encoder_hidden_states=read.states_BSD,
            encoder_attention_mask=read.mask_BS,
            past_key_values=cache,
            use_cache=keep,
        )
        return self.lm_head(found.last_hidden_state).float(), found.past_key_values

    def log_likelihoods(self, words_BL: Tensor, read: Read) -> Tensor:
        """[B] of a label for each sequence; IGNORED stands behind its end."""
        before_BL = torch.cat([words_BL.new_full((len(words_BL), 1), self.start), words_BL[:, :-1].clamp_min(0)], 1)
        logits_BLV, _ = self.step(before_BL, read, None, keep=False)
        return -_losses(logits_BLV, words_BL).sum(1)

    def all_log_likelihoods(self, words_CL: Tensor, read: Read) -> Tensor:
        """[B, C] of every label for every sequence; what is before their first tokens is computed once."""
        num_sequences, num_labels = len(read.states_BSD), len(words_CL)
        start_B1 = words_CL.new_full((num_sequences, 1), self.start)
        logits_B1V, cache = self.step(start_B1, read, None, keep=True)
        cache.batch_repeat_interleave(num_labels)
        words = words_CL.repeat(num_sequences, 1)
        rest, _ = self.step(words[:, :-1].clamp_min(0), read.repeated(num_labels), cache, keep=True)
        logits = torch.cat([logits_B1V.repeat_interleave(num_labels, 0), rest], 1)
        return -_losses(logits, words).sum(1).unflatten(0, (num_sequences, num_labels))

    def write(self, most: int, read: Read) -> Tensor:
        """[B, most] the likeliest token after the likeliest ones, up to the end; IGNORED behind it."""
        tokens_B1 = torch.full((len(read.states_BSD), 1), self.start, device=read.states_BSD.device)
        written_BL = tokens_B1.new_full((len(tokens_B1), most), IGNORED)
        is_done_B1, cache = torch.zeros_like(tokens_B1, dtype=torch.bool), None
        for place in range(most):
            logits_B1V, cache = self.step(tokens_B1, read, cache, keep=True)
            tokens_B1 = logits_B1V.argmax(2)
            written_BL[:, place : place + 1] = torch.where(is_done_B1, IGNORED, tokens_B1)
            is_done_B1 |= tokens_B1 == self.end
            if bool(is_done_B1.all()):
                break
        return written_BL


def _losses(logits: Tensor, words: Tensor) -> Tensor:
    return cross_entropy(logits.transpose(1, 2), words, ignore_index=IGNORED, reduction="none")


class LabelWords(nn.Module):
    """The labels of a task as a decoder writes them.

    While training, the log-likelihood [B] of the right one. Else [B, C + 2]: for each label 1 if it was written, or its part of the
    likelihood of all; then 1 if what was written is none of them; then how many tokens were written, the end included.
    """

    words_CL: Tensor

    def __init__(self, words: Sequence[Sequence[int]]) -> None:
        super().__init__()
        longest = max(map(len, words))
        padded = [[*word, *[IGNORED] * (longest - len(word))] for word in words]
        self.register_buffer("words_CL", torch.tensor(padded), persistent=False)

    def answer(self, decoder: Decoder, read: Read, packed: Packed, form: "Form") -> Tensor:
        if self.training:
            return decoder.log_likelihoods(self.words_CL[packed.targets[packed.example_B]], read)
        if form == "scored":
            parts_BC = decoder.all_log_likelihoods(self.words_CL, read).softmax(1)
            return torch.cat([parts_BC, parts_BC.new_zeros(len(parts_BC), 2)], 1)
        written_BL = decoder.write(self.words_CL.shape[1], read)
        is_label_BC = (written_BL[:, None] == self.words_CL).all(2)
        others_B2 = torch.stack([~is_label_BC.any(1), (written_BL != IGNORED).sum(1)], 1)
        return torch.cat([is_label_BC, others_B2], 1).float()

    def loss(self, log_likelihood_B: Tensor, _packed: Packed) -> Tensor:
        """Summed over sequences: the cross-entropy of the tokens of the right labels, each told what is before it."""
        return -log_likelihood_B.sum()


def load_decoder(source: str | Path, revision: str | None, config: PreTrainedConfig, seed: int) -> Decoder:
    """The decoder that goes with an encoder: saved beside it, part of the same published model, or a fresh one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("decoder", seed))
        decoder = Decoder(config)
    if (Path(source) / DECODER_FILE).exists():
        decoder.load_state_dict(load_file(Path(source) / DECODER_FILE))
    elif AutoConfig.from_pretrained(source, revision=revision, **NO_CODE).is_encoder_decoder:
        whole = MT5ForConditionalGeneration.from_pretrained(source, revision=revision, dtype=torch.float32)
        weights = {f"stack.{name}": weight for name, weight in whole.decoder.state_dict().items() if not name.startswith("embed_tokens")}
        decoder.load_state_dict(weights | {"lm_head.weight": whole.lm_head.weight})
    return decoder


def save_decoder(decoder: Decoder, folder: Path) -> None:
    save_file({name: weight.contiguous() for name, weight in decoder.state_dict().items()}, folder / DECODER_FILE)
