"""Scores and differences averaged over several pairs, seed by seed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sweeps.report.answers import Evidence
from sweeps.report.arms import Arm, Missing, subtract
from sweeps.report.statistics import Resampled, mean
from sweeps.results import BASELINE, PairId, PairResult


class Average(NamedTuple):
    """A mean over pairs."""

    resampled: Resampled
    pairs: tuple[PairId, ...]
    """Those that have the number, with as many seeds as most."""


def score(evidence: Evidence, pair: PairId) -> Resampled | None:
    """A pair's mean over its languages."""
    arm = evidence.arms.get(pair)
    return mean([language.resampled for language in arm.languages.values()]) if isinstance(arm, Arm) else None


def difference(evidence: Evidence, pair: PairId, other: PairId) -> Resampled | None:
    """One pair's mean over its languages minus another's, paired by seed and example."""
    arm, against = evidence.arms.get(pair), evidence.arms.get(other)
    if not isinstance(arm, Arm) or not isinstance(against, Arm):
        return None
    paired = subtract(arm, against)
    return None if isinstance(paired, Missing) else mean(list(paired.languages.values()))


def gap(evidence: Evidence, pair: PairId) -> Resampled | None:
    """A pair's score in the source language minus its mean over the others."""
    arm = evidence.arms.get(pair)
    source = next((evidence.result.source_of(found) for found in evidence.result.pairs if found.pair == pair), None)
    if source is None or not isinstance(arm, Arm) or source not in arm.languages or len(arm.languages) == 1:
        return None
    others = mean([language.resampled for name, language in arm.languages.items() if name != source])
    return arm.languages[source].resampled.minus(others)


def average(parts: Iterable[tuple[PairId, Resampled | None]]) -> Average | None:
    """The mean over the pairs that have a number; those with other seeds than most cannot be averaged seed by seed and are left out."""
    there = [(pair, part) for pair, part in parts if part is not None]
    if not there:
        return None
    usual = Counter(len(part.measured_S) for _, part in there).most_common(1)[0][0]
    same = [(pair, part) for pair, part in there if len(part.measured_S) == usual]
    return Average(mean([part for _, part in same]), tuple(pair for pair, _ in same))


def with_intermediate(evidence: Evidence) -> Sequence[PairResult]:
    """The pairs that have an intermediate training."""
    return [found for found in evidence.result.pairs if found.pair.intermediate != BASELINE]
