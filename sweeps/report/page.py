"""The report as one self-contained page, the answer first: `report.html`."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from sweeps.report import curves, data_use, parallel, pareto, wording
from sweeps.report.answers import Answer
from sweeps.report.beside import beside
from sweeps.report.by_language import by_language
from sweeps.report.cells import Cell
from sweeps.report.importance import importances
from sweeps.report.latency import ArchitectureRow, PairRows, pareto_points
from sweeps.report.matrix import Grid, grids
from sweeps.report.runs import cost_points, names_of, packed_manifests, runs_of
from sweeps.report.searches import by_target, searches_of
from sweeps.results import BASELINE, PairId, StudyResult
from trainables.manifest import Manifest

_FOLDER = Path(__file__).parent


class TargetAnswer(NamedTuple):
    """What a matrix says about one target."""

    target: str
    baseline: Cell | None
    best: Cell | None
    """The largest gain of those that help, or of all where none is shown to; None without any."""
    helps: tuple[str, ...]
    """Further intermediates whose interval lies above zero, the largest gain first."""
    hurts: tuple[str, ...]
    unclear: tuple[str, ...]
    unjudged: tuple[str, ...]
    """Of one seed: no verdict."""
    missing: tuple[str, ...]


class CostRow(NamedTuple):
    """All stages of one role on one kind of device, each counted once."""

    role: str
    device: str
    num_stages: int
    seconds: float
    device_seconds: float
    num_tokens: int
    peak_memory_bytes: int


def render(
    result: StudyResult, cells: Sequence[Cell], answer: Answer, timed: Sequence[PairRows] = (), shapes: Sequence[ArchitectureRow] = ()
) -> str:
    """The page; it needs no network and no other file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    stages = _stages(result)
    by_key = {manifest.key: manifest for _, manifest in stages}
    runs = [runs_of(found, by_key, names_of(result)) for found in result.pairs]
    matrices = grids(cells)
    searches = searches_of(result.pairs)
    groups = by_target(searches)
    return environment.get_template("page.html").render(
        result=result,
        cells=cells,
        answer=answer,
        baseline_name=BASELINE,
        matrices=[(grid, [_answer(grid, target) for target in grid.targets]) for grid in matrices],
        by_language=by_language(matrices, cells),
        runs=runs,
        manifests=packed_manifests(run for cell_runs in runs for run in cell_runs),
        style=Markup((_FOLDER / "report.css").read_text()),
        script=Markup((_FOLDER / "report.js").read_text()),
        beside=beside(result, cells),
        curves=curves.target_curves(result),
        curve_size=(curves.WIDTH, curves.HEIGHT),
        searches=searches,
        parallels=[drawn for each in groups if (drawn := parallel.draw(each)) is not None],
        parallel_size=(parallel.WIDTH, parallel.HEIGHT),
        important=[(each.title, one) for each in groups for one in importances(each)],
        costs=_costs(stages),
        used_sets=data_use.used_sets(manifest for _, manifest in stages),
        reasons=data_use.reasons,
        versions=_versions(stages),
        timed=timed,
        shapes=shapes,
        training_peaks=_training_peaks(result),
        pareto=Markup(pareto.to_svg(pareto_points(timed), pareto.LATENCY).decode()) if timed else "",
        cost_figure=Markup(pareto.to_svg(spent, pareto.COST).decode()) if (spent := cost_points(result, cells)) else "",
        words=wording,
    )


def _answer(grid: Grid, target: str) -> TargetAnswer:
    column = [cell for (_, name), cell in grid.cells.items() if name == target and not cell.is_baseline]
    measured = sorted((cell for cell in column if cell.gain is not None), key=_gain, reverse=True)
    helping = [cell for cell in measured if cell.effect == "helps"]
    best = next(iter(helping or measured), None)
    others = [cell for cell in measured if cell is not best]

    def named(effect: str) -> tuple[str, ...]:
        return tuple(cell.pair.intermediate for cell in others if cell.effect == effect)

    missing = tuple(cell.pair.intermediate for cell in column if cell.gain is None)
    baseline = grid.cells.get((BASELINE, target))
    return TargetAnswer(target, baseline, best, named("helps"), named("hurts"), named("unclear"), named("unjudged"), missing)


def _gain(cell: Cell) -> float:
    assert cell.gain is not None, "only measured cells are compared"
    return cell.gain.value


def _stages(result: StudyResult) -> list[tuple[str, Manifest]]:
    """Every stage once, with its role."""
    roles = {"init": "initial encoder", "train": "intermediate training and pretraining", "synthesize": "making of examples"}
    stages = {manifest.key: (roles.get(str(manifest.spec.get("kind")), "other"), manifest) for manifest in result.encoders.values()}
    for found in result.pairs:
        for trial in found.trials:
            stages.setdefault(trial.manifest.key, ("target training", trial.manifest))
        for evaluation in found.evaluations:
            stages.setdefault(evaluation.manifest.key, ("evaluation", evaluation.manifest))
    for timed in result.benchmarks:
        for manifest in (timed.manifest, timed.architecture):
            if manifest is not None:
                stages.setdefault(manifest.key, ("benchmark", manifest))
    return list(stages.values())


def _training_peaks(result: StudyResult) -> dict[PairId, int]:
    """The most memory that a target training of each pair took."""
    trained = ((found.pair, trial.manifest.cost.peak_memory_bytes) for found in result.pairs for trial in found.trials)
    peaks: dict[PairId, int] = {}
    for pair, num_bytes in trained:
        peaks[pair] = max(num_bytes, peaks.get(pair, 0))
    return peaks


def _costs(stages: Sequence[tuple[str, Manifest]]) -> list[CostRow]:
    groups: dict[tuple[str, str], list[Manifest]] = {}
    for role, manifest in stages:
        groups.setdefault((role, manifest.cost.device), []).append(manifest)
    return [
        CostRow(
            role,
            device,
            len(manifests),
            sum(manifest.cost.seconds for manifest in manifests),
            sum(manifest.cost.device_seconds for manifest in manifests),
            sum(manifest.cost.num_tokens for manifest in manifests),
            max(manifest.cost.peak_memory_bytes for manifest in manifests),
        )
        for (role, device), manifests in groups.items()
    ]


def _versions(stages: Sequence[tuple[str, Manifest]]) -> list[str]:
    """Libraries that the stages say they depend on; one that has two versions is listed with both."""
    pairs = itertools.chain.from_iterable(manifest.spec.get("versions", ()) for _, manifest in stages)
    return sorted({f"{library} {version}" for library, version in pairs})
