"""An encoder with a head for each task: loading, running on packed sequences, saving.

Legend: `B` sequences, `T` packed tokens, `K` of them that a head asks for, `D` hidden size, `V` vocabulary.
"""

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from trainables.dropout import replace_dropouts
from trainables.family import FAMILIES, last_attention
from trainables.flops import EncoderShape
from trainables.head_files import HEADS_FILE, HeadShape, read_shapes, write_shapes
from trainables.heads import Encoded, Head, make_head
from trainables.layers import Rule, depth_of, is_trained
from trainables.narrowing import make_narrow
from trainables.packing import ATTENTION, Asked, Packed
from trainables.pretrained import NO_CODE
from trainables.text_to_text import Decoder, LabelWords, load_decoder, save_decoder, unpacked

if TYPE_CHECKING:  # pydantic, which GPU machines may lack
    from peft import LoraModel

    from trainables.specs import Form, Precision


class Model(nn.Module):
    """An encoder and its heads; called with packed sequences and a task, it gives the summed loss."""

    def __init__(
        self,
        family: str,
        encoder: PreTrainedModel,
        heads: dict[HeadShape, nn.Module],
        precision: "Precision",
        decoder: Decoder | None = None,
        form: "Form" = "scored",
    ) -> None:
        super().__init__()
        self.family = FAMILIES.load(family)
        self.encoder = encoder
        replace_dropouts(encoder)
        if self.family.prepare is not None:
            self.family.prepare(encoder)
        self.is_narrow = self.shape.is_narrow
        """Whether the last layer goes on with what a head asks for alone, where a caller does not forbid it."""
        if self.is_narrow:
            make_narrow(last_attention(encoder))
        self.shapes = {shape.task: shape for shape in heads}
        self.heads = nn.ModuleDict({shape.task: head for shape, head in heads.items()})
        self.precision = precision
        self.decoder = decoder
        """Of a text-to-text model, whose tasks share it."""
        self.form = form
        self._num_frozen = 0
        self._adapters: tuple[LoraModel, ...] = ()
        """At most one; in a tuple, since it holds the encoder, which is here already."""

    @property
    def device(self) -> torch.device:
        return self.encoder.device

    def forward(self, packed: Packed, task: str, kept_TD: Tensor | None = None) -> Tensor:
        """The loss of `task`, summed over what it is averaged over; `kept_TD` is what its frozen layers give, if that is known."""
        return self._head(task).loss(self._logits(packed, task, kept_TD), packed)

    def logits(self, packed: Packed, task: str) -> Tensor:
        """What the head of `task` gives, in float32."""
        return self._logits(packed, task)

    # apart, for sharding puts hooks around both of the above
    def _logits(self, packed: Packed, task: str, kept_TD: Tensor | None = None) -> Tensor:
        embeddings = cast(nn.Embedding, self.encoder.get_input_embeddings())
        head = self._head(task)
        asked = None if isinstance(head, LabelWords) else head.asked(packed)
        with self._casting():
            hidden_KD = self.hidden(packed, -1, asked) if kept_TD is None else self._above_frozen(kept_TD, packed, asked)
            if isinstance(head, LabelWords):
                assert self.decoder is not None, "a model that writes has a decoder"
                return head.answer(self.decoder, unpacked(hidden_KD, packed, embeddings.weight), packed, self.form)
            return head(Encoded(hidden_KD, packed, embeddings.weight))

    def hidden(self, packed: Packed, layer: int = -1, asked: Asked | None = None) -> Tensor:
        """Hidden states [T, D] of one layer: 0 is the embeddings' output, -1 the last layer's; a ValueError if there is no such layer.

        With `asked`, [K, D] of the last layer: of those tokens alone.
        """
        if not -1 - self.num_layers <= layer <= self.num_layers:
            raise ValueError(f"layer {layer} was asked for, but the encoder has {self.num_layers}; 0 is its embeddings, -1 its last layer")
        layer %= self.num_layers + 1
        positions = packed.position_ids_T + self.family.first_position(self.encoder.config)
        segments = packed.segments_T if self.family.has_segments else torch.zeros_like(packed.segments_T)
        read = {"input_ids": packed.token_ids_T, "position_ids": positions, "token_type_ids": segments}
        read_1T = {name: self._filled(row_T)[None] for name, row_T in read.items()}
        is_last = layer == self.num_layers
        assert is_last or asked is None, "heads look at the last layer"
        for_layers = self._for_layers(packed, asked)
        with self._casting():
            if is_last:
                hidden = self.encoder(**read_1T, **for_layers, output_hidden_states=False).last_hidden_state.squeeze(0)
            elif self.family.run_layers is not None:  # none of those above
                hidden = self.family.run_layers(self.encoder, self.encoder.embeddings(**read_1T).squeeze(0), 0, layer, **for_layers)
            else:
                hidden = self.encoder(**read_1T, **for_layers, output_hidden_states=True).hidden_states[layer].squeeze(0)
        return self._of_asked(hidden, packed, asked)

    def _above_frozen(self, kept_TD: Tensor, packed: Packed, asked: Asked | None) -> Tensor:
        if self._num_frozen == self.num_layers:
            return kept_TD if asked is None else kept_TD.index_select(0, asked.rows_K)
        assert self.family.run_layers is not None, "outputs of layers are kept where those above can begin with them"
        for_layers = self._for_layers(packed, asked)
        hidden = self.family.run_layers(self.encoder, self._filled(kept_TD), self._num_frozen, self.num_layers, **for_layers)
        return self._of_asked(hidden, packed, asked)

    def _for_layers(self, packed: Packed, asked: Asked | None) -> dict[str, object]:
        """What each layer is called with."""
        if asked is None or not self.is_narrow:
            return {"runs": packed.runs}
        return {"runs": packed.runs, "asked": asked._replace(rows_K=self._filled(asked.rows_K))}

    def _of_asked(self, hidden: Tensor, packed: Packed, asked: Asked | None) -> Tensor:
        """Of what the last layer gave the rows that are asked for, which are all that there is where it is narrow."""
        if asked is None:
            return hidden[: len(packed.token_ids_T)]
        return hidden[: len(asked.rows_K)] if self.is_narrow else hidden.index_select(0, asked.rows_K)

    def _filled(self, row_T: Tensor) -> Tensor:
        """The row with its last token so often again, behind all sequences, that rows have few different lengths: on a CPU, each
        bfloat16 product of a shape not seen before is compiled, which takes longer than the product. A sixteenth more at most."""
        if self.device.type != "cpu" or self.precision != "bfloat16" or not len(row_T):
            return row_T
        step = 2 ** int(math.log2(max(len(row_T) / 16, 1)))
        return torch.cat([row_T, row_T[-1:].expand(-len(row_T) % step, *row_T.shape[1:])])

    @property
    def num_layers(self) -> int:
        """Of the encoder, its embeddings not counted."""
        return int(self.encoder.config.num_hidden_layers)

    @property
    def shape(self) -> EncoderShape:
        """What the operations of a step are counted from."""
        return self.family.shape(self.encoder.config)

    def add_adapters(self, rank: int) -> None:
        """Puts low-rank adapters beside the queries and values of every layer, at first without effect (Hu et al. 2022); the learning of
        all ranks is about equally fast, for their scale is 2."""
        from peft import LoraConfig, LoraModel  # GPU machines may lack it, and no other training needs it

        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=list(self.family.adapted))
        self._adapters = (LoraModel(self.encoder, config, "default"),)

    def merge_adapters(self) -> None:
        """Adds the adapters into the weights that they lie beside, which leaves a plain encoder."""
        for adapters in self._adapters:
            adapters.merge_and_unload()
        self._adapters = ()

    def freeze(self, rule: Rule) -> None:
        """Leaves out of training what the rule does not name. Frozen layers have no dropout: what they give is a function of the text."""
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(is_trained(name, rule, self.num_layers))
        self._num_frozen = rule.num_frozen_layers
        self.train(self.training)

    def train(self, mode: bool = True) -> "Model":
        """As for any module, but for frozen layers."""
        super().train(mode)
        for name, module in self.encoder.named_modules() if self._num_frozen else ():
            if depth_of(f"encoder.{name}.", self.num_layers) <= self._num_frozen:
                module.training = False
        return self

    def _head(self, task: str) -> Head | LabelWords:
        if task not in self.shapes:
            raise ValueError(f"the model has no head for task {task!r}; its heads: {', '.join(self.shapes) or 'none'}")
        return cast(Head | LabelWords, self.heads[task])

    def _casting(self) -> contextlib.AbstractContextManager[object]:
        # weights that are bfloat16 themselves, as in evaluation, need no cast
        enabled = self.precision == "bfloat16" and self.encoder.dtype == torch.float32
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)


