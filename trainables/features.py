"""Token ids of a split, flat and ready to pack: what preparation hands to training and evaluation.

Legend: `S` sequences, `T` tokens of all sequences end to end, `N` examples.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IGNORED = -100
"""Target of a token that no loss looks at."""


class Features(NamedTuple):
    """Sequences of one split, special tokens included, without padding.

    Sequence `s` is `token_ids[offsets[s] : offsets[s + 1]]`. An example has one sequence, except: multiple choice, one an option;
    span questions, one a window; tagging and mlm, where a sentence or line that is too long goes on in further sequences.
    Sequences of an example lie together, in order.
    """

    kind: str
    token_ids: NDArray[np.int32]
    """[T]"""
    offsets: NDArray[np.int64]
    """[S + 1]"""
    second_segment: NDArray[np.int32]
    """[S] index, within the sequence, of the first token of the second segment; the sequence's length if it has none."""
    example: NDArray[np.int32]
    """[S] the example of each sequence."""
    num_examples: int
    targets: NDArray[np.int32]
    """classification, multiple choice, text_to_text: [N] class or option. tagging, mlm (dev and test alone): [T] class or token id,
    IGNORED elsewhere. span_qa: [S, 2] first and last answer token within the sequence, 0 and 0 where the window holds no answer.
    retrieval, mlm (train): empty. Unlabelled splits are refused before."""
    char_spans: NDArray[np.int32]
    """span_qa: [T, 2] characters of the context that the token covers, -1 outside the context; else empty."""
