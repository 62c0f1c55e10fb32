"""The embedding matrix cut to the rows that a training's text touches, and grown back afterwards.

A training's text uses a small part of a multilingual vocabulary. The gradients, moments and updates of all other rows cost time and memory,
and come to nothing but weight decay, which is made up for at the end.

Legend: `V` vocabulary, `K` rows that are kept, `D` hidden size.
"""

from collections.abc import Iterable
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import embedding

from trainables.features import Features
from trainables.model import Model

_MOST_KEPT = 0.5
"""Of the rows: with more of them, there is little to gain."""


class CutEmbedding(nn.Module):
    """Some rows of an embedding matrix, found by the token ids of the whole one."""

    place_V: Tensor

    def __init__(self, whole: nn.Embedding, kept_K: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(whole.weight.detach()[kept_K.to(whole.weight.device)])
        place_V = torch.full((whole.num_embeddings,), -1)
        place_V[kept_K] = torch.arange(len(kept_K))
        self.register_buffer("place_V", place_V, persistent=False)
        padding = -1 if whole.padding_idx is None else int(place_V[whole.padding_idx])
        self._padding = padding if padding >= 0 else None

    def forward(self, token_ids: Tensor) -> Tensor:
        """An IndexError for a token whose row was not kept."""
        return embedding(self.place_V[token_ids], self.weight, self._padding)


class VocabularyCut:
    """A model whose embeddings are cut, and what it takes to make them whole again."""

    def __init__(self, model: Model, kept_K: NDArray[np.int64]) -> None:
        self._model = model
        self._kept_K = torch.from_numpy(kept_K)
        self._whole = cast(nn.Embedding, model.encoder.get_input_embeddings())
        model.encoder.set_input_embeddings(CutEmbedding(self._whole, self._kept_K).to(self._whole.weight.device))
        if not self._whole.weight.is_meta:
            self._whole.cpu()  # it would only take a GPU's memory

    @torch.no_grad()
    def undo(self, decay: float) -> None:
        """Puts the rows back, those that were kept as they are now, and the others `decay` times what they were."""
        cut = cast(CutEmbedding, self._model.encoder.get_input_embeddings())
        weight_VD = self._whole.weight
        weight_VD.mul_(decay)
        weight_VD[self._kept_K.to(weight_VD.device)] = cut.weight.to(weight_VD.device)
        self._model.encoder.set_input_embeddings(self._whole.to(cut.weight.device))


def cut_vocabulary(model: Model, texts: Iterable[Features]) -> VocabularyCut | None:
    """Leaves of the embeddings the rows that `texts` touch, and of nothing else the model may be asked before `undo`.

    None where it would not pay, or where all rows matter: masked-language modelling predicts every token, and a decoder reads its own
    words.
    """
    if model.decoder is not None or any(shape.kind == "mlm" for shape in model.shapes.values()):
        return None
    is_used_V = np.zeros(cast(nn.Embedding, model.encoder.get_input_embeddings()).num_embeddings, dtype=bool)
    for features in texts:
        is_used_V[features.token_ids] = True
    return VocabularyCut(model, np.flatnonzero(is_used_V)) if is_used_V.mean() <= _MOST_KEPT else None