def load_encoder(source: str | Path, revision: str | None = None) -> PreTrainedModel:
    """The encoder in a folder or on the hub, in float32, without a pooler: heads bring their own."""
    reader, options = _reader(AutoConfig.from_pretrained(source, revision=revision, **NO_CODE))
    return cast(
        PreTrainedModel,
        reader.from_pretrained(source, revision=revision, dtype=torch.float32, attn_implementation=ATTENTION, **options, **NO_CODE),
    )


def empty_encoder(source: str | Path, revision: str | None = None) -> PreTrainedModel:
    """The encoder that `load_encoder` gives, without its weights, which takes no memory."""
    config = AutoConfig.from_pretrained(source, revision=revision, dtype=torch.float32, **NO_CODE)
    with torch.device("meta"):
        return fresh_encoder(config)


def fresh_encoder(config: PreTrainedConfig) -> PreTrainedModel:
    """An encoder with the random weights that torch's generator gives."""
    reader, options = _reader(config)
    return cast(PreTrainedModel, reader.from_config(config, attn_implementation=ATTENTION, **options, **NO_CODE))


def _reader(config: PreTrainedConfig) -> tuple[Any, dict[str, bool]]:
    """What makes the encoder of a configuration, and how it is told to leave out what heads do; of mT5 `AutoModel` has the decoder too."""
    return (AutoModelForTextEncoding, {}) if config.model_type == "mt5" else (AutoModel, {"add_pooling_layer": False})


