"""Which variants of a model and an intermediate get a folder of their own, and which pair of each target stands in it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from sweeps.results import VARIANT, PairId


def written_variants(row: Sequence[PairId], written: Collection[PairId]) -> Iterator[tuple[str, Mapping[str, PairId]]]:
    """The variants of a row that have a folder, each with the pair of every target that it takes.

    A variant has one if a pair of its own is `written`, and if no other such variant takes all the same pairs, as others take those of
    `base` where a target with variants has none of that name.
    """
    by_target: dict[str, dict[str, PairId]] = {}
    for pair in row:
        by_target.setdefault(pair.target, {})[pair.variant] = pair
    variants = tuple(dict.fromkeys(pair.variant for pair in row if pair in written))
    chosen = {
        variant: {target: stand_in for target, pairs in by_target.items() if (stand_in := _stand_in(pairs, variant)) is not None}
        for variant in sorted(variants, key=lambda variant: variant == VARIANT)
    }
    kept: list[str] = []
    for variant, taken in chosen.items():
        is_in_another = any(taken.items() < other.items() for other in chosen.values())
        if not is_in_another and not any(taken == chosen[other] for other in kept):
            kept.append(variant)
    for variant in variants:
        if variant in kept:
            yield variant, chosen[variant]


def lacking(row: Sequence[PairId], written: Collection[PairId]) -> Iterator[str]:
    """A line for each target that a variant's folder lacks, for none of its variants can stand there."""
    for variant, taken in written_variants(row, written):
        for target in dict.fromkeys(pair.target for pair in row):
            if target not in taken:
                names = ", ".join(pair.variant for pair in row if pair.target == target)
                yield f"{target}: not in the folders of {variant}, for it has several variants ({names}) and none is that or {VARIANT}"


def variant_folder(out: Path, pair: PairId, variant: str) -> Path:
    """Where the predictions of a row's variant lie."""
    folder = out / pair.model / pair.intermediate
    return folder if variant == VARIANT else folder / variant


def _stand_in(pairs: Mapping[str, PairId], variant: str) -> PairId | None:
    """Of a target's pairs by variant, the one in the folder of `variant`: that variant's, else `base`, else the only one there is."""
    only = next(iter(pairs.values())) if len(pairs) == 1 else None
    return pairs.get(variant) or pairs.get(VARIANT) or only
