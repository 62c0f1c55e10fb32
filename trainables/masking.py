"""Masked-language modelling: which tokens are hidden and what is shown instead (Devlin et al. 2019, section 3.1).

Legend: `T` packed tokens.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from trainables.features import IGNORED, Features

SHARE_PREDICTED = 0.15
SHARE_MASKED = 0.8
SHARE_RANDOM = 0.1


class Vocabulary(NamedTuple):
    """What masking has to know of a tokenizer."""

    mask_id: int
    special_ids: NDArray[np.int32]
    ordinary_ids: NDArray[np.int32]


def read_vocabulary(tokenizer: PreTrainedTokenizerBase) -> Vocabulary:
    """The mask's id, and all ids divided into special and ordinary ones."""
    special_ids = np.array(sorted(tokenizer.all_special_ids), np.int32)
    ordinary_ids = np.setdiff1d(np.arange(len(tokenizer), dtype=np.int32), special_ids)
    return Vocabulary(tokenizer.mask_token_id, special_ids, ordinary_ids)


def mask_tokens(features: Features, vocabulary: Vocabulary, random: np.random.Generator) -> Features:
    """`features` with targets for 15% of the ordinary tokens, of which 80% become the mask, 10% a random token and 10% stay."""
    draw_T = random.random(len(features.token_ids))
    action_T = random.random(len(features.token_ids))
    random_T = random.choice(vocabulary.ordinary_ids, len(features.token_ids))
    predicted_T = (draw_T < SHARE_PREDICTED) & ~np.isin(features.token_ids, vocabulary.special_ids)
    shown_T = np.where(action_T < SHARE_MASKED, vocabulary.mask_id, features.token_ids)
    shown_T = np.where((action_T >= SHARE_MASKED) & (action_T < SHARE_MASKED + SHARE_RANDOM), random_T, shown_T)
    return features._replace(
        token_ids=np.where(predicted_T, shown_T, features.token_ids).astype(np.int32),
        targets=np.where(predicted_T, features.token_ids, IGNORED).astype(np.int32),
    )