def with_fresh_heads(family: str, encoder: PreTrainedModel, shapes: Sequence[HeadShape], seed: int, precision: "Precision") -> Model:
    """`encoder` with a new head for each task."""
    summary = FAMILIES.load(family).summary
    return Model(family, encoder, {shape: make_head(shape, encoder.config, seed, summary) for shape in shapes}, precision)


def add_decoder(model: Model, source: str | Path, revision: str | None, seed: int, form: "Form") -> None:
    """Makes it a text-to-text model, with the decoder that goes with its encoder."""
    model.decoder, model.form = load_decoder(source, revision, model.encoder.config, seed), form


def inherit_head(model: Model, source: str | Path, task: str) -> None:
    """Gives the head of `task` the weights that `save_model` left beside the encoder in `source`, where it left any.

    Masked-language modelling goes on with the head that it was pretrained with; any other training begins with a fresh one.
    """
    if task in model.shapes and (Path(source) / HEADS_FILE).exists():
        saved = load_file(Path(source) / HEADS_FILE)
        weights = {name.removeprefix(f"{task}."): tensor for name, tensor in saved.items() if name.startswith(f"{task}.")}
        if weights:
            model.heads[task].load_state_dict(weights)


def load_model(family: str, source: str | Path, precision: "Precision", revision: str | None = None, form: "Form | None" = None) -> Model:
    """An encoder with the heads that `save_model` left beside it; without heads if there are none, as on the hub. `form` is how a
    text-to-text model is asked."""
    shapes = list(read_shapes(source).values())
    model = with_fresh_heads(family, load_encoder(source, revision), shapes, 0, precision)
    if shapes:
        model.heads.load_state_dict(load_file(Path(source) / HEADS_FILE))
    if form is not None:
        add_decoder(model, source, revision, 0, form)
    return model


def save_model(model: Model, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """A folder that plain `AutoModel` and `AutoTokenizer` read, with the heads in files of their own beside."""
    model.encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if model.shapes:
        save_file({name: tensor.contiguous() for name, tensor in model.heads.state_dict().items()}, folder / HEADS_FILE)
        write_shapes(model.shapes.values(), folder)
    if model.decoder is not None:
        save_decoder(model.decoder, folder)
