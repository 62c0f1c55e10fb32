"""How a plan names the pairs that a caveat is true of: each sentence once, with as few names as say it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from sweeps.results import PairId

_KEPT = (
    ("target",),
    ("target", "variant"),
    ("target", "model"),
    ("target", "intermediate"),
    ("target", "intermediate", "variant"),
    ("target", "intermediate", "model"),
    PairId._fields,
)
"""What a name may say of its pairs, the widest name first."""


def mark_lines(sentences: Mapping[PairId, Iterable[str]]) -> tuple[str, ...]:
    """`mnli -> xnli: <sentence>`, with the model or variant only where the sentence is not true of them all.

    `sentences` are those of every planned pair, also of the pairs that have none.
    """
    found: dict[str, list[PairId]] = {}
    for pair, texts in sentences.items():
        for text in texts:
            found.setdefault(text, []).append(pair)
    return tuple(f"{', '.join(_names(pairs, tuple(sentences)))}: {text}" for text, pairs in found.items())


def _names(marked: Sequence[PairId], planned: Sequence[PairId]) -> Iterator[str]:
    left = list(marked)
    while left:
        for kept in _KEPT:
            same = [pair for pair in planned if all(getattr(pair, field) == getattr(left[0], field) for field in kept)]
            is_one_row = len({pair.intermediate for pair in same}) == 1
            if set(same) <= set(marked) and ("intermediate" in kept or not is_one_row):
                yield _name(left[0], kept)
                left = [pair for pair in left if pair not in same]
                break


def _name(pair: PairId, kept: Collection[str]) -> str:
    what = f"{pair.intermediate} -> {pair.target}" if "intermediate" in kept else f"every pair of {pair.target}"
    model = f"{pair.model}: " if "model" in kept else ""
    variant = f" [{pair.variant}]" if "variant" in kept else ""
    return model + what + variant
