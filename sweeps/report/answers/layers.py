"""Layer-wise training: what each choice of layers costs and scores, beside the training of all of them (the variant `base`)."""

from collections.abc import Sized
from typing import NamedTuple

from sweeps.report.answers import Answer, Evidence
from sweeps.report.answers.averages import Average, average, difference, gap, score, with_intermediate
from sweeps.report.answers.trainings import TrainingCost, cost_of, encoder_trainings, target_trainings
from sweeps.report.data_use import stages_of
from sweeps.report.statistics import Estimate, estimate, estimate_score
from sweeps.report.tables import Table
from sweeps.report.wording import count, interval, listing, points, signed
from sweeps.results import VARIANT, PairResult

TOLERATED = 0.01
"""Of the score: a variant that is not shown to lose more keeps up."""


class Row(NamedTuple):
    """One model in one variant, over all its pairs with an intermediate."""

    model: str
    variant: str
    score: Average
    gain: Average | None
    """Over the baseline with the same target training."""
    loss: Average | None
    """The score minus that of `base`, pair by pair; None for `base` itself."""
    gap: Average | None
    encoder: TrainingCost | None
    target: TrainingCost | None

    @property
    def flops(self) -> float:
        """Of one intermediate and one target training."""
        return sum(cost.flops for cost in (self.encoder, self.target) if cost is not None)


def answer(evidence: Evidence) -> Answer:
    """Which layers need no training, and what that saves."""
    rows = [row for model in dict.fromkeys(found.pair.model for found in evidence.result.pairs) for row in _rows(evidence, model)]
    sentences = [_sentence(rows, model) for model in dict.fromkeys(row.model for row in rows)]
    return Answer(" ".join(sentences) or "Nothing is finished yet.", (_table(rows),))


def _rows(evidence: Evidence, model: str) -> list[Row]:
    pairs = [found for found in with_intermediate(evidence) if found.pair.model == model]
    variants = dict.fromkeys(found.pair.variant for found in pairs)
    rows = [_row(evidence, model, variant, [found for found in pairs if found.pair.variant == variant]) for variant in variants]
    return [row for row in rows if row is not None]


def _row(evidence: Evidence, model: str, variant: str, pairs: list[PairResult]) -> Row | None:
    scores = average((found.pair, score(evidence, found.pair)) for found in pairs)
    if scores is None:
        return None
    stages = stages_of(evidence.result)
    losses = ((found.pair, difference(evidence, found.pair, found.pair._replace(variant=VARIANT))) for found in pairs)
    return Row(
        model,
        variant,
        scores,
        average((found.pair, difference(evidence, found.pair, found.baseline)) for found in pairs),
        None if variant == VARIANT else average(losses),
        average((found.pair, gap(evidence, found.pair)) for found in pairs),
        cost_of([training for found in pairs for training in encoder_trainings(found, stages)]),
        cost_of([training for found in pairs for training in target_trainings(found)]),
    )


def _sentence(rows: list[Row], model: str) -> str:
    mine = [row for row in rows if row.model == model]
    base = next((row for row in mine if row.variant == VARIANT), None)
    varied = [(row, estimate(row.loss.resampled)) for row in mine if row.loss is not None]
    if base is None or not varied:
        return f"{model}: the variants are not finished yet."
    kept = sorted(((row, loss) for row, loss in varied if loss.low > -TOLERATED), key=lambda one: one[0].flops)
    lost = [row.variant for row, loss in varied if loss.high < 0 and loss.low <= -TOLERATED]
    open_ = [row.variant for row, loss in varied if loss.high >= 0 and loss.low <= -TOLERATED]
    whole = estimate_score(base.score.resampled)
    text = [f"{model}: trained whole at both stages it scores {points(whole.value)} {interval(whole, False)}{_gain(base)}."]
    if kept:
        cheapest, loss = kept[0]
        text.append(
            f"{len(kept)} of {count(len(varied), 'choice')} of layers {_is(kept)} shown to lose no more than {points(TOLERATED)} points;"
        )
        text.append(f"the cheapest of them, {cheapest.variant}, takes {_share(cheapest.flops / base.flops)} of the operations and scores")
        text.append(f"{signed(loss.value)} {interval(loss, True)} points against the whole.")
    else:
        text.append(f"No choice of layers of {len(varied)} is shown to lose no more than {points(TOLERATED)} points.")
    if lost:
        text.append(f"Shown to lose: {listing(lost)}.")
    if open_:
        text.append(f"Neither is shown of {listing(open_)}.")
    text.append(_basis(base, whole))
    return " ".join(text)


def _gain(base: Row) -> str:
    """What there was to lose by leaving layers out of intermediate training."""
    if base.gain is None:
        return ""
    gain = estimate(base.gain.resampled)
    return f", by intermediate training {signed(gain.value)} {interval(gain, True)}"


def _basis(base: Row, whole: Estimate) -> str:
    pairs = base.score.pairs
    num_intermediates, num_targets = len({pair.intermediate for pair in pairs}), len({pair.target for pair in pairs})
    return (
        f"Means over {count(num_intermediates, 'intermediate')} and {count(num_targets, 'target')}, with 95% intervals from "
        f"{count(whole.num_seeds, 'seed')} and {count(whole.num_examples, 'test example')}."
    )


def _table(rows: list[Row]) -> Table:
    columns = (
        *("variant", "model", "score", "against the whole", "gain", "gap to source"),
        *("trained, intermediate", "trained, target", "s/step, intermediate", "s/step, target"),
        *("operations", "memory, intermediate", "memory, target"),
    )
    whole = {row.model: row.flops for row in rows if row.variant == VARIANT}
    return Table("layers", "Training only some layers", columns, tuple(_cells(row, whole.get(row.model)) for row in rows))


def _cells(row: Row, whole_flops: float | None) -> tuple[str, ...]:
    costs = (row.encoder, row.target)
    return (
        row.variant,
        row.model,
        _number(row.score, is_signed=False),
        _number(row.loss),
        _number(row.gain),
        _number(row.gap, is_signed=False),
        *("" if cost is None else _share(cost.trained_share) for cost in costs),
        *("" if cost is None else f"{cost.step_seconds:.4f}" for cost in costs),
        _share(row.flops / whole_flops) if whole_flops else "",
        *("" if cost is None else f"{cost.peak_memory_bytes / 2**20:,.0f} MiB" for cost in costs),
    )


def _number(part: Average | None, is_signed: bool = True) -> str:
    if part is None:
        return ""
    found = (estimate if is_signed else estimate_score)(part.resampled)
    return f"{signed(found.value) if is_signed else points(found.value)} {interval(found, is_signed)}"


def _share(fraction: float) -> str:
    return f"{100 * fraction:.1f}%" if fraction < 0.1 else f"{100 * fraction:.0f}%"


def _is(several: Sized) -> str:
    return "is" if len(several) == 1 else "are"
